"""Intervals of replicated values: Wilson, DeLong (also by groups), and the bootstrap of groups.

Sources: Wilson (1927), J Am Stat Assoc 22:209; DeLong et al. (1988), Biometrics 44:837, by midranks
after Sun & Xu (2014), IEEE Signal Process Lett 21:1389; Obuchowski (1997), Biometrics 53:567, for
clusters; Newcombe (2006), Stat Med 25:559, for areas of 0 and 1; Field & Welsh (2007), J R Stat Soc
B 69:369, for resampling whole groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from metaanalysis.audit import binomial
from metaanalysis.audit.binomial import Z95
from metaanalysis.stats.rank_statistics import ranks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL = 0.95
DRAWS = 2000

#: An interval from draws of which a larger share is undefined is none.
MOST_UNDEFINED = 0.05

_SMALLEST_SPREAD = 1e-12
#: Numbers that a block of draws may hold at once (32 MiB), so that memory does not grow with n.
_BLOCK = 4_000_000


def wilson(count: float, n: float) -> tuple[float, float]:
    """Return Wilson's score interval of `count` in `n` (> 0); `count` may be a mean."""
    low, high = binomial.wilson(np.asarray(count, np.float64), np.asarray(n, np.float64))
    # At the ends the limit is 0 or 1; rounding must not leave it a hair beside the value.
    return (0.0 if count <= 0 else float(low)), (1.0 if count >= n else float(high))


def auc_influence(scores: Floats, positive: Bools) -> tuple[float, Floats]:
    """Return the area under the ROC curve and each image's share in its error.

    Parameters
    ----------
    scores
        Shape (n,), higher for positives.
    positive
        Shape (n,); both kinds must occur.

    Returns
    -------
    tuple
        The area, ties counted half, and an array of shape (n,) that sums to 0: DeLong's structural
        components around the area, divided by the number of their kind. The sum of their squares
        is (nearly) the variance of the area; summed within groups first, Obuchowski's.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    together = ranks(scores)
    of_positives = (together[positive] - ranks(scores[positive])) / n
    of_negatives = 1.0 - (together[~positive] - ranks(scores[~positive])) / m
    area = float(of_positives.mean())
    influence = np.empty(scores.size)
    influence[positive] = (of_positives - area) / m
    influence[~positive] = (of_negatives - area) / n
    return area, influence


def influence_variance(influence: Floats, units: Integers, kinds: Integers | None = None) -> float:
    """Return the variance of a statistic from its influences, summed within units.

    Parameters
    ----------
    influence
        Shape (n,).
    units
        Group of each image, from 0.
    kinds
        Without groups, the class of each image: each then gets its own factor m / (m - 1), which
        for two classes is DeLong's variance exactly. None: one factor G / (G - 1) for G groups.
    """
    if kinds is not None:
        counts = np.bincount(kinds)[kinds].astype(np.float64)
        if counts.min() < 2:
            return math.nan
        return float(np.sum(influence**2 * counts / (counts - 1)))
    sums = np.bincount(units, weights=influence)
    if sums.size < 2:
        return math.nan
    return float(np.sum(sums**2) * sums.size / (sums.size - 1))


def area_interval(area: float, variance: float) -> tuple[float, float]:
    """Return the interval of an area inside (0, 1), made on the logit scale."""
    slope = area * (1 - area)
    half = Z95 * math.sqrt(variance) / slope
    centre = float(special.logit(area))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def newcombe_area(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """Return Newcombe's score-like interval of an area (his method 5): defined at 0 and 1 too.

    The limits are the areas A that lie `Z95` standard errors off, with Hanley and McNeil's variance
    at A and both numbers replaced by their mean in its second part.
    """
    middle = (positives + negatives) / 2 - 1

    def error(at: float) -> float:
        spread = 1 + middle * ((1 - at) / (2 - at) + at / (1 + at))
        return math.sqrt(max(at * (1 - at) * spread, 0.0) / (positives * negatives))

    def lower(of: float) -> float:
        if of <= 0:
            return 0.0
        # An area of 1 solves the equation itself; the limit is the other root.
        below = min(of, 1 - 1e-9)
        return float(optimize.brentq(lambda at: at + Z95 * error(at) - of, 0.0, below))

    return lower(area), 1.0 - lower(1 - area)


def resampled_weights(strata: Integers, *, draws: int = DRAWS, seed: int = 0) -> Iterator[Floats]:
    """Yield blocks of shape (block, units): how often each unit is in a draw.

    Units are drawn with replacement within their stratum, so that no draw loses a class and
    groups stay whole. The draws depend on nothing but `strata`, `draws` and `seed`.
    """
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == kind) for kind in np.unique(strata)]
    block = max(1, min(draws, _BLOCK // max(strata.size, 1)))
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        weights = np.zeros((rows, strata.size))
        offsets = np.arange(rows)[:, None]
        for inside in members:
            size = inside.size
            picked = generator.integers(0, size, size=(rows, size)) + offsets * size
            counted = np.bincount(picked.ravel(), minlength=rows * size)
            weights[:, inside] = counted.reshape(rows, size)
        yield weights


def mostly_undefined(draws: Floats) -> bool:
    """Tell whether so many draws are undefined that the others are no fair sample."""
    return int(np.isfinite(draws).sum()) < (1 - MOST_UNDEFINED) * draws.size


def percentile_interval(draws: Floats) -> tuple[float, float] | None:
    """Return the percentile interval; None where too many draws are undefined.

    None also where no draw differs from another: such an interval would claim certainty.
    """
    defined = draws[np.isfinite(draws)]
    if mostly_undefined(draws) or not defined.size or np.ptp(defined) <= _SMALLEST_SPREAD:
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
