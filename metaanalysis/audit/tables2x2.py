"""Which tables of true and false calls can stand behind printed rates.

With n known, all tables are tried: for each number of positives and of true positives, each printed
rate leaves a range of true negatives. Without n, each rate leaves a range of the prevalence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from metaanalysis.audit.printed import Printed

#: With more cases than this not every table is tried; the prevalence alone decides.
ENUMERATED = 20_000

#: Float arithmetic may miss a bound by so much; the slack errs towards what is printed.
_SLACK = 1e-9

Rates = Mapping[str, Printed]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Positives:
    """Numbers of positives among `n` for which a table exists, and how many tables there are."""

    low: int
    high: int
    tables: int
    n: int


def _ends(rates: Rates, name: str) -> tuple[Fraction, Fraction]:
    """Return the smallest and largest value of a rate; 0 and 1 where it is not printed."""
    if name not in rates:
        return Fraction(0), Fraction(1)
    return max(rates[name].low, Fraction(0)), min(rates[name].high, Fraction(1))


def _count_range(rate: Printed | None, n: int) -> tuple[int, int]:
    if rate is None:
        return 0, n
    return max(0, ceil(rate.low * n)), min(n, floor(rate.high * n))


def _true_negatives(
    rates: Rates, n: int, positives: int, true_positives: Floats
) -> tuple[Floats, Floats]:
    """Return the smallest and largest number of true negatives for each of true positives."""
    negatives = n - positives
    first, last = _count_range(rates.get("specificity"), negatives)
    low = np.full(true_positives.shape, float(first))
    high = np.full(true_positives.shape, float(last))
    missed = positives - true_positives
    if "accuracy" in rates:
        correct = _count_range(rates["accuracy"], n)
        low = np.maximum(low, correct[0] - true_positives)
        high = np.minimum(high, correct[1] - true_positives)
    # A printed value has a width, so that its lower bound is below 1 and its upper one above 0.
    if "precision" in rates:
        least, most = map(float, _ends(rates, "precision"))
        # precision = tp / (tp + fp), fp = negatives - tn
        high = np.minimum(high, negatives - true_positives * (1 / most - 1))
        if least > 0:
            low = np.maximum(low, negatives - true_positives * (1 / least - 1))
    if "NPV" in rates:
        least, most = map(float, _ends(rates, "NPV"))
        # NPV = tn / (tn + fn)
        low = np.maximum(low, missed * least / (1 - least))
        if most < 1:
            high = np.minimum(high, missed * most / (1 - most))
    if "F1" in rates:
        least, most = map(float, _ends(rates, "F1"))
        # F1 = 2 tp / (2 tp + fp + fn)
        high = np.minimum(high, negatives + missed - 2 * true_positives * (1 / most - 1))
        if least > 0:
            low = np.maximum(low, negatives + missed - 2 * true_positives * (1 / least - 1))
    return np.ceil(low - _SLACK), np.floor(high + _SLACK)


def tables(rates: Rates, n: int, positives: int | None = None) -> Positives | None:
    """Return for which numbers of positives a table of `n` cases gives all rates; None if for none.

    Parameters
    ----------
    rates
        Printed values out of sensitivity, specificity, accuracy, precision, NPV, F1.
    n
        Cases, at most :data:`ENUMERATED`.
    positives
        Their number with the finding, where it is known.
    """
    return _tables(tuple(sorted(rates.items(), key=lambda rate: rate[0])), n, positives)


@lru_cache(maxsize=256)  # two checks ask for the same tables
def _tables(
    given: tuple[tuple[str, Printed], ...], n: int, positives: int | None
) -> Positives | None:
    rates = dict(given)
    found: list[int] = []
    count = 0
    for number in range(1, n) if positives is None else (positives,):
        first, last = _count_range(rates.get("sensitivity"), number)
        if first > last:
            continue
        low, high = _true_negatives(rates, n, number, np.arange(first, last + 1, dtype=float))
        possible = int(np.maximum(high - low + 1, 0).sum())
        if possible:
            found.append(number)
            count += possible
    return Positives(found[0], found[-1], count, n) if found else None


def means(rates: Rates, n: int, runs: int, positives: int | None = None) -> bool:
    """Return whether means over runs on the same `n` cases can give all rates.

    Only sensitivity, specificity and accuracy are looked at: the means of others hang on how the
    runs differ. In all runs together, each leaves a range of the calls that were right.
    """
    for number in range(1, n) if positives is None else (positives,):
        first, last = _count_range(rates.get("sensitivity"), number * runs)
        least, most = _count_range(rates.get("specificity"), (n - number) * runs)
        low, high = _count_range(rates.get("accuracy"), n * runs)
        if first <= last and least <= most and max(first + least, low) <= min(last + most, high):
            return True
    return False


def _at_least(constant: Fraction, slope: Fraction) -> tuple[Fraction, Fraction]:
    """Return the range of x in [0, 1] with constant + slope * x >= 0; empty if low > high."""
    zero, one = Fraction(0), Fraction(1)
    if slope == 0:
        return (zero, one) if constant >= 0 else (one, zero)
    edge = -constant / slope
    return (max(zero, edge), one) if slope > 0 else (zero, min(one, edge))


def prevalence(rates: Rates) -> tuple[float, float] | None:
    """Return the range of the prevalence with which all rates can go together; None if empty.

    Each rate is bounded by the corners of what sensitivity and specificity can be, so that the
    range is too wide rather than too narrow. All bounds are linear in the prevalence.
    """
    s_low, s_high = _ends(rates, "sensitivity")
    p_low, p_high = _ends(rates, "specificity")
    ranges = []
    if "accuracy" in rates:
        low, high = _ends(rates, "accuracy")
        ranges += [
            _at_least(p_high - low, s_high - p_high),  # best case s x + p (1 - x) >= low
            _at_least(high - p_low, p_low - s_low),
        ]
    if "precision" in rates:
        low, high = _ends(rates, "precision")
        # s x (1 - v) - v (1 - p)(1 - x) >= 0, and the other way round
        ranges += [
            _at_least(-low * (1 - p_high), s_high * (1 - low) + low * (1 - p_high)),
            _at_least(high * (1 - p_low), -s_low * (1 - high) - high * (1 - p_low)),
        ]
    if "NPV" in rates:
        low, high = _ends(rates, "NPV")
        # p (1 - x)(1 - v) - v (1 - s) x >= 0, and the other way round
        ranges += [
            _at_least(p_high * (1 - low), -p_high * (1 - low) - low * (1 - s_high)),
            _at_least(-p_low * (1 - high), p_low * (1 - high) + high * (1 - s_low)),
        ]
    if "F1" in rates:
        low, high = _ends(rates, "F1")
        # 2 s x - v (s x + x + (1 - p)(1 - x)) >= 0, and the other way round
        ranges += [
            _at_least(-low * (1 - p_high), s_high * (2 - low) - low * p_high),
            _at_least(high * (1 - p_low), -s_low * (2 - high) + high * p_low),
        ]
    low_end = max((low for low, _ in ranges), default=Fraction(0))
    high_end = min((high for _, high in ranges), default=Fraction(1))
    return (float(low_end), float(high_end)) if low_end <= high_end else None
