"""Which reported value a run is held against, and why that one.

A study prints many values: of several networks, TL types, tasks and splits. The rule, in order:

1. Only values of the same metric.
2. Backbone: the run's own (or the one that it stands in for); else a value of which the study does
   not say the backbone; else one of the same family, which is said. A value of another family is
   that of another arm and is not taken.
3. TL type: the same; else one of unreported extent for a run that fine-tunes; else one of which
   the study does not say it. A value of another TL type is not taken - but for the recommended
   protocol, which no study reports: it is held against any, which is said. A run from random
   weights is held against nothing but a value that is said to be of one: the studies are on
   transfer learning, and what they leave unsaid is of their pretrained networks.
4. Number of classes, as far as the value's task gives it, or the study where it has only one
   value: the same; else unknown. A value of another number is not taken. A value of one class
   against all others needs only that class.
5. Split: what the run tested on (k-fold: cross-validation; else test); else not said; else another.
6. The study's headline; else the first in its file.

What a setup names as its comparison comes before all this; the rule then only checks and remarks,
but for random weights and numbers of classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.vocabulary import EXTENT_UNREPORTED, fold

#: How the reason ends where the study has no such value.
ABSENT = "of the study is on record."

_COUNTED = re.compile(r"\b(\d+|two|three|four|five|six|seven|eight|nine|ten)[- ](?:\w+[- ])?"
                      r"(?:class(?:es)?|types?|way)\b", re.IGNORECASE)  # fmt: skip
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_VERSUS = re.compile(r"\s(?:vs\.?|versus)\s", re.IGNORECASE)

#: Runs that train more than the head: what "fine-tuned" without its extent may mean.
_FINE_TUNED = ("fine-tuning", "fine-tuning from scratch", "recommended protocol")
_RANDOM = "random initialisation"


@dataclass(frozen=True, slots=True)
class Arm:
    """What a run is, as far as a reported value must be of the same.

    Attributes
    ----------
    backbone
        The study's own where another stands in for it; canonical name.
    built
        What was run.
    family
        Of `backbone`; None if unknown.
    split
        ``cross-validation`` or ``test``.
    n_classes
        Of the run; None if unknown.
    classes, positive
        Their names, and which of two counts as positive, as far as known.
    """

    backbone: str | None
    built: str | None
    family: str | None
    tl_type: str | None
    split: str
    n_classes: int | None
    classes: tuple[str, ...] = ()
    positive: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The value that was chosen, or why none was.

    Attributes
    ----------
    row
        The reported value; None where none is of the same arm.
    reason
        Where there is none: why, as a sentence.
    remarks
        In what the value may differ from the run, sentences.
    """

    row: Mapping[str, Any] | None
    reason: str | None = None
    remarks: tuple[str, ...] = ()


def classes_of(task: str | None) -> int | None:
    """Return how many classes a task's words name: ``3-class``, ``AMD vs DME vs normal``."""
    if not task:
        return None
    if "binary" in task.lower():
        return 2
    if found := _COUNTED.search(task):
        word = found[1].lower()
        return int(word) if word.isdigit() else _WORDS.index(word) + 2
    versus = len(_VERSUS.findall(task))
    return versus + 1 if versus else None


