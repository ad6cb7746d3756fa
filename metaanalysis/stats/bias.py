"""Small-study effects: tests for them and estimates corrected for them.

Sources: Egger et al. (1997), BMJ 315:629; Sterne & Egger (2005); Begg & Mazumdar (1994),
Biometrics 50:1088; Stanley & Doucouliagos (2014), Res Synth Methods 5:60 (PET, PEESE);
Deeks, Macaskill & Irwig (2005), J Clin Epidemiol 58:882; Rosenthal (1979). Trim-and-fill has
its own module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions
from metaanalysis.stats.diagnostic_pairs import ZeroCells, diagnostic_pairs
from metaanalysis.stats.pool import check_level, wald_statistic
from metaanalysis.stats.rank_statistics import kendall
from metaanalysis.stats.regression import regress
from metaanalysis.stats.result_tables import BiasTestResult
from metaanalysis.stats.studies import EffectSizes, FloatArray, Missing, as_effect_sizes
from metaanalysis.stats.trim_fill import trim_and_fill

__all__ = [
    "begg",
    "deeks",
    "egger",
    "fail_safe_n",
    "peese",
    "pet",
    "pet_peese",
    "trim_and_fill",
]

FEW_STUDIES = 10


def few_studies(k: int) -> tuple[str, ...]:
    """Return the warning that belongs to any bias test on fewer than ten studies."""
    if k >= FEW_STUDIES:
        return ()
    return (f"k = {k} is below {FEW_STUDIES}: such a test can hardly tell bias from chance",)


def check_testable(studies: EffectSizes, what: str) -> None:
    """Refuse effects that are all equal: no test can tell what they would go with.

    Raises
    ------
    StatisticsError
        All effects are equal up to rounding.
    """
    effect = studies.effect
    if np.ptp(effect) <= 1e-12 * np.max(np.abs(effect)):
        raise StatisticsError(
            f"{what} is not testable: all {studies.k} effects are equal, as they are where all "
            "studies are at the ceiling."
        )


def _check_fit(statistic: float, slope: float, se: float, what: str) -> None:
    """Refuse a line that leaves no error: its t says nothing but how numbers are rounded."""
    if not math.isfinite(statistic) or abs(se) <= 1e-10 * abs(slope):
        raise StatisticsError(
            f"{what} is not testable: the effects lie on one line, which leaves no error to test "
            "by."
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """Weighted straight line with the residual variance estimated."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    df: int


def _line(response: FloatArray, predictor: FloatArray, weights: FloatArray, name: str) -> _Line:
    if np.ptp(predictor) <= 1e-12 * np.max(np.abs(predictor)):
        raise StatisticsError(
            f"All {predictor.size} studies have the same {name}: there is no line to fit."
        )
    total = weights.sum()
    centre = (weights * predictor).sum() / total
    shifted = predictor - centre
    spread = (weights * shifted**2).sum()
    mean = (weights * response).sum() / total
    slope = (weights * shifted * response).sum() / spread
    residuals = response - mean - slope * shifted
    df = response.size - 2
    dispersion = (weights * residuals**2).sum() / df
    return _Line(
        float(mean - slope * centre),
        float(slope),
        float(math.sqrt(dispersion * (1.0 / total + centre**2 / spread))),
        float(math.sqrt(dispersion / spread)),
        df,
    )


def egger(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    model: Literal["mixed", "wls"] = "mixed",
    method: str = "REML",
    test: Literal["z", "knapp-hartung"] = "z",
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """Egger's regression of the effect on its standard error.

    Parameters
    ----------
    effect, variance
        Shape (k,), k >= 3; or one `EffectSizes`.
    model
        ``"mixed"``: a meta-regression with tau2 by `method`, tested by `test` (metafor's
        default). ``"wls"``: the classic weighted regression, t with k - 2.

    Returns
    -------
    BiasTestResult
        `slope` is the coefficient of the standard error, `limit` the intercept.
    """
    if model not in ("mixed", "wls"):
        raise StatisticsError(f"model must be 'mixed' or 'wls', not {model!r}.")
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, minimum=3, what="Egger's test"
    )
    check_testable(studies, "Egger's test")
    if model == "wls":
        return _classic(studies, "Egger (WLS)", "standard error", level)
    name = "standard error"
    fitted = regress(studies, None, {name: np.sqrt(studies.variance)}, method, test, level=level)
    limit, slope = fitted.coefficients
    _check_fit(slope.statistic, slope.estimate, slope.se, "Egger's test")
    return BiasTestResult(
        name="Egger (mixed-effects)",
        statistic_name="z" if fitted.df is None else "t",
        statistic=slope.statistic,
        df=fitted.df,
        p=slope.p,
        k=studies.k,
        slope=slope.estimate,
        slope_se=slope.se,
        limit=limit.estimate,
        limit_se=limit.se,
        limit_low=limit.ci_low,
        limit_high=limit.ci_high,
        limit_p=limit.p,
        details={"tau2": fitted.tau2, "method": fitted.method, "test": fitted.test},
        excluded=studies.excluded,
        warnings=(*studies.warnings, *few_studies(studies.k)),
    )


