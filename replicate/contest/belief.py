"""How probable it is that one method beats another on sets of this kind, after what was seen.

The difference of two methods on a set varies from set to set and, within a set, from seed to seed.
Its mean over all sets of the kind is what is asked for: sets are the units, seeds only tell how far
each set's own difference is known.

Sources: Box & Tiao (1973), Bayesian Inference in Statistical Analysis, ch. 5 (and Tiao & Tan 1965,
Biometrika 52:37), for the model of random effects with flat priors; Benavoli, Corani, Demšar &
Zaffalon (2017), J Mach Learn Res 18(77):1, for what to report of it: the probabilities that the
first is better, that both are practically equivalent, and that the second is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from replicate.evaluation.intervals import Floats

#: Differences up to one point are practically none (Benavoli et al. 2017), or up to what a rerun
#: with other seeds moves the mean by, where that is more.
LEAST_ROPE = 0.01
BY_SEEDS, BY_CONVENTION = "seeds", "convention"
#: Fewer sets say nothing of others.
LEAST_SETS = 2
#: Quantiles of either variance that are added up; more change no second digit.
_GRID = 64
_SMALLEST = 1e-24


@dataclass(frozen=True, slots=True)
class Belief:
    """What is to be thought of the mean difference over sets of this kind.

    Attributes
    ----------
    p_better, p_equal, p_worse
        Probabilities that the first method is better by more than `rope`, that they differ by less,
        and that it is worse by more.
    p_wrong
        That to say "the better one beats the other" (by more than `rope`) is wrong.
    p_reversed
        That the mean difference has the other sign than the one seen.
    p_next
        That the first is better on one further set, by however little.
    rope, rope_from
        Half of the region of practical equivalence: what a rerun of the contest with other seeds
        moves the mean by (``seeds``), or one point (``convention``).
    seeds
        Seeds a set, the mean over sets.
    """

    p_better: float
    p_equal: float
    p_worse: float
    p_wrong: float
    p_reversed: float
    p_next: float
    rope: float
    rope_from: str
    seeds: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """Mean and variance of the sets' differences; variance, degrees of freedom within a set."""

    sets: int
    seeds: float
    mean: float
    between: float
    within: float
    df: int


def belief(differences: Floats) -> Belief | None:
    """Return what is to be thought of two methods; None with fewer than two sets.

    Parameters
    ----------
    differences
        First minus second on the same division, shape (sets, seeds); NaN where one of them lacks.

    Notes
    -----
    A set's mean difference has variance v = tau² + sigma² / k, the parts between sets and between
    the k seeds of a set. The prior is flat on the mean, and as 1 / (sigma² v) on the variances,
    v not below sigma² / k. With one seed v alone is left, and the mean has Student's distribution.
    Nothing is drawn: the two variances are added up on their quantiles.
    """
    seen = _seen(differences)
    if seen is None:
        return None
    rerun = 1.96 * math.sqrt(2 * seen.within / seen.seeds / seen.sets)
    rope = max(LEAST_ROPE, rerun)
    of_mean, of_next, weights = _spreads(seen)

    def above(limit: float, spread: Floats) -> float:
        tails = special.ndtr((seen.mean - limit) / spread)
        return float(np.sum(weights * tails))

    better, worse = above(rope, of_mean), 1.0 - above(-rope, of_mean)
    positive = above(0.0, of_mean)
    return Belief(
        p_better=better,
        p_equal=max(1.0 - better - worse, 0.0),
        p_worse=worse,
        p_wrong=1.0 - max(better, worse),
        p_reversed=min(positive, 1.0 - positive),
        p_next=above(0.0, of_next),
        rope=rope,
        rope_from=BY_SEEDS if rerun > LEAST_ROPE else BY_CONVENTION,
        seeds=seen.seeds,
    )


def _seen(differences: Floats) -> _Seen | None:
    rows = list(_known(differences))
    if len(rows) < LEAST_SETS:
        return None
    means = np.array([row.mean() for row in rows])
    df = sum(row.size - 1 for row in rows)
    squares = sum(float(np.sum((row - row.mean()) ** 2)) for row in rows)
    return _Seen(
        sets=len(rows),
        # The harmonic mean is what the variance of the sets' means goes by.
        seeds=len(rows) / sum(1 / row.size for row in rows),
        mean=float(means.mean()),
        between=float(means.var(ddof=1)),
        within=squares / df if df else 0.0,
        df=df,
    )


def _known(differences: Floats) -> Iterator[Floats]:
    for row in differences:
        if (own := row[np.isfinite(row)]).size:
            yield own


def _spreads(seen: _Seen) -> tuple[Floats, Floats, Floats]:
    """Return standard deviations of the mean and of a further set's difference, with weights."""
    steps = (np.arange(_GRID) + 0.5) / _GRID
    noise = seen.within / seen.seeds
    if noise > 0:
        by_seeds = noise * seen.df / (2 * special.gammaincinv(seen.df / 2, steps))
    else:
        by_seeds = np.zeros(1)
    half = (seen.sets - 1) / 2
    # Sets that agree better than seeds let them still leave the seeds' own spread.
    between = max(seen.between, 1e-4 * noise, _SMALLEST)
    with np.errstate(divide="ignore"):
        most = np.where(by_seeds > 0, half * between / by_seeds, np.inf)
    share = special.gammainc(half, most)
    variance = half * between / special.gammaincinv(half, share[:, None] * steps)
    weights = np.repeat(share / share.sum(), steps.size) / steps.size
    own = np.maximum(variance - by_seeds[:, None], 0.0)
    of_next = np.sqrt(variance / seen.sets + own)
    return np.sqrt(variance / seen.sets).ravel(), of_next.ravel(), weights
