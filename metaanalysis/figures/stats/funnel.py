"""Funnel plot: studies by effect and standard error, with the contours that fit the effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.legend import Legend
from metaanalysis.figures.kit.natural import (
    is_share,
    minus,
    natural_ticks,
    number,
    p_words,
    quantity,
    scale_words,
    study_back,
)

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import BiasTestResult, TrimFillResult
    from metaanalysis.stats.results import PoolResult

Contours = Literal["auto", "significance", "confidence"]

_WIDTH, _HEIGHT = 560, 400

#: What a standard error is regressed on, where the line can be drawn.
_PREDICTORS = ("standard error", "variance")

#: Shades from the outside in, light enough for marks on them.
_SHADES = ("#ffffff", "#eef1f4", "#dde3e8", "#c9d1d9")
_PVALUES = (0.10, 0.05, 0.01)
_LEVELS = (0.90, 0.95, 0.99)
_LINE_POINTS = 60


def funnel(
    result: PoolResult,
    *,
    title: str,
    subtitle: str | Sequence[str],
    notes: Sequence[str],
    data_hash: str | None,
    kind: str = "curated",
    value: str | None = None,
    filled: TrimFillResult | None = None,
    egger: BiasTestResult | None = None,
    contours: Contours = "auto",
    name: str = "funnel",
) -> Figure:
    """Draw a funnel plot.

    Parameters
    ----------
    result
        A pooled estimate with its studies.
    title, subtitle, notes, data_hash, kind, value, name
        As of :func:`metaanalysis.figures.stats.forest.forest`.
    filled
        Trim-and-fill: its imputed studies are drawn hollow, its estimate as a dotted line.
    egger
        A regression of the effect on the standard error (Egger's test, PET) or on the variance
        (PEESE), drawn as a line.
    contours
        ``significance``: regions of p around the value of no effect; ``confidence``: where
        studies would lie if only chance parted them, around the pooled value; ``auto``: the
        latter for proportions and AUCs, which have no value of no effect, else the former.

    Returns
    -------
    Figure
        Its data hold one row a point (studies, filled) and a row a line's end.

    Notes
    -----
    The horizontal axis is the scale of the analysis, on which a funnel is straight; its labels
    are natural values. For proportions the standard error depends on the value itself, so that
    a funnel leans even without bias: the small print says so.
    """
    share = is_share(result.back.scale, result.measure)
    chosen = contours
    if contours == "auto":
        chosen = "confidence" if share else "significance"
    points = _points(result, filled)
    deepest = max(points["se"]) * 1.06
    line = _egger_line(egger, deepest)
    reach = _reach(result, points, deepest, chosen)
    axes = _axes(result, value or quantity(result.measure), reach, deepest, share)
    centre = 0.0 if chosen == "significance" else result.estimate
    regions = _regions(centre, deepest, chosen)
    layers = [*_shading(regions, axes), *_lines(result, filled, line, axes, deepest, chosen)]
    colour, words = captions.KINDS[kind]
    layers += _marks(points, axes, colour)
    chart = alt.LayerChart(layer=layers).properties(width=_WIDTH, height=_HEIGHT)
    body = alt.hconcat(chart, _key(result, filled, egger, chosen, colour, words), spacing=24)
    return finish(
        name,
        title,
        captions.subtitle_lines(subtitle, _reading(words, filled, chosen)),
        body.resolve_scale(x="independent", y="independent", color="independent"),
        pd.concat([points, _line_rows(result, filled, line, deepest)], ignore_index=True),
        captions.small_print(notes, _remarks(result, share, egger, filled), result),
        data_hash,
        line_length=captions.NOTE_LENGTH,
    )


def _points(result: PoolResult, filled: TrimFillResult | None) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {"mark": "study", "label": label, "row": row, "effect": effect}
        | {"se": math.sqrt(variance), "natural": study_back(result.back, variance)(effect)}
        for label, row, effect, variance in zip(
            result.labels, result.rows_used, result.effect, result.variance, strict=True
        )
    ]
    if filled is not None:
        pairs = zip(filled.filled_effect, filled.filled_variance, strict=True)
        rows += [
            {"mark": "filled", "label": f"filled {index}", "row": None, "effect": effect}
            | {"se": math.sqrt(variance), "natural": study_back(result.back, variance)(effect)}
            for index, (effect, variance) in enumerate(pairs, start=1)
        ]
    return pd.DataFrame(rows)


def _egger_line(egger: BiasTestResult | None, deepest: float) -> pd.DataFrame:
    """Return the fitted line from a standard error of 0 downwards; empty if there is none."""
    empty = pd.DataFrame({"effect": [], "se": []})
    if egger is None or math.isnan(egger.limit) or math.isnan(egger.slope):
        return empty
    if egger.predictor not in _PREDICTORS:
        return empty
    power = 1 if egger.predictor == "standard error" else 2
    errors = [deepest * step / _LINE_POINTS for step in range(_LINE_POINTS + 1)]
    return pd.DataFrame(
        {"effect": [egger.limit + egger.slope * se**power for se in errors], "se": errors}
    )


def _reach(
    result: PoolResult, points: pd.DataFrame, deepest: float, chosen: str
) -> tuple[float, float]:
    """Return the ends of the horizontal axis: all points, and most of the 95 % contour."""
    low, high = float(points["effect"].min()), float(points["effect"].max())
    if chosen == "significance":
        low, high = min(low, 0.0), max(high, 0.0)
    wide = NormalDist().inv_cdf(0.975) * deepest
    spread = max(high - low, wide * 0.5)
    low = min(low, max(result.estimate - wide, low - 0.35 * spread))
    high = max(high, min(result.estimate + wide, high + 0.35 * spread))
    pad = 0.05 * (high - low)
    return low - pad, high + pad


def _axes(
    result: PoolResult, what: str, reach: tuple[float, float], deepest: float, share: bool
) -> tuple[alt.Scale, alt.Axis, alt.Scale, alt.Axis]:
    ticks = natural_ticks(result.back, *reach, share=share)
    shown = {place: f"{natural:g}" for place, natural in ticks}
    labels = " : ".join(
        f"abs(datum.value - ({place!r})) < 1e-9 ? '{minus(text)}'" for place, text in shown.items()
    )
    scale = scale_words(result.back.scale)
    x_axis = alt.Axis(
        values=list(shown),
        labelExpr=f"{labels} : ''" if shown else "''",
        title=f"{what} ({scale})" if scale else what,
        grid=False,
        labelFlush=False,
    )
    unit = f" ({scale})" if scale else ""
    y_axis = alt.Axis(
        title=f"standard error{unit}", grid=False, tickCount=5, domain=True, format="~g"
    )
    x_scale = alt.Scale(domain=list(reach), nice=False, zero=False)
    return x_scale, x_axis, alt.Scale(domain=[deepest, 0], nice=False), y_axis


def _x(axes: tuple[alt.Scale, alt.Axis, alt.Scale, alt.Axis], field: str = "effect") -> alt.X:
    return alt.X(f"{field}:Q", scale=axes[0], axis=axes[1])


def _y(axes: tuple[alt.Scale, alt.Axis, alt.Scale, alt.Axis]) -> alt.Y:
    return alt.Y("se:Q", scale=axes[2], axis=axes[3])


def _regions(centre: float, deepest: float, chosen: str) -> pd.DataFrame:
    """Return the contours, widest first: each covers the middle of the wider one."""
    levels = _LEVELS if chosen == "confidence" else tuple(1 - p for p in _PVALUES)
    critical = {level: NormalDist().inv_cdf(0.5 + level / 2) for level in levels}
    rows = [
        {"level": level, "step": step, "se": se}
        | {"low": centre - critical[level] * se, "high": centre + critical[level] * se}
        for step, level in reversed(list(enumerate(levels)))
        for se in (0.0, deepest)
    ]
    return pd.DataFrame(rows)


def _shading(regions: pd.DataFrame, axes: Any) -> list[alt.Chart]:
    """Return the contours as areas, the narrowest last and darkest; outside is paper."""
    layers = []
    for step in sorted(regions["step"].unique(), reverse=True):
        rows = regions[regions["step"] == step]
        layers.append(
            alt.Chart(rows)
            .mark_area(orient="horizontal", clip=True, opacity=1, color=_SHADES[3 - int(step)])
            .encode(x=_x(axes, "low"), x2="high:Q", y=_y(axes))
        )
    return layers


def _upright(at: float, axes: Any, deepest: float, **look: Any) -> alt.Chart:
    rows = pd.DataFrame({"effect": [at, at], "se": [0.0, deepest]})
    chart: alt.Chart = (
        alt.Chart(rows).mark_line(clip=True, **look).encode(x=_x(axes), y=_y(axes), order="se:Q")
    )
    return chart


def _lines(
    result: PoolResult,
    filled: TrimFillResult | None,
    line: pd.DataFrame,
    axes: Any,
    deepest: float,
    chosen: str,
) -> list[alt.Chart]:
    look = {"color": theme.RECOMPUTED, "strokeWidth": 1.6}
    layers = [_upright(result.estimate, axes, deepest, **look)]
    if chosen == "significance":
        layers.insert(0, _upright(0.0, axes, deepest, color=theme.MUTED, strokeWidth=1))
    if filled is not None and filled.k0:
        at = filled.adjusted.estimate
        layers.append(_upright(at, axes, deepest, strokeDash=[2, 3], **look))
    if not line.empty:
        layers.append(
            alt.Chart(line)
            .mark_line(clip=True, color=theme.INK, strokeWidth=1.4, strokeDash=[7, 4])
            .encode(x=_x(axes), y=_y(axes), order="se:Q")
        )
    return layers


def _marks(points: pd.DataFrame, axes: Any, colour: str) -> list[alt.Chart]:
    shown = [
        alt.Tooltip("label:N"),
        alt.Tooltip("natural:Q", format=".4~g", title="value"),
        alt.Tooltip("se:Q", format=".4~g"),
    ]
    layers = []
    for mark, fill in (("filled", theme.PAPER), ("study", colour)):
        rows = points[points["mark"] == mark]
        if rows.empty:
            continue
        stroke = theme.INK if mark == "filled" else theme.PAPER
        layers.append(
            alt.Chart(rows)
            .mark_point(
                shape="circle", size=62, fill=fill, stroke=stroke, strokeWidth=1.1, opacity=1
            )
            .encode(x=_x(axes), y=_y(axes), tooltip=shown)
        )
    return layers


def _line_rows(
    result: PoolResult, filled: TrimFillResult | None, line: pd.DataFrame, deepest: float
) -> pd.DataFrame:
    """Return the lines as data: the ends of each."""
    lines = [("pooled", result.estimate, result.estimate)]
    if filled is not None and filled.k0:
        lines.append(("pooled with filled", filled.adjusted.estimate, filled.adjusted.estimate))
    if not line.empty:
        ends = line["effect"].tolist()
        lines.append(("regression on the standard error", ends[0], ends[-1]))
    rows = [
        {"mark": mark, "label": mark, "row": None, "effect": effect, "se": se}
        | {"natural": result.back(effect)}
        for mark, first, last in lines
        for effect, se in ((first, 0.0), (last, deepest))
    ]
    return pd.DataFrame(rows)


def _key(
    result: PoolResult,
    filled: TrimFillResult | None,
    egger: BiasTestResult | None,
    chosen: str,
    colour: str,
    words: str,
) -> alt.LayerChart:
    """Return the key on the right: marks, lines and shades with their meaning."""
    key = Legend()
    key.mark("point", words.lower(), colour)
    if filled is not None and filled.k0:
        key.mark("hollow", f"filled in ({filled.k0})")
    key.mark("line", f"pooled: {number(result.back(result.estimate))}", theme.RECOMPUTED)
    if filled is not None and filled.k0:
        at = number(result.back(filled.adjusted.estimate))
        key.mark("dotted", f"with the filled in: {at}", theme.RECOMPUTED)
    if egger is not None:
        if not math.isnan(egger.limit) and egger.predictor in _PREDICTORS:
            key.mark("dashed", egger.name)
        freedom = "" if egger.df is None else f"({egger.df:g})"
        statistic = f"{egger.statistic_name}{freedom} = {number(egger.statistic)}"
        key.words(f"{statistic}, {p_words(egger.p)}")
    key.gap()
    if chosen == "confidence":
        key.words("Expected by chance alone,")
        key.words("around the pooled value:")
        texts = ("beyond 99%", "95 to 99% of studies", "90 to 95%", "the middle 90%")
    else:
        key.words("A study's own test of no effect:")
        texts = ("p < 0.01", "0.01 to 0.05", "0.05 to 0.10", "p > 0.10")
    for shade, text in zip(_SHADES, texts, strict=True):
        key.mark("box", text, shade)
    return key.chart(_HEIGHT)


def _reading(words: str, filled: TrimFillResult | None, chosen: str) -> str:
    imputed = filled is not None and filled.k0
    hollow = "; hollow: imputed by trim-and-fill, no data" if imputed else ""
    around = "regions around it" if chosen == "confidence" else "regions of significance"
    return f"{words} (points{hollow}). Recomputed: pooled value (line) and {around}."


def _remarks(
    result: PoolResult, share: bool, egger: BiasTestResult | None, filled: TrimFillResult | None
) -> list[str]:
    notes = []
    if share:
        text = (
            "Proportions and AUCs have no value of no effect: the regions lie around the pooled "
            "value and show where chance alone would put studies of one true value."
        )
        if result.back.scale not in ("arcsine", "freeman-tukey"):
            text += (
                " Their standard error depends on the value itself, so that a funnel leans without "
                "any bias and its tests mislead."
            )
        notes.append(text)
    if result.method == "GLMM":
        notes.append(
            "Studies at 0% or 100% are drawn with 0.5 added to events and non-events; the model "
            "takes the counts as they are."
        )
    if egger is not None:
        notes += [f"{egger.name}: {t}." for t in egger.warnings if t not in result.warnings]
    if filled is not None and filled.k0 == 0:
        notes.append(f"Trim-and-fill ({filled.estimator}) finds no study missing.")
    return notes
