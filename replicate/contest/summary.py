"""From the rows of a contest to its answer: by method, by pair of TL types, with what it rests on.

A set enters with one value a method: the mean over seeds. TL types are compared by the mean over
the contest's backbones, on the sets on which all of them ran.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from db.errors import ReplicationError, UsageError
from replicate.contest.grid import RANDOM
from replicate.contest.statistics import (
    Comparison,
    Friedman,
    compare,
    critical_difference,
    friedman,
    mean_ranks,
    pareto,
)
from replicate.evaluation.intervals import Floats
from replicate.spec import RECOMMENDED, TL_TYPES

METRICS = ("auc", "accuracy", "balanced_accuracy")
PRETRAINED = "pretrained (mean of its TL types)"

#: TL types that take the same features: whoever comes first pays for them, and both are charged.
_SAME_FEATURES = {
    "feature extractor hybrid": "feature extractor",
    RANDOM: "fine-tuning from scratch",
}
#: It takes what these two take, one after the other.
_FEATURES_OF_BOTH = {RECOMMENDED: ("feature extractor", "fine-tuning")}
_ALPHA = 0.05

Row = Mapping[str, Any]


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
    notes
        What a reader must know, one sentence each.
    """

    metric: str
    phantom: bool
    sets: tuple[str, ...]
    points: tuple[dict[str, Any], ...]
    methods: tuple[dict[str, Any], ...]
    tl_types: tuple[dict[str, Any], ...]
    friedman: Friedman | None
    comparisons: Mapping[str, tuple[Comparison, ...]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able: what is not defined is None."""
        return {
            "metric": self.metric,
            "kind": "phantom" if self.phantom else "replicated",
            "sets": list(self.sets),
            "methods": [_clean(row) for row in self.methods],
            "tl_types": [_clean(row) for row in self.tl_types],
            "friedman": None if self.friedman is None else _clean(asdict(self.friedman)),
            "comparisons": {
                question: [_clean(asdict(one)) for one in found]
                for question, found in self.comparisons.items()
            },
            "points": [_clean(row) for row in self.points],
            "notes": list(self.notes),
        }


def summarise(rows: Sequence[Row], metric: str = "auc") -> Summary:
    """Summarise the rows of one contest.

    Parameters
    ----------
    rows
        As `replicate.contest.grid.hold` yields them.
    metric
        One of `METRICS`.

    Raises
    ------
    UsageError
        Another metric, or rows of phantom and of real sets together.
    ReplicationError
        No row has a value.
    """
    if metric not in METRICS:
        raise UsageError(f"--metric: no {metric!r}.", f"Choose from {', '.join(METRICS)}.")
    if len({bool(row["phantom"]) for row in rows}) > 1:
        raise UsageError(
            "contest: rows of phantom and of real image sets together.",
            "Phantom images are no evidence on medicine: summarise them apart.",
        )
    points = _points(rows, metric)
    if not points:
        raise ReplicationError(
            f"No run of this contest has a value of {metric}.",
            "The column error of its results says why they failed.",
        )
    sets = tuple(sorted({point["dataset"] for point in points}))
    methods, incomplete = _methods(points, sets)
    names, scores = _by_tl_type(points, sets)
    complete = scores[np.isfinite(scores).all(axis=1)] if len(names) else scores
    comparisons = _comparisons(names, scores)
    notes = _notes(rows, metric, sets, incomplete, complete.shape, comparisons)
    return Summary(
        metric=metric,
        phantom=bool(rows[0]["phantom"]),
        sets=sets,
        points=tuple(points),
        methods=tuple(methods),
        tl_types=tuple(_tl_rows(names, complete)),
        friedman=friedman(complete) if len(names) > 1 else None,
        comparisons=comparisons,
        notes=tuple(notes),
    )


def _points(rows: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """Return mean over seeds and cost of each set and method.

    Cost is what the method alone would take: seconds of features and training together. Features
    that another cell had left in the cache are charged at what they cost there; so are those of
    the recommended protocol, which takes the features of two other types.
    """
    cells: dict[tuple[str, str, str], list[Row]] = {}
    features: dict[tuple[str, str, str], float] = {}
    for row in rows:
        if row.get("error") or row.get(metric) is None:
            continue
        dataset, backbone, tl_type = (str(row[key]) for key in ("dataset", "backbone", "tl_type"))
        cells.setdefault((dataset, backbone, tl_type), []).append(row)
        key = _features_key(dataset, backbone, tl_type)
        features[key] = max(features.get(key, 0.0), row.get("features_seconds") or 0.0)
    points = []
    for (dataset, backbone, tl_type), own in cells.items():
        values = np.array([row[metric] for row in own])
        times = [row["train_seconds"] for row in own if row.get("train_seconds") is not None]
        charged = features[_features_key(dataset, backbone, tl_type)]
        both = [
            features.get((dataset, backbone, part), 0.0)
            for part in _FEATURES_OF_BOTH.get(tl_type, ())
        ]
        charged = max(charged, sum(both))
        seconds = float(np.mean(times)) + charged if times else math.nan
        points.append(
            {
                "dataset": dataset,
                "modality": own[0].get("modality"),
                "n_images": own[0].get("n_images"),
                "backbone": backbone,
                "tl_type": tl_type,
                "seeds": len(own),
                "value": float(values.mean()),
                "sd_over_seeds": float(values.std(ddof=1)) if values.size > 1 else math.nan,
                "baseline": _baseline(own, metric),
                "seconds": seconds,
                "trained_parameters": own[0].get("trained_parameters"),
            }
        )
    return points


def _features_key(dataset: str, backbone: str, tl_type: str) -> tuple[str, str, str]:
    return dataset, backbone, _SAME_FEATURES.get(tl_type, tl_type)


def _baseline(rows: Sequence[Row], metric: str) -> float:
    """Return what needs no images: chance, or the majority's share."""
    if metric == "auc":
        return 0.5
    if metric == "balanced_accuracy":
        classes = rows[0].get("n_classes")
        return 1.0 / classes if classes else math.nan
    known = [row["baseline_accuracy"] for row in rows if row.get("baseline_accuracy") is not None]
    return float(np.mean(known)) if known else math.nan


def _methods(
    points: Sequence[Mapping[str, Any]], sets: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row a method that has all sets, and the names of those that lack one."""
    by_method: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for point in points:
        by_method.setdefault((point["tl_type"], point["backbone"]), {})[point["dataset"]] = point
    whole = {key: own for key, own in by_method.items() if len(own) == len(sets)}
    incomplete = [f"{tl}, {name}" for tl, name in by_method if (tl, name) not in whole]
    scores = np.array([[own[one]["value"] for own in whole.values()] for one in sets])
    placed = mean_ranks(scores) if whole else np.zeros(0)
    rows: list[dict[str, Any]] = []
    for place, ((tl_type, backbone), own) in enumerate(whole.items()):
        seconds = [own[one]["seconds"] for one in sets]
        known = all(math.isfinite(value) and value > 0 for value in seconds)
        rows.append(
            {
                "tl_type": tl_type,
                "backbone": backbone,
                "sets": len(sets),
                "value": float(np.mean([own[one]["value"] for one in sets])),
                "mean_rank": float(placed[place]),
                # Costs differ by orders of magnitude between sets: the mean of their logarithms.
                "seconds": math.exp(np.mean(np.log(seconds))) if known else math.nan,
                "trained_parameters": max(
                    (own[one]["trained_parameters"] or 0 for one in sets), default=0
                ),
            }
        )
    costs = [row["seconds"] if math.isfinite(row["seconds"]) else math.inf for row in rows]
    for row, front in zip(rows, pareto([row["value"] for row in rows], costs), strict=True):
        row["pareto"] = front and math.isfinite(row["seconds"])
    return sorted(rows, key=lambda row: -row["value"]), incomplete


def _by_tl_type(
    points: Sequence[Mapping[str, Any]], sets: Sequence[str]
) -> tuple[list[str], Floats]:
    """Return TL types and their mean over all backbones, shape (sets, types), NaN if one lacks."""
    present = {point["tl_type"] for point in points}
    names = [name for name in TL_TYPES if name in present]
    backbones = sorted({point["backbone"] for point in points})
    values = {(p["dataset"], p["tl_type"], p["backbone"]): p["value"] for p in points}
    scores = np.array(
        [
            [
                np.mean([values.get((one, name, backbone), math.nan) for backbone in backbones])
                for name in names
            ]
            for one in sets
        ]
    )
    return names, scores


def _tl_rows(names: Sequence[str], complete: Floats) -> list[dict[str, Any]]:
    if not complete.shape[0]:
        return []
    placed = mean_ranks(complete)
    rows = [
        {
            "tl_type": name,
            "sets": complete.shape[0],
            "value": float(complete[:, place].mean()),
            "mean_rank": float(placed[place]),
        }
        for place, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: row["mean_rank"])


def _comparisons(names: Sequence[str], scores: Floats) -> dict[str, tuple[Comparison, ...]]:
    """Ask in this order, each question with a Holm correction of its own."""
    found: dict[str, tuple[Comparison, ...]] = {}
    pretrained = [place for place, name in enumerate(names) if name != RANDOM]
    if RANDOM in names and pretrained:
        chance = scores[:, names.index(RANDOM)]
        both = np.column_stack([scores[:, pretrained].mean(axis=1), chance])
        found["pretrained against random"] = tuple(compare(both, [PRETRAINED, RANDOM]))
        if len(pretrained) > 1:
            pairs = [(names[place], RANDOM) for place in pretrained]
            found["each against random"] = tuple(compare(scores, names, pairs))
    if len(pretrained) > 1:
        own = [names[place] for place in pretrained]
        found["among pretrained"] = tuple(compare(scores[:, pretrained], own))
    return found


def sentence(one: Comparison) -> str:
    """Return a comparison in words, with what it rests on."""
    interval = ""
    if math.isfinite(one.ci_low):
        interval = f" (95% interval {one.ci_low:+.3f} to {one.ci_high:+.3f}, Student)"
    return (
        f"{one.first[:1].upper()}{one.first[1:]} minus {one.second}: {one.difference:+.3f}"
        f"{interval}, better on {one.wins} of {one.sets} sets, {one.method}: p = {one.p:.2g} "
        f"(the least they can give: {one.smallest_p:.2g})"
    )


def _notes(
    rows: Sequence[Row],
    metric: str,
    sets: Sequence[str],
    incomplete: Sequence[str],
    complete: tuple[int, ...],
    comparisons: Mapping[str, Sequence[Comparison]],
) -> list[str]:
    notes = [
        f"n = {len(sets)} data sets; seeds are averaged within a set and are no evidence beyond it."
    ]
    if len(sets) == 1:
        notes = ["One data set: what is seen holds for it alone, and there is nothing to test."]
        comparisons = {}
    main = comparisons.get("pretrained against random")
    if main:
        notes.append(f"{sentence(main[0])}.")
    for question, found in comparisons.items():
        least = min(len(found) * one.smallest_p for one in found)
        if least > _ALPHA:
            notes.append(
                f"{question.capitalize()}: so few sets cannot reach p = {_ALPHA} at all after "
                f"Holm's correction (at best {min(least, 1.0):.2g})."
            )
    if len(complete) == 2 and complete[0] > 1 and complete[1] > 1:
        distance = critical_difference(complete[0], complete[1])
        ranked = f"Nemenyi: mean ranks of {complete[1]} TL types over {complete[0]} sets"
        most = complete[1] - 1
        if distance > most:
            notes.append(
                f"{ranked} cannot be told apart: they would have to differ by {distance:.2f}, and "
                f"can by {most} at most."
            )
        else:
            notes.append(f"{ranked} differ beyond chance by {distance:.2f} or more.")
    if incomplete:
        notes.append(f"Not on all sets, so not ranked: {'; '.join(incomplete)}.")
    failed = [row for row in rows if row.get("error")]
    if failed:
        places = sorted(
            {f"{row['dataset']} ({row['tl_type']}, {row['backbone']})" for row in failed}
        )
        many = f"{len(failed)} runs" if len(failed) > 1 else "1 run"
        notes.append(f"{many} failed: {'; '.join(sorted(places))}.")
    blank = sum(1 for row in rows if not row.get("error") and row.get(metric) is None)
    if blank:
        notes.append(f"Without {metric}, as it is undefined for what they tested: {blank} runs.")
    return notes


def _clean(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
