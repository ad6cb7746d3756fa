"""From predictions to metrics with honest intervals.

A model is one seed and one repeat; the test predictions of its folds are pooled, so that it has one
prediction an image. A value is the mean over models. Its interval speaks of other images (or other
patients) of the same kind, and of other seeds and folds, where there were several: they are no new
data, and add their own variance; the spread of seeds stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from replicate.evaluation.areas import area_limits
from replicate.evaluation.baselines import baseline_of, tests_of
from replicate.evaluation.grouping import mean_of
from replicate.evaluation.intervals import Floats, Integers, areas_of
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
from replicate.evaluation.shares import SHARES, Share, mean_interval, share_of, to_f1
from replicate.evaluation.smooth import smooth_interval, variance_of
from replicate.evaluation.values import Evaluation, MetricValue
from replicate.images.image_set import ImageSet
from replicate.notes import Note

#: From the name of a share and a class to what it is.
Shares = Callable[[str, int | None], Share]

_ALONE = "no interval: what it rests on lies in one of the {unit} alone"
_MACRO = ("sensitivity", "specificity", "precision", "f1")


def evaluate(
    predictions: Sequence[Predictions],
    images: ImageSet,
    *,
    positive: str | None = None,
    threshold: str | None = None,
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
    threshold
        How the probability from which the positive class is called is chosen on each model's
        validation images, as of :class:`replicate.spec.Evaluating`; None: the most probable class.

    Raises
    ------
    UsageError
        `positive` is no class of the set, or a threshold that cannot be chosen.
    ReplicationError
        Predictions that do not belong to the set, are no probabilities, or test an image twice.

    Notes
    -----
    Shares of a count have Wilson's interval, of as many images as their variance over units
    (groups, else images), models and folds is worth; means of them over classes MOVER's. The AUC
    has DeLong's, on the logit scale, by groups where there are any. Kappa, Brier score and log loss
    have linearised ones. See :mod:`replicate.evaluation.uncertainty`.
    """
    tested, notes = gathered(predictions, images, positive, threshold)
    each = [
        _values(model.probabilities, tested.labels[model.places], areas, tested, model.called)
        for model, (areas, _) in zip(tested.models, tested.areas, strict=True)
    ]
    # The shares of the classes stand alone and in several means.
    shares = cache(partial(share_of, tested=tested))
    found = [
        _measured(name, [one.overall[name] for one in each], tested, shares) for name in OVERALL
    ]
    for label in range(tested.k):
        for name in PER_CLASS:
            own = [float(one.by_class[name][label]) for one in each]
            found.append(_measured(name, own, tested, shares, label))
    seeds = _by_seed(tested, each)
    folds = _by_fold(predictions, images, tested)
    several = len({model.seed for model in tested.models}) > 1
    found += [*seeds, *folds]
    areas = [one.value for one in folds if one.metric == "auc"]
    pooled = next(one.value for one in found if one.metric == "auc")
    if pooled is not None and areas and None not in areas:
        notes.append(Note("area pooled over folds", {"pooled": pooled, "mean": mean_of(areas)}))
    notes += _of_one_class(tested)
    confusion = np.sum([one.confusion for one in each], axis=0)
    return Evaluation(
        metrics=tuple(found),
        classes=tested.classes,
        positive=None if tested.positive is None else tested.classes[tested.positive],
        confusion=np.round(confusion).astype(np.int64),
        baseline=baseline_of(tested),
        tests=tests_of(tested, found),
        spread=_spread(seeds) if several else {},
        images=tested.labels.size,
        groups=tested.count if tested.grouped else None,
        models=len(tested.models),
        thresholds=tested.thresholds,
        notes=tuple(notes),
    )


class _Values(NamedTuple):
    """The metrics of one model: of all classes, by class of shape (K,), and its confusion."""

    overall: dict[str, float]
    by_class: dict[str, Floats]
    confusion: Floats


