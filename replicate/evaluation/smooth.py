"""Kappa, Brier score and logarithmic loss with intervals, by linearisation.

Their intervals are Student's on a scale without ends: Fisher's of kappa, the logarithm of the
others. The expected calibration error has none: it is too large by chance alone, the more so the
fewer images there are, so that an interval around it would miss the truth.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from replicate.evaluation.intervals import Floats, Integers
from replicate.evaluation.joining import Tested
from replicate.evaluation.metrics import confusion_of, overall, tallies
from replicate.evaluation.uncertainty import SMALLEST, Part, of_ratio, whole

#: Metrics of this kind, and the balanced accuracy where it is tested against its baseline.
SMOOTH = ("kappa", "brier", "log_loss")


def variance_of(name: str, tested: Tested) -> Part:
    """Return the variance of a metric's mean over models.

    Parameters
    ----------
    name
        Out of :data:`SMOOTH`, or ``balanced_accuracy``.
    """
    values, influences = [], []
    for model in tested.models:
        labels = tested.labels[model.places]
        columns = tallies(model.probabilities, labels, model.called)
        sums = columns.sum(axis=0)
        values.append(float(overall(sums, tested.k, tested.positive)[name]))
        influence = np.zeros(tested.labels.size)
        influence[model.places] = _influence(name, columns, sums, model.called, labels, tested.k)
        influences.append(influence)
    return whole(influences, values, tested, partial(of_ratio, tested=tested, units=tested.count))


def _influence(
    name: str, columns: Floats, sums: Floats, chosen: Integers, labels: Integers, k: int
) -> Floats:
    """Return each image's share in the error of one model, shape (n,)."""
    n = labels.size
    if name in ("brier", "log_loss"):
        column = columns[:, k * k + (name == "log_loss")]
        return np.asarray((column - column.mean()) / n)
    table = confusion_of(sums, k)
    true, called = table.sum(axis=1), table.sum(axis=0)
    right = labels == chosen
    if name == "balanced_accuracy":
        shares = np.diag(table) / true
        return np.asarray((right - shares[labels]) / true[labels] / k)
    agreed, chance = np.trace(table) / n, float(true @ called) / n**2
    by_chance = (called[labels] + true[chosen]) / n - 2 * chance
    return np.asarray(
        ((right - agreed) * (1 - chance) - (1 - agreed) * by_chance) / (1 - chance) ** 2 / n
    )


def smooth_interval(name: str, value: float, found: Part) -> tuple[float, float] | None:
    """Return a metric's interval; None where nothing differs from anything."""
    if not found.variance > SMALLEST:
        return None
    error = math.sqrt(found.variance) * found.quantile
    if name == "kappa":
        if not abs(value) < 1:
            return None
        centre, half = math.atanh(value), error / (1 - value**2)
        return math.tanh(centre - half), math.tanh(centre + half)
    return value * math.exp(-error / value), value * math.exp(error / value)
