"""How far a value would move on other images or patients, with other seeds and other folds.

A value is a mean over models. Its variance has three parts. *Units* (patients, else images) stand
for all of their kind, whatever their class: the mix of classes moves with them, as in a bootstrap
of units. *Models* (seeds, repeats) and *folds*, each tested by a model of its own, have their own
luck: what they differ by beyond what units explain is added. Nothing takes variance away: a mean
over models is never held for surer than one of them.

Sources: linearised statistics with the factor G / (G - 1) of G units, Binder (1983), Int Stat Rev
51:279; degrees of freedom, Satterthwaite (1946), Biometrics Bull 2:110; an area's by kind of image,
Brunner & Munzel (2000), Biom J 42:17, by groups Obuchowski (1997), Biometrics 53:567.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from metaanalysis.audit.binomial import Z95
from replicate.evaluation.intervals import LEVEL, Floats, Integers
from replicate.evaluation.joining import Model, Tested

#: Below this a variance is rounding.
SMALLEST = 1e-15


@dataclass(frozen=True, slots=True)
class Part:
    """A variance and its degrees of freedom; the variance is NaN where a single unit decides."""

    variance: float
    df: float

    @property
    def quantile(self) -> float:
        """The half-width of a 95% interval in standard errors."""
        if not self.df < 1e6:
            return Z95
        return float(special.stdtrit(max(self.df, 1.0), (1 + LEVEL) / 2))


NOTHING = Part(0.0, math.inf)


def added(parts: Sequence[Part]) -> Part:
    """Return the sum of independent variances, with Satterthwaite's degrees of freedom."""
    total = sum(part.variance for part in parts)
    below = sum(part.variance**2 / part.df for part in parts)
    return Part(total, total**2 / below if below > 0 else math.inf)


def of_ratio(influence: Floats, tested: Tested, units: int) -> Part:
    """Return the variance of a ratio of sums, by units.

    Parameters
    ----------
    influence
        Each tested image's share in the error, shape (n,).
    units
        How many units the ratio rests on.
    """
    if units < 2:
        return Part(math.nan, 1.0)
    sums = np.bincount(tested.units, weights=influence)
    # Of single images a share's spread follows from the share, and costs no degree of freedom.
    df = units - 1.0 if tested.grouped else math.inf
    return Part(float(np.sum(sums**2) * units / (units - 1)), df)


def of_area(influence: Floats, tested: Tested, kinds: Integers) -> Part:
    """Return the variance of an area, by units: DeLong's without groups, else Obuchowski's.

    Parameters
    ----------
    influence
        Each tested image's share in the error, shape (n,).
    kinds
        The kinds of images that the area compares, shape (n,), from 0.
    """
    k, units = int(kinds.max()) + 1, tested.count
    of_both = tested.units * k + kinds
    held = np.bincount(of_both, minlength=units * k).reshape(units, k) > 0
    sums = np.bincount(of_both, weights=influence, minlength=units * k).reshape(units, k)
    sizes = held.sum(axis=0).astype(np.float64)
    if sizes.min() < 2:
        return Part(math.nan, 1.0)
    own = (sums**2).sum(axis=0) * sizes / (sizes - 1)
    found = added([Part(float(v), m - 1) for v, m in zip(own, sizes, strict=True)])
    across = float(np.sum(sums.sum(axis=1) ** 2) - np.sum(sums**2)) * units / (units - 1)
    # Units that hold several kinds: what they add or take away between them.
    return Part(max(found.variance + across, 0.0), found.df)


def whole(
    influences: Sequence[Floats],
    values: Sequence[float],
    tested: Tested,
    by_units: Callable[[Floats], Part],
) -> Part:
    """Return the variance of a mean over models, of units, models and folds.

    Parameters
    ----------
    influences
        Of each model, each tested image's share in its error, shape (n,); 0 where not tested.
    values
        Of each model.
    by_units
        From such influences to a variance.
    """
    own = [by_units(one) for one in influences]
    if len(own) == 1:
        return added([own[0], _of_folds(influences, own, tested.models)])
    folds = _of_folds(influences, own, tested.models)
    units = by_units(np.mean(influences, axis=0))
    found = added([units, _of_models(influences, values, tested), folds])
    single = added([Part(float(np.mean([part.variance for part in own])), own[0].df), folds])
    return single if single.variance > found.variance else found


def _of_models(influences: Sequence[Floats], values: Sequence[float], tested: Tested) -> Part:
    """Return what models differ by beyond their disagreement on single units."""
    sums = np.stack([np.bincount(tested.units, weights=one) for one in influences])
    explained = float(np.sum((sums - sums.mean(axis=0)) ** 2)) / (len(values) - 1)
    beyond = float(np.var(values, ddof=1)) - explained
    return Part(beyond / len(values), len(values) - 1.0) if beyond > 0 else NOTHING


def _of_folds(influences: Sequence[Floats], own: Sequence[Part], models: Sequence[Model]) -> Part:
    """Return what folds differ by beyond their units."""
    beyond = []
    for influence, part, model in zip(influences, own, models, strict=True):
        sums = np.bincount(model.folds, weights=influence[model.places])
        if sums.size > 1:
            beyond.append(float(np.sum(sums**2)) * sums.size / (sums.size - 1) - part.variance)
    if not beyond or not np.mean(beyond) > 0:
        return NOTHING
    return Part(float(np.mean(beyond)), float(models[0].folds.max()))