def _values(
    probabilities: Floats, labels: Integers, areas: Floats, tested: Tested, called: Integers
) -> _Values:
    sums = tallies(probabilities, labels, called).sum(axis=0)
    values = {
        name: float(value) for name, value in overall(sums, tested.k, tested.positive).items()
    }
    values["auc"] = float(areas.mean() if tested.positive is None else areas[tested.positive])
    confusion = confusion_of(sums, tested.k)
    return _Values(values, {**per_class(confusion), "auc": areas}, confusion)


def _measured(
    name: str,
    values: Sequence[float],
    tested: Tested,
    shares: Shares,
    label: int | None = None,
) -> MetricValue:
    """Return a metric with its interval.

    Parameters
    ----------
    values
        Of each model.
    shares
        From a name and a class to the share.
    label
        The class whose value it is, against the rest; None: of all together.
    """
    value = float(np.mean(values))
    positive = tested.positive if label is None else label
    n = tested.labels.size
    if positive is not None and name in ("sensitivity", "specificity"):
        with_class = int((tested.labels == positive).sum())
        n = with_class if name == "sensitivity" else n - with_class
    limits: tuple[float, float] | None = None
    if math.isnan(value):
        method = _why_undefined(name, tested)
    else:
        if name == "auc":
            limits, how = area_limits(value, positive, tested)
        elif name in (*SHARES, "balanced_accuracy"):
            limits, how = _share_limits(name, value, positive, tested, shares)
        else:
            limits, how = _smooth_limits(name, value, tested)
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


def _share_limits(
    name: str, value: float, label: int | None, tested: Tested, shares: Shares
) -> tuple[tuple[float, float] | None, str]:
    """Return Wilson's interval of a share, MOVER's of a mean of shares; and how."""
    one = name == "accuracy" or (label is not None and name != "balanced_accuracy")
    kind = "sensitivity" if name == "balanced_accuracy" else name
    labels = [label] if one else list(range(tested.k))
    own = [shares(kind, which) for which in labels]
    limits = [found for found in (share.interval() for share in own) if found is not None]
    if len(limits) < len(own):
        return None, _ALONE.format(unit=tested.unit)
    centres = [share.value for share in own]
    how = "Wilson"
    if kind == "f1":
        limits = [(to_f1(low), to_f1(high)) for low, high in limits]
        centres = [to_f1(centre) for centre in centres]
        how += " of the images of the class or called so"
    if tested.grouped or tested.beside:
        worth = " and ".join(_worth(share) for share in own) if one else "effective numbers"
        how += f" of {worth}, by {tested.unit}{tested.beside}"
    if one:
        low, high = limits[0]
        return (min(low, value), max(high, value)), how
    low, high = mean_interval(own, limits, centres)
    return (min(low, value), max(high, value)), f"MOVER of the classes' intervals ({how})"


def _worth(share: Share) -> str:
    return f"{share.counted / share.effect:.0f} effective of {share.counted:.0f} images"


def _smooth_limits(
    name: str, value: float, tested: Tested
) -> tuple[tuple[float, float] | None, str]:
    if name == "ece":
        return None, "no interval: too large by chance alone, the more so the fewer the images"
    limits = smooth_interval(name, value, variance_of(name, tested))
    if limits is None:
        return None, f"no interval: none of the {tested.unit} differs from another"
    scale = "Fisher's" if name == "kappa" else "logarithmic"
    return limits, f"linearised by {tested.unit}, {scale} scale{tested.beside}"


def _of_one_class(tested: Tested) -> list[Note]:
    """Say which models tell nothing apart: their AUC may look like something all the same."""
    called = [np.unique(model.called) for model in tested.models]
    alone = [int(classes[0]) for classes in called if classes.size == 1]
    if not alone:
        return []
    names = " or ".join(tested.classes[label] for label in sorted(set(alone)))
    values = {"models": len(alone), "of": len(tested.models), "called": names}
    return [Note("one class called", values)]


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
    for one, called in zip(predictions, tested.called, strict=True):
        labels = images.labels[one.indices]
        areas, _ = areas_of(one.probabilities, labels, tested.k)
        values = _values(one.probabilities, labels, areas, tested, called)
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
