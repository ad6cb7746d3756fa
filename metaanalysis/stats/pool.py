"""Pooled estimates: common effect, random effects, prediction interval, batches.

Sources: Knapp & Hartung (2003), Stat Med 22:2693; Higgins, Thompson & Spiegelhalter (2009),
J R Stat Soc A 172:137 (prediction). Conventions are metafor's: the prediction interval uses
the distribution of the test (z, or t with k - 1 for Knapp-Hartung) unless another is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.least_squares import fit_one, intercept_only
from metaanalysis.stats.results import NAN, NO_INTERVAL, Interval, PoolResult
from metaanalysis.stats.studies import (
    LARGEST,
    SMALLEST,
    WIDEST_RATIO,
    EffectSizes,
    FloatArray,
    Missing,
    as_effect_sizes,
)
from metaanalysis.stats.transforms import BackTransform

Prediction = Literal["test", "z", "t(k-1)", "t(k-2)"]
Tau2Interval = Literal["q-profile", "profile-likelihood", "none"]
TESTS = ("z", "knapp-hartung", "knapp-hartung-adhoc")
_TEST_ALIASES = {"kh": "knapp-hartung", "knha": "knapp-hartung", "hksj": "knapp-hartung"}
_COMMON = {"COMMON", "FIXED", "EE", "FE", "CE"}
EMPTY_INTERVAL = (
    "the effects agree so closely that no tau2 >= 0 fits them: its confidence interval is empty"
)


def method_name(method: str) -> str:
    """Return ``"common"``, or the canonical name of a tau2 estimator."""
    return "common" if method.upper() in _COMMON else tau2.estimator_name(method)


def model_test(method: str, test: str | None) -> str:
    """Return the test that goes with a model; Knapp-Hartung unless asked otherwise.

    Raises
    ------
    StatisticsError
        For an unknown test, and for Knapp-Hartung on the common-effect model: its premise,
        that the variances are known and nothing else varies, leaves nothing to re-estimate.
    """
    if test is None:
        return "z" if method == "common" else "knapp-hartung"
    name = _TEST_ALIASES.get(test.lower(), test.lower())
    if name not in TESTS:
        raise StatisticsError(f"No such test: {test!r}.", f"Known: {', '.join(TESTS)}.")
    if method == "common" and name != "z":
        raise StatisticsError(f"The common-effect model is tested by z, not by {name}.")
    return name


def check_level(level: float) -> float:
    """Confidence level, strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"level must lie between 0 and 1, not {level:g}.", "Try 0.95.")
    return level


def pool(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    measure: str | None = None,
    missing: Missing = "error",
    prediction: Prediction = "test",
    tau2_interval: Tau2Interval = "q-profile",
) -> PoolResult:
    """Pool the effects of at least two studies.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`, as `metaanalysis.stats.effects` makes them.
    method
        ``"common"`` or a tau2 estimator: REML, ML, DL, PM, EB, HE, HS, SJ, DL2, HE2.
    test
        ``"knapp-hartung"`` (default for random effects), ``"knapp-hartung-adhoc"`` (never
        narrower than its z form) or ``"z"`` (the only one for the common effect).
    level
        Confidence level of every interval.
    labels, back_transform, measure, missing
        See `as_effect_sizes`.
    prediction
        Distribution of the prediction interval; ``"test"`` follows the test.
    tau2_interval
        ``"q-profile"``, ``"profile-likelihood"`` (ML and REML) or ``"none"``.

    Raises
    ------
    StatisticsError
        For data that cannot be pooled; the message names row and column.
    ConvergenceError
        If tau2 does not settle.
    """
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        measure=measure, minimum=2, what="Pooling",
    )  # fmt: skip
    return pool_studies(
        studies, method, test, level=level, prediction=prediction, tau2_interval=tau2_interval
    )


