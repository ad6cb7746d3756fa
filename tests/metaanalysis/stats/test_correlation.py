from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from db.errors import StatisticsError
from metaanalysis import spearman
from metaanalysis.stats.correlation import check_printed_correlation, correlation_p
from metaanalysis.stats.rank_statistics import ranks, spearman_exact_p
from tests.metaanalysis.stats.golden_values import close

MPG = (21, 21, 22.8, 21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8, 16.4, 17.3, 15.2, 10.4, 10.4,
       14.7, 32.4, 30.4, 33.9, 21.5, 15.5, 15.2, 13.3, 19.2, 27.3, 26, 30.4, 15.8, 19.7, 15,
       21.4)  # fmt: skip
WT = (2.62, 2.875, 2.32, 3.215, 3.44, 3.46, 3.57, 3.19, 3.15, 3.44, 3.44, 4.07, 3.73, 3.78, 5.25,
      5.424, 5.345, 2.2, 1.615, 1.835, 2.465, 3.52, 3.435, 3.84, 3.845, 1.935, 2.14, 1.513, 3.17,
      2.77, 3.57, 2.78)  # fmt: skip


def test_mtcars_equals_r():
    found = spearman(MPG, WT, resamples=999)
    close(found.rho, -0.8864220333, rtol=1e-9)
    close(found.p_t, 1.487594858e-11, rtol=1e-8)
    assert found.p == 0.001
    assert found.ci_low < found.rho < found.ci_high


def test_exact_p_of_ten_pairs():
    found = spearman(range(1, 11), (2, 1, 4, 3, 7, 8, 6, 5, 10, 9), resamples=99)
    close(found.rho, 0.8545454545, rtol=1e-9)
    # 10,390 of 10! orders. R prints 0.0035047: beyond n = 9 it uses an Edgeworth series.
    close(found.p, 10390 / math.factorial(10), rtol=1e-12)
    assert found.p_method == "exact"


def test_exact_p_of_nine_pairs_equals_r():
    close(spearman(range(9), (2, 1, 4, 3, 7, 8, 6, 5, 9), resamples=9).p, 0.010769400352734)
    close(spearman(range(6), (3, 1, 2, 5, 4, 6), resamples=9).p, 0.10277777777778)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(3, 6).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 4), min_size=n, max_size=n),
            st.lists(st.integers(0, 4), min_size=n, max_size=n),
        )
    )
)
def test_exact_p_counts_all_orders_even_with_ties(data):
    first, second = (ranks(np.array(values, float)) for values in data)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return
    mean = first.sum() * second.sum() / first.size
    distances = [abs(first @ np.array(order) - mean) for order in itertools.permutations(second)]
    observed = abs(first @ second - mean)
    close(spearman_exact_p(first, second), np.mean(np.array(distances) >= observed - 1e-9))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_ranks_equal_scipy(values):
    close(ranks(np.array(values, float)), stats.rankdata(values))


def test_permutation_p_is_seeded_and_near_t():
    random = np.random.default_rng(5)
    first = random.normal(size=41)
    second = 0.4 * first + random.normal(size=41)
    found, again = spearman(first, second), spearman(first, second)
    assert (found.p, found.ci_low) == (again.p, again.ci_low)
    assert abs(found.p - found.p_t) < 0.01
    assert "permutations, seed 1" in found.p_method
    close(found.rho, stats.spearmanr(first, second).statistic)


def test_review_claims_of_finding_0_5():
    found = check_printed_correlation("0.05", "0.03", 41)
    assert (found.n_low, found.n_high) == (1470, 2480)
    close(found.p_at_n, 0.76, atol=0.005)
    assert found.consistent is False
    assert found.decision_error is True
    found = check_printed_correlation("0.13", "0.17", 41)
    assert (found.n_low, found.n_high) == (103, 124)
    close(found.p_at_n, 0.42, atol=0.005)
    assert found.decision_error is False


def test_statcheck_cases():
    first = check_printed_correlation(".20", ".03", 30)
    close(first.p_at_n, 0.2893035287, rtol=1e-9)
    assert first.consistent is False
    second = check_printed_correlation(".22", ".26", 30)
    close(second.p_at_n, 0.2427389879, rtol=1e-9)
    assert second.consistent is False


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.95, 0.95), st.integers(5, 3000))
def test_true_prints_are_never_slandered(r, n):
    found = check_printed_correlation(f"{r:.2f}", f"{correlation_p(r, n):.3f}", n)
    assert found.consistent
    assert found.n_low is not None
    assert found.n_low <= n
    assert found.n_high is None or n <= found.n_high


def test_inequalities_are_read():
    found = check_printed_correlation("0.5", "<0.001", 50)
    assert found.consistent
    assert found.n_high is None
    assert check_printed_correlation("0.5", "<.001", 10).consistent is False
    with pytest.raises(StatisticsError, match="not a printed number"):
        check_printed_correlation("about .5", "0.03")
    with pytest.raises(StatisticsError, match="r must lie in"):
        check_printed_correlation("1.5", "0.03")


def test_impossible_pairs_have_no_n():
    found = check_printed_correlation("0.99", "0.90")
    assert found.n_low is None
    assert found.consistent is False


def test_bad_columns():
    with pytest.raises(StatisticsError, match="Column 'size' has the one value 3"):
        spearman([3, 3, 3], [1, 2, 3], columns=("size", "auc"))
    with pytest.raises(StatisticsError, match="Row 2, column 'auc': missing"):
        spearman([1, 2, 3], [1, None, 3], columns=("size", "auc"))
    with pytest.raises(StatisticsError, match="needs at least 3"):
        spearman([1, 2], [1, 2])
    assert spearman([1, 2, 3, 4], [1, None, 3, 9], missing="exclude").excluded[0].row == 2


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (50,), (4, 1), (6, 30), (0, 3), (3, 0)])
@pytest.mark.parametrize("missing", [False, True])
def test_ranks_are_those_of_scipy(shape: tuple[int, ...], missing: bool) -> None:
    rankdata = pytest.importorskip("scipy.stats").rankdata
    rng = np.random.default_rng(3)
    for values in (rng.normal(size=shape), rng.integers(0, 4, shape), np.zeros(shape)):
        values = values.astype(np.float64)
        values.flat[::5] = [np.inf, -np.inf][values.ndim - 1]
        if missing and values.size:
            values.flat[-1] = np.nan
        assert np.array_equal(ranks(values), rankdata(values, axis=-1), equal_nan=True)
