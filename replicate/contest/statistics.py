"""Which of several methods wins over several data sets: the data sets are the n, nothing else is.

Seeds and images of one set are not independent evidence on another; each set therefore enters with
one value a method. With few sets everything that can be is counted exactly, and the smallest p that
so many sets can reach at all is stated.

Sources: Demšar (2006), J Mach Learn Res 7:1 (ranks, Friedman, Nemenyi's critical difference);
Benavoli et al. (2016), J Mach Learn Res 17:5 (pairwise tests that do not hang on the other
methods); Holm (1979), Scand J Stat 6:65; Fisher's sign-flip test of paired differences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metaanalysis.stats import distributions, sign_flips
from metaanalysis.stats.rank_statistics import ranks
from replicate.contest.belief import Belief, belief
from replicate.evaluation.intervals import Floats

#: Up to so many data sets every flip of signs is counted.
EXACT_SETS = 16
#: Up to so many orders (methods! to the power of sets - 1) all are counted for Friedman's test.
_EXACT_ORDERS = 20_000
#: Draws where there is too much to count, and their seed.
_DRAWS, _SEED = 20_000, 0
#: With fewer data sets a mean has no interval: Student's of two is wider than any difference can be
#: and stands beside a p of 1 at best as if it said something.
LEAST_SETS = 4
#: Differences of this size are rounding.
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True)
class Friedman:
    """Whether the methods' ranks differ at all; `method` says how p was found."""

    statistic: float
    p: float
    smallest_p: float
    method: str


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One method against another over the data sets that both have.

    Attributes
    ----------
    first, second
        Names; differences are first minus second.
    sets, wins, ties, losses
        Data sets, and on how many of them the first is better, equal, worse.
    difference, ci_low, ci_high
        Mean over sets with Student's 95% interval; its limits are NaN with fewer than
        `LEAST_SETS` sets.
    p, smallest_p
        Two-sided sign-flip p, and the least that so many sets can give.
    p_holm
        `p` after Holm's correction for all comparisons of the same table.
    method
        How p was found.
    belief
        How probable it is that one beats the other on sets of this kind; None with fewer than two.
    """

    first: str
    second: str
    sets: int
    wins: int
    ties: int
    losses: int
    difference: float
    ci_low: float
    ci_high: float
    p: float
    smallest_p: float
    p_holm: float
    method: str
    belief: Belief | None = None


def mean_ranks(scores: Floats) -> Floats:
    """Return the mean rank of each method over data sets; 1 is best, ties share.

    Parameters
    ----------
    scores
        Shape (sets, methods), complete; higher is better.
    """
    return np.asarray(_ranked(scores).mean(axis=0))


def _ranked(scores: Floats) -> Floats:
    return ranks(-np.round(scores, 12))


def friedman(scores: Floats) -> Friedman | None:
    """Test that the methods rank alike; None for fewer than two sets or methods.

    Parameters
    ----------
    scores
        Shape (sets, methods), complete; higher is better.

    Notes
    -----
    The p is that of permuting each set's ranks, counted in full where possible: the chi-square
    approximation is poor for fewer than ten sets.
    """
    sets, methods = scores.shape
    if sets < 2 or methods < 2:
        return None
    ranked = _ranked(scores)
    spread = float(np.sum((ranked - (methods + 1) / 2) ** 2))
    if spread <= _EQUAL:
        return Friedman(0.0, 1.0, 1.0, "all methods tie on all sets")

    def statistic(sums: Floats) -> Floats:
        # With the usual correction for ties: without any, spread is sets k (k² - 1) / 12.
        off = sums - sets * (methods + 1) / 2
        return np.asarray((methods - 1) * (off**2).sum(axis=-1) / spread)

    observed = float(statistic(ranked.sum(axis=0)))
    orders = math.factorial(methods) if methods <= 8 else _EXACT_ORDERS + 1
    smallest = float(math.factorial(methods)) ** (1 - sets)
    if orders ** (sets - 1) <= _EXACT_ORDERS:
        # The first set's order can stay: only how the others lie to it matters.
        sums = ranked[:1]
        for row in ranked[1:]:
            turned = np.array(list(itertools.permutations(row)))
            sums = (sums[:, None, :] + turned[None, :, :]).reshape(-1, methods)
        p = float(np.mean(statistic(sums) >= observed - 1e-9))
        return Friedman(observed, p, smallest, f"exact, {len(sums):,} orders of ranks")
    generator = np.random.default_rng(_SEED)
    sums = np.zeros((_DRAWS, methods))
    for row in ranked:
        sums += generator.permuted(np.tile(row, (_DRAWS, 1)), axis=1)
    p = (1 + int(np.sum(statistic(sums) >= observed - 1e-9))) / (1 + _DRAWS)
    smallest = max(smallest, 1 / (1 + _DRAWS))
    return Friedman(observed, p, smallest, f"{_DRAWS:,} sampled orders of ranks")


def critical_difference(sets: int, methods: int, alpha: float = 0.05) -> float:
    """Return by how much mean ranks must differ for Nemenyi's test, two-sided."""
    # Scipy's statistics cost a second to import; here alone they are needed.
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * sets))


