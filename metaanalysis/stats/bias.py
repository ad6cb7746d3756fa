"""Small-study effects: tests for them and estimates corrected for them.

Sources: Egger et al. (1997), BMJ 315:629; Sterne & Egger (2005); Begg & Mazumdar (1994),
Biometrics 50:1088; Stanley & Doucouliagos (2014), Res Synth Methods 5:60 (PET, PEESE);
Deeks, Macaskill & Irwig (2005), J Clin Epidemiol 58:882. Trim-and-fill has its own module.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats.columns import FloatArray, check_level
from metaanalysis.stats.diagnostic_pairs import TwoByTwo, ZeroCells, diagnostic_pairs
from metaanalysis.stats.inference import wald
from metaanalysis.stats.notes import Note
from metaanalysis.stats.regression import regress
from metaanalysis.stats.result_tables import BiasTestResult
from metaanalysis.stats.studies import EffectSizes, studies_of

FEW_STUDIES = 10
#: With more studies Kendall's p is the normal one even without ties.
_MOST_COUNTED = 170


def _testable(
    effect: ArrayLike | EffectSizes, variance: ArrayLike | None, what: str
) -> EffectSizes:
    """Return at least three studies, whose effects are not all equal.

    Raises
    ------
    StatisticsError
        All effects are equal up to rounding: no test can tell what they would go with.
    """
    studies = studies_of(effect, variance, 3, what)
    if np.ptp(studies.effect) <= 1e-12 * np.max(np.abs(studies.effect)):
        raise StatisticsError(
            f"{what} is not testable: all {studies.k} effects are equal, as they are where all "
            "studies are at the ceiling."
        )
    return studies


def _result(studies: EffectSizes, **values: Any) -> BiasTestResult:
    """Return a test of studies, with the note that belongs to one on fewer than ten."""
    few = (Note.of("few-studies", k=studies.k, least=FEW_STUDIES),)
    return BiasTestResult(
        k=studies.k,
        excluded=studies.excluded,
        warnings=(*studies.warnings, *(few if studies.k < FEW_STUDIES else ())),
        **values,
    )


def _line_values(slope: dict[str, Any], limit: dict[str, Any], what: str) -> dict[str, Any]:
    """Return a line's slope and its value at 0 by the names of a result.

    Parameters
    ----------
    slope, limit
        Each with its test and interval, as of `wald`.

    Raises
    ------
    StatisticsError
        The line leaves no error: its t says nothing but how numbers are rounded.
    """
    if not math.isfinite(slope["statistic"]) or abs(slope["se"]) <= 1e-10 * abs(slope["estimate"]):
        raise StatisticsError(
            f"{what} is not testable: the effects lie on one line, which leaves no error to test "
            "by."
        )
    return {
        "statistic_name": "z" if slope["df"] is None else "t",
        "statistic": slope["statistic"],
        "df": slope["df"],
        "p": slope["p"],
        "slope": slope["estimate"],
        "slope_se": slope["se"],
        "limit": limit["estimate"],
        "limit_se": limit["se"],
        "limit_low": limit["ci_low"],
        "limit_high": limit["ci_high"],
        "limit_p": limit["p"],
    }


def _weighted_line(
    studies: EffectSizes,
    predictor: FloatArray,
    weights: FloatArray,
    name: str,
    what: str,
    level: float,
) -> BiasTestResult:
    """Fit a weighted straight line with the residual variance estimated: t with k - 2."""
    if np.ptp(predictor) <= 1e-12 * np.max(np.abs(predictor)):
        raise StatisticsError(
            f"All {predictor.size} studies have the same {name}: there is no line to fit."
        )
    response = studies.effect
    total = weights.sum()
    centre = (weights * predictor).sum() / total
    shifted = predictor - centre
    spread = (weights * shifted**2).sum()
    mean = (weights * response).sum() / total
    slope = float((weights * shifted * response).sum() / spread)
    residuals = response - mean - slope * shifted
    df = response.size - 2
    dispersion = (weights * residuals**2).sum() / df
    slope_se = float(math.sqrt(dispersion / spread))
    limit_se = float(math.sqrt(dispersion * (1.0 / total + centre**2 / spread)))
    line = wald(slope, slope_se, df, check_level(level))
    limit = wald(float(mean - slope * centre), limit_se, df, level)
    return _result(studies, name=what, predictor=name, **_line_values(line, limit, what))


def egger(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    model: Literal["mixed", "wls"] = "mixed",
    method: str = "REML",
    test: Literal["z", "knapp-hartung"] = "z",
    level: float = 0.95,
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
    studies = _testable(effect, variance, "Egger's test")
    name = "standard error"
    if model == "wls":
        return _classic(studies, "Egger (WLS)", "standard error", level)
    fitted = regress(studies, None, {name: np.sqrt(studies.variance)}, method, test, level=level)
    limit, slope = fitted.coefficients
    return _result(
        studies,
        name="Egger (mixed-effects)",
        details={"tau2": fitted.tau2, "method": fitted.method, "test": fitted.test},
        **_line_values(vars(slope), vars(limit), "Egger's test"),
    )


def _classic(
    studies: EffectSizes, name: str, predictor: Literal["standard error", "variance"], level: float
) -> BiasTestResult:
    size = studies.variance if predictor == "variance" else np.sqrt(studies.variance)
    return _weighted_line(studies, size, 1.0 / studies.variance, predictor, name, level)


def pet(
    effect: ArrayLike | EffectSizes, variance: ArrayLike | None = None, *, level: float = 0.95
) -> BiasTestResult:
    """Precision-effect test: the effect at a standard error of 0, by WLS on the error."""
    return _classic(_testable(effect, variance, "PET"), "PET", "standard error", level)


def peese(
    effect: ArrayLike | EffectSizes, variance: ArrayLike | None = None, *, level: float = 0.95
) -> BiasTestResult:
    """Return the effect at a standard error of 0, by WLS on the variance."""
    return _classic(_testable(effect, variance, "PEESE"), "PEESE", "variance", level)


def pet_peese(
    effect: ArrayLike | EffectSizes, variance: ArrayLike | None = None, *, level: float = 0.95
) -> BiasTestResult:
    """PEESE where PET finds an effect, else PET.

    Notes
    -----
    The rule of Stanley & Doucouliagos (2014): PET's intercept is tested one-sided at 5 %,
    i.e. two-sided p < 0.10. The rule compares with 0, which means something only for effects
    whose null is 0 (ratios, differences), not for a proportion.
    """
    studies = _testable(effect, variance, "PET-PEESE")
    if _classic(studies, "PET", "standard error", level).limit_p < 0.10:
        return _classic(studies, "PET-PEESE (PEESE chosen)", "variance", level)
    return _classic(studies, "PET-PEESE (PET chosen)", "standard error", level)


def begg(effect: ArrayLike | EffectSizes, variance: ArrayLike | None = None) -> BiasTestResult:
    """Begg and Mazumdar's rank correlation of standardised effects and variances.

    Notes
    -----
    p is exact without ties, and normal (tie-corrected) with them.
    """
    from scipy.stats import kendalltau  # half a second that only this test wants to pay

    studies = _testable(effect, variance, "Begg's test")
    weights = 1.0 / studies.variance
    mean = (weights * studies.effect).sum() / weights.sum()
    deviate = (studies.effect - mean) / np.sqrt(studies.variance - 1.0 / weights.sum())
    ties = studies.k - min(np.unique(deviate).size, np.unique(studies.variance).size)
    exact = not ties and studies.k <= _MOST_COUNTED
    found = kendalltau(deviate, studies.variance, method="exact" if exact else "asymptotic")
    return _result(
        studies,
        name="Begg",
        statistic_name="Kendall tau",
        statistic=float(found.statistic),
        df=None,
        p=float(found.pvalue),
        predictor="variance",
        details={"p_method": "exact" if exact else "normal, corrected for ties"},
    )


def deeks(
    tables: ArrayLike | TwoByTwo,
    *,
    zero_cells: ZeroCells = "only-affected",
    correction: float = 0.5,
    level: float = 0.95,
) -> BiasTestResult:
    """Deeks' funnel asymmetry test for diagnostic odds ratios.

    Regresses ln DOR on 1/sqrt(ESS) with weights ESS = 4 n1 n0 / (n1 + n0); t with k - 2.

    Parameters
    ----------
    tables, zero_cells, correction
        As of `diagnostic_pairs`.
    """
    pairs = diagnostic_pairs(tables, zero_cells=zero_cells, correction=correction)
    studies = _testable(pairs.log_dor(), None, "Deeks' test")
    diseased = pairs.tables.counts[:, :2].sum(axis=1)
    healthy = pairs.tables.counts[:, 2:].sum(axis=1)
    size = 4.0 * diseased * healthy / (diseased + healthy)
    name = "1/sqrt(effective sample size)"
    return _weighted_line(studies, 1.0 / np.sqrt(size), size, name, "Deeks", level)
