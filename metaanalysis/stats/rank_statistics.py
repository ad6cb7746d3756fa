"""Ranks, and the exact null distribution of Spearman's rho."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metaanalysis.stats.columns import FloatArray

# With n values there are 2^n subsets to visit; beyond this, permutations are sampled.
EXACT_SPEARMAN = 12


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, ties sharing their mean rank; shape (B, n) row by row, or (n,).

    A row with NaN has no ranks: all are NaN. What ``scipy.stats.rankdata`` gives, whose import
    takes longer than most that is ranked.
    """
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    place = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    begins = np.ones(values.shape, dtype=np.bool_)
    begins[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ends = np.ones_like(begins)
    ends[..., :-1] = begins[..., 1:]
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=-1)
    last = np.where(ends, place, values.shape[-1])[..., ::-1]
    last = np.minimum.accumulate(last, axis=-1)[..., ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, (first + last) / 2.0 + 1.0, axis=-1)
    found[np.isnan(values).any(axis=-1)] = np.nan
    return found


def spearman_exact_p(first: FloatArray, second: FloatArray) -> float:
    """Exact two-sided p of Spearman's rho by counting all pairings of the ranks.

    Parameters
    ----------
    first, second
        Ranks of shape (n,), n <= `EXACT_SPEARMAN`, ties allowed.

    Notes
    -----
    The sum of products of doubled ranks is a whole number, so its distribution over all n!
    pairings can be built up subset by subset: n 2^n steps instead of n!. Two-sided: pairings
    whose sum is at least as far from its mean.
    """
    left = np.round(2.0 * first).astype(np.int64)
    right = np.round(2.0 * second).astype(np.int64)
    n = left.size
    largest = int(np.sort(left) @ np.sort(right))
    table: dict[int, NDArray[np.int64]] = {0: np.zeros(largest + 1, dtype=np.int64)}
    table[0][0] = 1
    for step in range(n):
        following: dict[int, NDArray[np.int64]] = {}
        for subset, counts in table.items():
            for j in range(n):
                if subset >> j & 1:
                    continue
                key = subset | 1 << j
                shift = int(left[step] * right[j])
                target = following.setdefault(key, np.zeros(largest + 1, dtype=np.int64))
                target[shift:] += counts[: largest + 1 - shift]
        table = following
    counts = table[(1 << n) - 1]
    # Compare n * sum with the product of totals: both are whole numbers, so ties are exact.
    centre = int(left.sum()) * int(right.sum())
    distance = np.abs(n * np.arange(largest + 1) - centre)
    observed = abs(n * int(left @ right) - centre)
    return float(counts[distance >= observed].sum()) / math.factorial(n)
