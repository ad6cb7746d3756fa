"""Subgroups with a common or separate between-study variance, and the test that they differ.

Sources: Borenstein & Higgins (2013), Prev Sci 14:134; Welch (1951), Biometrika 38:330 for the
difference of means whose errors are estimated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.columns import is_missing
from metaanalysis.stats.design import build_design
from metaanalysis.stats.inference import Settings, prediction, settings, wald
from metaanalysis.stats.notes import Note
from metaanalysis.stats.pool import pool_studies
from metaanalysis.stats.regression import regress_design
from metaanalysis.stats.results import NAN, PoolResult, RegressionResult, SubgroupResult
from metaanalysis.stats.studies import EffectSizes, studies_of

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
) -> SubgroupResult:
    """Pool each subgroup and test whether their means differ.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`, whose `missing` also decides about missing groups.
    groups
        The subgroup of each row of the input, or of each study.
    method, test, level
        As in `pool`.
    tau2_mode
        ``"separate"``: each group has its own tau2, and the difference is tested on the
        groups' own standard errors (`difference_test`: chi-square for z, Welch's F for
        Knapp-Hartung). ``"common"``: one tau2 from the meta-regression on the group, and its
        omnibus test (chi-square for z, F for Knapp-Hartung).
    factor
        Name of the grouping, for tables and messages.

    Notes
    -----
    A group of one study is shown as that study. With separate tau2 it has no between-study
    variance of its own and stays out of the difference test; ``warnings`` say so.
    """
    if groups is None:
        raise StatisticsError(f"Subgroups need the column {factor!r}.")
    if tau2_mode not in ("common", "separate"):
        raise StatisticsError(f"tau2_mode must be 'common' or 'separate', not {tau2_mode!r}.")
    texts = np.array([None if is_missing(group) else str(group) for group in groups], dtype=object)
    studies = studies_of(effect, variance, 2, "A subgroup analysis")
    studies, columns = studies.complete({factor: texts})
    model = settings(method, test, level)
    design = build_design(columns, studies.k)
    levels = design.moderators[0].levels
    parts = [studies.take(columns[factor] == one) for one in levels]
    overall = pool_studies(studies, model, tau2_interval="q-profile")
    if tau2_mode == "common" or model.common:
        fitted = regress_design(studies, design, columns, model)
        results = tuple(_group_of_common(part, fitted, model, parts[0]) for part in parts)
        difference = Difference(fitted.qm, fitted.qm_df, fitted.df, fitted.qm_p)
        warnings, r2 = fitted.warnings, fitted.r2
    else:
        results = tuple(pool_studies(part, model, tau2_interval="q-profile") for part in parts)
        difference = difference_test([result for result in results if result.k > 1])
        warnings, r2 = (*studies.warnings, *groups_of_one(levels, results)), NAN
    return SubgroupResult(
        factor=factor,
        names=levels,
        groups=results,
        overall=overall,
        tau2_mode="common" if model.common else tau2_mode,
        **difference._asdict(),
        r2=r2,
        excluded=studies.excluded,
        warnings=(*warnings, *small_groups(levels, results)),
    )


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


def groups_of_one(names: Sequence[str], groups: Sequence[PoolResult]) -> tuple[Note, ...]:
    """Return the note on groups of one study, which no test of the difference can use."""
    alone = [name for name, group in zip(names, groups, strict=True) if group.k == 1]
    return (Note.of("group-of-one", groups=alone),) if alone else ()


def small_groups(names: Sequence[str], groups: Sequence[PoolResult]) -> tuple[Note, ...]:
    """Return the note on groups of fewer than five studies; those of one have their own."""
    sizes = {name: group.k for name, group in zip(names, groups, strict=True)}
    small = {name: k for name, k in sizes.items() if 1 < k < FEW_STUDIES}
    return (Note.of("small-groups", least=FEW_STUDIES, groups=small),) if small else ()


def _group_of_common(
    part: EffectSizes, fitted: RegressionResult, model: Settings, first: EffectSizes
) -> PoolResult:
    """One group under the common tau2, with the regression's degrees of freedom.

    Knapp-Hartung's factor is the same for all groups: it comes from the whole regression, whose
    intercept is the first group.
    """
    if model.common:
        return pool_studies(part, model)
    between = fitted.tau2
    scale = fitted.covariance[0][0] * float((1.0 / (first.variance + between)).sum())
    own = pool_studies(part, replace(model, test="z"), known_tau2=between)
    se = own.se * math.sqrt(scale)
    values = wald(own.estimate, se, fitted.df, model.level)
    values |= prediction(own.estimate, se, between, fitted.df, model.level)
    if part.k > 1:
        typical = tau2.typical_variance(part.effect, part.variance)
        values["i2"], values["h2"] = tau2.i2_h2(between, typical)
    return replace(own, test=model.test, **values)
