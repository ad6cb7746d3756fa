"""Statistics over data sets against scipy, by brute force and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicate.contest import statistics as stats

# Demšar (2006), table 6: AUC of C4.5 and of C4.5 with m, cf and both tuned, on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_published_example() -> None:
    from scipy.stats import friedmanchisquare

    assert stats.mean_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    found = stats.friedman(DEMSAR)
    assert found is not None
    # The paper's 9.28 knows no ties; with the usual correction it is what scipy gives.
    uncorrected = 12 * 14 / 20 * ((stats.mean_ranks(DEMSAR) ** 2).sum() - 4 * 25 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    reference = friedmanchisquare(*DEMSAR.T)
    assert found.statistic == pytest.approx(reference.statistic)
    assert found.p == pytest.approx(reference.pvalue, abs=0.005)
    assert stats.critical_difference(14, 4) == pytest.approx(1.25, abs=0.005)
    assert stats.critical_difference(14, 4, 0.10) == pytest.approx(1.12, abs=0.005)


def test_friedman_is_scipys_and_its_p_is_counted() -> None:
    from scipy.stats import friedmanchisquare

    rng = np.random.default_rng(2)
    scores = np.round(rng.normal(size=(5, 3)), 1)
    found = stats.friedman(scores)
    assert found is not None
    assert found.statistic == pytest.approx(friedmanchisquare(*scores.T).statistic)
    assert found.method.startswith("exact")
    ranked = stats._ranked(scores)
    hits = total = 0
    spread = ((ranked - 2) ** 2).sum()
    for orders in itertools.product(itertools.permutations(range(3)), repeat=5):
        sums = sum(row[list(order)] for row, order in zip(ranked, orders, strict=True))
        hits += 2 * ((sums - 10) ** 2).sum() / spread >= found.statistic - 1e-9
        total += 1
    assert found.p == pytest.approx(hits / total)
    assert found.smallest_p == pytest.approx(6.0**-4)


def test_friedman_has_nothing_to_say_on_one_set_or_on_ties() -> None:
    assert stats.friedman(np.ones((1, 3))) is None
    assert stats.friedman(np.ones((4, 1))) is None
    found = stats.friedman(np.ones((4, 3)))
    assert found is not None
    assert found.p == 1.0


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_sign_flips_are_counted_in_full(values: list[int]) -> None:
    p, smallest, method = stats.sign_flip(np.array(values, dtype=float))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    assert p == pytest.approx(np.mean([total >= abs(sum(values)) for total in sums]))
    assert smallest == 2.0 ** (1 - len(values))
    assert "exact" in method


def test_six_sets_reach_a_thirtysecond_at_best() -> None:
    p, smallest, _ = stats.sign_flip(np.array([0.1, 0.2, 0.05, 0.3, 0.1, 0.02]))
    assert p == smallest == 1 / 32


def test_many_sets_are_sampled_and_agree() -> None:
    from scipy.stats import permutation_test

    values = np.random.default_rng(3).normal(0.25, 1, 24)
    p, smallest, method = stats.sign_flip(values)
    reference = permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=40_000, random_state=1
    )
    assert "sampled" in method
    assert smallest < p
    assert p == pytest.approx(reference.pvalue, abs=0.02)


def test_holms_p_by_hand_and_without_what_is_not_known() -> None:
    values = [0.01, 0.04, 0.03, 0.005, 0.5]
    assert stats.holm(values) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert stats.holm([0.04, math.nan, 0.02])[::2] == pytest.approx([0.04, 0.04])
    assert math.isnan(stats.holm([0.04, math.nan])[1])


def test_pairs_leave_out_what_a_set_lacks() -> None:
    scores = np.array([[0.9, 0.8], [0.8, 0.8], [0.7, math.nan], [0.95, 0.9], [0.6, 0.65]])
    (one,) = stats.paired_tests(scores, ["a", "b"])
    assert (one.sets, one.wins, one.ties, one.losses) == (4, 2, 1, 1)
    assert one.difference == pytest.approx(0.025)
    from scipy.stats import ttest_1samp

    interval = ttest_1samp([0.1, 0.0, 0.05, -0.05], 0).confidence_interval()
    assert (one.ci_low, one.ci_high) == pytest.approx((interval.low, interval.high))


def test_three_sets_have_no_interval() -> None:
    (one,) = stats.paired_tests(np.array([[0.9, 0.8], [0.8, 0.7], [0.9, 0.85]]), ["a", "b"])
    assert one.difference == pytest.approx(0.25 / 3)
    assert math.isnan(one.ci_low)
    assert math.isnan(one.ci_high)


def test_the_front_holds_what_nobody_beats() -> None:
    scores, costs = [0.9, 0.8, 0.85, 0.9, 0.7], [100.0, 1.0, 100.0, 200.0, 2.0]
    assert stats.pareto(scores, costs) == [True, True, False, False, False]
    assert stats.pareto([0.5, 0.5], [1.0, 1.0]) == [True, True]
