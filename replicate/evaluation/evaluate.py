"""From predictions to metrics with honest intervals.

A model is one seed and one repeat; the test predictions of its folds are pooled, so that it has one
prediction an image. A value is the mean over models. Its interval speaks of other images (or other
patients) of the same kind, never of other seeds: seeds are no new data, their spread stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replicate.evaluation import intervals
from replicate.evaluation.baselines import baseline_of, tests_of
from replicate.evaluation.intervals import Floats, Integers
from replicate.evaluation.joining import Tested, joined
from replicate.evaluation.metrics import (
    OVERALL,
    PER_CLASS,
    confusion_of,
    overall,
    per_class,
    tallies,
)
from replicate.evaluation.predictions import Predictions
from replicate.evaluation.resampling import Draws, area_variance, areas_of, bootstrap
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
        The positive class of two; without one the last class, which `remarks` says. Of more than
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
    tested, remarks = joined(predictions, images, positive)
    each = [
        _values(model.probabilities, tested.labels[model.places], tested) for model in tested.models
    ]
    resampled = bootstrap(tested, draws)
    found = [_overall(name, tested, [own for own, _ in each], resampled) for name in OVERALL]
    for label in range(tested.k):
        found += [
            _of_class(name, label, tested, [own for _, own in each], resampled)
            for name in PER_CLASS
        ]
    seeds = _by_seed(tested, [own for own, _ in each])
    several = len({model.seed for model in tested.models}) > 1
    found += seeds
    found += _by_fold(predictions, images, tested)
    confusion = sum(
        (
            confusion_of(tallies(m.probabilities, tested.labels[m.places]).sum(axis=0), tested.k)
            for m in tested.models
        ),
        np.zeros((tested.k, tested.k)),
    )
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
        remarks=tuple(remarks),
    )


def _values(
    probabilities: Floats, labels: Integers, tested: Tested
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Return the metrics of one model: of all classes, and by class, shape (K,)."""
    sums = tallies(probabilities, labels).sum(axis=0)
    areas, _ = areas_of(probabilities, labels, tested.k)
    values = {
        name: float(value) for name, value in overall(sums, tested.k, tested.positive).items()
    }
    values["auc"] = float(areas.mean() if tested.positive is None else areas[tested.positive])
    return values, {**per_class(confusion_of(sums, tested.k)), "auc": areas}


def _overall(
    name: str, tested: Tested, values: Sequence[dict[str, float]], drawn: Draws | None
) -> MetricValue:
    value = float(np.mean([own[name] for own in values]))
    macro = tested.positive is None
    label = tested.positive
    n = tested.labels.size
    if label is not None and name in ("sensitivity", "specificity"):
        positives = int((tested.labels == label).sum())
        n = positives if name == "sensitivity" else n - positives
    prefix = _meaning(name, tested)
    if math.isnan(value):
        return _undefined(name, tested, n, None)
    if name == "auc":
        classes = list(range(tested.k)) if label is None else [label]
        return _area(value, classes, n, tested, prefix, None)
    shown = None if drawn is None else drawn.overall[name]
    counted = name == "accuracy" or (not macro and name in ("sensitivity", "specificity"))
    return _proportion(name, value, n, counted, label, shown, tested, prefix, None)


def _of_class(
    name: str,
    label: int,
    tested: Tested,
    values: Sequence[dict[str, Floats]],
    drawn: Draws | None,
) -> MetricValue:
    value = float(np.mean([own[name][label] for own in values]))
    with_class = int((tested.labels == label).sum())
    n = tested.labels.size
    n = {"sensitivity": with_class, "specificity": n - with_class}.get(name, n)
    if math.isnan(value):
        return _undefined(name, tested, n, label)
    prefix = "one class against the rest; "
    if name == "auc":
        return _area(value, [label], n, tested, prefix, label)
    shown = None if drawn is None else drawn.by_class[name][:, label]
    counted = name in ("sensitivity", "specificity")
    return _proportion(name, value, n, counted, label, shown, tested, prefix, label)


