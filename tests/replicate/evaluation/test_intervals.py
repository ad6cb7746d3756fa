"""Intervals against hand-computed, brute-force and published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaanalysis.stats.sign_flips import sign_flip
from replicate.evaluation import intervals, joining
from replicate.evaluation.uncertainty import Part, added, of_area
from tests.replicate.judged import image_set, predictions


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


def _tested(labels: np.ndarray, groups: np.ndarray | None = None) -> joining.Tested:
    k = int(labels.max()) + 1
    names = None if groups is None else [f"g{g}" for g in groups]
    share = np.full((labels.size, k), 1 / k)
    return joining.gathered([predictions(share, labels)], image_set(labels, k, names), None)[0]


@pytest.mark.parametrize("seed", range(5))
def test_delong_is_that_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + positive, 1)  # with ties
    area, influence = intervals.auc_influence(scores, positive)
    labels = positive.astype(np.int64)
    found = of_area(influence, _tested(labels), labels)
    assert (area, found.variance) == pytest.approx(_placements(scores, positive), rel=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def _obuchowski(scores: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> float:
    """Obuchowski's (1997) variance as her paper writes it, cluster by cluster."""
    x, y = scores[positive], scores[~positive]
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    area, m, n = psi.mean(), x.size, y.size
    v10, v01 = psi.mean(axis=1) - area, psi.mean(axis=0) - area
    of_x, of_y, every = groups[positive], groups[~positive], np.unique(groups)
    sums = np.array([(v10[of_x == g].sum(), v01[of_y == g].sum()) for g in every])
    i10, i01, i = np.unique(of_x).size, np.unique(of_y).size, every.size
    s10 = i10 / ((i10 - 1) * m) * (sums[:, 0] ** 2).sum()
    s01 = i01 / ((i01 - 1) * n) * (sums[:, 1] ** 2).sum()
    s11 = i / (i - 1) * (sums[:, 0] * sums[:, 1]).sum()
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_groups_give_obuchowskis_variance(seed: int, pure: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 25, 120)
    positive = (groups % 3 == 0) if pure else rng.random(120) < 0.4
    scores = np.round(rng.normal(size=120) + positive + rng.normal(size=25)[groups], 1)
    _, influence = intervals.auc_influence(scores, positive)
    labels = positive.astype(np.int64)
    found = of_area(influence, _tested(labels, groups), labels)
    assert found.variance == pytest.approx(_obuchowski(scores, positive, groups), rel=1e-12)


def test_clusters_of_copies_count_once() -> None:
    """Every image copied three times: by images the error shrinks, by groups it does not."""
    rng = np.random.default_rng(3)
    labels = (np.arange(80) % 2 == 0).astype(np.int64)
    scores = rng.normal(size=80) + labels

    def variance(copies: int, groups: np.ndarray | None) -> float:
        many = np.tile(labels, copies)
        influence = intervals.auc_influence(np.tile(scores, copies), many == 1)[1]
        return of_area(influence, _tested(many, groups), many).variance

    alone = variance(1, None)
    assert variance(3, np.tile(np.arange(80), 3)) == pytest.approx(alone)
    assert variance(3, None) < alone / 2.5


def test_few_degrees_of_freedom_widen() -> None:
    assert Part(1.0, math.inf).quantile == pytest.approx(1.959964, abs=1e-6)
    assert Part(1.0, 5).quantile == pytest.approx(2.570582, abs=1e-6)  # Student's tables
    whole = added([Part(4.0, 10), Part(1.0, 2)])
    assert (whole.variance, whole.df) == (5.0, pytest.approx(25 / (16 / 10 + 1 / 2)))


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
    assert at + 1.959963984540054 * error == pytest.approx(1.0)


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
