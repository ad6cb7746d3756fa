"""Which figure shows an analysis, with its title and small print."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from metaanalysis.analyses.analysis import Analysis
from metaanalysis.samples.sample import by_reason
from metaanalysis.stats.result_tables import BiasTestResult, MultilevelResult, TrimFillResult
from metaanalysis.stats.results import Result

if TYPE_CHECKING:
    from metaanalysis.figures.base import Figure

#: Kind of analysis -> module and function under metaanalysis.figures.
_FIGURES = {
    "pool": "forest",
    "subgroup": "forest",
    "regress": "bubble",
    "bias": "funnel",
    "influence": "influence_plot",
    "cumulative": "cumulative",
    "accuracy": "sroc",
    "multiverse": "multiverse_plot",
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


def figure_of(analysis: Analysis) -> str | None:
    """Return the name of the figure that shows an analysis; None where there is none."""
    if isinstance(analysis.result, MultilevelResult) or "deeks" in analysis.results:
        return None
    return _FIGURES[analysis.kind]


def _factor(analysis: Analysis) -> str:
    result = analysis.result
    if analysis.kind == "subgroup":
        return str(getattr(result, "factor", ""))
    if analysis.kind == "regress":
        return " and ".join(getattr(result, "moderators", {}))
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
    notes += [f"{text[0].upper()}{text[1:]}" for text in sample.said(sample.notes)]
    notes += [f"{text[0].upper()}{text[1:]}." for text in analysis.warnings]
    return [*notes, analysis.sentence]


def drawn(analysis: Analysis, data_hash: str | None) -> Figure:
    """Draw an analysis.

    Parameters
    ----------
    analysis
        Of a kind that has a figure (see :func:`figure_of`).
    data_hash
        Of the packaged data; None for a file of the caller's own.
    """
    name = figure_of(analysis)
    if name is None:
        raise ValueError(f"there is no figure of this analysis ({analysis.kind})")
    sample = analysis.sample
    factor = _factor(analysis)
    outcome = f"{sample.outcome[0].upper()}{sample.outcome[1:]}"
    title = _TITLES[analysis.kind].format(outcome=outcome, factor=factor.replace("_", " "))
    stem = re.sub(r"[^a-z0-9]+", "-", f"{analysis.kind}-{sample.outcome}-{factor}".lower())
    options: dict[str, Any] = {
        "title": title,
        "subtitle": f"{sample.k} of {sample.candidates} {sample.origin}",
        "notes": _notes(analysis),
        "data_hash": data_hash,
        "kind": sample.source,
        "name": stem.strip("-"),
    }
    if name != "sroc":
        options["value"] = sample.outcome
    result: Result = analysis.result
    if name == "forest" and sample.kind == "proportion":
        options |= {"events": sample.columns["events"], "n": sample.columns["n"]}
    if name == "bubble" and "log10_images" in factor:
        options |= {"moderator_title": "number of images", "log_base": 10}
    if name == "funnel":
        filled, line = analysis.results["trim_and_fill"], analysis.results["egger"]
        if isinstance(filled, TrimFillResult) and isinstance(line, BiasTestResult):
            result = filled.unadjusted
            options |= {"filled": filled, "egger": line}
    draw: Any = getattr(import_module(f"metaanalysis.figures.{name}"), name)
    figure: Figure = draw(result, **options)
    return figure