def _classic(studies: EffectSizes, name: str, predictor: str, level: float) -> BiasTestResult:
    check_level(level)
    check_testable(studies, name)
    size = studies.variance if predictor == "variance" else np.sqrt(studies.variance)
    line = _line(studies.effect, size, 1.0 / studies.variance, predictor)
    return _line_result(line, name, predictor, level, studies)


def _line_result(
    line: _Line, name: str, predictor: str, level: float, studies: EffectSizes
) -> BiasTestResult:
    _check_fit(wald_statistic(line.slope, line.slope_se), line.slope, line.slope_se, name)
    half = distributions.critical_value(level, line.df) * line.intercept_se
    statistic = wald_statistic(line.slope, line.slope_se)
    limit_statistic = wald_statistic(line.intercept, line.intercept_se)
    return BiasTestResult(
        name=name,
        statistic_name="t",
        statistic=statistic,
        df=line.df,
        p=distributions.two_sided_p(statistic, line.df),
        k=studies.k,
        slope=line.slope,
        slope_se=line.slope_se,
        limit=line.intercept,
        limit_se=line.intercept_se,
        limit_low=line.intercept - half,
        limit_high=line.intercept + half,
        limit_p=distributions.two_sided_p(limit_statistic, line.df),
        predictor=predictor,
        excluded=studies.excluded,
        warnings=(*studies.warnings, *few_studies(studies.k)),
    )


def pet(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """Precision-effect test: the effect at a standard error of 0, by WLS on the error."""
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, minimum=3, what="PET"
    )
    return _classic(studies, "PET", "standard error", level)


def peese(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """Return the effect at a standard error of 0, by WLS on the variance."""
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, minimum=3, what="PEESE"
    )
    return _classic(studies, "PEESE", "variance", level)


def pet_peese(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """PEESE where PET finds an effect, else PET.

    Notes
    -----
    The rule of Stanley & Doucouliagos (2014): PET's intercept is tested one-sided at 5 %,
    i.e. two-sided p < 0.10. The rule compares with 0, which means something only for effects
    whose null is 0 (ratios, differences), not for a proportion.
    """
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, minimum=3, what="PET-PEESE"
    )
    first = _classic(studies, "PET", "standard error", level)
    if first.limit_p < 0.10:
        return _classic(studies, "PET-PEESE (PEESE chosen)", "variance", level)
    return _classic(studies, "PET-PEESE (PET chosen)", "standard error", level)


def begg(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """Begg and Mazumdar's rank correlation of standardised effects and variances.

    Notes
    -----
    p is exact without ties, and normal (tie-corrected) with them.
    """
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, minimum=3, what="Begg's test"
    )
    check_testable(studies, "Begg's test")
    weights = 1.0 / studies.variance
    mean = (weights * studies.effect).sum() / weights.sum()
    deviate = (studies.effect - mean) / np.sqrt(studies.variance - 1.0 / weights.sum())
    tau, p, exact = kendall(deviate, studies.variance)
    return BiasTestResult(
        name="Begg",
        statistic_name="Kendall tau",
        statistic=tau,
        df=None,
        p=p,
        k=studies.k,
        predictor="variance",
        details={"p_method": "exact" if exact else "normal, corrected for ties"},
        excluded=studies.excluded,
        warnings=(*studies.warnings, *few_studies(studies.k)),
    )


def deeks(
    tp: ArrayLike,
    fn: ArrayLike,
    fp: ArrayLike,
    tn: ArrayLike,
    *,
    zero_cells: ZeroCells = "only-affected",
    correction: float = 0.5,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> BiasTestResult:
    """Deeks' funnel asymmetry test for diagnostic odds ratios.

    Regresses ln DOR on 1/sqrt(ESS) with weights ESS = 4 n1 n0 / (n1 + n0); t with k - 2.
    """
    pairs = diagnostic_pairs(
        tp, fn, fp, tn, zero_cells=zero_cells, correction=correction, labels=labels,
        missing=missing,
    )  # fmt: skip
    studies = as_effect_sizes(pairs.log_dor(), minimum=3, what="Deeks' test")
    diseased = pairs.counts[:, :2].sum(axis=1)
    healthy = pairs.counts[:, 2:].sum(axis=1)
    check_testable(studies, "Deeks' test")
    size = 4.0 * diseased * healthy / (diseased + healthy)
    name = "1/sqrt(effective sample size)"
    line = _line(studies.effect, 1.0 / np.sqrt(size), size, name)
    return _line_result(line, "Deeks", name, check_level(level), studies)


def fail_safe_n(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> int:
    """Rosenthal's number of null studies that would undo significance (one-sided `alpha`).

    Reported because readers ask for it; it assumes that hidden studies average to null.
    """
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, what="The fail-safe N"
    )
    if not 0.0 < alpha < 0.5:
        raise StatisticsError(f"alpha must lie between 0 and 0.5, not {alpha:g}.")
    total = abs(float((studies.effect / np.sqrt(studies.variance)).sum()))
    needed = (total / distributions.z_quantile(1.0 - alpha)) ** 2 - studies.k
    return max(0, math.ceil(needed))
