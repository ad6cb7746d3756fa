from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import StatisticsError
from metaanalysis import pool
from metaanalysis.stats.effects import proportions, two_groups
from metaanalysis.stats.notes import Exclusion
from metaanalysis.stats.pool import pool_many
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.tau2 import ESTIMATORS
from tests.metaanalysis.stats.golden_values import (
    BCG_EFFECT,
    BCG_VARIANCE,
    META,
    PRITZ_EVENTS,
    PRITZ_N,
    TOY_EVENTS,
    TOY_N,
    close,
)

BATTERIES = {
    "BCG": (META["BCG"]["results"], BCG_EFFECT, BCG_VARIANCE),
    "Pritz": (
        META["Pritz"]["logit"],
        np.array([row["logit_yi"] for row in META["Pritz"]["data"]]),
        np.array([row["logit_vi"] for row in META["Pritz"]["data"]]),
    ),
}
FIELDS = {"Q": "q", "Q_p": "q_p", "H2": "h2"}


@pytest.mark.parametrize("data", BATTERIES)
@pytest.mark.parametrize("method", ["common", "DL", "PM", "REML", "ML", "HE", "SJ", "EB"])
def test_pooled_values_equal_metafor(data, method):
    golden, effect, variance = BATTERIES[data]
    found = pool(effect, variance, method, "z")
    for name, value in golden[method].items():
        if name == "I2":
            close(found.i2, 100 * value)
        else:
            close(getattr(found, FIELDS.get(name, name)), value)


@pytest.mark.parametrize("data", BATTERIES)
def test_knapp_hartung_equals_metafor(data):
    golden, effect, variance = BATTERIES[data]
    found = pool(effect, variance)
    assert (found.method, found.test, found.pi_distribution[0]) == ("REML", "knapp-hartung", "t")
    for name, value in golden["REML_knapp_hartung"].items():
        close(getattr(found, name), value)
    close(found.tau2_ci, list(golden["tau2_Q_profile_ci"].values()))


def test_bcg_q_profile_of_i2_and_h2():
    found = pool(BCG_EFFECT, BCG_VARIANCE, "DL")
    close(found.i2_ci, (81.920574558597, 97.678074957887))
    close(found.h2_ci, (5.5311492239677, 43.067712430982))


def test_bcg_prediction_on_ratio_scale():
    found = pool(EffectSizes.of(BCG_EFFECT, BCG_VARIANCE, back_transform="exp"), test="z")
    natural = found.back_transformed
    golden = [0.489421, 0.344074, 0.696166, 0.154634, 1.549028]
    close(list(natural.values()), golden, atol=6e-7)


def test_stata_metan_on_bcg():
    """metafor's test_misc_metan_vs_rma.uni_with_dat.bcg.r, four printed digits."""
    counts = np.array(
        [[row[key] for key in ("tpos", "tneg", "cpos", "cneg")] for row in META["BCG"]["data"]]
    )
    groups = (counts[:, 0], counts[:, :2].sum(axis=1), counts[:, 2], counts[:, 2:].sum(axis=1))
    odds = two_groups(*groups, "log-odds-ratio")
    close(pool(odds, method="common").estimate, -0.4361, atol=5e-5)
    close(pool(odds, method="common").q, 163.1649, atol=5e-5)
    random = pool(odds, method="DL", test="z")
    close([random.estimate, random.ci_low, random.ci_high], [-0.7474, -1.1242, -0.3706], atol=5e-5)
    close([random.tau2, random.i2], [0.3663, 92.6455], atol=5e-5)
    risk = two_groups(*groups, "risk-difference")
    close(pool(risk, method="common").q, 276.4737, atol=5e-5)
    random = pool(risk, method="DL", test="z")
    close([random.estimate, random.ci_low, random.ci_high], [-0.0071, -0.0101, -0.0040], atol=5e-5)
    close(random.i2, 95.6596, atol=5e-5)


