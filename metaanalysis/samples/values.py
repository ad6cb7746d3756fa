"""One reported value in its study: which arm it belongs to, how many cases stand behind it.

A study may test several networks and TL types. A value belongs to the arm that it names; where it
names none, to the study's only one; where there are several, to none that can be told, unless all
of them agree on what is asked (all networks deep, say).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from db.literature import Reported, Study
from db.reader import Row
from db.vocabulary import OWN_NETWORK, RANDOM

#: What can be asked of a value, by the names of :func:`moderators_of`.
MODERATORS = (
    "year",
    "modality",
    "subject",
    "tl_type",
    "backbone",
    "family",
    "depth",
    "log10_images",
    "n_classes",
    "basis",
    "split",
)


def the_one(candidates: Iterable[Any]) -> Any:
    """Return what all candidates agree on; None where they differ, or one of them is unknown."""
    found = set(candidates)
    return found.pop() if len(found) == 1 else None


def names_of(value: Reported, study: Study, own: str, several: str) -> Sequence[str]:
    """Return what a value may belong to: what it names, else everything that the study lists."""
    named = getattr(value, own)
    return (named,) if named is not None else getattr(study, several) or ()


def no_transfer(value: Reported, study: Study) -> str | None:
    """Return the code of why a value is no result of transfer learning; None where it may be."""
    tl_type = the_one(names_of(value, study, "tl_type", "tl_types"))
    network = the_one(names_of(value, study, "backbone", "backbones"))
    if tl_type == RANDOM:
        return "random-network"
    return "own-network" if network == OWN_NETWORK else None


def moderators_of(value: Reported, study: Study, backbones: Mapping[str, Row]) -> Row:
    """Return the moderators of a value; None is unknown, or not one.

    Parameters
    ----------
    value, study
        A reported value and its study.
    backbones
        Name -> row of the table of backbones.
    """
    networks = [backbones[name] for name in names_of(value, study, "backbone", "backbones")]
    images = study.n_images
    return {
        "year": study.year,
        "modality": study.modality,
        "subject": study.subject,
        "tl_type": the_one(names_of(value, study, "tl_type", "tl_types")),
        "backbone": the_one(row["name"] for row in networks),
        "family": the_one(row["family"] for row in networks),
        "depth": the_one(row["depth_group"] for row in networks),
        "log10_images": None if images is None else math.log10(images),
        "n_classes": study.n_classes,
        "basis": value.basis,
        "split": value.split,
    }


#: Other words for the moderators.
MODERATOR_SYNONYMS = {
    "tl": "tl_type",
    "depth group": "depth",
    "size": "log10_images",
    "images": "log10_images",
    "n_images": "log10_images",
    "log10 n_images": "log10_images",
    "classes": "n_classes",
    "network": "backbone",
}


@dataclass(frozen=True, slots=True)
class Cases:
    """How many cases stand behind a value, and how that is known.

    Attributes
    ----------
    n
        All cases; None where it is not known.
    positive, negative
        Cases with and without the finding; None where they are not known.
    source
        ``value`` (the value gives it), ``study`` (the n_test of the study) or ``assumed``.
    unit
        What is counted: ``images``, ``patients``, or None where it is not said.
    """

    n: float | None
    positive: float | None = None
    negative: float | None = None
    source: str = "value"
    unit: str | None = None


def class_counts(value: Reported, study: Study) -> tuple[float, float] | None:
    """Return the cases with and without the finding, where a study gives them away.

    The n of a sensitivity or specificity is most often that of all test cases. It is that of a
    class where the sensitivity and the specificity of the same task, split and arm have different
    n, or where the two add up to the n of the whole test set.

    Parameters
    ----------
    value
        The value that is asked about.
    study
        Its study, with all its values.
    """
    place = attrgetter("task", "split", "backbone", "tl_type")
    found: dict[str, float] = {}
    totals = {study.n_test}
    for other in study.metrics:
        if other.n is None or place(other) != place(value):
            continue
        if other.metric in ("sensitivity", "specificity"):
            found.setdefault(other.metric, other.n)
        elif other.metric in ("accuracy", "AUC"):
            totals.add(other.n)
    if len(found) < 2:
        return None
    positive, negative = found["sensitivity"], found["specificity"]
    if positive != negative or positive + negative in totals:
        return positive, negative
    return None


def cases_of(value: Reported, study: Study, assume_n: str | int | None) -> Cases:
    """Return how many cases stand behind a value.

    The value's own n; else the number of test cases of the study, where the value was measured on
    its test cases; else, if `assume_n` says so, an assumption.

    Parameters
    ----------
    value, study
        As of :func:`class_counts`.
    assume_n
        ``"test"`` (the study's n_test whatever the split), ``"images"`` (its n_images), a number,
        or None.
    """
    unit = study.split_unit
    counts = class_counts(value, study)
    if counts is not None:
        return Cases(sum(counts), *counts, unit=unit)
    if value.n is not None:
        return Cases(value.n, unit=unit)
    if value.split == "test" and study.n_test is not None:
        return Cases(study.n_test, source="study", unit=unit)
    if assume_n == "test":
        return Cases(study.n_test, source="assumed", unit=unit)
    if assume_n == "images":
        return Cases(study.n_images, source="assumed", unit="images")
    return Cases(assume_n if isinstance(assume_n, int) else None, source="assumed")


def fitting_count(value: float, n: float) -> tuple[int, bool]:
    """Return the whole number of events nearest to value * n, and whether it gives the value.

    It does where events / n rounds to the value at the decimals of the value, as far as its
    shortest form tells them.
    """
    events, text = round(value * n), repr(value)
    decimals = len(text.partition(".")[2]) if "e" not in text else 12
    half = 0.5 * 10.0**-decimals
    return events, abs(events / n - value) <= half * (1 + 1e-9)
