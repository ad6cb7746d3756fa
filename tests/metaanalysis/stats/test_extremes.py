"""Numbers too extreme to compute with, and data that leave nothing to test."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from db.errors import StatisticsError
from metaanalysis import begg, egger, glmm, influence, pool, regress, subgroups
from metaanalysis.stats.bias import peese
from metaanalysis.stats.pool import pool_many
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.trim_fill import trim_and_fill

RUNS = {
    "REML": lambda y, v: pool(y, v),
    "DL": lambda y, v: pool(y, v, "DL"),
    "subgroups": lambda y, v: subgroups(y, v, list("aabbb")).overall,
    "regress": lambda y, v: regress(y, v, {"x": [1, 2, 3, 4, 6]}).coefficients[0],
    "influence": lambda y, v: influence(y, v).full,
}


@pytest.mark.parametrize(
    ("effect", "variance", "says"),
    [
        ([1, 1e300, 2], [0.1] * 3, "Row 2, column 'effect': 1e\\+300 is too large"),
        ([1, 2, 3], [1e-300] * 3, "Row 1, column 'variance': 1e-300 is too small"),
        ([1, 2, 3], [1, 1, 1e300], "Row 3, column 'variance': 1e\\+300 is too large"),
        ([1, 2, 3], [1, 1e-20, 1], "Row 2, column 'variance': 1e-20 cannot be computed with"),
    ],
)
@pytest.mark.parametrize("method", ["REML", "DL", "PM", "SJ", "common"])
def test_extremes_are_refused_by_row(effect, variance, says, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(StatisticsError, match=says):
            pool(effect, variance, method)
        with pytest.raises(StatisticsError, match="Row 1, column"):
            pool_many([effect], [variance], method)


@pytest.mark.parametrize("span", [3, 6, 20, 100, 300])
@pytest.mark.parametrize("name", RUNS)
def test_whatever_the_size_results_are_finite_or_refused(span, name):
    random = np.random.default_rng(7)
    for _ in range(20):
        effect = random.normal(size=5) * 10 ** random.uniform(-span, span, 5)
        variance = 10 ** random.uniform(-span, span, 5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = RUNS[name](effect, variance)
            except StatisticsError:
                continue
        assert np.isfinite([found.estimate, found.se]).all()


def test_counts_that_cannot_be_counted():
    with pytest.raises(StatisticsError, match="Row 2, column 'n': 1e\\+300 is more than"):
        glmm([1, 2], [10, 1e300])


def test_a_wide_interval_may_end_at_infinity_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pool(EffectSizes.of([1, 300], [0.1, 0.1], back_transform="exp"))
        assert found.to_dict()["back_transformed"]["ci_high"] is None


@pytest.mark.parametrize("test", ["z", "knapp-hartung"])
def test_equal_effects_are_not_testable_for_bias(test):
    data = ([1.5] * 4, [0.1, 0.2, 0.3, 0.4])
    for run in (lambda: egger(*data, test=test), lambda: egger(*data, model="wls"),
                lambda: begg(*data), lambda: peese(*data)):  # fmt: skip
        with pytest.raises(StatisticsError, match="not testable: all 4 effects are equal"):
            run()
    assert trim_and_fill(*data, side="left").k0 == 0


def test_effects_on_a_line_are_not_testable_for_bias():
    variance = np.array([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(StatisticsError, match="lie on one line"):
        egger(1 + 2 * np.sqrt(variance), variance, model="wls")