PRITZ_TABLE = {
    "raw": ((0.79803046097391, 0.014866756969132), (0.79675205957958, 0.016649752009269)),
    "log": ((-0.20458555664616, 0.014965012921997), (-0.21310363561855, 0.020934795929309)),
    "logit": ((1.1379693537081, 0.36155827723546), (1.1389091159859, 0.36458777860919)),
    "arcsine": ((1.1219784607326, 0.03516700466789), (1.123628304196, 0.042572824218469)),
    "freeman-tukey": ((1.0840411781447, 0.023537569533748), (1.0846791843166, 0.025761116441407)),
}


@pytest.mark.parametrize("transform", PRITZ_TABLE)
def test_pritz_on_every_scale(transform):
    studies = proportions(PRITZ_EVENTS, PRITZ_N, transform)
    for method, golden in zip(("DL", "REML"), PRITZ_TABLE[transform], strict=True):
        found = pool(studies, method=method, test="z")
        close([found.estimate, found.tau2], golden, rtol=1e-11)


def test_pritz_back_transformed():
    found = pool(proportions(PRITZ_EVENTS, PRITZ_N, "logit"), test="z").back_transformed
    golden = [
        0.75747929508915,
        0.66052196510478,
        0.83371620142376,
        0.46613457262576,
        0.91785003932346,
    ]
    close(list(found.values()), golden, rtol=1e-11)
    found = pool(proportions(PRITZ_EVENTS, PRITZ_N, "freeman-tukey"), test="z").back_transformed
    golden = [0.80289988878631, 0.70220564173492, 0.88934678269056]
    close([found[key] for key in ("estimate", "ci_low", "ci_high")], golden, rtol=1e-11)
    found = pool(proportions(PRITZ_EVENTS, PRITZ_N, "arcsine"), test="z").back_transformed
    golden = [0.8130183446, 0.7040204454, 0.9015897841]
    # this row of the reference was fitted at metafor's default tolerance
    close([found[key] for key in ("estimate", "ci_low", "ci_high")], golden, rtol=1e-7)


def test_toy_at_the_ceiling():
    golden = {
        "logit": [0.9591183056, 0.926009925, 0.9777673555],
        "freeman-tukey": [0.9742310799, 0.945624965, 0.9935659935],
    }
    for transform, values in golden.items():
        found = pool(proportions(TOY_EVENTS, TOY_N, transform), test="z").back_transformed
        # the reference was fitted at metafor's default tolerance
        close([found[key] for key in ("estimate", "ci_low", "ci_high")], values, rtol=2e-6)
    raw = pool(proportions(TOY_EVENTS, TOY_N, "raw"), test="z")
    close(raw.estimate, 0.9716105713, rtol=1e-5)


# ---- conventions -------------------------------------------------------------------------


def test_prediction_distributions():
    found = {
        name: pool(BCG_EFFECT, BCG_VARIANCE, prediction=name) for name in ("test", "z", "t(k-2)")
    }
    assert found["t(k-2)"].pi_distribution == "t(11)"
    assert found["test"].pi_distribution == "t(12)"
    assert found["z"].pi_low > found["test"].pi_low > found["t(k-2)"].pi_low


def test_profile_likelihood_of_tau2():
    by_ml = pool(BCG_EFFECT, BCG_VARIANCE, "ML", "z", tau2_interval="profile-likelihood")
    assert by_ml.tau2_ci[0] < by_ml.tau2 < by_ml.tau2_ci[1]
    with pytest.raises(StatisticsError, match="DL has no likelihood"):
        pool(BCG_EFFECT, BCG_VARIANCE, "DL", tau2_interval="profile-likelihood")


def test_common_effect_goes_with_z_alone():
    assert pool([1, 2], [1, 1], "common").test == "z"
    with pytest.raises(StatisticsError, match="tested by z"):
        pool([1, 2], [1, 1], "common", "knapp-hartung")


def test_adhoc_knapp_hartung_is_never_narrower_than_z():
    effect, variance = [1.0, 1.1, 1.05], [1.0, 1.0, 1.0]
    close(
        pool(effect, variance, test="knapp-hartung-adhoc").se, pool(effect, variance, test="z").se
    )
    assert pool(effect, variance).se < pool(effect, variance, test="z").se


