"""Pooling a sample, whole and by subgroup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from db.errors import StatisticsError
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import (
    Analysis,
    Model,
    one_effect_a_study,
    require,
    three_level_method,
)
from metaanalysis.samples.sample import Sample, group_name
from metaanalysis.samples.scales import effect_sizes, named, scale_of
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.multilevel import pool_multilevel
from metaanalysis.stats.pool import pool, pool_studies
from metaanalysis.stats.results import PoolResult, SubgroupResult
from metaanalysis.stats.subgroups import difference_test, small_groups, subgroups

#: Methods in words.
METHOD_WORDS = {
    "GLMM": "binomial-normal model (GLMM, maximum likelihood) of the counts",
    "common": "common effect",
}
TEST_WORDS = {
    "z": "normal (z)",
    "t": "t with k - 1",
    "knapp-hartung": "Knapp-Hartung",
    "knapp-hartung-adhoc": "Knapp-Hartung, never narrower than z",
}


def method_words(method: str, test: str, scale: str, level: float) -> str:
    """Return how was pooled, in words."""
    name = METHOD_WORDS.get(method, f"random effects, tau2 by {method}")
    where = "" if method == "GLMM" or scale == "raw" else f", on the {scale} scale"
    return f"{name}{where}; intervals {TEST_WORDS[test]}, {100 * level:g} %"


def _glmm_test(model: Model) -> Literal["z", "t"]:
    # With t the intervals keep their promise from five studies on; see benchmarks/.
    return "z" if model.test == "z" else "t"


def _by_glmm(sample: Sample, model: Model) -> tuple[PoolResult, tuple[str, ...]]:
    found = glmm(
        sample.columns["events"],
        sample.columns["n"],
        test=_glmm_test(model),
        level=model.level,
        labels=sample.labels,
    )
    # Said once, by name; the core knows its rows by number alone.
    return replace(found, warnings=()), tuple(named(text, sample.shorts) for text in found.warnings)


def pool_sample(sample: Sample, model: Model | None = None) -> Analysis:
    """Pool a sample.

    Parameters
    ----------
    sample
        As of :mod:`metaanalysis.samples`. Where it has several effects of one study, a three-level
        model with cluster-robust errors is fitted.
    model
        How; None takes what suits the sample.

    Returns
    -------
    Analysis
        With a ``PoolResult`` (or a ``MultilevelResult``).

    Raises
    ------
    StatisticsError
        Fewer than two studies, or data that cannot be pooled.
    ConvergenceError
        The fit does not settle; nothing is returned.
    """
    chosen = model or Model()
    require(sample, 2, "Pooling")
    if len(set(sample.clusters)) < sample.k:
        return _pool_clusters(sample, chosen)
    if chosen.is_glmm(sample):
        result, said = _by_glmm(sample, chosen)
        scale = "logit"
    else:
        effects, sample, said = effect_sizes(sample, chosen.transform)
        require(sample, 2, "Pooling")
        result = pool(effects, None, chosen.method or "REML", chosen.test, level=chosen.level)
        scale = scale_of(sample, chosen.transform)
        said = (*said, *(named(text, sample.shorts) for text in result.warnings))
    sentence = sentences.pooled(
        sample.outcome,
        sample.kind,
        result.back_transformed,
        k=result.k,
        level=chosen.level,
        q_p=result.q_p,
    )
    how = method_words(result.method, result.test, scale, chosen.level)
    return Analysis("pool", sample, {"result": result}, how, sentence, said)


def _pool_clusters(sample: Sample, model: Model) -> Analysis:
    """Pool several effects a study: three levels, errors robust to what the model gets wrong."""
    chosen = model.without_glmm("Pooling several effects of one study")
    method = three_level_method(sample, chosen)
    effects, sample, said = effect_sizes(sample, chosen.transform)
    result = pool_multilevel(
        effects,
        None,
        sample.clusters,
        None,
        method,
        correction="CR2",
        test="z" if chosen.test == "z" else "t",
        level=chosen.level,
    )
    said = (*said, *(named(text, sample.shorts) for text in result.warnings))
    first = result.coefficients[0]
    values: dict[str, Any] = {
        "estimate": first.estimate,
        "se": first.se,
        "ci_low": first.ci_low,
        "ci_high": first.ci_high,
        "pi_low": result.pi_low,
        "pi_high": result.pi_high,
        "p": first.p,
        "tau2": result.tau2,
        "i2": result.i2_between + result.i2_within,
        "q": result.qe,
        "q_p": result.qe_p,
    }
    names = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
    natural = {name: effects.back(values[name]) for name in names}
    values = {name: None if math.isnan(value) else value for name, value in values.items()}
    values["back_transformed"] = {
        "scale": effects.back.scale,
        **{name: None if math.isnan(value) else value for name, value in natural.items()},
    }
    scale = scale_of(sample, chosen.transform)
    how = (
        f"three-level model of {result.k} effects in {sentences.studies(result.clusters)} "
        f"({result.method.partition(' ')[0]}), on the {scale} scale; "
        f"errors robust to dependence within a study (CR2), {100 * chosen.level:g} %"
    )
    sentence = sentences.pooled(
        sample.outcome,
        sample.kind,
        natural,
        k=result.clusters,
        level=chosen.level,
        q_p=result.qe_p,
    )
    return Analysis("pool", sample, {"result": result}, how, sentence, said, values)


def subgroup_sample(
    sample: Sample,
    by: str,
    model: Model | None = None,
    *,
    tau2_mode: Literal["common", "separate"] = "separate",
) -> Analysis:
    """Pool each subgroup of a sample, and test whether they differ.

    Parameters
    ----------
    sample, model
        As of :func:`pool_sample`.
    by
        Name of a moderator; its values are the groups, and rows of which it is not known are left
        out.
    tau2_mode
        ``separate`` or ``common`` between-study variance; the GLMM has separate ones only.

    Raises
    ------
    UsageError
        There is no such moderator.
    StatisticsError
        Fewer than two groups, or data that cannot be pooled.
    """
    chosen = model or Model()
    one_effect_a_study(sample, "A subgroup analysis")
    factor = sample.moderator(by)
    sample = sample.knowing([factor])
    require(sample, 2, "A subgroup analysis")
    groups = [group_name(value) for value in sample.moderators[factor]]
    if len(set(groups)) < 2:
        raise StatisticsError(
            f"{factor} has the one value {groups[0]!r} in all {sample.k} studies: there is "
            "nothing to compare."
        )
    if len(set(groups)) == sample.k:
        raise StatisticsError(
            f"{factor} puts each of the {sample.k} studies into a group of its own: there is "
            "nothing to compare.",
            "Group by what several studies share; stats regress takes a number as it is.",
        )
    if chosen.is_glmm(sample) and tau2_mode == "separate":
        result, said = _groups_by_glmm(sample, factor, groups, chosen)
        scale = "logit"
    else:
        chosen = chosen.without_glmm("A common tau2")
        effects, sample, said = effect_sizes(sample, chosen.transform)
        groups = [group_name(value) for value in sample.moderators[factor]]
        result = subgroups(
            effects,
            None,
            groups,
            chosen.method or "REML",
            chosen.test,
            tau2_mode=tau2_mode,
            factor=factor,
            level=chosen.level,
        )
        scale = scale_of(sample, chosen.transform)
        said = (*said, *(named(text, sample.shorts) for text in result.warnings))
    how = method_words(result.overall.method, result.overall.test, scale, chosen.level)
    compared = [
        (name, group.back_transformed["estimate"], group.k)
        for name, group in zip(result.names, result.groups, strict=True)
        if group.k > 1 and not math.isnan(group.estimate)
    ]
    other = _other_mode(sample, factor, chosen, result.tau2_mode)
    sentence = sentences.differ(
        sample.outcome,
        sample.kind,
        factor,
        compared,
        result.p,
        math.nan if other is None else other["p"],
    )
    return Analysis(
        "subgroup",
        sample,
        {"result": result},
        f"{how}; {result.tau2_mode} tau2",
        sentence,
        tuple(dict.fromkeys(said)),
        {"other_tau2_mode": other},
    )


def _unknown(overall: PoolResult, part: Sample) -> PoolResult:
    """Return what stands for a group that has no finite estimate: how many studies, no more."""
    nan = math.nan
    return PoolResult(
        estimate=nan,
        se=nan,
        ci_low=nan,
        ci_high=nan,
        k=part.k,
        method=overall.method,
        test=overall.test,
        level=overall.level,
        measure=overall.measure,
        labels=part.labels,
        back=overall.back,
    )


def _other_mode(sample: Sample, factor: str, model: Model, mode: str) -> dict[str, Any] | None:
    """Test the difference with the other tau2 mode, to show how far the conclusion hangs on it.

    The GLMM has no common tau2; its place is taken by REML on the logit scale, as it is where a
    common tau2 is asked for. None where that cannot be fitted, or where there is no tau2 at all.
    """
    if model.method == "common":
        return None
    method = "REML" if model.method in (None, "GLMM") else model.method
    other: Literal["common", "separate"] = "common" if mode == "separate" else "separate"
    try:
        effects, sample, _ = effect_sizes(sample, model.transform)
        groups = [group_name(value) for value in sample.moderators[factor]]
        found = subgroups(effects, None, groups, method, model.test, tau2_mode=other, factor=factor)
    except StatisticsError:
        return None
    if math.isnan(found.p):
        return None
    return {
        "tau2_mode": other,
        "method": method,
        "scale": scale_of(sample, model.transform),
        "one_study": [name for name, g in zip(found.names, found.groups, strict=True) if g.k == 1],
        "statistic": found.statistic,
        "df": found.df,
        "df_residual": found.df_residual,
        "p": found.p,
    }


def _groups_by_glmm(
    sample: Sample, factor: str, groups: Sequence[str], model: Model
) -> tuple[SubgroupResult, tuple[str, ...]]:
    """Fit the binomial-normal model to each group with at least two studies."""
    overall, said = _by_glmm(sample, model)
    found: dict[str, PoolResult] = {}
    warnings: list[str] = list(said)
    alone: list[str] = []
    for name in sorted(set(groups), key=str.lower):
        mask = [group == name for group in groups]
        part = sample.take(mask)
        rows = tuple(row for row, member in enumerate(mask, start=1) if member)
        if part.k == 1:
            effects, _, _ = effect_sizes(part, "logit")
            single = pool_studies(effects, "common", "z", level=model.level)
            found[name] = replace(single, rows_used=rows)
            alone.append(name)
            continue
        try:
            found[name] = replace(_by_glmm(part, model)[0], rows_used=rows)
        except StatisticsError as error:
            found[name] = replace(_unknown(overall, part), rows_used=rows)
            reason = error.message.removesuffix(".")
            warnings.append(
                f"{factor} {name} has no estimate and is not part of the difference test: {reason}"
            )
    if alone:
        warnings.append(
            f"one study only in {', '.join(alone)}: shown, but not part of the difference test"
        )
    warnings += small_groups(tuple(found), tuple(found.values()))
    test = difference_test(
        [one for one in found.values() if one.k > 1 and not math.isnan(one.estimate)]
    )
    result = SubgroupResult(
        factor=factor,
        names=tuple(found),
        groups=tuple(found.values()),
        overall=overall,
        tau2_mode="separate",
        statistic=test.statistic,
        df=test.df,
        df_residual=test.df_residual,
        p=test.p,
    )
    return result, tuple(warnings)
