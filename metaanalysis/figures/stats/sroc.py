"""SROC plot: sensitivity by false positive rate, with summary point, regions and curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.legend import DASHES, Legend
from metaanalysis.figures.kit.natural import number

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import BivariateResult, Estimate

_SIDE = 440
_LARGEST, _SMALLEST = 420.0, 24.0

#: Line -> how it is drawn.
_LINES = {
    "confidence region": ("line", 1.8),
    "prediction region": ("dashed", 1.4),
    "summary curve": ("dotted", 1.8),
}


def sroc(
    result: BivariateResult,
    *,
    title: str,
    subtitle: str | Sequence[str],
    notes: Sequence[str],
    data_hash: str | None,
    kind: str = "curated",
    zoom: bool = False,
    name: str = "sroc",
) -> Figure:
    """Draw studies of diagnostic accuracy with the bivariate model's summary.

    Parameters
    ----------
    result
        A bivariate model.
    title, subtitle, notes, data_hash, kind, name
        As of :func:`metaanalysis.figures.stats.forest.forest`.
    zoom
        Show only the part of the unit square where studies and regions lie, not all of it.

    Returns
    -------
    Figure
        Its data hold one row a study, one for the summary point, and the points of the lines.
    """
    points = _points(result)
    lines = _lines(result)
    span = _span(pd.concat([points, lines]), zoom)
    colour, words = captions.KINDS[kind]
    x, y = _x(span), _y(span)
    layers: list[alt.Chart] = []
    chance = pd.DataFrame({"fpr": [0.0, 1.0], "sensitivity": [0.0, 1.0]})
    layers.append(
        alt.Chart(chance)
        .mark_line(color=theme.FAINT, strokeWidth=1, clip=True)
        .encode(x=x, y=y, order="fpr:Q")
    )
    for line, (dash, width) in _LINES.items():
        rows = lines[lines["mark"] == line]
        if not rows.empty:
            layers.append(
                alt.Chart(rows)
                .mark_line(
                    color=theme.RECOMPUTED, strokeWidth=width, strokeDash=DASHES[dash], clip=True
                )
                .encode(x=x, y=y, order="order:Q")
            )
    shown = ["label", "fpr", "sensitivity", "n"]
    studies, summary = points[points["mark"] == "study"], points[points["mark"] == "summary"]
    layers.append(
        alt.Chart(studies.sort_values("size", ascending=False))
        .mark_point(shape="circle", fill=colour, fillOpacity=0.4, stroke=colour, strokeWidth=1.2)
        .encode(
            x=x,
            y=y,
            size=alt.Size("size:Q", scale=None, legend=None),
            tooltip=[alt.Tooltip(name) for name in shown],
        )
    )
    layers.append(
        alt.Chart(summary)
        .mark_point(
            shape="diamond",
            filled=True,
            color=theme.RECOMPUTED,
            stroke=theme.PAPER,
            size=150,
            opacity=1,
        )
        .encode(x=x, y=y)
    )
    chart = alt.LayerChart(layer=layers).properties(width=_SIDE, height=_SIDE)
    body = alt.hconcat(chart, _key(result, colour, words, lines), spacing=30)
    reading = f"{words} (circles, area by n). Recomputed: summary point, its regions and the curve."
    return finish(
        name,
        title,
        captions.subtitle_lines(subtitle, reading),
        body.resolve_scale(x="independent", y="independent", color="independent"),
        pd.concat([points.drop(columns="size"), lines], ignore_index=True),
        captions.small_print(notes, _remarks(result, span[0] < 1), result),
        data_hash,
        line_length=captions.NOTE_LENGTH,
    )


def _points(result: BivariateResult) -> pd.DataFrame:
    largest = max(result.study_sizes)
    rows: list[dict[str, Any]] = [
        {"mark": "study", "label": label, "row": row, "n": n, "fpr": fpr, "sensitivity": height}
        | {"size": max(_LARGEST * n / largest, _SMALLEST)}
        for label, row, n, (fpr, height) in zip(
            result.labels, result.rows_used, result.study_sizes, result.study_points, strict=True
        )
    ]
    summary = {"mark": "summary", "label": "summary", "row": None, "n": sum(result.study_sizes)}
    summary |= {"fpr": result.fpr.estimate, "sensitivity": result.sensitivity.estimate}
    return pd.DataFrame([*rows, {**summary, "size": None}])


def _lines(result: BivariateResult) -> pd.DataFrame:
    sources = {
        "confidence region": result.confidence_region,
        "prediction region": result.prediction_region,
        "summary curve": result.sroc,
    }
    rows = [
        {"mark": mark, "label": mark, "order": order, "fpr": fpr, "sensitivity": height}
        for mark, line in sources.items()
        for order, (fpr, height) in enumerate(line)
    ]
    return pd.DataFrame(rows, columns=["mark", "label", "order", "fpr", "sensitivity"])


def _span(drawn: pd.DataFrame, zoom: bool) -> tuple[float, float]:
    """Return the largest false positive rate and the smallest sensitivity that are shown."""
    if not zoom:
        return 1.0, 0.0
    # One width for both axes: a square in which 45 degrees stay 45 degrees.
    need = max(float(drawn["fpr"].max()), 1.0 - float(drawn["sensitivity"].min()))
    width = min(1.0, math.ceil(need * 20 + 0.4) / 20)
    return width, 1.0 - width


def _ticks(low: float, high: float) -> list[float]:
    step = 0.2 if high - low > 0.5 else 0.1 if high - low > 0.25 else 0.05
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 2) for index in range(first, last + 1)]


def _x(span: tuple[float, float]) -> alt.X:
    axis = alt.Axis(
        title="false positive rate (1 − specificity)",
        values=_ticks(0, span[0]),
        format=".2~f",
        labelFlush=False,
        domain=False,
        ticks=False,
    )
    return alt.X("fpr:Q", scale=alt.Scale(domain=[0, span[0]], nice=False), axis=axis)


def _y(span: tuple[float, float]) -> alt.Y:
    axis = alt.Axis(
        title="sensitivity", values=_ticks(span[1], 1), format=".2~f", domain=False, ticks=False
    )
    return alt.Y(
        "sensitivity:Q", scale=alt.Scale(domain=[span[1], 1], nice=False, zero=False), axis=axis
    )


def _value(item: Estimate) -> str:
    digits = 3 if item.estimate < 1 else 1
    low, high = f"{item.ci_low:.{digits}f}", f"{item.ci_high:.{digits}f}"
    return f"{item.estimate:.{digits}f} [{low}, {high}]"


def _key(result: BivariateResult, colour: str, words: str, lines: pd.DataFrame) -> alt.LayerChart:
    percent = captions.percent(result.level)
    key = Legend()
    key.mark("point", f"{words.lower()} (k = {result.k})", colour)
    key.mark("diamond", "summary point", theme.RECOMPUTED)
    for line, (dash, _) in _LINES.items():
        if (lines["mark"] == line).any():
            text = line if line == "summary curve" else f"{percent} {line}"
            key.mark(dash, text, theme.RECOMPUTED)
    key.gap()
    key.value("Summary", f"[{percent} CI]")
    key.value("sensitivity", _value(result.sensitivity))
    key.value("specificity", _value(result.specificity))
    key.value("LR+", _value(result.lr_positive))
    key.value("LR−", _value(result.lr_negative))
    key.value("diagnostic odds ratio", _value(result.dor))
    for text, area in (("area under the curve", result.auc), ("partial area", result.partial_auc)):
        if not math.isnan(area):
            key.value(text, f"{area:.3f}")
    key.gap()
    key.value("τ² logit sensitivity", number(result.tau2_sensitivity))
    key.value("τ² logit FPR", number(result.tau2_fpr))
    if not math.isnan(result.rho):
        key.value("correlation", number(result.rho))
    return key.chart(_SIDE)


def _remarks(result: BivariateResult, part: bool) -> list[str]:
    curves = {"rutter-gatsonis": "Rutter and Gatsonis", "regression": "regression"}
    notes = [
        f"Bivariate model (Reitsma), {result.method}. Circles: observed rates. Regions: where the "
        f"mean, and the true rates of a new study, are expected "
        f"({captions.percent(result.level)}). Partial area: mean height of the curve over the "
        "observed false positive rates."
    ]
    if result.sroc:
        kind = curves.get(result.sroc_type, result.sroc_type)
        notes.append(f"Summary curve: {kind}, over the observed false positive rates only.")
    if part:
        notes.append("Only a part of the unit square is shown.")
    return notes