def _proportion(
    name: str,
    value: float,
    n: int,
    counted: bool,
    label: int | None,
    shown: Floats | None,
    tested: Tested,
    prefix: str,
    of_class: int | None,
) -> MetricValue:
    """Return a value with Wilson's interval where it is one count, else the bootstrap's."""
    low: float | None = None
    high: float | None = None
    if counted and not tested.grouped and len(tested.models) == 1:
        low, high = intervals.wilson(value * n, n)
        method = "Wilson"
    elif shown is None:
        method = f"no interval: a class lies in one of the {tested.unit} alone"
    else:
        method = f"bootstrap of {tested.unit} within classes, {shown.size} draws, percentiles"
        limits = intervals.percentile_interval(shown)
        undefined = shown.size - int(np.isfinite(shown).sum())
        if limits is not None:
            low, high = limits
            if undefined:
                method += f" ({undefined} undefined)"
        elif intervals.mostly_undefined(shown):
            method = (
                f"no interval: {name.replace('_', ' ')} is undefined in {undefined} of "
                f"{shown.size} bootstrap draws"
            )
        elif _counts_alone(name, label, value):
            units = _units_behind(name, label, tested)
            low, high = intervals.wilson(value * units, units)
            method = f"Wilson of {units} {tested.unit} (no bootstrap draw differs)"
        else:
            method = "no interval: no bootstrap draw differs"
    return MetricValue(
        name,
        value,
        low,
        high,
        n,
        prefix + _averaged(tested) + method,
        class_label=None if of_class is None else tested.classes[of_class],
    )


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


def _area(
    value: float,
    classes: Sequence[int],
    n: int,
    tested: Tested,
    prefix: str,
    of_class: int | None,
) -> MetricValue:
    low: float | None = None
    high: float | None = None
    with_class = [tested.units_with(label) for label in range(tested.k)]
    if min(with_class) < 2:
        method = f"no interval: a class lies in one of the {tested.unit} alone"
    elif (variance := area_variance(classes, tested)) <= 1e-15 or not 0 < value < 1:
        rarest = min(classes, key=lambda label: with_class[label])
        low, high = intervals.newcombe_area(value, with_class[rarest], tested.units_without(rarest))
        method = f"Newcombe, by {tested.unit} (the area leaves DeLong no variance)"
    else:
        low, high = intervals.area_interval(value, variance)
        method = "DeLong" + (", summed within groups (Obuchowski)" if tested.grouped else "")
        method += ", logit scale"
    label = None if of_class is None else tested.classes[of_class]
    return MetricValue(
        "auc", value, low, high, n, prefix + _averaged(tested) + method, class_label=label
    )


def _averaged(tested: Tested) -> str:
    return f"mean of {len(tested.models)} models; " if len(tested.models) > 1 else ""


def _meaning(name: str, tested: Tested) -> str:
    if tested.positive is not None:
        return ""
    if name == "auc":
        return f"mean of {tested.k} classes, each against the rest; "
    if name in _MACRO:
        return f"mean of {tested.k} classes; "
    return "sum over classes (0 to 2); " if name == "brier" else ""


def _undefined(name: str, tested: Tested, n: int, label: int | None) -> MetricValue:
    missing = [
        tested.classes[one]
        for one in range(tested.k)
        if any(not np.any(tested.labels[m.places] == one) for m in tested.models)
    ]
    if missing:
        why = f"undefined: no tested image of {', '.join(missing)}"
    elif name == "precision":
        why = "undefined: a class is never predicted"
    else:
        why = "undefined: one class alone is tested or predicted"
    of_class = None if label is None else tested.classes[label]
    return MetricValue(name, None, None, None, n, why, class_label=of_class)


def _by_seed(tested: Tested, values: Sequence[dict[str, float]]) -> list[MetricValue]:
    found = []
    for seed in dict.fromkeys(model.seed for model in tested.models):
        own = [
            (model, each)
            for model, each in zip(tested.models, values, strict=True)
            if model.seed == seed
        ]
        n = np.unique(np.concatenate([model.places for model, _ in own])).size
        for name in OVERALL:
            value = float(np.mean([each[name] for _, each in own]))
            found.append(_plain(name, value, int(n), "one seed", seed))
    return found


def _by_fold(
    predictions: Sequence[Predictions], images: ImageSet, tested: Tested
) -> list[MetricValue]:
    if len(predictions) == len(tested.models):
        return []
    found = []
    for one in predictions:
        values, _ = _values(one.probabilities, images.labels[one.indices], tested)
        found += [
            replace(
                _plain(name, values[name], one.labels.size, "one fold", one.seed),
                repeat=one.repeat,
                fold=one.fold,
            )
            for name in OVERALL
        ]
    return found


def _plain(name: str, value: float, n: int, method: str, seed: int) -> MetricValue:
    if math.isnan(value):
        why = f"{method}; undefined: a class is not tested, or never predicted"
        return MetricValue(name, None, None, None, n, why, seed)
    return MetricValue(name, value, None, None, n, method, seed)


def _spread(seeds: Sequence[MetricValue]) -> dict[str, float]:
    spread = {}
    for name in OVERALL:
        values = [one.value for one in seeds if one.metric == name]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            spread[name] = float(np.std(known, ddof=1))
    return spread
