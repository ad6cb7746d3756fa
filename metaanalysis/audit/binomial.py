"""Intervals of a proportion, and of an AUC, as papers print them.

They are ours because statsmodels, which has them, takes longer to import than the whole audit runs.

Sources: Wilson (1927), J Am Stat Assoc 22:209; Clopper & Pearson (1934), Biometrika 26:404; Agresti
& Coull (1998), Am Stat 52:119. All at 95%.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metaanalysis.audit.printed import Printed
from metaanalysis.stats.effects import hanley_mcneil

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats]

#: Half-width of a 95% interval in standard errors.
Z95 = float(special.ndtri(0.975))

_TAIL = 0.025

#: So many numbers of positives are tried at most.
_MOST_TRIED = 100_001


def wilson(count: Floats, n: Floats, z: float = Z95) -> Interval:
    """Return Wilson's score interval; `z` is its half-width in standard errors."""
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def clopper_pearson(count: Floats, n: Floats) -> Interval:
    """Return the exact interval of Clopper and Pearson."""
    low = np.where(count > 0, special.betaincinv(np.maximum(count, 1), n - count + 1, _TAIL), 0.0)
    inner = special.betaincinv(count + 1, np.maximum(n - count, 1), 1 - _TAIL)
    return low, np.where(count < n, inner, 1.0)


def wald(count: Floats, n: Floats) -> Interval:
    """Return the textbook interval, cut at 0 and 1."""
    share = count / n
    half = Z95 * np.sqrt(share * (1 - share) / n)
    return np.maximum(share - half, 0.0), np.minimum(share + half, 1.0)


def agresti_coull(count: Floats, n: Floats) -> Interval:
    """Return the textbook interval after z² / 2 successes and failures are added."""
    return wald(count + Z95**2 / 2, n + Z95**2)


#: Name -> interval, in the order in which they are tried.
METHODS: Mapping[str, Callable[[Floats, Floats], Interval]] = {
    "Clopper-Pearson": clopper_pearson,
    "Wilson": wilson,
    "Wald": wald,
    "Agresti-Coull": agresti_coull,
}


def rounds_to(interval: Interval, low: Printed, high: Printed) -> NDArray[np.bool_]:
    """Return which intervals round to the printed one."""
    below, above = interval
    fits = (below >= float(low.low)) & (below <= float(low.high))
    return np.asarray(fits & (above >= float(high.low)) & (above <= float(high.high)))


def positives_tried(n: int) -> Floats:
    """Return the numbers of positives among `n` cases that are tried: 1 to n - 1, or a sample."""
    return np.unique(np.round(np.linspace(1, n - 1, min(n - 1, _MOST_TRIED))))


def auc_half_widths(area: float, n: int) -> Floats:
    """Return the half-width of an AUC's 95% interval for each of :func:`positives_tried`.

    By Hanley and McNeil (1982), Radiology 143:29.
    """
    positive = positives_tried(n)
    variance = hanley_mcneil(np.full(positive.shape, area), positive, n - positive)
    return np.asarray(Z95 * np.sqrt(variance), dtype=np.float64)