def pool_studies(
    studies: EffectSizes,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    prediction: Prediction = "test",
    tau2_interval: Tau2Interval = "none",
    known_tau2: float | None = None,
) -> PoolResult:
    """Pool checked studies; a single study stands for itself (with a note).

    `known_tau2` takes the between-study variance as given, e.g. common to several subgroups.
    """
    name = method_name(method)
    chosen = model_test(name, test)
    check_level(level)
    effect, variance, k = studies.effect, studies.variance, studies.k
    warnings = list(studies.warnings)
    design = intercept_only(k)
    if k == 1 and name != "common" and known_tau2 is None:
        name, chosen = "common", "z"
        warnings.append("one study: it stands for itself, with no between-study variance")
    if name == "common":
        between = 0.0
    elif known_tau2 is not None:
        between = known_tau2
    else:
        between = tau2.estimate_tau2(effect, variance, name)
    fitted = fit_one(effect, 1.0 / (variance + between), design)
    q_fit = fit_one(effect, 1.0 / variance, design)
    q = float(q_fit.q[0])
    estimate = float(fitted.coefficients[0, 0])
    se = math.sqrt(float(fitted.covariance[0, 0, 0]))
    df: float | None = None
    if chosen != "z" and k > 1:
        df = float(k - 1)
        se *= _knapp_hartung_scale(float(fitted.q[0]) / df, chosen, warnings)
    half = distributions.critical_value(level, df) * se
    statistic = wald_statistic(estimate, se)
    low, high, distribution = _predict(estimate, se, between, name, df, k, level, prediction)
    if name == "common" or k < 2:
        i2, h2 = _common_heterogeneity(q, k)
    else:
        i2, h2 = tau2.i2_h2(between, tau2.typical_variance(effect, variance, design))
    intervals = _heterogeneity_intervals(studies, name, level, tau2_interval, warnings)
    percent = 100.0 * fitted.weights[0] / fitted.weights[0].sum()
    height = tau2.log_likelihood(effect, variance, between, restricted=name == "REML")
    return PoolResult(
        estimate=estimate,
        se=se,
        ci_low=estimate - half,
        ci_high=estimate + half,
        pi_low=low,
        pi_high=high,
        statistic=statistic,
        df=df,
        p=distributions.two_sided_p(statistic, df),
        tau2=between,
        i2=i2,
        h2=h2,
        tau2_ci=intervals[0],
        i2_ci=intervals[1],
        h2_ci=intervals[2],
        tau2_ci_method=tau2_interval if name != "common" else "none",
        q=q if k > 1 else 0.0,
        q_df=k - 1,
        q_p=distributions.chi2_p(q, k - 1),
        k=k,
        method=name,
        test=chosen,
        level=level,
        pi_distribution=distribution,
        measure=studies.measure,
        log_likelihood=height,
        weights=tuple(percent.tolist()),
        effect=tuple(effect.tolist()),
        variance=tuple(variance.tolist()),
        labels=studies.labels,
        rows_used=studies.rows,
        back=studies.back,
        details={"q_kind": "Cochran"},
        excluded=studies.excluded,
        warnings=tuple(warnings),
    )


def wald_statistic(estimate: float, se: float) -> float:
    """Estimate over standard error; infinite, or NaN for 0/0, where the error is 0."""
    if se > 0:
        return estimate / se
    return math.copysign(math.inf, estimate) if estimate != 0 else NAN


def _knapp_hartung_scale(dispersion: float, test: str, warnings: list[str]) -> float:
    if test == "knapp-hartung-adhoc":
        return math.sqrt(max(1.0, dispersion))
    if dispersion < 1e-20:
        warnings.append(
            "the effects are equal: Knapp-Hartung's standard error is 0 and its interval a point"
        )
    return math.sqrt(dispersion)


def _predict(
    estimate: float,
    se: float,
    between: float,
    method: str,
    df: float | None,
    k: int,
    level: float,
    prediction: Prediction,
) -> tuple[float, float, str]:
    if method == "common":
        return NAN, NAN, "none"
    chosen: float | None
    if prediction == "test":
        chosen = df
    elif prediction == "z":
        chosen = None
    elif prediction in ("t(k-1)", "t(k-2)"):
        chosen = float(k - int(prediction[4]))
        if chosen < 1:
            return NAN, NAN, f"{prediction}: too few studies"
    else:
        raise StatisticsError(
            f"No such distribution for prediction: {prediction!r}.",
            "Known: test, z, t(k-1), t(k-2).",
        )
    half = distributions.critical_value(level, chosen) * math.sqrt(between + se**2)
    name = "z" if chosen is None else f"t({chosen:g})"
    return estimate - half, estimate + half, name


def _common_heterogeneity(q: float, k: int) -> tuple[float, float]:
    """I2 in percent and H2 from Q, as there is no tau2 to build them on."""
    if k < 2:
        return NAN, NAN
    h2 = q / (k - 1)
    return (100.0 * max(0.0, (h2 - 1.0) / h2) if h2 > 0 else 0.0), h2


def _heterogeneity_intervals(
    studies: EffectSizes,
    method: str,
    level: float,
    kind: Tau2Interval,
    warnings: list[str],
) -> tuple[Interval, Interval, Interval]:
    if kind == "none" or method == "common" or studies.k < 2:
        return NO_INTERVAL, NO_INTERVAL, NO_INTERVAL
    effect, variance = studies.effect, studies.variance
    if kind == "profile-likelihood":
        bounds = tau2.profile_likelihood(effect, variance, method, level=level)
    elif kind == "q-profile":
        bounds = tau2.q_profile(effect, variance, level=level)
    else:
        raise StatisticsError(
            f"No such interval for tau2: {kind!r}.", "Known: q-profile, profile-likelihood, none."
        )
    if math.isnan(bounds[0]):
        warnings.append(EMPTY_INTERVAL)
        return NO_INTERVAL, NO_INTERVAL, NO_INTERVAL
    typical = tau2.typical_variance(effect, variance, intercept_only(studies.k))
    low, high = (tau2.i2_h2(bound, typical) for bound in bounds)
    return bounds, (low[0], high[0]), (low[1], high[1])


