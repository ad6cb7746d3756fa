from __future__ import annotations

import math

import numpy as np
import pytest

from db.errors import StatisticsError
from metaanalysis import pool, pool_multilevel
from metaanalysis.stats.multilevel import Errors
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.three_level import ThreeLevel
from tests.metaanalysis.stats.golden_values import MODELS, close

GOLDEN = MODELS["konstantopoulos"]
DATA = {key: [row[key] for row in GOLDEN["data"]] for key in ("yi", "vi", "district", "year")}
SCHOOLS = (DATA["yi"], DATA["vi"], DATA["district"])


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_three_level_equals_rma_mv(method):
    golden = GOLDEN[method]
    found = pool_multilevel(*SCHOOLS, method=method, errors=Errors(test="z"))
    # nlminb stops near 1e-8, so that the golden value is the looser of the two
    close([found.estimate, found.se], [golden["b"], golden["se"]], rtol=1e-6)
    close([found.sigma2_between, found.sigma2_within], golden["sigma2"], rtol=1e-6)
    close([found.qe, found.log_likelihood], [golden["QE"], golden["logLik"]], rtol=1e-10)
    assert found.log_likelihood >= golden["logLik"] - 1e-12


def test_references_4_1():
    found = pool_multilevel(*SCHOOLS)
    close([found.estimate, found.se], [0.1847131637, 0.08455591874], rtol=2e-8)
    close([found.sigma2_between, found.sigma2_within], [0.06506194428, 0.03273651703], rtol=4e-8)
    robust = pool_multilevel(*SCHOOLS, errors=Errors("CR1")).coefficients[0]
    close([robust.se, robust.df, robust.p], [0.08450221715, 10, 0.05370731364], rtol=2e-9)


@pytest.mark.parametrize("correction", ["CR0", "CR1", "CR2"])
@pytest.mark.parametrize("key", ["REML", "year_REML"])
def test_robust_errors_equal_clubsandwich(correction, key):
    golden = GOLDEN[key][correction]
    moderators = {"year": DATA["year"]} if key == "year_REML" else None
    found = pool_multilevel(*SCHOOLS, moderators, errors=Errors(correction))
    close([item.estimate for item in found.coefficients], GOLDEN[key]["b"], rtol=1e-6)
    close([item.se for item in found.coefficients], golden["se"], rtol=1e-6)
    if correction != "CR0":  # clubSandwich gives CR0 Satterthwaite degrees; ours has m - p
        close([item.df for item in found.coefficients], golden["df"], rtol=1e-6)
        close([item.p for item in found.coefficients], golden["p"], rtol=1e-6)


def test_two_level_working_model_with_cr2():
    golden = GOLDEN["two_level"]
    found = pool_multilevel(*SCHOOLS, errors=Errors("CR2"), working="two-level")
    close([found.estimate, found.sigma2_within], [golden["b"], golden["tau2"]], rtol=1e-10)
    first = found.coefficients[0]
    close([first.se, first.df, first.p], [golden["se"], golden["df"], golden["p"]], rtol=1e-9)
    assert found.sigma2_between == 0.0


def test_score_is_the_derivative_and_vanishes():
    codes = np.unique(DATA["district"], return_inverse=True)[1]
    design = np.ones((len(codes), 1))
    model = ThreeLevel(np.array(DATA["yi"]), np.array(DATA["vi"]), codes, design, True)
    at = np.array([0.05, 0.02])
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-6
        slope = (model.solve(at + step).height - model.solve(at - step).height) / 2e-6
        close(model.score(at)[j], slope, rtol=1e-6)
    found = pool_multilevel(*SCHOOLS)
    close(model.score(np.array([found.sigma2_between, found.sigma2_within])), [0, 0], atol=1e-7)


def test_homogeneous_effects_have_no_variance():
    found = pool_multilevel([1.0] * 8, [0.5] * 8, list("aabbccdd"))
    assert (found.sigma2_between, found.sigma2_within) == (0.0, 0.0)
    close(found.estimate, 1.0)


def test_one_effect_a_cluster_is_the_ordinary_model():
    effect, variance = [0.1, 0.9, 0.4, 1.8, 0.3], [0.1] * 5
    found = pool_multilevel(effect, variance, list("abcde"))
    close(found.tau2, pool(effect, variance).tau2, rtol=1e-6)
    assert [note.code for note in found.warnings] == ["single-effects"]


@pytest.mark.parametrize("clusters", [1, 2, 3])
def test_fewer_than_four_clusters_are_refused(clusters):
    groups = [index % clusters for index in range(8)]
    with pytest.raises(StatisticsError, match="at least 4 are needed"):
        pool_multilevel(list(range(8)), [1.0] * 8, groups, errors=Errors("CR2"))


def test_bad_clusters():
    with pytest.raises(StatisticsError, match="Row 2, column 'cluster': missing"):
        pool_multilevel([1, 2, 3], [1, 1, 1], ["a", None, "b"])
    with pytest.raises(StatisticsError, match="'cluster' is missing"):
        pool_multilevel([1, 2, 3], [1, 1, 1])
    studies = EffectSizes.of([1, 2, math.nan, 4, 5, 6], [1] * 6, missing="exclude")
    found = pool_multilevel(studies, None, ["a", "b", "c", "d", "e", None])
    assert found.k == 4
    assert [item.row for item in found.excluded] == [3, 6]


def test_order_does_not_matter():
    order = np.random.default_rng(3).permutation(len(DATA["yi"]))
    base = pool_multilevel(*SCHOOLS, errors=Errors("CR2"))
    moved = pool_multilevel(*(np.array(column)[order] for column in SCHOOLS), errors=Errors("CR2"))
    close([moved.estimate, moved.se], [base.estimate, base.se], rtol=1e-8)
