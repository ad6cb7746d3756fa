"""Quantiles and tail areas of z, t, chi-square and F.

A thin layer over ``scipy.special``: importing ``scipy.stats`` costs a second, which a
command line process cannot afford.
"""

from __future__ import annotations

import math

from scipy import special


def z_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return float(special.ndtri(probability))


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t with `df` degrees of freedom."""
    # The incomplete beta inverse keeps full precision where stdtrit loses digits for small df.
    if probability == 0.5:
        return 0.0
    tail = min(probability, 1.0 - probability)
    ratio = float(special.betaincinv(0.5 * df, 0.5, 2.0 * tail))
    size = math.sqrt(df * (1.0 - ratio) / ratio) if ratio > 0 else math.inf
    return size if probability > 0.5 else -size


def chi2_quantile(probability: float, df: float) -> float:
    """Quantile of the chi-square distribution with `df` degrees of freedom."""
    return 2.0 * float(special.gammaincinv(0.5 * df, probability))


def two_sided_p(statistic: float, df: float | None) -> float:
    """Two-sided p of a z (``df=None``) or t statistic; NaN in, NaN out."""
    if math.isnan(statistic):
        return math.nan
    if df is None:
        return 2.0 * float(special.ndtr(-abs(statistic)))
    if math.isinf(statistic):
        return 0.0
    return 2.0 * float(special.stdtr(df, -abs(statistic)))


def chi2_p(statistic: float, df: float) -> float:
    """Upper tail area of the chi-square distribution; 1 where there is no degree of freedom."""
    if df <= 0:
        return 1.0
    return float(special.chdtrc(df, max(statistic, 0.0)))


def f_p(statistic: float, df1: float, df2: float) -> float:
    """Upper tail area of the F distribution."""
    return float(special.fdtrc(df1, df2, max(statistic, 0.0)))


def critical_value(level: float, df: float | None) -> float:
    """Half-width, in standard errors, of a two-sided interval at `level`."""
    probability = 0.5 + 0.5 * level
    return z_quantile(probability) if df is None else t_quantile(probability, df)
