"""Metrics that are shares of counted images, with intervals that hold near 0 and 1.

Accuracy, sensitivity, specificity and precision are shares; F1 is a function of one (of the images
that are of a class or called so, those that are both). Wilson's interval is made of as many images
as the variance is worth, after Dean & Pagano (2015), Int Stat Rev 83:484; the interval of a mean
over classes of those of the classes, by MOVER: Zou & Donner (2008), Stat Med 27:1693.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from replicate.evaluation.intervals import Bools, Floats, Integers, wilson
from replicate.evaluation.joining import Tested
from replicate.evaluation.uncertainty import SMALLEST, Part, of_ratio, whole

#: Metrics of this kind; all but accuracy are also made class by class.
SHARES = ("accuracy", "sensitivity", "specificity", "precision", "f1")


@dataclass(frozen=True, eq=False, slots=True)
class Share:
    """A share over models.

    Attributes
    ----------
    value
        Mean over models of hits / counted; NaN where a model counts no image.
    effect
        By how much its variance exceeds that of as many independent images, at least 1.
    df
        Degrees of freedom of that variance.
    counted, units
        Images and units that it rests on, mean and least over models.
    influence
        How it moves: of the mean over models, summed by unit, and of each model against that mean;
        shape (units of the set + models,).
    """

    value: float
    effect: float
    df: float
    counted: float
    units: int
    influence: Floats

    def interval(self) -> tuple[float, float] | None:
        """Return Wilson's interval of the effective number; None where a single unit decides."""
        if math.isnan(self.value) or math.isnan(self.effect):
            return None
        n = self.counted / self.effect
        return wilson(self.value * n, n, Part(0.0, self.df).quantile)


def share_of(name: str, label: int | None, tested: Tested) -> Share:
    """Return a metric of :data:`SHARES`, of one class against the rest (accuracy: None).

    The F1 of a class comes as the share that it is a function of; see :func:`to_f1`.
    """
    values, influences, sizes, units = [], [], [], []
    for model in tested.models:
        hits, counted = _counts(name, label, tested.labels[model.places], model.called)
        size = int(counted.sum())
        value = float(hits.sum()) / size if size else math.nan
        influence = np.zeros(tested.labels.size)
        influence[model.places] = (hits - value * counted) / size if size else math.nan
        values.append(value)
        influences.append(influence)
        sizes.append(size)
        units.append(np.unique(tested.units[model.places[counted]]).size)
    value, counted_images = float(np.mean(values)), float(np.mean(sizes))
    if math.isnan(value):
        return Share(value, math.nan, math.inf, counted_images, min(units), np.zeros(0))
    found = whole(influences, values, tested, partial(of_ratio, tested=tested, units=min(units)))
    summed = np.bincount(tested.units, weights=np.mean(influences, axis=0))
    count = len(values)
    luck = (np.array(values) - value) / math.sqrt(max(count * (count - 1), 1))
    moves = np.concatenate([summed, luck])
    return replace(effective(value, counted_images, min(units), found), influence=moves)


def effective(value: float, counted: float, units: int, found: Part) -> Share:
    """Return a share with what its images are worth: its variance beside that of as many alone."""
    share = Share(value, math.nan, math.inf, counted, units, np.zeros(0))
    if units < 2:
        return share
    independent = value * (1 - value) / max(counted - 1, 1.0)
    if min(found.variance, independent) <= SMALLEST:
        # All units alike: how far the images of one agree cannot be seen, so that each counts once.
        return replace(share, effect=counted / units)
    return replace(share, effect=max(1.0, found.variance / independent), df=found.df)


def _counts(
    name: str, label: int | None, labels: Integers, chosen: Integers
) -> tuple[Bools, Bools]:
    """Return which images are hits, and which are counted at all."""
    right = labels == chosen
    if name == "accuracy":
        return right, np.ones_like(right)
    true, called = labels == label, chosen == label
    counted = {
        "sensitivity": true,
        "specificity": ~true,
        "precision": called,
        "f1": true | called,
    }[name]
    return counted & (true == called), counted


def to_f1(share: float) -> float:
    """Return F1 from hits among the images that are of a class or called so."""
    return 2 * share / (1 + share)


def mean_interval(
    shares: Sequence[Share], limits: Sequence[tuple[float, float]], values: Sequence[float]
) -> tuple[float, float]:
    """Return the interval of a mean over classes by MOVER, from the intervals of the classes.

    Parameters
    ----------
    shares
        Of each class; how they move together is told by the units that they share.
    limits, values
        Intervals and values of each class, where they are a function of the share (F1) of that.
    """
    moving = np.stack([share.influence for share in shares])
    together = moving @ moving.T
    size = np.sqrt(np.diag(together))
    alike = np.divide(
        together, np.outer(size, size), out=np.eye(size.size), where=np.outer(size, size) > SMALLEST
    )
    centre = np.asarray(values)
    below = centre - np.array([low for low, _ in limits])
    above = np.array([high for _, high in limits]) - centre
    mean, k = float(centre.mean()), len(shares)
    low, high = (math.sqrt(max(side @ alike @ side, 0.0)) / k for side in (below, above))
    return max(mean - low, 0.0), min(mean + high, 1.0)