@dataclass(frozen=True, eq=False)
class PoolBatch:
    """Pooled estimates of B meta-analyses, each attribute of shape (B,)."""

    estimate: FloatArray
    se: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    pi_low: FloatArray
    pi_high: FloatArray
    p: FloatArray
    tau2: FloatArray
    i2: FloatArray
    q: FloatArray
    q_p: FloatArray
    k: FloatArray
    method: str
    test: str
    level: float


def pool_many(
    effects: ArrayLike,
    variances: ArrayLike,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
) -> PoolBatch:
    """Pool many meta-analyses in one call.

    Parameters
    ----------
    effects, variances
        Shape (B, k). Cells that are NaN in both are padding of shorter meta-analyses.
    method, test, level
        As in `pool`.

    Raises
    ------
    StatisticsError
        For a cell that is NaN in one array only, a variance that is not positive, values too
        extreme to compute with, or a meta-analysis of fewer than two studies; the message
        names row and column.
    """
    effect = np.atleast_2d(np.asarray(effects, dtype=np.float64))
    variance = np.atleast_2d(np.asarray(variances, dtype=np.float64))
    if effect.shape != variance.shape or effect.ndim != 2:
        raise StatisticsError(f"Shapes differ: effects {effect.shape}, variances {variance.shape}.")
    name = method_name(method)
    chosen = model_test(name, test)
    used = ~(np.isnan(effect) & np.isnan(variance))
    with np.errstate(invalid="ignore"):
        bad = used & ~((np.abs(effect) <= LARGEST) & (variance >= SMALLEST) & (variance <= LARGEST))
        largest = np.where(used, variance, 0.0).max(axis=1, initial=0.0)
        bad |= used & (variance < largest[:, None] / WIDEST_RATIO)
    if bad.any():
        row, column = (int(part) + 1 for part in np.argwhere(bad)[0])
        raise StatisticsError(
            f"Row {row}, column {column}: effect {effect[row - 1, column - 1]:g} with variance "
            f"{variance[row - 1, column - 1]:g} cannot be pooled."
        )
    count = used.sum(axis=1)
    if (count < 2).any():
        row = int(np.flatnonzero(count < 2)[0]) + 1
        raise StatisticsError(f"Row {row}: pooling needs at least 2 studies.")
    k = count.astype(np.float64)
    filled = np.where(used, effect, 0.0)
    spread = np.where(used, variance, 1.0)
    if name == "common":
        between = np.zeros(k.size)
    else:
        between = tau2.estimate_tau2_batch(filled, spread, name, None, used)
    weights = np.where(used, 1.0 / (spread + between[:, None]), 0.0)
    total = weights.sum(axis=1)
    estimate = (weights * filled).sum(axis=1) / total
    se = np.sqrt(1.0 / total)
    first = np.where(used, 1.0 / spread, 0.0)
    sum1 = first.sum(axis=1)
    mean1 = (first * filled).sum(axis=1) / sum1
    q = (first * (filled - mean1[:, None]) ** 2).sum(axis=1)
    df = k - 1.0
    typical = df / (sum1 - (first**2).sum(axis=1) / sum1)
    if name == "common":
        i2 = 100.0 * np.maximum(0.0, 1.0 - df / np.where(q > 0, q, df))
    else:
        i2 = 100.0 * between / (between + typical)
    if chosen == "z":
        critical = np.full(k.size, distributions.critical_value(level, None))
    else:
        dispersion = (weights * (filled - estimate[:, None]) ** 2).sum(axis=1) / df
        se = se * np.sqrt(np.maximum(1.0, dispersion) if chosen.endswith("adhoc") else dispersion)
        by_df = {d: distributions.critical_value(level, float(d)) for d in np.unique(df)}
        critical = np.array([by_df[d] for d in df])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(estimate / se)
    p = 2.0 * (special.ndtr(-statistic) if chosen == "z" else special.stdtr(df, -statistic))
    wide = critical * np.sqrt(between + se**2)
    if name == "common":
        wide = np.full(k.size, np.nan)
    return PoolBatch(
        estimate, se, estimate - critical * se, estimate + critical * se, estimate - wide,
        estimate + wide, p, between, i2, q, special.chdtrc(df, q), k, name, chosen, level,
    )  # fmt: skip
