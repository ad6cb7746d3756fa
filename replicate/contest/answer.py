"""The answer of a contest: its values, and what it rests on in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from db.wording import capital, fixed, method_words, plural
from metaanalysis.stats.record import plain
from replicate.contest.belief import Belief
from replicate.contest.statistics import Friedman, PairedTest

_ALPHA = 0.05
_OF_BELIEF = (
    "P(wrong): that it is wrong to say the better one beats the other by more than what a rerun "
    "with other seeds moves the mean by, or one point; P(equal): that they differ by less "
    "(Benavoli et al. 2017). Of the mean over sets of this kind, which are the units; prior flat "
    "(Box & Tiao 1973); each pair by itself."
)
BELIEF = tuple(field.name for field in fields(Belief))
#: Of an answer as JSON, in this order.
_TOLD = (
    "metric", "kind", "sets", "methods", "tl_types", "friedman", "comparisons", "points", "notes",
    "critical_difference", "unranked", "failed", "one_class", "undefined",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Summary:
    """The answer of a contest.

    Attributes
    ----------
    metric, phantom
        What is compared, and whether on phantom images.
    sets
        Names of the data sets, by name.
    points
        A row a set and method: mean and standard deviation over seeds, cost.
    methods
        A row a TL type and backbone, best first: mean over sets, mean rank, cost, whether no other
        is as good and cheaper.
    tl_types
        A row a TL type over the sets on which all TL types ran with all backbones: mean, mean rank.
    friedman
        Whether TL types differ at all; None with fewer than two sets or TL types.
    comparisons
        By question: the one that the contest is about first.
    critical_difference
        By how much mean ranks of TL types must differ (Nemenyi); None with fewer than two sets or
        TL types.
    unranked
        TL type and backbone of methods that lack a set.
    failed
        Data set, TL type and backbone of every run that failed.
    one_class
        Data set, TL type, backbone and number of the runs that call all tested images one class.
    undefined
        How many runs have no value of the metric, as it is undefined for what they tested.
    """

    metric: str
    phantom: bool
    sets: tuple[str, ...]
    points: tuple[dict[str, Any], ...]
    methods: tuple[dict[str, Any], ...]
    tl_types: tuple[dict[str, Any], ...]
    friedman: Friedman | None
    comparisons: Mapping[str, tuple[PairedTest, ...]]
    critical_difference: float | None
    unranked: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str, str], ...]
    one_class: tuple[tuple[str, str, str, int], ...]
    undefined: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, one sentence each."""
        return _notes(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able: what is not defined is None."""
        kind = "phantom" if self.phantom else "replicated"
        found = {**plain(self), "kind": kind, "notes": list(self.notes)}
        return {name: found[name] for name in _TOLD}


def _notes(found: Summary) -> tuple[str, ...]:
    """Return what a reader of a contest's summary must know, one sentence each."""
    sets = len(found.sets)
    notes = [
        f"n = {sets} data sets; seeds are averaged within a set and are no evidence beyond it."
    ]
    if sets == 1:
        notes = ["One data set: what is seen holds for it alone, and there is nothing to test."]
    else:
        notes += _tested(found.comparisons)
        if any(one.belief for tests in found.comparisons.values() for one in tests):
            notes.append(_OF_BELIEF)
    if found.critical_difference is not None:
        distance, most = found.critical_difference, len(found.tl_types) - 1
        of = f"{most + 1} TL types over {found.tl_types[0]['sets']} sets"
        ranked = f"Nemenyi: mean ranks of {of}"
        if distance > most:
            notes.append(
                f"{ranked} cannot be told apart: they would have to differ by {distance:.2f}, and "
                f"can by {most} at most."
            )
        else:
            notes.append(f"{ranked} differ beyond chance by {distance:.2f} or more.")
    if found.unranked:
        names = "; ".join(", ".join(method) for method in found.unranked)
        notes.append(f"Not on all sets, so not ranked: {names}.")
    if found.failed:
        places = sorted({f"{name} ({tl}, {backbone})" for name, tl, backbone in found.failed})
        notes.append(f"{plural(len(found.failed), 'run')} failed: {'; '.join(places)}.")
    if found.one_class:
        runs = plural(sum(cell[3] for cell in found.one_class), "run")
        cells = "; ".join(f"{name} ({tl}, {backbone})" for name, tl, backbone, _ in found.one_class)
        notes.append(
            f"{runs} called every tested image one class and count as they came out; what is "
            f"compared with them is compared with networks that learnt nothing: {cells}."
        )
    if found.undefined:
        notes.append(
            f"Without {found.metric}, as it is undefined for what they tested: "
            f"{found.undefined} runs."
        )
    return tuple(notes)


def _tested(comparisons: Mapping[str, Sequence[PairedTest]]) -> list[str]:
    main = comparisons.get("pretrained against random")
    notes = [f"{pair_words(main[0])}."] if main else []
    for question, tests in comparisons.items():
        least = min(len(tests) * one.smallest_p for one in tests)
        if least > _ALPHA:
            notes.append(
                f"{question.capitalize()}: so few sets cannot reach p = {_ALPHA} at all after "
                f"Holm's correction (at best {min(least, 1.0):.2g})."
            )
    return notes


def pair_words(one: PairedTest) -> str:
    """Return a test of one pair in words, with what it rests on."""
    interval = ""
    if math.isfinite(one.ci_low):
        interval = f" (95% interval {one.ci_low:+.3f} to {one.ci_high:+.3f}, Student)"
    return (
        f"{capital(one.first)} minus {one.second}: {one.difference:+.3f}"
        f"{interval}, better on {one.wins} of {one.sets} sets, {one.method}: p = {one.p:.2g} "
        f"(the least they can give: {one.smallest_p:.2g}){belief_words(one)}"
    )


def belief_words(one: PairedTest) -> str:
    """Return how probable it is that the better method does not beat the other, as a clause."""
    held = one.belief
    if held is None:
        return ""
    better, worse = (one.first, one.second) if one.difference >= 0 else (one.second, one.first)
    beats = "they beat" if better.startswith("pretrained") else f"{better} beats"
    return (
        f"; that {beats} {worse} by more than {held.rope:.2g} is wrong with probability "
        f"{probability(held.p_wrong)} (equal {probability(held.p_equal)})"
    )


def probability(value: float | None) -> str:
    """Return a probability to three decimals."""
    return "< 0.001" if value is not None and value < 0.001 else fixed(value)


def compared_rows(comparisons: Mapping[str, Sequence[PairedTest]]) -> list[dict[str, Any]]:
    """Return one flat row a compared pair, with what is to be thought of it."""
    return [
        {
            "question": question,
            "comparison": f"{one.first} minus {one.second}",
            **{name: value for name, value in plain(one).items() if name != "belief"},
            **(plain(one.belief) or dict.fromkeys(BELIEF)),
        }
        for question, tests in comparisons.items()
        for one in tests
    ]


def tl_type_words(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what each TL type is called, with how far it unfroze, where rows say it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        extents = found.setdefault(row["tl_type"], [])
        if (extent := row.get("unfrozen")) and extent not in extents:
            extents.append(extent)
    return {name: method_words(name, " or ".join(extents)) for name, extents in found.items()}
