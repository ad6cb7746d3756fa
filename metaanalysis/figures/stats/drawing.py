"""Which figure shows an analysis, with its title and small print."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from metaanalysis.analyses.analysis import Analysis
from metaanalysis.analyses.sentences import called
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.stats.bubble import bubble
from metaanalysis.figures.stats.cumulative import cumulative
from metaanalysis.figures.stats.forest import forest
from metaanalysis.figures.stats.funnel import funnel
from metaanalysis.figures.stats.influence import influence
from metaanalysis.figures.stats.multiverse import multiverse
from metaanalysis.figures.stats.sroc import sroc
from metaanalysis.samples.sample import counted_reasons
from metaanalysis.stats.result_tables import MultilevelResult
from metaanalysis.stats.results import RegressionResult, SubgroupResult

#: Kind of analysis -> title of its figure.
_TITLES = {
    "pool": "{outcome}, pooled",
    "subgroup": "{outcome} by {factor}",
    "regress": "{outcome} against {factor}",
    "bias": "{outcome}: small studies against large ones",
    "influence": "{outcome} without each study",
    "cumulative": "{outcome} as studies were added, by {factor}",
    "accuracy": "Sensitivity and specificity together",
    "multiverse": "{outcome} in every defensible analysis",
}


def has_figure(analysis: Analysis) -> bool:
    """Tell whether there is a figure that shows an analysis."""
    shown = analysis.kind in _TITLES and "deeks" not in analysis.results
    return shown and not isinstance(analysis.result, MultilevelResult)


def _factors(analysis: Analysis) -> list[str]:
    """Return the names of what the outcome is set against."""
    result = analysis.result
    if isinstance(result, SubgroupResult):
        return [result.factor]
    if isinstance(result, RegressionResult):
        return list(result.moderators)
    return [analysis.values["order"]["name"]] if "order" in analysis.values else []


def _notes(analysis: Analysis) -> list[str]:
    sample = analysis.sample
    notes = []
    if sample.left_out:
        told = counted_reasons(sample.left_out)
        notes.append(f"Left out, {len(sample.left_out)} of {sample.candidates}: {told}.")
    return [*notes, *analysis.remarks(), analysis.sentence]


def _caption(analysis: Analysis, data_hash: str | None) -> Caption:
    sample, factors = analysis.sample, _factors(analysis)
    outcome = f"{sample.outcome[0].upper()}{sample.outcome[1:]}"
    factor = " and ".join(called(name) for name in factors)
    # A regression is called by the words of its moderators, anything else by its column.
    named = factor if analysis.kind == "regress" else "".join(factors)
    stem = re.sub(r"[^a-z0-9]+", "-", f"{analysis.kind}-{sample.outcome}-{named}".lower())
    return Caption(
        title=_TITLES[analysis.kind].format(outcome=outcome, factor=factor),
        subtitle=f"{sample.k} of {sample.candidates} {sample.origin}",
        notes=_notes(analysis),
        data_hash=data_hash,
        kind=sample.source,
        value=sample.outcome,
        name=stem.strip("-"),
    )


def _with_estimates(result: SubgroupResult) -> SubgroupResult:
    """Return the groups that have a place on an axis; the small print says which has none."""
    shown = [
        (name, group)
        for name, group in zip(result.names, result.groups, strict=True)
        if not math.isnan(group.estimate)
    ]
    return replace(
        result,
        factor=called(result.factor),
        names=tuple(name for name, _ in shown),
        groups=tuple(group for _, group in shown),
    )


def drawn(analysis: Analysis, data_hash: str | None) -> Figure:
    """Draw an analysis.

    Parameters
    ----------
    analysis
        One that has a figure (see :func:`has_figure`).
    data_hash
        Of the packaged data; None for a file of the caller's own.
    """
    if not has_figure(analysis):
        raise ValueError(f"there is no figure of this analysis ({analysis.kind})")
    sample, caption = analysis.sample, _caption(analysis, data_hash)
    # The notes have its warnings already, by the names of the studies.
    result: Any = replace(analysis.result, warnings=())
    match analysis.kind:
        case "pool" | "subgroup":
            if isinstance(result, SubgroupResult):
                factor = " and ".join(map(called, _factors(analysis)))
                result = replace(_with_estimates(result), factor=factor)
            counts = sample.columns if sample.kind == "proportion" else {}
            return forest(result, caption, events=counts.get("events"), n=counts.get("n"))
        case "regress":
            if list(result.moderators) == ["log10_images"]:
                images = called("log10_images")
                return bubble(result, caption, moderator_title=images, log_base=10)
            return bubble(result, caption)
        case "bias":
            filled: Any = analysis.results["trim_and_fill"]
            egger: Any = analysis.results["egger"]
            plain = replace(filled.unadjusted, warnings=())
            return funnel(plain, caption, filled=filled, egger=egger)
        case "influence":
            return influence(result, caption)
        case "cumulative":
            return cumulative(result, caption)
        case "accuracy":
            return sroc(result, caption)
    return multiverse(result, caption, share=sample.kind in ("proportion", "AUC"))