def test_json_holds_what_the_issue_asks_for():
    found = pool(EffectSizes.of(BCG_EFFECT, BCG_VARIANCE, back_transform="exp")).to_dict()
    text = json.dumps(found, allow_nan=False)
    for name in ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high", "tau2", "i2", "q"):
        assert isinstance(found[name], float), name
    for name in ("q_p", "p", "k", "method", "test", "tau2_ci", "i2_ci", "back_transformed"):
        assert name in found
    assert next(iter(found)) == "estimate"
    assert found["back_transformed"]["estimate"] == pytest.approx(math.exp(found["estimate"]))
    assert "NaN" not in text
    assert pool([1, 2], [1, 1], "common").to_dict()["pi_low"] is None


def test_frame_and_repr():
    found = pool(EffectSizes.of(BCG_EFFECT, BCG_VARIANCE, back_transform="exp"))
    frame = found.to_frame()
    assert frame.shape[0] == 1
    assert {"estimate", "natural_estimate", "tau2"} <= set(frame.columns)
    assert "REML, knapp-hartung, k = 13" in repr(found)


# ---- bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "variance", "words"),
    [
        ([1, 2], [1, -2], r"Row 2, column 'variance': -2 is negative"),
        ([1, 2], [0, 2], r"Row 1, column 'variance': 0 would give the study all"),
        ([1, math.nan], [1, 2], r"Row 2, column 'effect': missing"),
        ([1, None], [1, 2], r"Row 2, column 'effect': missing"),
        ([1, math.inf], [1, 2], r"Row 2, column 'effect': inf is infinite"),
        ([1], [1], r"Pooling needs at least 2 studies; there is only 1 study"),
        ([], [], r"the selection is empty"),
        ([1, 2], [1], r"'variance' has 1 rows where 2"),
        ([[1, 2]], [1], r"must be one column"),
        ([1, "a"], [1, 1], r"Row 2, column 'effect': 'a' is not a number"),
    ],
)
def test_bad_input_names_row_and_column(effect, variance, words):
    with pytest.raises(StatisticsError, match=words):
        pool(effect, variance)


def test_bad_options_are_named():
    for options, words in (
        ({"method": "REMLL"}, "No such tau2 estimator"),
        ({"test": "t"}, "No such test"),
        ({"level": 95}, "level must lie between"),
        ({"prediction": "x"}, "No such distribution"),
    ):
        with pytest.raises(StatisticsError, match=words):
            pool([1, 2], [1, 1], **options)
    with pytest.raises(StatisticsError, match="No such back-transform"):
        EffectSizes.of([1, 2], [1, 1], back_transform="probit")


def test_missing_rows_are_listed_when_asked_for():
    given = ([1, math.nan, 3], [1, 1, 1])
    found = pool(EffectSizes.of(*given, missing="exclude", labels=["a", "b", "c"]))
    assert found.k == 2
    assert found.rows_used == (1, 3)
    assert found.excluded == (Exclusion(2, "b", "missing", "effect"),)
    assert str(found.excluded[0]) == "row 2 (b): effect: missing (NaN)"


def test_missing_rows_can_leave_too_few():
    with pytest.raises(StatisticsError, match=r"only 1 study \(1 left out: row 2"):
        pool(EffectSizes.of([1, math.nan], [1, 1], missing="exclude"))


