"""From predictions to metrics with honest intervals.

A model is one seed and one repeat; the test predictions of its folds are pooled, so that it has one
prediction an image. A value is the mean over models. Its interval speaks of other images (or other
patients) of the same kind, never of other seeds: seeds are no new data, their spread stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from replicate.evaluation import intervals
from replicate.evaluation.baselines import baseline_of, tests_of
from replicate.evaluation.intervals import Floats, Integers
from replicate.evaluation.joining import Tested, gathered
from replicate.evaluation.metrics import (
    OVERALL,
    PER_CLASS,
    confusion_of,
    overall,
    per_class,
    tallies,
)
from replicate.evaluation.predictions import Predictions
from replicate.evaluation.resampling import area_variance, areas_of, bootstrap
from replicate.evaluation.values import Evaluation, MetricValue
from replicate.images.image_set import ImageSet

#: Metrics that are shares of a count, of which Wilson's interval exists even at 0 and 1. The mean
#: over classes of such shares is none, but at 0 and 1 each class is: the rarest bounds it.
_SHARES = ("accuracy", "sensitivity", "specificity", "precision")
_MEANS_OF_SHARES = ("balanced_accuracy", "sensitivity", "specificity", "precision")
_MACRO = ("sensitivity", "specificity", "precision", "f1")


def evaluate(
    predictions: Sequence[Predictions],
    images: ImageSet,
    *,
    positive: str | None = None,
    draws: int = intervals.DRAWS,
) -> Evaluation:
    """Evaluate the test predictions of all models of a replication.

    Parameters
    ----------
    predictions
        One a seed, repeat and fold.
    images
        The set that `indices` count into; its groups, where known, are what is resampled.
    positive
        The positive class of two; without one the last class, which `notes` say. Of more than
        two classes sensitivity, specificity, precision and F1 are means over classes.
    draws
        Bootstrap draws, of a fixed seed: the same predictions have the same intervals.

    Raises
    ------
    UsageError
        `positive` is no class of the set.
    ReplicationError
        Predictions that do not belong to the set, are no probabilities, or test an image twice.

    Notes
    -----
    Without groups and with one model, proportions have Wilson's interval. The AUC has DeLong's, on
    the logit scale, its components summed within groups where there are any (Obuchowski). All else
    has the percentiles of a bootstrap that draws images, or groups as a whole, within classes.
    """
    tested, notes = gathered(predictions, images, positive)
    each = [
        _values(model.probabilities, tested.labels[model.places], tested) for model in tested.models
    ]
    resampled = bootstrap(tested, draws)
    found = [
        _measured(name, [one.overall[name] for one in each], resampled.overall.get(name), tested)
        for name in OVERALL
    ]
    for label in range(tested.k):
        for name in PER_CLASS:
            drawn = resampled.by_class.get(name)
            drawn = None if drawn is None else drawn[:, label]
            own = [float(one.by_class[name][label]) for one in each]
            found.append(_measured(name, own, drawn, tested, label))
    seeds = _by_seed(tested, each)
    several = len({model.seed for model in tested.models}) > 1
    found += [*seeds, *_by_fold(predictions, images, tested)]
    confusion = np.sum([one.confusion for one in each], axis=0)
    return Evaluation(
        metrics=tuple(found),
        classes=tested.classes,
        positive=None if tested.positive is None else tested.classes[tested.positive],
        confusion=np.round(confusion).astype(np.int64),
        baseline=baseline_of(tested),
        tests=tests_of(tested, found, resampled),
        spread=_spread(seeds) if several else {},
        images=tested.labels.size,
        groups=tested.count if tested.grouped else None,
        models=len(tested.models),
        notes=tuple(notes),
    )


class _Values(NamedTuple):
    """The metrics of one model: of all classes, by class of shape (K,), and its confusion."""

    overall: dict[str, float]
    by_class: dict[str, Floats]
    confusion: Floats


def _values(probabilities: Floats, labels: Integers, tested: Tested) -> _Values:
    sums = tallies(probabilities, labels).sum(axis=0)
    areas, _ = areas_of(probabilities, labels, tested.k)
    values = {
        name: float(value) for name, value in overall(sums, tested.k, tested.positive).items()
    }
    values["auc"] = float(areas.mean() if tested.positive is None else areas[tested.positive])
    confusion = confusion_of(sums, tested.k)
    return _Values(values, {**per_class(confusion), "auc": areas}, confusion)


def _measured(
    name: str,
    values: Sequence[float],
    drawn: Floats | None,
    tested: Tested,
    label: int | None = None,
) -> MetricValue:
    """Return a metric with its interval.

    Parameters
    ----------
    values
        Of each model.
    drawn
        Its bootstrap draws; None where there are none.
    label
        The class whose value it is, against the rest; None: of all together.
    """
    value = float(np.mean(values))
    positive = tested.positive if label is None else label
    n = tested.labels.size
    if positive is not None and name in ("sensitivity", "specificity"):
        with_class = int((tested.labels == positive).sum())
        n = with_class if name == "sensitivity" else n - with_class
    limits: tuple[float | None, float | None] | None = None
    if math.isnan(value):
        method = _why_undefined(name, tested)
    else:
        if name == "auc":
            limits, how = _area_limits(value, positive, tested)
        else:
            limits, how = _limits(name, value, n, positive, drawn, tested)
        meaning = _meaning(name, tested) if label is None else "one class against the rest; "
        models = f"mean of {len(tested.models)} models; " if len(tested.models) > 1 else ""
        method = meaning + models + how
    low, high = limits or (None, None)
    return MetricValue(
        name,
        None if math.isnan(value) else value,
        low,
        high,
        n,
        method,
        class_label=None if label is None else tested.classes[label],
    )


def _limits(
    name: str, value: float, n: int, label: int | None, drawn: Floats | None, tested: Tested
) -> tuple[tuple[float, float] | None, str]:
    """Return Wilson's interval where a value is one count, else the bootstrap's; and how."""
    counted = name == "accuracy" or (label is not None and name in ("sensitivity", "specificity"))
    if counted and not tested.grouped and len(tested.models) == 1:
        return intervals.wilson(value * n, n), "Wilson"
    if drawn is None:
        return None, f"no interval: a class lies in one of the {tested.unit} alone"
    limits = intervals.percentile_interval(drawn)
    undefined = drawn.size - int(np.isfinite(drawn).sum())
    if limits is not None:
        some = f" ({undefined} undefined)" if undefined else ""
        return limits, (
            f"bootstrap of {tested.unit} within classes, {drawn.size} draws, percentiles{some}"
        )
    if intervals.mostly_undefined(drawn):
        return None, (
            f"no interval: {name.replace('_', ' ')} is undefined in {undefined} of {drawn.size} "
            "bootstrap draws"
        )
    if _counts_alone(name, label, value):
        units = _units_behind(name, label, tested)
        how = f"Wilson of {units} {tested.unit} (no bootstrap draw differs)"
        return intervals.wilson(value * units, units), how
    return None, "no interval: no bootstrap draw differs"


def _counts_alone(name: str, label: int | None, value: float) -> bool:
    """Tell whether a value is the share of a count, so that Wilson's interval speaks of it."""
    if name == "accuracy" or (label is not None and name in _SHARES):
        return True
    return name in _MEANS_OF_SHARES and (value <= 0 or value >= 1)


