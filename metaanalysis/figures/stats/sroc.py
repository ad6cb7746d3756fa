"""SROC plot: sensitivity by false positive rate, with summary point, regions and curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from db.wording import significant
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.axes import even_ticks
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.diagram import exactly, layer
from metaanalysis.figures.kit.key import DASHES, Key

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


def sroc(result: BivariateResult, caption: Caption, *, zoom: bool = False) -> Figure:
    """Draw studies of diagnostic accuracy with the bivariate model's summary.

    Parameters
    ----------
    result
        A bivariate model.
    caption
        With the kind of the studies' values.
    zoom
        Show only the part of the unit square where studies and regions lie, not all of it.

    Returns
    -------
    Figure
        Its data hold one row a study, one for the summary point, and the points of the lines.
    """
    points, lines = _points(result), _lines(result)
    part = _part(pd.concat([points, lines]), zoom)
    place = {
        "x": alt.X("fpr:Q", **_rate("false positive rate (1 − specificity)", 0, part)),
        "y": alt.Y("sensitivity:Q", **_rate("sensitivity", 1.0 - part, 1)),
    }
    chance = pd.DataFrame({"fpr": [0.0, 1.0], "sensitivity": [0.0, 1.0]})
    faint = {"color": theme.FAINT, "strokeWidth": 1, "clip": True}
    layers = layer("line", chance, faint, **place, order="fpr:Q")
    for line, (dash, width) in _LINES.items():
        look = {"color": theme.RECOMPUTED, "strokeWidth": width, "strokeDash": DASHES[dash]}
        rows = lines[lines["mark"] == line]
        layers += layer("line", rows, {**look, "clip": True}, **place, order="order:Q")
    circle = {"shape": "circle", "fillOpacity": 0.4, "strokeWidth": 1.2}
    circle |= {"fill": caption.colour, "stroke": caption.colour}
    layers += layer(
        "point",
        points[points["mark"] == "study"].sort_values("size", ascending=False),
        circle,
        **place,
        size=alt.Size("size:Q", scale=None, legend=None),
        tooltip=["label", "fpr", "sensitivity", "n"],
    )
    look = {"shape": "diamond", "filled": True, "color": theme.RECOMPUTED, "stroke": theme.PAPER}
    summary = points[points["mark"] == "summary"]
    layers += layer("point", summary, {**look, "size": 150, "opacity": 1}, **place)
    chart = alt.LayerChart(layer=layers, width=_SIDE, height=_SIDE)
    return caption.figure(
        "sroc",
        _key(result, caption, lines).beside(chart, _SIDE, 30),
        pd.concat([points.drop(columns="size"), lines], ignore_index=True),
        reading=f"{caption.studies} (circles, area by n). Recomputed: summary point, its regions "
        "and the curve.",
        remarks=_remarks(result, part < 1),
        result=result,
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


def _part(drawn: pd.DataFrame, zoom: bool) -> float:
    """Return how much of both axes is shown, from no false positive and full sensitivity on."""
    if not zoom:
        return 1.0
    # One width for both axes: a square in which 45 degrees stay 45 degrees.
    need = max(float(drawn["fpr"].max()), 1.0 - float(drawn["sensitivity"].min()))
    return min(1.0, math.ceil(need * 20 + 0.4) / 20)


def _rate(title: str, low: float, high: float) -> dict[str, Any]:
    """Return scale and axis of a rate."""
    ticks = even_ticks(low, high, 5)
    axis = alt.Axis(title=title, values=ticks, format=".2~f", domain=False, ticks=False)
    return {"scale": exactly(low, high), "axis": axis}


def _value(item: Estimate) -> str:
    digits = 3 if item.estimate < 1 else 1
    low, high = f"{item.ci_low:.{digits}f}", f"{item.ci_high:.{digits}f}"
    return f"{item.estimate:.{digits}f} [{low}, {high}]"


def _key(result: BivariateResult, caption: Caption, lines: pd.DataFrame) -> Key:
    percent = captions.percent(result.level)
    key = Key()
    key.mark(f"{caption.studies.lower()} (k = {result.k})", caption.colour)
    key.mark("summary point", theme.RECOMPUTED, "diamond", size=110)
    for line, (dash, _) in _LINES.items():
        if (lines["mark"] == line).any():
            text = line if line == "summary curve" else f"{percent} {line}"
            key.rule(text, dash, theme.RECOMPUTED)
    key.gap()
    key.value("Summary", f"[{percent} CI]")
    for text, item in (
        ("sensitivity", result.sensitivity),
        ("specificity", result.specificity),
        ("LR+", result.lr_positive),
        ("LR−", result.lr_negative),
        ("diagnostic odds ratio", result.dor),
    ):
        key.value(text, _value(item))
    for text, area in (("area under the curve", result.auc), ("partial area", result.partial_auc)):
        if not math.isnan(area):
            key.value(text, f"{area:.3f}")
    key.gap()
    key.value("τ² logit sensitivity", significant(result.tau2_sensitivity))
    key.value("τ² logit FPR", significant(result.tau2_fpr))
    if not math.isnan(result.rho):
        key.value("correlation", significant(result.rho))
    return key


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
