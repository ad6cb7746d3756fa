"""Intervals of replicated values: Wilson's, DeLong's, Newcombe's.

Sources: Wilson (1927), J Am Stat Assoc 22:209; DeLong et al. (1988), Biometrics 44:837, by midranks
after Sun & Xu (2014), IEEE Signal Process Lett 21:1389; Newcombe (2006), Stat Med 25:559, for areas
of 0 and 1.
"""

from __future__ import annotations

import math

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


def wilson(count: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's score interval of `count` in `n` (> 0), neither of them whole of need.

    `z` is its half-width in standard errors; 95% by the normal distribution unless given.
    """
    low, high = binomial.wilson(np.asarray(count, np.float64), np.asarray(n, np.float64), z)
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
        is (nearly) the variance of the area.
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


def areas_of(probabilities: Floats, labels: Integers, k: int) -> tuple[Floats, Floats]:
    """Return each class's area, shape (K,), NaN where undefined, and influences, shape (n, K)."""
    areas, influences = np.full(k, np.nan), np.zeros((labels.size, k))
    for label in range(k):
        positive = labels == label
        if 0 < positive.sum() < labels.size:
            areas[label], influences[:, label] = auc_influence(probabilities[:, label], positive)
    return areas, influences


def area_interval(area: float, variance: float, z: float = Z95) -> tuple[float, float]:
    """Return the interval of an area inside (0, 1), made on the logit scale."""
    slope = area * (1 - area)
    half = z * math.sqrt(variance) / slope
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
