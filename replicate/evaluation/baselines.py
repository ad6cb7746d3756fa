"""What needs no look at the images, and whether a model lies above it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from metaanalysis.stats.sign_flips import sign_flip
from replicate.evaluation.areas import area_variance
from replicate.evaluation.joining import Tested
from replicate.evaluation.shares import effective
from replicate.evaluation.smooth import variance_of
from replicate.evaluation.uncertainty import NOTHING, SMALLEST, Part, of_ratio
from replicate.evaluation.values import AboveBaseline, Baseline, MetricValue


def baseline_of(tested: Tested) -> Baseline:
    """Return the majority class of the tested images and what saying it always would reach.

    Its interval is Wilson's, of as many images as the groups are worth; a majority that was chosen
    on the tested images themselves flatters the baseline, never the model.
    """
    counts = np.bincount(tested.labels, minlength=tested.k)
    n = tested.labels.size
    majority = int(counts.argmax())
    value = float(counts[majority] / n)
    hits = tested.labels == majority
    found = of_ratio((hits - value) / n, tested, tested.count)
    low, high = effective(value, n, tested.count, found).interval() or (None, None)
    method = "always the majority class; Wilson" + (" by groups" if tested.grouped else "")
    return Baseline(
        tested.classes[majority],
        MetricValue("accuracy", value, low, high, n, method),
        {name: float(count / n) for name, count in zip(tested.classes, counts, strict=True)},
    )


def tests_of(tested: Tested, metrics: Sequence[MetricValue]) -> dict[str, AboveBaseline]:
    """Test accuracy, balanced accuracy, AUC and kappa against what needs no images."""
    values = {
        value.metric: value.value
        for value in metrics
        if value.seed is None and value.class_label is None and value.value is not None
    }
    tests = {"accuracy": _accuracy(tested, values["accuracy"])}
    for name, level in (("balanced_accuracy", 1.0 / tested.k), ("kappa", 0.0)):
        found = variance_of(name, tested) if name in values else NOTHING
        if found.variance > SMALLEST:
            p = _upper_tail(values[name] - level, found)
            method = f"linearised by {tested.unit}, one-sided"
            tests[name] = AboveBaseline(name, level, values[name] - level, p, method)
    if "auc" in values:
        classes = list(range(tested.k)) if tested.positive is None else [tested.positive]
        test = _area(tested, classes, values["auc"])
        if test is not None:
            tests["auc"] = test
    return tests


def _accuracy(tested: Tested, accuracy: float) -> AboveBaseline:
    """Flip, unit by unit, which of the two is called the model and which the baseline."""
    counts = np.bincount(tested.labels, minlength=tested.k)
    majority = int(counts.argmax())
    gains = np.zeros(tested.labels.size)
    base = 0.0
    for model in tested.models:
        true = tested.labels[model.places]
        lucky = true == majority
        right = model.called == true
        share = 1.0 / (true.size * len(tested.models))
        gains[model.places] += (right.astype(float) - lucky.astype(float)) * share
        base += float(lucky.mean()) / len(tested.models)
    sums = np.bincount(tested.units, weights=gains).astype(np.float64)
    p, exact = sign_flip(sums)
    method = f"sign flips of {tested.unit}, {'exact' if exact else 'sampled'}, one-sided"
    return AboveBaseline("accuracy", base, accuracy - base, p, method)


def _area(tested: Tested, classes: list[int], value: float) -> AboveBaseline | None:
    with_class = [tested.units_with(label) for label in range(tested.k)]
    if min(with_class) < 2:
        return None
    part = area_variance(classes, tested)
    method = "DeLong" + (" by groups" if tested.grouped else "") + ", one-sided"
    if not part.variance > SMALLEST:
        # A perfect order, a perfectly wrong one or all ties: the first has an exact chance.
        rarest = min(classes, key=lambda label: with_class[label])
        positives, negatives = with_class[rarest], tested.units_without(rarest)
        p = float(1.0 / special.binom(positives + negatives, positives)) if value >= 1 else 1.0
        return AboveBaseline(
            "auc", 0.5, value - 0.5, p, f"chance of a perfect order of {tested.unit}, one-sided"
        )
    p = _upper_tail(value - 0.5, part)
    return AboveBaseline("auc", 0.5, value - 0.5, p, method)


def _upper_tail(difference: float, part: Part) -> float:
    """Return by Student's t how often chance alone gives so much or more."""
    return float(special.stdtr(min(part.df, 1e9), -difference / math.sqrt(part.variance)))
