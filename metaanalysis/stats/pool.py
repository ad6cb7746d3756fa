"""Pooled estimates: common effect, random effects, prediction interval, batches.

Conventions are metafor's: the prediction interval uses the distribution of the test (z, or t with
k - 1 for Knapp-Hartung) unless another is named. Sources: see `inference`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from db.errors import StatisticsError
from metaanalysis.stats import distributions, inference, tau2
from metaanalysis.stats.columns import BoolArray, FloatArray, choose
from metaanalysis.stats.inference import Settings, heterogeneity_intervals, settings, wald
from metaanalysis.stats.least_squares import fit, fit_one, intercept_only
from metaanalysis.stats.notes import Note
from metaanalysis.stats.results import NAN, PoolResult
from metaanalysis.stats.studies import (
    LARGEST,
    SMALLEST,
    WIDEST_RATIO,
    EffectSizes,
    studies_of,
)

Prediction = Literal["test", "z", "t(k-1)", "t(k-2)"]
Tau2Interval = Literal["q-profile", "profile-likelihood", "none"]


def pool(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    prediction: Prediction = "test",
    tau2_interval: Tau2Interval = "q-profile",
) -> PoolResult:
    """Pool the effects of at least two studies.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`, which can also have labels, a back-transform, and a
        policy for missing cells.
    method
        ``"common"`` or a tau2 estimator: REML, ML, DL, PM, EB, HE, HS, SJ, DL2, HE2.
    test
        ``"knapp-hartung"`` (default for random effects), ``"knapp-hartung-adhoc"`` (never
        narrower than its z form) or ``"z"`` (the only one for the common effect).
    level
        Confidence level of every interval.
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
    studies = studies_of(effect, variance, 2, "Pooling")
    model = settings(method, test, level)
    return pool_studies(studies, model, prediction=prediction, tau2_interval=tau2_interval)


def pool_studies(
    studies: EffectSizes,
    model: Settings | None = None,
    *,
    prediction: Prediction = "test",
    tau2_interval: Tau2Interval = "none",
    known_tau2: float | None = None,
) -> PoolResult:
    """Pool checked studies; a single study stands for itself (with a note).

    `known_tau2` takes the between-study variance as given, e.g. common to several subgroups.
    """
    model = model or Settings()
    effect, variance, k = studies.effect, studies.variance, studies.k
    warnings = list(studies.warnings)
    if k == 1 and not model.common and known_tau2 is None:
        model = Settings("common", "z", model.level)
        warnings.append(Note.of("one-study"))
    between = known_tau2
    if between is None or model.common:
        between = model.between(effect, variance)
    fitted = fit_one(effect, 1.0 / (variance + between))
    q = float(fit_one(effect, 1.0 / variance).q[0])
    estimate = float(fitted.coefficients[0, 0])
    se = math.sqrt(float(fitted.covariance[0, 0, 0]))
    df: float | None = None
    if model.test != "z" and k > 1:
        df = float(k - 1)
        scale = float(model.dispersion(fitted.q, df)[0])
        if scale < 1e-20:
            warnings.append(Note.of("equal-effects"))
        se *= math.sqrt(scale)
    if model.common or k < 2:
        i2, h2 = _common_heterogeneity(q, k)
    else:
        i2, h2 = tau2.i2_h2(between, tau2.typical_variance(effect, variance))
    percent = 100.0 * fitted.weights[0] / fitted.weights[0].sum()
    return PoolResult(
        **studies.used(),
        **wald(estimate, se, df, model.level),
        **_predict(estimate, se, between, df, k, model, prediction),
        **_intervals(studies, model, tau2_interval, warnings),
        tau2=between,
        i2=i2,
        h2=h2,
        tau2_ci_method="none" if model.common else tau2_interval,
        q=q if k > 1 else 0.0,
        q_df=k - 1,
        q_p=distributions.chi2_p(q, k - 1),
        k=k,
        **asdict(model),
        log_likelihood=tau2.log_likelihood(
            effect, variance, between, restricted=model.method == "REML"
        ),
        weights=tuple(percent.tolist()),
        details={"q_kind": "Cochran"},
        warnings=tuple(warnings),
    )


def _predict(
    estimate: float,
    se: float,
    between: float,
    df: float | None,
    k: int,
    model: Settings,
    distribution: Prediction,
) -> dict[str, Any]:
    if model.common:
        return {}
    choose(distribution, get_args(Prediction), "distribution for prediction")
    if distribution == "z":
        df = None
    elif distribution != "test":
        df = float(k - int(distribution[4]))
        if df < 1:
            return {"pi_distribution": f"{distribution}: too few studies"}
    return inference.prediction(estimate, se, between, df, model.level)


def _common_heterogeneity(q: float, k: int) -> tuple[float, float]:
    """I2 in percent and H2 from Q, as there is no tau2 to build them on."""
    if k < 2:
        return NAN, NAN
    h2 = q / (k - 1)
    return (100.0 * max(0.0, (h2 - 1.0) / h2) if h2 > 0 else 0.0), h2


def _intervals(
    studies: EffectSizes, model: Settings, kind: Tau2Interval, warnings: list[Note]
) -> dict[str, Any]:
    choose(kind, get_args(Tau2Interval), "interval for tau2")
    if kind == "none" or model.common or studies.k < 2:
        return {}
    effect, variance = studies.effect, studies.variance
    if kind == "profile-likelihood":
        bounds = tau2.profile_likelihood(effect, variance, model.method, level=model.level)
    else:
        bounds = tau2.q_profile(effect, variance, level=model.level)
    if math.isnan(bounds[0]):
        warnings.append(Note.of("tau2-interval-empty"))
        return {}
    typical = tau2.typical_variance(effect, variance)
    return heterogeneity_intervals(bounds, typical)


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
    model = settings(method, test, level)
    effect, variance, used = _batch(effects, variances)
    k = used.sum(axis=1).astype(np.float64)
    df = k - 1.0
    if model.common:
        between = np.zeros(k.size)
    else:
        between = tau2.estimate_tau2_batch(effect, variance, model.method, None, used)
    design = intercept_only(effect.shape[1])[None]
    fitted = fit(effect, np.where(used, 1.0 / (variance + between[:, None]), 0.0), design)
    alone = fit(effect, np.where(used, 1.0 / variance, 0.0), design)
    estimate, q = fitted.coefficients[:, 0], alone.q
    se = np.sqrt(fitted.covariance[:, 0, 0] * model.dispersion(fitted.q, df))
    if model.common:
        i2 = 100.0 * np.maximum(0.0, 1.0 - df / np.where(q > 0, q, df))
    else:
        i2 = 100.0 * between / (between + df / alone.trace_projection())
    degrees = {d: None if model.test == "z" else float(d) for d in np.unique(df)}
    by_df = {d: distributions.critical_value(level, own) for d, own in degrees.items()}
    critical = np.array([by_df[d] for d in df])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(estimate / se)
    p = 2.0 * (special.ndtr(-statistic) if model.test == "z" else special.stdtr(df, -statistic))
    wide = np.full(k.size, np.nan) if model.common else critical * np.sqrt(between + se**2)
    return PoolBatch(
        estimate, se, estimate - critical * se, estimate + critical * se, estimate - wide,
        estimate + wide, p, between, i2, q, special.chdtrc(df, q), k, model.method, model.test,
        level,
    )  # fmt: skip


def _batch(effects: ArrayLike, variances: ArrayLike) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Check many meta-analyses: effects, variances and which cells are used, shape (B, k)."""
    effect = np.atleast_2d(np.asarray(effects, dtype=np.float64))
    variance = np.atleast_2d(np.asarray(variances, dtype=np.float64))
    if effect.shape != variance.shape or effect.ndim != 2:
        raise StatisticsError(f"Shapes differ: effects {effect.shape}, variances {variance.shape}.")
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
    few = np.flatnonzero(used.sum(axis=1) < 2)
    if few.size:
        raise StatisticsError(f"Row {few[0] + 1}: pooling needs at least 2 studies.")
    return np.where(used, effect, 0.0), np.where(used, variance, 1.0), used
