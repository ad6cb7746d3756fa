from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from db.errors import StatisticsError
from metaanalysis import bivariate
from metaanalysis.stats.accuracy import _Model, curve_area, fit_bivariate, sroc_line
from metaanalysis.stats.diagnostic_pairs import diagnostic_pairs
from tests.metaanalysis.stats.golden_values import AUDIT, DIAGNOSTIC, KEARON, MODELS, close

FIELDS = {
    "logit_sens": "logit_sensitivity", "logit_fpr": "logit_fpr", "se_sens": "se_sensitivity",
    "se_fpr": "se_fpr", "tau2_sens": "tau2_sensitivity", "tau2_fpr": "tau2_fpr", "rho": "rho",
}  # fmt: skip


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("data", ["kearon", "audit"])
def test_reitsma_equals_rma_mv(data, method):
    table, golden = (
        (KEARON, DIAGNOSTIC["results"]) if data == "kearon" else (AUDIT, MODELS["audit"])
    )
    found = bivariate(table, method=method)
    for theirs, mine in FIELDS.items():
        # rma.mv moves in the 6th digit of the variances with its optimiser
        close(getattr(found, mine), golden[method][theirs], rtol=1e-5)
    close(found.log_likelihood, golden[method]["logLik"], rtol=1e-9)
    assert found.log_likelihood >= golden[method]["logLik"] - 1e-10
    close(found.sensitivity.estimate, golden[method]["sens"], rtol=1e-6)
    close(found.specificity.estimate, golden[method]["spec"], rtol=1e-6)


def test_auditc_at_tight_tolerance():
    found = bivariate(AUDIT)
    close([found.logit_sensitivity, found.logit_fpr], [2.0997423516691, -1.2636909259], rtol=1e-9)
    close([found.tau2_sensitivity, found.tau2_fpr], [1.37958428, 0.40720821], rtol=3e-8)
    close(found.rho, 0.85427474, rtol=2e-8)


def test_mada_vignette_auditc():
    """inst/doc/mada.pdf; printed digits."""
    found = bivariate(AUDIT)
    close([found.logit_sensitivity, found.se_sensitivity], [2.0997, 0.338], atol=5e-4)
    close([found.logit_fpr, found.se_fpr], [-1.2637, 0.174], atol=5e-4)
    sensitivity = found.sensitivity
    close(
        [sensitivity.estimate, sensitivity.ci_low, sensitivity.ci_high],
        [0.891, 0.808, 0.941],
        atol=6e-4,
    )
    close(
        [found.fpr.estimate, found.fpr.ci_low, found.fpr.ci_high], [0.220, 0.167, 0.285], atol=6e-4
    )
    close(math.sqrt(found.tau2_sensitivity), 1.175, atol=6e-4)
    # mada samples LR and DOR; its medians and limits are near the delta method's
    close(found.lr_positive.estimate, 4.060, rtol=0.01)
    close([found.dor.ci_low, found.dor.ci_high], [18.4, 45.3], rtol=0.01)
    close([found.lr_negative.ci_low, found.lr_negative.ci_high], [0.0811, 0.234], rtol=0.03)


def test_mada_areas_follow_from_its_sum_over_99_points():
    found = bivariate(AUDIT)
    cross = found.rho * math.sqrt(found.tau2_sensitivity * found.tau2_fpr)
    sigma = np.array([[found.tau2_sensitivity, cross], [cross, found.tau2_fpr]])
    mean = np.array([found.logit_sensitivity, found.logit_fpr])
    intercept, slope = sroc_line(mean, sigma, "rutter-gatsonis")

    def mada(rates):
        heights = special.expit(intercept + slope * special.logit(rates))
        return (heights[0] / 2 + heights[1:-1].sum() + heights[-1] / 2) / rates.size

    close(mada(np.arange(1, 100) / 100), 0.887, atol=5e-4)
    close(mada(np.linspace(*found.fpr_range, 99)), 0.861, atol=5e-4)
    # the integrals themselves
    rates = (np.arange(2_000_000) + 0.5) / 2_000_000
    close(found.auc, special.expit(intercept + slope * special.logit(rates)).mean(), rtol=1e-6)
    low, high = found.fpr_range
    heights = special.expit(intercept + slope * special.logit(low + (high - low) * rates))
    close(found.partial_auc, heights.mean(), rtol=1e-9)