def match(
    metric: str,
    rows: Sequence[Mapping[str, Any]],
    arm: Arm,
    *,
    families: Mapping[str, str],
    study_classes: int | None = None,
    chosen: bool = False,
) -> Match:
    """Choose the reported value of a metric for a run.

    Parameters
    ----------
    metric
        By the vocabulary's name.
    rows
        The study's reported values (or those that the setup names): metric, value, backbone,
        tl_type, task, split, headline.
    families
        Backbone -> family.
    study_classes
        Number of classes of the study, for values whose task does not tell.
    chosen
        The rows are those that the setup names: another backbone or TL type is only remarked.
    """
    of_metric = [row for row in rows if row["metric"] == metric]
    if not of_metric:
        return Match(None, f"No {metric} {ABSENT}")
    best: tuple[tuple[int, ...], Mapping[str, Any], tuple[str, ...]] | None = None
    against: list[str] = []
    for place, row in enumerate(of_metric):
        steps = (
            _backbone(row, arm, families, chosen),
            _tl_type(row, arm, chosen),
            _classes(row, arm, study_classes, alone=len(of_metric) == 1, chosen=chosen),
            _split(row, arm),
        )
        refused = [text for rank, text in steps if rank is None and text]
        if refused:
            against += refused
            continue
        ranks = [rank for rank, _ in steps if rank is not None]
        # A setup names first what it wants first; a file is in the order of the article.
        order = (*ranks, 0 if chosen or row.get("headline") else 1, place)
        if best is None or order < best[0]:
            best = (order, row, tuple(text for _, text in steps if text))
    if best is None:
        return Match(None, f"No {metric} that is reported is of the same arm: {_listed(against)}.")
    return Match(best[1], None, best[2])


#: Rank (smaller is nearer, None is refused) and what must be said, or an empty text.
Step = tuple[int | None, str]


def _backbone(row: Mapping[str, Any], arm: Arm, families: Mapping[str, str], chosen: bool) -> Step:
    stated = row.get("backbone")
    if stated is None:
        return 1, ""
    if arm.backbone is not None and fold(stated) == fold(arm.backbone):
        return 0, ""
    if arm.built is not None and fold(stated) == fold(arm.built):
        return 0, ""
    run = arm.backbone or arm.built or "another network"
    if chosen or (arm.family is not None and families.get(stated) == arm.family):
        return 2, f"Reported is the value of {stated}, not of {run}."
    return None, f"of {stated}"


def _tl_type(row: Mapping[str, Any], arm: Arm, chosen: bool) -> Step:
    stated = row.get("tl_type")
    if stated == arm.tl_type and stated is not None:
        return 0, ""
    if arm.tl_type == _RANDOM:
        return None, f"of {stated or 'an arm that is not said to start from random weights'}"
    if stated is None:
        return 2, ""
    if stated == EXTENT_UNREPORTED and arm.tl_type in _FINE_TUNED:
        return 1, ""
    if chosen or arm.tl_type == "recommended protocol":
        return 3, f"Reported is the value of {stated}, not of {arm.tl_type}."
    return None, f"of {stated}"


def _classes(
    row: Mapping[str, Any], arm: Arm, study_classes: int | None, *, alone: bool, chosen: bool
) -> Step:
    single = row.get("of_class")
    if single is not None and arm.classes:
        return _one_class(single, arm)
    stated = classes_of(row.get("task"))
    if stated is None and alone and not chosen:
        # The study's one value is of the study's one task; of several values this is not known.
        stated = study_classes
    if stated is None and chosen and arm.n_classes not in (None, study_classes):
        told = f"The study tells {study_classes} classes apart, the run {arm.n_classes}."
        return 1, "" if study_classes is None else told
    if stated is None or arm.n_classes is None:
        return 1, ""
    if stated == arm.n_classes:
        return 0, ""
    return None, f"of {stated} classes (the run has {arm.n_classes})"


def _one_class(name: str, arm: Arm) -> Step:
    others = [one for one in arm.classes if one != name]
    if len(others) < len(arm.classes):
        return 0, f"Both values are of {name} against {' and '.join(others)}."
    if len(others) == 2:
        positive = arm.positive or arm.classes[-1]
        return 1, f"Reported is the value of {name}, replicated that of {positive}."
    return None, f"of {name} (the run has no such class)"


def _split(row: Mapping[str, Any], arm: Arm) -> Step:
    stated = row.get("split")
    if stated == arm.split:
        return 0, ""
    if stated is None:
        return 1, ""
    return 2, f"Reported is a value of {stated}, replicated one of {arm.split}."


def _listed(words: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(words))
