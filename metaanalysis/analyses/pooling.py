"""Pooling a sample, whole and by subgroup."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

from db.errors import StatisticsError
from metaanalysis.analyses import sentences
from metaanalysis.analyses.analysis import Analysis, Model, prepared, require
from metaanalysis.analyses.several import fit_several, has_several, one_effect_a_study
from metaanalysis.samples.sample import Sample, group_name
from metaanalysis.samples.scales import Scaled, on_scale
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.inference import settings
from metaanalysis.stats.notes import Note
from metaanalysis.stats.pool import pool, pool_studies
from metaanalysis.stats.record import plain
from metaanalysis.stats.results import NATURAL, PoolResult, SubgroupResult
from metaanalysis.stats.subgroups import (
    Difference,
    difference_test,
    groups_of_one,
    small_groups,
    subgroups,
)
from metaanalysis.stats.wording import method_words


def _counts(sample: Sample) -> Scaled:
    """Return counts to model; they need no correction, so that no note on one holds of them."""
    scaled = on_scale(sample, "logit")
    return replace(scaled, notes=tuple(n for n in scaled.notes if n.code == "fractions"))


def _by_glmm(scaled: Scaled, model: Model) -> PoolResult:
    # With t the intervals keep their promise from five studies on; see benchmarks/.
    test: Literal["z", "t"] = "z" if model.test == "z" else "t"
    return glmm(scaled.effects, test=test, level=model.level)


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
    if has_several(sample):
        return _pool_clusters(sample, chosen)
    require(sample, 2, "Pooling")
    if chosen.is_glmm(sample):
        scaled = _counts(sample)
        result = _by_glmm(scaled, chosen)
    else:
        scaled, chosen = prepared(sample, chosen, "Pooling", 2)
        result = pool(scaled.effects, **chosen.normal)
    sentence = sentences.pooled(
        sample.outcome,
        sample.kind,
        result.back_transformed,
        k=result.k,
        level=chosen.level,
        q_p=result.q_p,
    )
    how = method_words(result.method, result.test, scaled.scale, chosen.level)
    said = scaled.said(result)
    return Analysis("pool", scaled.sample, {"result": result}, how, sentence, said)


def _pool_clusters(sample: Sample, model: Model) -> Analysis:
    """Pool several effects a study: three levels, errors robust to what the model gets wrong."""
    what = "Pooling several effects of one study"
    scaled, chosen = prepared(sample, model, what, 2)
    result, how = fit_several(scaled, chosen)
    first = result.coefficients[0]
    values: dict[str, Any] = {
        **{name: getattr(first, name) for name in ("estimate", "se", "ci_low", "ci_high")},
        "pi_low": result.pi_low,
        "pi_high": result.pi_high,
        "p": first.p,
        "tau2": result.tau2,
        "i2": result.i2_between + result.i2_within,
        "q": result.qe,
        "q_p": result.qe_p,
    }
    back = scaled.effects.back
    natural = {name: back(values[name]) for name in NATURAL}
    values["back_transformed"] = {"scale": back.scale, **natural}
    sentence = sentences.pooled(
        sample.outcome,
        sample.kind,
        natural,
        k=result.clusters,
        level=chosen.level,
        q_p=result.qe_p,
    )
    said = scaled.said(result)
    return Analysis("pool", scaled.sample, {"result": result}, how, sentence, said, plain(values))


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
    what = "A subgroup analysis"
    one_effect_a_study(sample, what)
    factor = sample.moderator(by)
    sample = sample.knowing([factor])
    require(sample, 2, what)
    _comparable(sample, factor)
    if chosen.is_glmm(sample) and tau2_mode == "separate":
        scaled = _counts(sample)
        result = _groups_by_glmm(scaled, factor, chosen)
    else:
        chosen = chosen.without_glmm("A common tau2")
        scaled, chosen = prepared(sample, chosen, what, 1)
        result = subgroups(
            scaled.effects,
            None,
            _groups(scaled.sample, factor),
            tau2_mode=tau2_mode,
            factor=factor,
            **chosen.normal,
        )
    compared = [
        (name, group.back_transformed["estimate"], group.k)
        for name, group in zip(result.names, result.groups, strict=True)
        if group.k > 1 and not math.isnan(group.estimate)
    ]
    other = _other_mode(scaled.sample, factor, chosen, result.tau2_mode)
    other_p = math.nan if other is None else other["p"]
    sentence = sentences.differ(sample.outcome, sample.kind, factor, compared, result.p, other_p)
    how = method_words(result.overall.method, result.overall.test, scaled.scale, chosen.level)
    return Analysis(
        "subgroup",
        scaled.sample,
        {"result": result},
        f"{how}; {result.tau2_mode} tau2",
        sentence,
        scaled.said(result),
        {"other_tau2_mode": other},
    )


def _groups(sample: Sample, factor: str) -> list[str]:
    return [group_name(value) for value in sample.moderators[factor]]


def _comparable(sample: Sample, factor: str) -> None:
    """Refuse one group, and as many groups as studies."""
    groups = _groups(sample, factor)
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


def _unknown(overall: PoolResult, part: Sample) -> PoolResult:
    """Return what stands for a group that has no finite estimate: how many studies, no more."""
    return PoolResult(
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
        at = on_scale(sample, model.transform)
        groups = _groups(at.sample, factor)
        found = subgroups(
            at.effects, None, groups, method, model.test, tau2_mode=other, factor=factor
        )
    except StatisticsError:
        return None
    if math.isnan(found.p):
        return None
    return {
        "tau2_mode": other,
        "method": method,
        "scale": at.scale,
        "one_study": [name for name, g in zip(found.names, found.groups, strict=True) if g.k == 1],
        **{name: getattr(found, name) for name in Difference._fields},
    }


def _groups_by_glmm(scaled: Scaled, factor: str, model: Model) -> SubgroupResult:
    """Fit the binomial-normal model to each group with at least two studies."""
    overall = _by_glmm(scaled, model)
    groups = _groups(scaled.sample, factor)
    found: dict[str, PoolResult] = {}
    warnings: list[Note] = list(overall.warnings)
    overall = replace(overall, warnings=())
    for name in sorted(set(groups), key=str.lower):
        mask = [group == name for group in groups]
        rows = tuple(row for row, member in enumerate(mask, start=1) if member)
        part = _counts(scaled.sample.take(mask))
        if part.sample.k == 1:
            single = pool_studies(part.effects, settings("common", "z", model.level))
            found[name] = replace(single, rows_used=rows)
            continue
        try:
            found[name] = replace(_by_glmm(part, model), rows_used=rows, warnings=())
        except StatisticsError as error:
            found[name] = replace(_unknown(overall, part.sample), rows_used=rows)
            reason = error.message.removesuffix(".")
            warnings.append(Note.of("no-estimate", factor=factor, group=name, reason=reason))
    names, results = tuple(found), tuple(found.values())
    warnings += [*groups_of_one(names, results), *small_groups(names, results)]
    test = difference_test([one for one in results if one.k > 1 and not math.isnan(one.estimate)])
    return SubgroupResult(
        factor=factor,
        names=names,
        groups=results,
        overall=overall,
        tau2_mode="separate",
        **test._asdict(),
        warnings=tuple(warnings),
    )
