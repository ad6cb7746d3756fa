"""From an estimate and its standard error to test, interval and prediction; how models are chosen.

Sources: Knapp & Hartung (2003), Stat Med 22:2693; Higgins, Thompson & Spiegelhalter (2009),
J R Stat Soc A 172:137 (prediction).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.columns import FloatArray, check_level
from metaanalysis.stats.results import NAN

TESTS = ("z", "knapp-hartung", "knapp-hartung-adhoc")
_TEST_ALIASES = {"kh": "knapp-hartung", "knha": "knapp-hartung", "hksj": "knapp-hartung"}
_COMMON = {"COMMON", "FIXED", "EE", "FE", "CE"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is fitted and tested, by canonical names; made by `settings`."""

    method: str = "REML"
    test: str = "knapp-hartung"
    level: float = 0.95

    @property
    def common(self) -> bool:
        """Whether all studies are taken to share one effect."""
        return self.method == "common"

    def between(
        self, effect: FloatArray, variance: FloatArray, design: FloatArray | None = None
    ) -> float:
        """Return tau2 by the method; 0 for the common effect."""
        return 0.0 if self.common else tau2.estimate_tau2(effect, variance, self.method, design)

    def dispersion(self, q: FloatArray, df: float) -> FloatArray:
        """Factor on the covariance, shape (B,): 1 for z, Q/(k-p) for Knapp-Hartung."""
        if self.test == "z":
            return np.ones_like(q)
        found = q / df
        return np.maximum(1.0, found) if self.test.endswith("adhoc") else found


def settings(method: str = "REML", test: str | None = None, level: float = 0.95) -> Settings:
    """Return how to fit and test.

    Parameters
    ----------
    method
        ``"common"`` or a tau2 estimator.
    test
        Knapp-Hartung unless asked otherwise; z for the common effect.
    level
        Confidence level of all intervals.

    Raises
    ------
    StatisticsError
        For unknown words, and for Knapp-Hartung on the common-effect model: its premise,
        that the variances are known and nothing else varies, leaves nothing to re-estimate.
    """
    name = "common" if method.upper() in _COMMON else tau2.estimator_name(method)
    usual = "z" if name == "common" else "knapp-hartung"
    chosen = usual if test is None else _TEST_ALIASES.get(test.lower(), test.lower())
    if chosen not in TESTS:
        raise StatisticsError(f"No such test: {test!r}.", f"Known: {', '.join(TESTS)}.")
    if name == "common" and chosen != "z":
        raise StatisticsError(f"The common-effect model is tested by z, not by {chosen}.")
    return Settings(name, chosen, check_level(level))


def wald(estimate: float, se: float, df: float | None, level: float) -> dict[str, Any]:
    """Return an estimate with its test of 0 and its interval, by the names that results use.

    Parameters
    ----------
    df
        Degrees of freedom of t; None for z.
    """
    # Without an error the statistic is infinite, or NaN for 0/0.
    endless = math.copysign(math.inf, estimate) if estimate != 0 else NAN
    statistic = estimate / se if se > 0 else endless
    half = distributions.critical_value(level, df) * se
    return {
        "estimate": estimate,
        "se": se,
        "statistic": statistic,
        "df": df,
        "p": distributions.two_sided_p(statistic, df),
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }


def prediction(
    estimate: float, se: float, between: float, df: float | None, level: float
) -> dict[str, Any]:
    """Return where the true effect of a new study is expected, by the names that results use."""
    half = distributions.critical_value(level, df) * math.sqrt(between + se**2)
    name = "z" if df is None else f"t({df:.4g})"
    return {"pi_low": estimate - half, "pi_high": estimate + half, "pi_distribution": name}


def heterogeneity_intervals(bounds: tuple[float, float], typical: float) -> dict[str, Any]:
    """Return the intervals of I2 and H2 that belong to one of tau2, with it."""
    low, high = (tau2.i2_h2(bound, typical) for bound in bounds)
    return {"tau2_ci": bounds, "i2_ci": (low[0], high[0]), "h2_ci": (low[1], high[1])}


def omnibus(
    beta: FloatArray, covariance: FloatArray, columns: Sequence[int], df: float | None
) -> tuple[float, float]:
    """Test that some coefficients are all 0: chi-square (`df` None) or F, with its p.

    Parameters
    ----------
    beta, covariance
        Of all coefficients: shapes (p,) and (p, p).
    columns
        Positions of those to test.
    """
    picked = list(columns)
    beta, covariance, m = beta[picked], covariance[np.ix_(picked, picked)], len(picked)
    if not np.any(covariance):
        return NAN, NAN
    found = float(beta @ np.linalg.solve(covariance, beta))
    if df is None:
        return found, distributions.chi2_p(found, m)
    return found / m, distributions.f_p(found / m, m, df)
