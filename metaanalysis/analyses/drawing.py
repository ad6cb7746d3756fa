"""Which figure shows an analysis, with its title and small print."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from metaanalysis.analyses.analysis import Analysis
from metaanalysis.analyses.sentences import called
from metaanalysis.samples.sample import by_reason
from metaanalysis.stats.result_tables import MultilevelResult, TrimFillResult
from metaanalysis.stats.results import Result, SubgroupResult

if TYPE_CHECKING:
    from metaanalysis.figures.kit.base import Figure

#: Kind of analysis -> module under figures.stats, function, options beyond the common ones.
_FIGURES = {
    "pool": ("forest", "forest", ("kind", "value", "events", "n")),
    "subgroup": ("forest", "forest", ("kind", "value", "events", "n")),
    "regress": ("bubble", "bubble", ("kind", "value", "moderator_title", "log_base")),
    "bias": ("funnel", "funnel", ("kind", "value", "filled", "egger")),
    "influence": ("influence", "influence", ()),
    "cumulative": ("cumulative", "cumulative", ("value",)),
    "accuracy": ("sroc", "sroc", ("kind",)),
    "multiverse": ("multiverse", "multiverse", ("value", "share")),
}

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
    return not isinstance(analysis.result, MultilevelResult) and "deeks" not in analysis.results


def _factor(analysis: Analysis) -> str:
    result = analysis.result
    if analysis.kind == "subgroup":
        return str(getattr(result, "factor", ""))
    if analysis.kind == "regress":
        return " and ".join(called(name) for name in getattr(result, "moderators", {}))
    return str(analysis.values.get("order", {}).get("name", ""))


def _notes(analysis: Analysis) -> list[str]:
    sample = analysis.sample
    notes = []
    if sample.left_out:
        told = "; ".join(
            f"{reason} ({len(names)})" for reason, names in by_reason(sample.left_out).items()
        )
        notes.append(f"Left out, {len(sample.left_out)} of {sample.candidates}: {told}.")
    notes += sample.said(sample.assumptions)
    notes += [f"Note: {text}" for text in sample.said(sample.notes)]
    notes += [f"Note: {text}." for text in analysis.warnings]
    return [*notes, analysis.sentence]


def _options(analysis: Analysis, factor: str) -> dict[str, Any]:
    """Return what a figure may be told beyond its title and notes."""
    sample = analysis.sample
    options: dict[str, Any] = {
        "kind": sample.source,
        "value": sample.outcome,
        "share": sample.kind in ("proportion", "AUC"),
    }
    if sample.kind == "proportion":
        options |= {"events": sample.columns["events"], "n": sample.columns["n"]}
    if factor == called("log10_images"):
        options |= {"moderator_title": factor, "log_base": 10}
    if analysis.kind == "bias":
        options |= {"filled": analysis.results["trim_and_fill"], "egger": analysis.results["egger"]}
    return options


def _with_estimates(result: SubgroupResult) -> SubgroupResult:
    """Return the groups that have a place on an axis; the small print says which has none."""
    shown = [
        (name, group)
        for name, group in zip(result.names, result.groups, strict=True)
        if not math.isnan(group.estimate)
    ]
    return replace(
        result,
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
    module, function, accepted = _FIGURES[analysis.kind]
    sample = analysis.sample
    factor = _factor(analysis)
    outcome = f"{sample.outcome[0].upper()}{sample.outcome[1:]}"
    title = _TITLES[analysis.kind].format(outcome=outcome, factor=called(factor))
    stem = re.sub(r"[^a-z0-9]+", "-", f"{analysis.kind}-{sample.outcome}-{factor}".lower())
    result: Result = analysis.result
    if analysis.kind == "bias":
        filled = analysis.results["trim_and_fill"]
        assert isinstance(filled, TrimFillResult)
        result = filled.unadjusted
    # The notes have its warnings already, by the names of the studies.
    changes: dict[str, Any] = {"warnings": ()}
    if isinstance(result, SubgroupResult):
        result = _with_estimates(result)
        changes["factor"] = called(factor)
    draw: Any = getattr(import_module(f"metaanalysis.figures.stats.{module}"), function)
    extra = {
        name: option for name, option in _options(analysis, factor).items() if name in accepted
    }
    figure: Figure = draw(
        replace(result, **changes),
        title=title,
        subtitle=f"{sample.k} of {sample.candidates} {sample.origin}",
        notes=_notes(analysis),
        data_hash=data_hash,
        name=stem.strip("-"),
        **extra,
    )
    return figure
