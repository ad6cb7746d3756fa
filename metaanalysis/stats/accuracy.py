"""Diagnostic accuracy: the bivariate model of sensitivity and false positive rate.

Logit sensitivity and logit false positive rate of study i are bivariate normal around
(m1, m2) with covariance Sigma between studies, plus their own sampling variances. Sigma is
written LL', which keeps it valid and lets variances of 0 and correlations of 1 be reached.

Sources: Reitsma et al. (2005), J Clin Epidemiol 58:982; Rutter & Gatsonis (2001), Stat Med
20:2865 and Harbord et al. (2007), Biostatistics 8:239 for the summary curve; Doebler &
Holling's mada for conventions (zero cells, regions, areas).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from db.errors import ConvergenceError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.columns import FloatArray, check_level, choose, require
from metaanalysis.stats.diagnostic_pairs import (
    DiagnosticPairs,
    TwoByTwo,
    ZeroCells,
    diagnostic_pairs,
)
from metaanalysis.stats.notes import Note
from metaanalysis.stats.result_tables import BivariateResult, Estimate, Points
from metaanalysis.stats.results import NAN

SrocType = Literal["rutter-gatsonis", "regression"]
_LOG_2PI = math.log(2.0 * math.pi)
_REGION_POINTS = 181
_CURVE_POINTS = 201


def bivariate(
    tables: ArrayLike | TwoByTwo,
    method: Literal["REML", "ML"] = "REML",
    *,
    zero_cells: ZeroCells = "all-if-any",
    correction: float = 0.5,
    sroc: SrocType = "rutter-gatsonis",
    level: float = 0.95,
) -> BivariateResult:
    """Fit Reitsma's bivariate model to two-by-two tables of at least three studies.

    Parameters
    ----------
    tables
        Counts of shape (k, 4): tp, fn, fp, tn; or `TwoByTwo`, which can also have labels.
    method
        ``"REML"`` or ``"ML"``.
    zero_cells, correction
        See `diagnostic_pairs`; the default is mada's.
    sroc
        ``"rutter-gatsonis"`` (mada's default) or ``"regression"`` of logit sensitivity on
        logit false positive rate.
    level
        Confidence level of intervals and regions.

    Raises
    ------
    StatisticsError
        For impossible counts and fewer than three studies.
    ConvergenceError
        If no maximum of the likelihood is reached.
    """
    choose(method, ("REML", "ML"), "method")
    choose(sroc, get_args(SrocType), "summary curve")
    check_level(level)
    pairs = diagnostic_pairs(tables, zero_cells=zero_cells, correction=correction)
    require(len(pairs.tables.labels), 3, "The bivariate model", pairs.tables.excluded)
    fitted = fit_bivariate(pairs.effect, pairs.variance, restricted=method == "REML")
    return _result(pairs, fitted, method, sroc, level)


@dataclass(frozen=True, slots=True, eq=False)
class BivariateFit:
    """Means (2,), their covariance (2, 2), Sigma (2, 2) and the log-likelihood."""

    mean: FloatArray
    covariance: FloatArray
    sigma: FloatArray
    log_likelihood: float


class _Model:
    """Log-likelihood and gradient by the free elements (a, b, c) of L = [[a, 0], [b, c]]."""

    def __init__(self, effect: FloatArray, variance: FloatArray, restricted: bool) -> None:
        self.effect, self.variance, self.restricted = effect, variance, restricted

    def solve(self, sigma: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """Inverse covariances (k, 2, 2), mean (2,), its covariance (2, 2), log-likelihood."""
        first = self.variance[:, 0] + sigma[0, 0]
        second = self.variance[:, 1] + sigma[1, 1]
        cross = sigma[0, 1]
        determinant = first * second - cross**2
        inverse = np.empty((first.size, 2, 2))
        inverse[:, 0, 0] = second / determinant
        inverse[:, 1, 1] = first / determinant
        inverse[:, 0, 1] = inverse[:, 1, 0] = -cross / determinant
        information = inverse.sum(axis=0)
        covariance = np.linalg.inv(information)
        mean = covariance @ np.einsum("kij,kj->i", inverse, self.effect)
        residual = self.effect - mean
        fit = float(np.einsum("ki,kij,kj->", residual, inverse, residual))
        height = -0.5 * (float(np.log(determinant).sum()) + fit)
        count = 2 * first.size
        if self.restricted:
            height -= 0.5 * float(np.linalg.slogdet(information)[1])
            # X'X = k I: its log determinant makes the value comparable with metafor's.
            height += math.log(first.size)
            count -= 2
        return inverse, mean, covariance, height - 0.5 * count * _LOG_2PI

    def gradient(self, factor: FloatArray) -> FloatArray:
        """Gradient of the log-likelihood by (a, b, c), shape (3,)."""
        lower = _lower(factor)
        inverse, mean, covariance, _ = self.solve(lower @ lower.T)
        pull = np.einsum("kij,kj->ki", inverse, self.effect - mean)
        slope = np.einsum("ki,kj->ij", pull, pull) - inverse.sum(axis=0)
        if self.restricted:
            slope = slope + np.einsum("kij,jl,klm->im", inverse, covariance, inverse)
        by_factor = slope @ lower
        return np.array([by_factor[0, 0], by_factor[1, 0], by_factor[1, 1]])

    def cost(self, factor: FloatArray) -> tuple[float, FloatArray]:
        """Return minus the log-likelihood and its gradient, for a minimiser."""
        lower = _lower(factor)
        return -self.solve(lower @ lower.T)[3], -self.gradient(factor)


def _lower(factor: FloatArray) -> FloatArray:
    return np.array([[factor[0], 0.0], [factor[1], factor[2]]])


def fit_bivariate(effect: FloatArray, variance: FloatArray, *, restricted: bool) -> BivariateFit:
    """Maximise the (restricted) likelihood of pairs of effects.

    Parameters
    ----------
    effect, variance
        Shape (k, 2).
    restricted
        REML if true, else ML.
    """
    from scipy import optimize  # slow to import; other models do without

    model = _Model(effect, variance, restricted)
    spread = [
        math.sqrt(max(tau2.estimate_tau2(effect[:, j], variance[:, j], "DL"), 0.01))
        for j in range(2)
    ]
    best: FloatArray | None = None
    height = -math.inf
    for rho in (0.0, 0.7, -0.7):
        start = np.array(
            [spread[0], rho * spread[1], math.sqrt(1.0 - rho**2) * spread[1]], dtype=np.float64
        )
        found = optimize.minimize(
            model.cost, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500}
        )
        if np.isfinite(found.fun) and -found.fun > height + 1e-12:
            best, height = np.asarray(found.x, dtype=np.float64), -float(found.fun)
    if best is None:
        raise ConvergenceError("The bivariate likelihood has no finite value at any start.")
    polished = optimize.root(model.gradient, best, method="hybr", options={"xtol": 1e-14})
    if model.cost(polished.x)[0] <= -height + 1e-10:
        best = np.asarray(polished.x, dtype=np.float64)
    lower = _lower(best)
    sigma = lower @ lower.T
    _, mean, covariance, height = model.solve(sigma)
    slope = float(np.max(np.abs(model.gradient(best))))
    if not np.isfinite(height) or slope > 1e-5 * (1.0 + abs(height)):
        raise ConvergenceError(
            f"The bivariate likelihood did not settle (slope {slope:.1e}).",
            "Few studies or nearly constant sensitivities: pool the two separately.",
        )
    return BivariateFit(mean, covariance, sigma, height)


def _result(
    pairs: DiagnosticPairs, fitted: BivariateFit, method: str, sroc: SrocType, level: float
) -> BivariateResult:
    mean, covariance, sigma = fitted.mean, fitted.covariance, fitted.sigma
    warnings = list(pairs.warnings)
    scale = math.sqrt(sigma[0, 0] * sigma[1, 1])
    rho = float(sigma[0, 1] / scale) if min(sigma[0, 0], sigma[1, 1]) > 1e-9 else NAN
    if math.isnan(rho):
        warnings.append(Note.of("rho-undefined"))
    elif abs(rho) > 1.0 - 1e-6:
        warnings.append(Note.of("rho-at-limit", rho=rho))
    # The range that was observed, before any correction.
    tp, fn, fp, tn = pairs.tables.counts.T
    rates = fp / (fp + tn)
    fpr_range = (float(rates.min()), float(rates.max()))
    intercept, slope = sroc_line(mean, sigma, sroc)
    curve = _curve(intercept, slope, fpr_range)
    if math.isnan(slope):
        warnings.append(Note.of("no-curve"))
    radius = math.sqrt(distributions.chi2_quantile(level, 2.0))
    critical = distributions.critical_value(level, None)
    return BivariateResult(
        k=len(tp),
        method=method,
        level=level,
        zero_cells=pairs.zero_cells,
        correction=pairs.correction,
        corrected_rows=pairs.corrected_rows,
        logit_sensitivity=float(mean[0]),
        logit_fpr=float(mean[1]),
        se_sensitivity=math.sqrt(covariance[0, 0]),
        se_fpr=math.sqrt(covariance[1, 1]),
        mean_covariance=float(covariance[0, 1]),
        tau2_sensitivity=float(sigma[0, 0]),
        tau2_fpr=float(sigma[1, 1]),
        rho=rho,
        log_likelihood=fitted.log_likelihood,
        **_summary(mean, covariance, critical),
        auc=curve_area(intercept, slope, 0.0, 1.0),
        partial_auc=curve_area(intercept, slope, *fpr_range),
        fpr_range=fpr_range,
        sroc_type=sroc,
        sroc=curve,
        confidence_region=_ellipse(mean, covariance, radius),
        prediction_region=_ellipse(mean, covariance + sigma, radius),
        study_points=tuple(
            zip((1.0 - tn / (fp + tn)).tolist(), (tp / (tp + fn)).tolist(), strict=True)
        ),
        study_sizes=tuple(pairs.tables.counts.sum(axis=1).tolist()),
        labels=pairs.tables.labels,
        rows_used=pairs.tables.rows,
        excluded=pairs.tables.excluded,
        warnings=tuple(warnings),
    )


def _summary(mean: FloatArray, covariance: FloatArray, critical: float) -> dict[str, Estimate]:
    """Return rates and ratios at the summary point, by the names that the result uses.

    Intervals are made on the logit scale of a rate, and by the delta method on the log scale of
    a ratio.
    """
    sens, fpr = special.expit(mean)
    cases: dict[str, tuple[str, float, list[float]]] = {
        "sensitivity": ("sensitivity", float(mean[0]), [1.0, 0.0]),
        "specificity": ("specificity", -float(mean[1]), [0.0, -1.0]),
        "fpr": ("false positive rate", float(mean[1]), [0.0, 1.0]),
        "lr_positive": ("LR+", math.log(sens / fpr), [1.0 - sens, fpr - 1.0]),
        "lr_negative": ("LR-", math.log((1.0 - sens) / (1.0 - fpr)), [-sens, fpr]),
        "dor": ("DOR", float(mean[0] - mean[1]), [1.0, -1.0]),
    }
    found = {}
    for key, (name, value, slope) in cases.items():
        ratio = name in ("LR+", "LR-", "DOR")
        back = math.exp if ratio else special.expit
        error = math.sqrt(float(np.array(slope) @ covariance @ np.array(slope)))
        found[key] = Estimate(
            name=name,
            estimate=float(back(value)),
            ci_low=float(back(value - critical * error)),
            ci_high=float(back(value + critical * error)),
            se=error if ratio else NAN,
        )
    return found


def sroc_line(mean: FloatArray, sigma: FloatArray, kind: SrocType) -> tuple[float, float]:
    """Intercept and slope of the summary curve: logit sensitivity by logit fpr.

    Notes
    -----
    Rutter & Gatsonis' curve has the slope sd1/sd2 whatever the correlation; the regression
    curve has cov/var2. Both pass through the summary point. NaN where a variance is 0.
    """
    if min(sigma[0, 0], sigma[1, 1]) <= 1e-9:
        return NAN, NAN
    if kind == "rutter-gatsonis":
        slope = math.sqrt(sigma[0, 0] / sigma[1, 1])
    else:
        slope = float(sigma[0, 1] / sigma[1, 1])
    return float(mean[0] - slope * mean[1]), slope


def curve_area(intercept: float, slope: float, low: float, high: float) -> float:
    """Mean height of the summary curve between two false positive rates.

    Over (0, 1) this is the AUC, over the observed range the normalised partial AUC. mada sums
    over 99 points and divides by 99, not by the 98 steps between them, so that its values are
    about 1 % lower (0.887 where the integral is 0.8879); see tests/golden/README.md.
    """
    if math.isnan(slope) or not high > low:
        return NAN
    # tanh-sinh: the slope of the curve is infinite at the ends, where its nodes crowd.
    t = np.linspace(-4.0, 4.0, 801)
    share = special.expit(math.pi * np.sinh(t))
    jacobian = math.pi * np.cosh(t) * share * (1.0 - share)
    rates = low + (high - low) * share
    inner = np.clip(rates, 1e-300, None)
    complement = np.clip((1.0 - high) + (high - low) * (1.0 - share), 1e-300, None)
    height = special.expit(intercept + slope * (np.log(inner) - np.log(complement)))
    return float((jacobian * height).sum() * (t[1] - t[0]))


def _curve(intercept: float, slope: float, fpr_range: tuple[float, float]) -> Points:
    if math.isnan(slope):
        return ()
    rates = np.linspace(fpr_range[0], fpr_range[1], _CURVE_POINTS)
    rates = rates[(rates > 0) & (rates < 1)]
    heights = special.expit(intercept + slope * special.logit(rates))
    return tuple(zip(rates.tolist(), heights.tolist(), strict=True))


def _ellipse(mean: FloatArray, covariance: FloatArray, radius: float) -> Points:
    """Return a closed ellipse on the logit scale, as points (fpr, sensitivity)."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    angle = np.linspace(0.0, 2.0 * math.pi, _REGION_POINTS)
    circle = np.vstack([np.cos(angle), np.sin(angle)])
    logits = mean[:, None] + radius * root @ circle
    rates = special.expit(logits)
    return tuple(zip(rates[1].tolist(), rates[0].tolist(), strict=True))