def test_equal_effects():
    found = pool([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert (found.q, found.tau2, found.i2, found.se) == (0.0, 0.0, 0.0, 0.0)
    assert {note.code for note in found.warnings} == {"equal-effects", "tau2-interval-empty"}
    assert math.isnan(found.tau2_ci[0])


# ---- properties --------------------------------------------------------------------------

studies = st.integers(2, 12).flatmap(
    lambda k: st.tuples(
        st.lists(st.floats(-5, 5), min_size=k, max_size=k),
        st.lists(st.floats(0.01, 10), min_size=k, max_size=k),
    )
)


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from((*ESTIMATORS, "common")), st.floats(0.01, 100), st.floats(-9, 9))
def test_scale_and_location(data, method, scale, shift):
    effect, variance = np.array(data[0]), np.array(data[1])
    base = pool(effect, variance, method, "z")
    moved = pool(scale * effect + shift, scale**2 * variance, method, "z")
    size = 1 + np.abs(effect).max()
    close(moved.estimate, scale * base.estimate + shift, rtol=1e-6, atol=1e-6 * scale * size)
    close(moved.tau2, scale**2 * base.tau2, rtol=1e-5, atol=1e-8 * scale**2 * size**2)
    close(moved.i2, base.i2, rtol=1e-5, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from((*ESTIMATORS, "common")), st.randoms(use_true_random=False))
def test_order_does_not_matter(data, method, random):
    order = list(range(len(data[0])))
    random.shuffle(order)
    effect, variance = np.array(data[0]), np.array(data[1])
    base, shuffled = (
        pool(effect, variance, method, "z"),
        pool(effect[order], variance[order], method, "z"),
    )
    close(shuffled.estimate, base.estimate, rtol=1e-8, atol=1e-8)
    close(shuffled.tau2, base.tau2, rtol=1e-6, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(studies, st.sampled_from(ESTIMATORS))
def test_intervals_nest(data, method):
    found = pool(*data, method, "z")
    assert found.tau2 >= 0
    assert 0 <= found.i2 <= 100
    assert found.pi_low <= found.ci_low <= found.estimate <= found.ci_high <= found.pi_high
    assert min(data[0]) - 1e-9 <= found.estimate <= max(data[0]) + 1e-9
    if not math.isnan(found.tau2_ci[0]):
        assert found.tau2_ci[0] <= found.tau2_ci[1]
    assert sum(found.weights) == pytest.approx(100)


@settings(max_examples=40, deadline=None)
@given(st.floats(-5, 5), st.lists(st.floats(0.01, 10), min_size=2, max_size=9))
def test_equal_effects_have_no_heterogeneity(value, variance):
    for method in ESTIMATORS:
        found = pool([value] * len(variance), variance, method, "z")
        close([found.estimate, found.tau2, found.q], [value, 0, 0], atol=1e-9)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 3))
def test_two_equally_precise_studies(first, second, variance):
    found = pool([first, second], [variance, variance], "DL")
    close(found.estimate, (first + second) / 2, atol=1e-12)
    close(found.tau2, max(0.0, (first - second) ** 2 / 2 - variance), atol=1e-9)
    # with KH the standard error is half the distance, whatever tau2
    close(found.se, abs(first - second) / 2, atol=1e-9)


# ---- batches -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*ESTIMATORS, "common"])
def test_batch_equals_single_pools(method):
    random = np.random.default_rng(7)
    effects = random.normal(size=(20, 9))
    variances = random.uniform(0.05, 1, size=(20, 9))
    effects[3, 6:] = variances[3, 6:] = np.nan
    batch = pool_many(effects, variances, method)
    for row in range(20):
        used = ~np.isnan(effects[row])
        one = pool(effects[row, used], variances[row, used], method)
        for name in ("estimate", "se", "ci_low", "ci_high", "tau2", "i2", "q", "q_p", "p", "k"):
            close(getattr(batch, name)[row], getattr(one, name), rtol=1e-9, atol=1e-12)
        close(batch.pi_low[row], one.pi_low, rtol=1e-9)


def test_batch_names_bad_cells():
    with pytest.raises(StatisticsError, match="Row 2, column 1: effect 1 with variance -1"):
        pool_many([[1, 2], [1, 2]], [[1, 1], [-1, 1]])
    with pytest.raises(StatisticsError, match="Row 1, column 2"):
        pool_many([[1, math.nan]], [[1, 1]])
    with pytest.raises(StatisticsError, match="Row 1: pooling needs at least 2"):
        pool_many([[1, math.nan]], [[1, math.nan]])


def test_columns_of_a_frame_are_taken_as_they_are():
    import pandas as pd

    frame = pd.DataFrame({"effect": [1.0, 2.0, None], "variance": [1.0, 1.0, 1.0]})
    with pytest.raises(StatisticsError, match="Row 3, column 'effect': missing"):
        pool(frame["effect"], frame["variance"])
    nullable = frame.convert_dtypes()
    found = pool(EffectSizes.of(nullable["effect"], nullable["variance"], missing="exclude"))
    assert found.k == 2
    close(found.estimate, 1.5)
