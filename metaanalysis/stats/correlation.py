"""Spearman's rank correlation, and whether a printed r, p and n fit together.

Sources: Best & Roberts (1975), Appl Stat 24:377 (AS 89, what R prints for n > 9); Nuijten et
al. (2016), Behav Res Methods 48:1205 (statcheck) for the rounding rule.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions
from metaanalysis.stats.columns import FloatArray, Missing, RowCheck, check_level, vectors
from metaanalysis.stats.rank_statistics import EXACT_SPEARMAN, ranks, spearman_exact_p
from metaanalysis.stats.result_tables import CorrelationResult, PrintedCorrelation
from metaanalysis.stats.results import NAN

#: Numbers of pairs that a printed correlation may rest on.
_SIZES = range(3, 10_000_001)
_PRINTED = re.compile(r"^\s*(<=|>=|<|>|=|≤|≥)?\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")


def spearman(
    first: ArrayLike,
    second: ArrayLike,
    *,
    resamples: int = 9999,
    seed: int = 1,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
    columns: tuple[str, str] = ("first", "second"),
) -> CorrelationResult:
    """Spearman's rho with a p that needs no approximation and a bootstrap interval.

    Parameters
    ----------
    first, second
        Shape (n,), n >= 3.
    resamples, seed
        Permutations (for n above 12; below, all orders are counted) and bootstrap samples.
    level
        As in `pool`.
    labels, missing
        As of `EffectSizes.of`.
    columns
        Names of the two columns, for messages.

    Notes
    -----
    Ties share their mean rank, and both the exact count and the permutations keep them. The
    interval is the percentile bootstrap over pairs; samples in which a column is constant
    have no correlation and are left out.
    """
    check_level(level)
    left, right = vectors((columns[0], first), (columns[1], second))
    check = RowCheck.of(left.size, labels, missing)
    check.finite(**{columns[0]: left, columns[1]: right})
    check.require(3, "A rank correlation")
    left, right = left[check.keep], right[check.keep]
    for column, values in zip(columns, (left, right), strict=True):
        if np.ptp(values) == 0:
            raise StatisticsError(
                f"Column {column!r} has the one value {values[0]:g} in all {values.size} rows: "
                "there is nothing to correlate."
            )
    n = left.size
    ranks1, ranks2 = ranks(left), ranks(right)
    rho = float(_pearson(ranks1[None], ranks2[None])[0])
    random = np.random.default_rng(seed)
    if n <= EXACT_SPEARMAN:
        p, how = spearman_exact_p(ranks1, ranks2), "exact"
    else:
        p = _permutation_p(ranks1, ranks2, resamples, random)
        how = f"{resamples} permutations, seed {seed}"
    low, high = _bootstrap(left, right, resamples, level, random)
    return CorrelationResult(
        rho=rho,
        n=n,
        p=p,
        p_method=how,
        p_t=correlation_p(rho, n),
        ci_low=low,
        ci_high=high,
        level=level,
        resamples=resamples,
        seed=seed,
        excluded=tuple(check.excluded),
    )


def _pearson(first: FloatArray, second: FloatArray) -> FloatArray:
    """Correlations row by row, shape (B,); NaN where a row is constant."""
    left = first - first.mean(axis=1, keepdims=True)
    right = second - second.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
        return np.asarray(np.clip((left * right).sum(axis=1) / size, -1.0, 1.0))


def _chunks(total: int, n: int) -> list[int]:
    size = max(1, min(total, 2_000_000 // n))
    return [min(size, total - start) for start in range(0, total, size)]


def _permutation_p(
    ranks1: FloatArray, ranks2: FloatArray, resamples: int, random: np.random.Generator
) -> float:
    left = ranks1 - ranks1.mean()
    right = ranks2 - ranks2.mean()
    observed = abs(float(left @ right))
    reached = 0
    for size in _chunks(resamples, left.size):
        orders = random.permuted(np.tile(right, (size, 1)), axis=1)
        # Sums of half-integer products: the slack only absorbs rounding.
        reached += int(np.sum(np.abs(orders @ left) >= observed * (1.0 - 1e-12)))
    # The observed order is one of the possible ones, so that p is never 0.
    return (reached + 1) / (resamples + 1)


def _bootstrap(
    left: FloatArray, right: FloatArray, resamples: int, level: float, random: np.random.Generator
) -> tuple[float, float]:
    values: list[FloatArray] = []
    for size in _chunks(resamples, left.size):
        index = random.integers(0, left.size, (size, left.size))
        values.append(_pearson(ranks(left[index]), ranks(right[index])))
    rhos = np.concatenate(values) if values else np.array([NAN])
    rhos = rhos[~np.isnan(rhos)]
    if rhos.size == 0:
        return NAN, NAN
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(rhos, [tail, 1.0 - tail])
    return float(low), float(high)


def correlation_p(r: float, n: float) -> float:
    """Two-sided p of a correlation by t with n - 2, as most software prints it."""
    if n <= 2 or math.isnan(r):
        return NAN
    if abs(r) >= 1.0:
        return 0.0
    statistic = r * math.sqrt((n - 2.0) / (1.0 - r * r))
    return distributions.two_sided_p(statistic, n - 2.0)


class _Printed(NamedTuple):
    """A printed number as the interval of values that round to it."""

    value: float
    low: float
    high: float


def _read(text: str, what: str) -> _Printed:
    found = _PRINTED.match(text)
    if not found:
        raise StatisticsError(f"{what} {text!r} is not a printed number such as '0.05' or '<.001'.")
    sign, digits = found.groups()
    value = float(digits)
    decimals = len(digits.split(".")[1]) if "." in digits else 0
    half = 0.5 * 10.0**-decimals
    if sign in ("<", "<=", "≤"):
        return _Printed(value, 0.0, value)
    if sign in (">", ">=", "≥"):
        return _Printed(value, value, 1.0)
    return _Printed(value, value - half, value + half)


def check_printed_correlation(
    r: str, p: str, n: int | None = None, *, alpha: float = 0.05
) -> PrintedCorrelation:
    """Find the n that make a printed correlation and its p fit, rounding allowed for.

    Parameters
    ----------
    r, p
        As printed: ``"0.05"``, ``".03"``, ``"<0.001"``. The decimals tell the rounding, so
        these are text, not numbers.
    n
        The number of pairs, where it is known: then also whether the three fit.
    alpha
        A `decision_error` is a printed p on one side of it where every p that fits r and n
        lies on the other.

    Notes
    -----
    p falls as |r| or n grows, so the n that fit form one interval: from the smallest at which
    the largest |r| gets p down to the upper end of its rounding, to the largest at which the
    smallest |r| keeps p above the lower end. By the t approximation; for Spearman's rho it is
    off by a few percent of p below n = 10.
    """
    size, chance = _read(r, "r"), _read(p, "p")
    if abs(size.value) > 1.0 or not 0.0 <= chance.value <= 1.0:
        raise StatisticsError(f"r = {r}, p = {p}: r must lie in [-1, 1] and p in [0, 1].")
    weak = 0.0 if size.low <= 0.0 <= size.high else min(abs(size.low), abs(size.high))
    strong = min(1.0, max(abs(size.low), abs(size.high)))
    first = _smallest_n(strong, chance.high)
    last = _largest_n(weak, max(0.0, chance.low))
    fits = first is not None and (last is None or last >= first)
    at = at_low = at_high = NAN
    consistent: bool | None = None
    decision: bool | None = None
    if n is not None:
        if n < 3:
            raise StatisticsError(f"n = {n}: a correlation's p needs at least 3 pairs.")
        at = correlation_p(size.value, n)
        at_low, at_high = correlation_p(strong, n), correlation_p(weak, n)
        consistent = bool(at_low <= chance.high and at_high >= chance.low)
        printed = chance.value < alpha or (p.strip().startswith("<") and chance.value <= alpha)
        decision = not consistent and (at_low >= alpha if printed else at_high < alpha)
    return PrintedCorrelation(
        r=r.strip(),
        p=p.strip(),
        n_low=first if fits else None,
        n_high=last if fits else None,
        n=n,
        p_at_n=at,
        p_at_n_low=at_low,
        p_at_n_high=at_high,
        consistent=consistent if n is not None else (None if fits else False),
        decision_error=decision,
    )


def _smallest_n(r: float, p: float) -> int | None:
    """Smallest n >= 3 with p(r, n) <= `p`; None beyond any study's size."""
    found = bisect_left(_SIZES, True, key=lambda n: correlation_p(r, n) <= p)
    return _SIZES[found] if found < len(_SIZES) else None


def _largest_n(r: float, p: float) -> int | None:
    """Largest n with p(r, n) >= `p`; None where all larger n qualify, 2 where none does."""
    found = bisect_left(_SIZES, True, key=lambda n: correlation_p(r, n) < p)
    return _SIZES[found] - 1 if found < len(_SIZES) else None