def test_area_of_known_curves():
    close(curve_area(0.0, 1.0, 0.0, 1.0), 0.5, rtol=1e-12)
    # with slope 1 the odds ratio is constant: AUC = D (D - 1 - ln D) / (D - 1)^2
    odds = 26.0
    close(
        curve_area(math.log(odds), 1.0, 0.0, 1.0),
        odds * (odds - 1 - math.log(odds)) / (odds - 1) ** 2,
    )


def test_gradient_is_that_of_the_likelihood():
    pairs = diagnostic_pairs(KEARON)
    for restricted in (True, False):
        model = _Model(pairs.effect, pairs.variance, restricted)
        at = np.array([1.1, 0.3, 0.8])
        for j in range(3):
            step = np.zeros(3)
            step[j] = 1e-6
            slope = (model.cost(at - step)[0] - model.cost(at + step)[0]) / 2e-6
            close(model.gradient(at)[j], slope, rtol=1e-6)
        fitted = fit_bivariate(pairs.effect, pairs.variance, restricted=restricted)
        factor = np.linalg.cholesky(fitted.sigma)
        close(model.gradient(factor[[0, 1, 1], [0, 0, 1]]), np.zeros(3), atol=1e-7)


def test_regions_surround_the_summary_point():
    found = bivariate(AUDIT)
    for region in (found.confidence_region, found.prediction_region):
        points = np.array(region)
        assert points[0] == pytest.approx(points[-1])
        assert points[:, 0].min() < found.fpr.estimate < points[:, 0].max()
        assert points[:, 1].min() < found.sensitivity.estimate < points[:, 1].max()
    inner, outer = np.array(found.confidence_region), np.array(found.prediction_region)
    assert np.ptp(outer[:, 0]) > np.ptp(inner[:, 0])
    curve = np.array(found.sroc)
    assert (np.diff(curve[:, 1]) > 0).all()


def test_order_does_not_matter():
    base, moved = bivariate(KEARON), bivariate(KEARON[::-1])
    close([moved.logit_sensitivity, moved.rho], [base.logit_sensitivity, base.rho], rtol=1e-7)


def test_homogeneous_studies_have_no_correlation():
    found = bivariate([[9, 1, 1, 9], [9, 1, 2, 8], [9, 1, 1, 9]])
    assert math.isnan(found.rho)
    assert math.isnan(found.auc)
    assert found.sroc == ()
    assert found.to_dict()["rho"] is None
    assert "rho-undefined" in {note.code for note in found.warnings}


def test_zero_cell_policy_is_named():
    found = bivariate(KEARON, zero_cells="only-affected")
    assert found.zero_cells == "only-affected"
    assert 0 < len(found.corrected_rows) < 30
    assert bivariate(KEARON).corrected_rows == tuple(range(1, 31))


def test_bad_tables():
    with pytest.raises(StatisticsError, match="at least 3 studies"):
        bivariate([[1] * 4, [2] * 4])
    with pytest.raises(StatisticsError, match="Row 3, column 'tn': -1 is negative"):
        bivariate([[1] * 4, [2] * 4, [3, 3, 3, -1]])
    with pytest.raises(StatisticsError, match="no case with the finding"):
        bivariate([[0, 0, 1, 1], [2] * 4, [3, 3, 3, 1]])


def test_rows_and_repr():
    found = bivariate(AUDIT)
    assert [row["quantity"] for row in found.rows()][:2] == ["sensitivity", "specificity"]
    assert "k 14, method REML" in repr(found)