def _units_behind(name: str, label: int | None, tested: Tested) -> int:
    """Return how many units a share rests on at worst: of means, those of the rarest class."""
    if name == "accuracy":
        return tested.count
    if label is None or name == "balanced_accuracy":
        return min(tested.units_with(one) for one in range(tested.k))
    if name == "specificity":
        return tested.units_without(label)
    return tested.units_with(label)


def _area_limits(
    value: float, label: int | None, tested: Tested
) -> tuple[tuple[float, float] | None, str]:
    classes = list(range(tested.k)) if label is None else [label]
    with_class = [tested.units_with(one) for one in range(tested.k)]
    if min(with_class) < 2:
        return None, f"no interval: a class lies in one of the {tested.unit} alone"
    variance = area_variance(classes, tested)
    if variance <= 1e-15 or not 0 < value < 1:
        rarest = min(classes, key=lambda one: with_class[one])
        limits = intervals.newcombe_area(value, with_class[rarest], tested.units_without(rarest))
        return limits, f"Newcombe, by {tested.unit} (the area leaves DeLong no variance)"
    summed = ", summed within groups (Obuchowski)" if tested.grouped else ""
    return intervals.area_interval(value, variance), f"DeLong{summed}, logit scale"


def _meaning(name: str, tested: Tested) -> str:
    if tested.positive is not None:
        return ""
    if name == "auc":
        return f"mean of {tested.k} classes, each against the rest; "
    if name in _MACRO:
        return f"mean of {tested.k} classes; "
    return "sum over classes (0 to 2); " if name == "brier" else ""


def _why_undefined(name: str, tested: Tested) -> str:
    missing = [
        tested.classes[one]
        for one in range(tested.k)
        if any(not np.any(tested.labels[m.places] == one) for m in tested.models)
    ]
    if missing:
        return f"undefined: no tested image of {', '.join(missing)}"
    if name == "precision":
        return "undefined: a class is never predicted"
    return "undefined: one class alone is tested or predicted"


def _by_seed(tested: Tested, values: Sequence[_Values]) -> list[MetricValue]:
    found = []
    for seed in dict.fromkeys(model.seed for model in tested.models):
        own = [
            (model, each)
            for model, each in zip(tested.models, values, strict=True)
            if model.seed == seed
        ]
        n = np.unique(np.concatenate([model.places for model, _ in own])).size
        for name in OVERALL:
            value = float(np.mean([each.overall[name] for _, each in own]))
            found.append(_plain(name, value, int(n), "one seed", seed=seed))
    return found


def _by_fold(
    predictions: Sequence[Predictions], images: ImageSet, tested: Tested
) -> list[MetricValue]:
    if len(predictions) == len(tested.models):
        return []
    found = []
    for one in predictions:
        values = _values(one.probabilities, images.labels[one.indices], tested)
        place: dict[str, Any] = {"seed": one.seed, "repeat": one.repeat, "fold": one.fold}
        found += [
            _plain(name, values.overall[name], one.labels.size, "one fold", **place)
            for name in OVERALL
        ]
    return found


def _plain(name: str, value: float, n: int, method: str, **place: Any) -> MetricValue:
    undefined = math.isnan(value)
    if undefined:
        method += "; undefined: a class is not tested, or never predicted"
    return MetricValue(name, None if undefined else value, None, None, n, method, **place)


def _spread(seeds: Sequence[MetricValue]) -> dict[str, float]:
    spread = {}
    for name in OVERALL:
        values = [one.value for one in seeds if one.metric == name]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            spread[name] = float(np.std(known, ddof=1))
    return spread
