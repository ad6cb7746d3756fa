"""From the rows of a contest to its answer: by method, by pair of TL types, with what it rests on.

A set enters with one value a method: the mean over seeds. TL types are compared by the mean over
the contest's backbones, on the sets on which all of them ran.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from db.errors import ReplicationError, UsageError
from db.vocabulary import Lexicon
from replicate.contest.answer import Summary
from replicate.contest.statistics import (
    PairedTest,
    critical_difference,
    friedman,
    mean_ranks,
    paired_tests,
    pareto,
)
from replicate.evaluation.intervals import Floats
from replicate.terms import (
    CONTEST_METRICS,
    FEATURES,
    HYBRID,
    RANDOM,
    RECOMMENDED,
    SCRATCH,
    TL_TYPES,
)

PRETRAINED = "pretrained (mean of its TL types)"
AMONG_METHODS = "among methods"

#: TL types that take the same features: whoever comes first pays for them, and both are charged.
_SAME_FEATURES = {
    HYBRID: FEATURES,
    RANDOM: SCRATCH,
}
#: It takes what these two take, one after the other.
_FEATURES_OF_BOTH = {RECOMMENDED: (FEATURES, "fine-tuning")}

Row = Mapping[str, Any]


def summarise(rows: Sequence[Row], metric: str = "auc") -> Summary:
    """Summarise the rows of one contest.

    Parameters
    ----------
    rows
        As `replicate.contest.grid.hold` yields them.
    metric
        One of `CONTEST_METRICS`.

    Raises
    ------
    UsageError
        Another metric, or rows of phantom and of real sets together.
    ReplicationError
        No row has a value.
    """
    metric = Lexicon("metric", CONTEST_METRICS).resolve(metric)
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
    several = len(complete) > 1 and len(names) > 1
    each = _Seedwise(rows, metric, sets)
    backbones = sorted({point["backbone"] for point in points})
    by_seed = each.scores([[(name, backbone) for backbone in backbones] for name in names])
    failed = [row for row in rows if row.get("error")]
    return Summary(
        metric=metric,
        phantom=bool(rows[0]["phantom"]),
        sets=sets,
        points=tuple(points),
        methods=tuple(methods),
        tl_types=tuple(_tl_rows(names, complete)),
        friedman=friedman(complete) if len(names) > 1 else None,
        comparisons=_comparisons(names, scores, by_seed) | _among_methods(methods, each),
        critical_difference=critical_difference(*complete.shape) if several else None,
        unranked=tuple(incomplete),
        failed=tuple((row["dataset"], row["tl_type"], row["backbone"]) for row in failed),
        one_class=_of_one_class(rows),
        undefined=sum(row.get(metric) is None for row in rows) - len(failed),
    )


def _of_one_class(rows: Sequence[Row]) -> tuple[tuple[str, str, str, int], ...]:
    """Return data set, TL type, backbone and number of the runs that call all images one class."""
    counted = Counter(
        (str(row["dataset"]), str(row["tl_type"]), str(row["backbone"]))
        for row in rows
        if row.get("one_class")
    )
    return tuple((*cell, runs) for cell, runs in counted.items())


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
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return a row a method that has all sets, and the names of those that lack one."""
    by_method: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for point in points:
        by_method.setdefault((point["tl_type"], point["backbone"]), {})[point["dataset"]] = point
    whole = {key: own for key, own in by_method.items() if len(own) == len(sets)}
    incomplete = [method for method in by_method if method not in whole]
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


class _Seedwise:
    """The value of each set, method and seed."""

    def __init__(self, rows: Sequence[Row], metric: str, sets: Sequence[str]) -> None:
        known = [row for row in rows if not row.get("error") and row.get(metric) is not None]
        self.sets, self.seeds = sets, sorted({row["seed"] for row in known})
        self.values = {
            (row["dataset"], row["tl_type"], row["backbone"], row["seed"]): row[metric]
            for row in known
        }

    def scores(self, arms: Sequence[Sequence[tuple[str, str]]]) -> Floats:
        """Return the mean over each arm's methods, shape (sets, arms, seeds); NaN if one lacks."""
        return np.array(
            [
                [
                    [
                        np.mean([self.values.get((one, *of, seed), math.nan) for of in arm])
                        for seed in self.seeds
                    ]
                    for arm in arms
                ]
                for one in self.sets
            ]
        )


def _comparisons(
    names: Sequence[str], scores: Floats, by_seed: Floats
) -> dict[str, tuple[PairedTest, ...]]:
    """Ask in this order, each question with a Holm correction of its own."""
    found: dict[str, tuple[PairedTest, ...]] = {}
    pretrained = [place for place, name in enumerate(names) if name != RANDOM]
    if RANDOM in names and pretrained:
        chance = names.index(RANDOM)
        both, each = (
            np.stack([of[:, pretrained].mean(axis=1), of[:, chance]], axis=1)
            for of in (scores, by_seed)
        )
        found["pretrained against random"] = tuple(
            paired_tests(both, [PRETRAINED, RANDOM], by_seed=each)
        )
        if len(pretrained) > 1:
            pairs = [(names[place], RANDOM) for place in pretrained]
            found["each against random"] = tuple(paired_tests(scores, names, pairs, by_seed))
    if len(pretrained) > 1:
        own = [names[place] for place in pretrained]
        found["among pretrained"] = tuple(
            paired_tests(scores[:, pretrained], own, by_seed=by_seed[:, pretrained])
        )
    return found


def _among_methods(methods: Sequence[Row], each: _Seedwise) -> dict[str, tuple[PairedTest, ...]]:
    """Compare TL types with their backbones, the best first, where there are several backbones."""
    if len({row["backbone"] for row in methods}) < 2:
        return {}
    arms = [(row["tl_type"], row["backbone"]) for row in methods]
    by_seed = each.scores([[arm] for arm in arms])
    scores = np.nanmean(by_seed, axis=2)
    return {
        AMONG_METHODS: tuple(paired_tests(scores, [", ".join(arm) for arm in arms], None, by_seed))
    }
