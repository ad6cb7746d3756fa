"""Subgroups with a common or separate between-study variance, and the test that they differ.

Sources: Borenstein & Higgins (2013), Prev Sci 14:134; Welch (1951), Biometrika 38:330 for the
difference of means whose errors are estimated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.design import build_design, check_moderators
from metaanalysis.stats.pool import method_name as canonical
from metaanalysis.stats.pool import model_test, pool_studies
from metaanalysis.stats.regression import regress_design
from metaanalysis.stats.results import NAN, PoolResult, SubgroupResult
from metaanalysis.stats.studies import (
    EffectSizes,
    Missing,
    as_effect_sizes,
    is_missing,
    names,
    vector,
)
from metaanalysis.stats.transforms import BackTransform

#: Groups of fewer studies than these get a note.
FEW_STUDIES = 5


def subgroups(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    groups: Sequence[object] | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    tau2_mode: Literal["common", "separate"] = "separate",
    factor: str = "group",
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    measure: str | None = None,
    missing: Missing = "error",
) -> SubgroupResult:
    """Pool each subgroup and test whether their means differ.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`.
    groups
        Shape (k,): the subgroup of each study.
    method, test, level
        As in `pool`.
    tau2_mode
        ``"separate"``: each group has its own tau2, and the difference is tested on the
        groups' own standard errors (`difference_test`: chi-square for z, Welch's F for
        Knapp-Hartung). ``"common"``: one tau2 from the meta-regression on the group, and its
        omnibus test (chi-square for z, F for Knapp-Hartung).
    factor
        Name of the grouping, for tables and messages.
    labels, back_transform, measure, missing
        See `as_effect_sizes`.

    Notes
    -----
    A group of one study is shown as that study. With separate tau2 it has no between-study
    variance of its own and stays out of the difference test; ``warnings`` say so.
    """
    if groups is None:
        raise StatisticsError(f"Subgroups need the column {factor!r}.")
    if tau2_mode not in ("common", "separate"):
        raise StatisticsError(f"tau2_mode must be 'common' or 'separate', not {tau2_mode!r}.")
    texts = [None if is_missing(group) else str(group) for group in groups]
    given = effect.k if isinstance(effect, EffectSizes) else vector(effect, "effect").size
    shown = effect.labels if isinstance(effect, EffectSizes) else names(labels, given)
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        measure=measure, minimum=2, what="A subgroup analysis",
    )  # fmt: skip
    check = check_moderators({factor: np.array(texts, dtype=object)}, given, shown, missing)
    # An EffectSizes has its own numbering; arrays are numbered by the rows they came from.
    index = np.arange(given) if isinstance(effect, EffectSizes) else np.array(studies.rows) - 1
    keep = check.keep[index]
    used = [str(texts[i]) for i, kept in zip(index, keep, strict=True) if kept]
    kept_rows = set(index.tolist())
    late = tuple(item for item in check.excluded if item.row - 1 in kept_rows)
    kept = studies.take(keep)
    kept = EffectSizes(
        kept.effect, kept.variance, kept.labels, kept.rows, kept.measure, kept.back, kept.size,
        (*studies.excluded, *late), kept.warnings,
    )  # fmt: skip
    return _compare(kept, used, method, test, tau2_mode, factor, level)


def _compare(
    studies: EffectSizes,
    groups: list[str],
    method: str,
    test: str | None,
    mode: str,
    factor: str,
    level: float,
) -> SubgroupResult:
    name = canonical(method)
    chosen = model_test(name, test)
    everything = np.ones(studies.k, dtype=np.bool_)
    columns = {factor: np.array(groups, dtype=object)}
    design = build_design(columns, everything)
    levels = design.moderators[0].levels
    parts = [studies.take(np.array([group == level_ for group in groups])) for level_ in levels]
    overall = pool_studies(studies, name, chosen, level=level, tau2_interval="q-profile")
    warnings: list[str] = []
    if mode == "common" or name == "common":
        fitted = regress_design(studies, design, columns, name, chosen, level=level)
        between = fitted.tau2 if name != "common" else None
        results = tuple(
            _group_of_common(part, fitted.tau2, name, chosen, level, fitted.df, scale)
            if between is not None
            else pool_studies(part, name, chosen, level=level)
            for part, scale in zip(
                parts, _scales(fitted.covariance, parts, fitted.tau2), strict=True
            )
        )
        return SubgroupResult(
            factor=factor, names=levels, groups=results, overall=overall, tau2_mode="common",
            statistic=fitted.qm, df=fitted.qm_df, df_residual=fitted.df, p=fitted.qm_p,
            r2=fitted.r2, excluded=studies.excluded,
            warnings=(*fitted.warnings, *small_groups(levels, results)),
        )  # fmt: skip
    results = tuple(
        pool_studies(part, name, chosen, level=level, tau2_interval="q-profile") for part in parts
    )
    alone = [text for text, part in zip(levels, parts, strict=True) if part.k == 1]
    if alone:
        warnings.append(
            f"one study only in {', '.join(alone)}: shown, but not part of the difference test"
        )
    tested = [result for result in results if result.k > 1]
    found = difference_test(tested)
    return SubgroupResult(
        factor=factor, names=levels, groups=results, overall=overall, tau2_mode="separate",
        statistic=found.statistic, df=found.df, df_residual=found.df_residual, p=found.p,
        excluded=studies.excluded,
        warnings=(*studies.warnings, *warnings, *small_groups(levels, results)),
    )  # fmt: skip


class Difference(NamedTuple):
    """A test of equal means: chi-square (`df_residual` None) or F."""

    statistic: float
    df: int
    df_residual: float | None
    p: float


def difference_test(results: Sequence[PoolResult]) -> Difference:
    """Test that independent pooled estimates are equal, on their own standard errors.

    Also right for GLMM results, whose groups have no common design matrix.

    Notes
    -----
    Where the groups' intervals are normal (z), the errors count as known: Q-between is a
    chi-square. Where they are t with k_i - 1, the errors are estimates, and the test must know
    it too: Welch's (1951) F, which is Q-between over its degrees of freedom and a correction,
    with a denominator df from the groups' own df. Of two groups it is the square of Welch's t
    with Satterthwaite's df. With groups of few studies that df is small, as it should be.
    """
    count = len(results)
    if count < 2 or any(not result.se > 0 for result in results):
        return Difference(NAN, max(count - 1, 0), None, NAN)
    estimate = np.array([result.estimate for result in results])
    weight = np.array([result.se for result in results]) ** -2.0
    share = weight / weight.sum()
    centre = float((share * estimate).sum())
    q = float((weight * (estimate - centre) ** 2).sum())
    own = np.array([math.inf if result.df is None else result.df for result in results])
    lack = float(((1.0 - share) ** 2 / own).sum())
    if lack == 0.0:
        return Difference(q, count - 1, None, distributions.chi2_p(q, count - 1))
    squares = count**2 - 1.0
    statistic = q / (count - 1) / (1.0 + 2.0 * (count - 2) / squares * lack)
    df = squares / (3.0 * lack)
    return Difference(statistic, count - 1, df, distributions.f_p(statistic, count - 1, df))


def small_groups(names: Sequence[str], groups: Sequence[PoolResult]) -> tuple[str, ...]:
    """Return the note on groups of fewer than five studies; those of one have their own."""
    small = [
        f"{name} ({group.k})"
        for name, group in zip(names, groups, strict=True)
        if 1 < group.k < FEW_STUDIES
    ]
    if not small:
        return ()
    return (
        f"fewer than {FEW_STUDIES} studies in {', '.join(small)}: what such a group says about "
        "its mean and its heterogeneity is uncertain, and so is any difference",
    )


def _scales(
    covariance: tuple[tuple[float, ...], ...], parts: list[EffectSizes], between: float
) -> list[float]:
    """Knapp-Hartung's factor, the same for all groups: it comes from the whole regression."""
    weight = float((1.0 / (parts[0].variance + between)).sum())
    factor = covariance[0][0] * weight
    return [factor] * len(parts)


def _group_of_common(
    part: EffectSizes,
    between: float,
    method: str,
    test: str,
    level: float,
    df: float | None,
    scale: float,
) -> PoolResult:
    """One group under the common tau2, with the regression's degrees of freedom."""
    own = pool_studies(part, method, "z", level=level, known_tau2=between)
    se = own.se * math.sqrt(scale)
    critical = distributions.critical_value(level, df)
    wide = critical * math.sqrt(between + se**2)
    statistic = own.estimate / se if se > 0 else NAN
    values = {field: getattr(own, field) for field in own.__dataclass_fields__}
    values |= {
        "se": se,
        "df": df,
        "test": test,
        "statistic": statistic,
        "p": distributions.two_sided_p(statistic, df),
        "ci_low": own.estimate - critical * se,
        "ci_high": own.estimate + critical * se,
        "pi_low": own.estimate - wide,
        "pi_high": own.estimate + wide,
        "pi_distribution": "z" if df is None else f"t({df:g})",
    }
    if part.k > 1:
        typical = tau2.typical_variance(part.effect, part.variance, np.ones((part.k, 1)))
        values["i2"], values["h2"] = tau2.i2_h2(between, typical)
    return PoolResult(**values)