def sign_flip(differences: Floats) -> tuple[float, float, str]:
    """Test that paired differences are around 0, two-sided.

    Parameters
    ----------
    differences
        Shape (sets,), one a data set.

    Returns
    -------
    tuple
        p, the smallest p that so many sets can reach, and how it was found. Sets without a
        difference stay in: they can tell nothing, and their flips count as ties.
    """
    n = differences.size
    if n == 0:
        return math.nan, math.nan, "no data set"
    p, exact = sign_flips.sign_flip(
        differences, two_sided=True, exact_up_to=EXACT_SETS, draws=_DRAWS, seed=_SEED
    )
    if exact:
        return p, 2.0 ** (1 - n), f"exact sign flips of {n} sets"
    return p, 1 / (1 + _DRAWS), f"{_DRAWS:,} sampled sign flips of {n} sets"


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p; NaN stays NaN and is not counted."""
    # Statsmodels takes a second to import.
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p_values, dtype=float)
    known = np.isfinite(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return [float(p) for p in adjusted]


def paired_tests(
    scores: Floats,
    names: Sequence[str],
    pairs: Sequence[tuple[str, str]] | None = None,
    by_seed: Floats | None = None,
) -> list[PairedTest]:
    """Test methods against each other, pair by pair.

    Parameters
    ----------
    scores
        Shape (sets, methods), NaN where a set lacks a method; higher is better.
    names
        Of the methods.
    pairs
        Which; None takes all, in the order of `names`.
    by_seed
        The scores of each seed, shape (sets, methods, seeds), NaN where one lacks; None where a set
        has one value a method.
    """
    each = scores[:, :, None] if by_seed is None else by_seed
    chosen = list(itertools.combinations(names, 2)) if pairs is None else list(pairs)
    place = {name: index for index, name in enumerate(names)}
    raw = [
        replace(
            _one(a, b, scores[:, place[a]] - scores[:, place[b]]),
            belief=belief(each[:, place[a]] - each[:, place[b]]),
        )
        for a, b in chosen
    ]
    adjusted = holm([one.p for one in raw])
    return [replace(one, p_holm=p) for one, p in zip(raw, adjusted, strict=True)]


def _one(first: str, second: str, differences: Floats) -> PairedTest:
    known = differences[np.isfinite(differences)]
    n = known.size
    p, smallest, method = sign_flip(known)
    mean = float(known.mean()) if n else math.nan
    low = high = math.nan
    if n >= LEAST_SETS:
        error = float(known.std(ddof=1)) / math.sqrt(n)
        half = distributions.critical_value(0.95, n - 1) * error
        low, high = mean - half, mean + half
    better, worse = int(np.sum(known > _EQUAL)), int(np.sum(known < -_EQUAL))
    return PairedTest(
        first, second, n, better, n - better - worse, worse, mean, low, high, p, smallest, p, method
    )


def pareto(scores: Sequence[float], costs: Sequence[float]) -> list[bool]:
    """Return which methods no other beats: at least as good and cheap, and better in one."""
    return [
        not any(
            other >= own and cheap <= cost and (other > own or cheap < cost)
            for other, cheap in zip(scores, costs, strict=True)
        )
        for own, cost in zip(scores, costs, strict=True)
    ]
