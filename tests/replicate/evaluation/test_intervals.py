"""Intervals against hand-computed, brute-force and published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaanalysis.stats.sign_flips import sign_flip
from replicate.evaluation import intervals


def test_wilson_is_the_published_interval() -> None:
    # Newcombe (1998), Stat Med 17:857, table I, method 3.
    for count, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert intervals.wilson(count, n) == pytest.approx((low, high), abs=5e-5)
    assert intervals.wilson(7, 7)[1] == 1.0


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value_and_is_symmetric(case: tuple[int, int]) -> None:
    count, n = case
    low, high = intervals.wilson(count, n)
    assert 0 <= low <= count / n <= high <= 1
    assert intervals.wilson(n - count, n) == pytest.approx((1 - high, 1 - low))


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """DeLong's area and variance as the paper writes them: all pairs."""
    x, y = scores[positive], scores[~positive]
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    return psi.mean(), v10.var(ddof=1) / x.size + v01.var(ddof=1) / y.size


@pytest.mark.parametrize("seed", range(5))
def test_delong_is_that_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + positive, 1)  # with ties
    area, influence = intervals.auc_influence(scores, positive)
    variance = intervals.influence_variance(influence, np.arange(60), positive.astype(np.int64))
    assert (area, variance) == pytest.approx(_placements(scores, positive), rel=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_clusters_of_copies_count_once() -> None:
    """Every image copied three times: by images the error shrinks, by groups it does not."""
    rng = np.random.default_rng(3)
    positive = np.arange(80) % 2 == 0
    scores = rng.normal(size=80) + positive
    units = np.arange(80)
    alone = intervals.influence_variance(intervals.auc_influence(scores, positive)[1], units)
    copied = intervals.auc_influence(np.tile(scores, 3), np.tile(positive, 3))[1]
    assert intervals.influence_variance(copied, np.tile(units, 3)) == pytest.approx(alone)
    assert intervals.influence_variance(copied, np.arange(240)) < alone / 2.5


def test_newcombe_reaches_the_ends() -> None:
    low, high = intervals.newcombe_area(1.0, 10, 12)
    assert high == 1.0
    assert 0.7 < low < 0.95
    assert intervals.newcombe_area(0.0, 12, 10) == pytest.approx((0.0, 1 - low))
    assert intervals.newcombe_area(1.0, 100, 120)[0] > low
    # The limit solves the equation that defines it.
    middle, at = 10.0, low
    spread = 1 + middle * ((1 - at) / (2 - at) + at / (1 + at))
    error = math.sqrt(at * (1 - at) * spread / 120)
    assert at + intervals.Z95 * error == pytest.approx(1.0)


def test_draws_keep_strata_and_repeat() -> None:
    strata = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    first = np.concatenate(list(intervals.resampled_weights(strata, draws=300)))
    again = np.concatenate(list(intervals.resampled_weights(strata, draws=300)))
    assert first.shape == (300, 9)
    assert np.array_equal(first, again)
    for kind, size in ((0, 3), (1, 2), (2, 4)):
        assert (first[:, strata == kind].sum(axis=1) == size).all()
    assert first.mean() == pytest.approx(1.0)
    assert first[:, strata == 2].var() == pytest.approx(1 - 1 / 4, rel=0.1)


def test_blocks_do_not_change_what_is_drawn_of_one_stratum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strata = np.zeros(50, dtype=np.int64)
    whole = np.concatenate(list(intervals.resampled_weights(strata, draws=64)))
    monkeypatch.setattr(intervals, "_BLOCK", 500)
    blocks = list(intervals.resampled_weights(strata, draws=64))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), whole)


def test_percentiles_refuse_certainty_and_gaps() -> None:
    assert intervals.percentile_interval(np.ones(100)) is None
    gaps = np.linspace(0, 1, 100)
    gaps[:10] = np.nan
    assert intervals.percentile_interval(gaps) is None
    low, high = intervals.percentile_interval(np.linspace(0, 1, 1001)) or (0, 0)
    assert (low, high) == pytest.approx((0.025, 0.975))


@settings(max_examples=40)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=8))
def test_sign_flips_are_counted(values: list[int]) -> None:
    sums = [
        sum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    expected = np.mean([total >= sum(values) for total in sums])
    p, exact = sign_flip(np.array(values, dtype=float))
    assert exact
    assert p == pytest.approx(expected if any(values) else 1.0)


def test_sampled_sign_flips_agree_with_counted_ones() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 18)
    counted, exact = sign_flip(values)
    sampled, also = sign_flip(values, exact_up_to=10)
    assert (exact, also) == (True, False)
    assert sampled == pytest.approx(counted, abs=0.01)


def test_equal_sizes_are_mcnemar() -> None:
    from scipy.stats import binomtest

    values = np.array([1.0] * 40 + [-1.0] * 22 + [0.0] * 9)
    p, exact = sign_flip(values)
    assert exact
    assert p == pytest.approx(binomtest(40, 62, alternative="greater").pvalue)
