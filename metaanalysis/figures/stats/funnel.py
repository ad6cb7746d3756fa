"""Funnel plot: studies by effect and standard error, with the contours that fit the effect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import pandas as pd

from db.wording import minus, p_words, significant
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import is_share, natural_ticks, scale_words, study_back
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.diagram import exactly, layer
from metaanalysis.figures.kit.key import DASHES, Key

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
_LEVELS: tuple[float, ...] = (0.90, 0.95, 0.99)
_LINE_POINTS = 60

#: Line -> how it is drawn.
_FITTED = "regression on the standard error"
_LOOKS: dict[str, dict[str, Any]] = {
    "pooled": {"color": theme.RECOMPUTED, "strokeWidth": 1.6},
    "pooled with filled": {
        "color": theme.RECOMPUTED,
        "strokeWidth": 1.6,
        "strokeDash": DASHES["dotted"],
    },
    _FITTED: {"color": theme.INK, "strokeWidth": 1.4, "strokeDash": DASHES["dashed"]},
}


def funnel(
    result: PoolResult,
    caption: Caption,
    *,
    filled: TrimFillResult | None = None,
    egger: BiasTestResult | None = None,
    contours: Contours = "auto",
) -> Figure:
    """Draw a funnel plot.

    Parameters
    ----------
    result
        A pooled estimate with its studies.
    caption
        With the kind of the studies' values.
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
    remarks = _remarks(result, share, egger, filled)
    if filled is not None and not filled.k0:
        filled = None
    points = _points(result, filled)
    deepest = max(points["se"]) * 1.06
    lines = _lines(result, filled, egger, deepest)
    reach = _reach(result, points, deepest, chosen)
    place = _place(result, caption, reach, deepest, share)
    layers = _shading(result, place, deepest, chosen)
    if chosen == "significance":
        null = pd.DataFrame({"effect": [0.0, 0.0], "se": [0.0, deepest]})
        layers += _line(null, place, {"color": theme.MUTED, "strokeWidth": 1})
    for mark, rows in lines.items():
        layers += _line(rows, place, _LOOKS[mark])
    layers += _marks(points, place, caption.colour)
    hollow = "" if filled is None else "; hollow: imputed by trim-and-fill, no data"
    reading = f"{caption.studies} (points{hollow}). Recomputed: pooled value (line)"
    around = "regions around it" if chosen == "confidence" else "regions of significance"
    return caption.figure(
        "funnel",
        _key(result, caption, filled, egger, chosen).beside(
            alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT), _HEIGHT
        ),
        pd.concat([points, _ends(result, lines, deepest)], ignore_index=True),
        reading=f"{reading} and {around}.",
        remarks=remarks,
        result=result,
    )


def _points(result: PoolResult, filled: TrimFillResult | None) -> pd.DataFrame:
    studies = zip(result.labels, result.rows_used, result.effect, result.variance, strict=True)
    drawn: list[tuple[Any, ...]] = [("study", *study) for study in studies]
    if filled is not None:
        pairs = zip(filled.filled_effect, filled.filled_variance, strict=True)
        drawn += [
            ("filled", f"filled {index}", None, *pair) for index, pair in enumerate(pairs, start=1)
        ]
    return pd.DataFrame(
        [
            {"mark": mark, "label": label, "row": row, "effect": effect}
            | {"se": math.sqrt(variance), "natural": study_back(result.back, variance)(effect)}
            for mark, label, row, effect, variance in drawn
        ]
    )


def _lines(
    result: PoolResult,
    filled: TrimFillResult | None,
    egger: BiasTestResult | None,
    deepest: float,
) -> dict[str, pd.DataFrame]:
    """Return the lines from a standard error of 0 downwards, by what they are."""
    uprights = {"pooled": result.estimate}
    if filled is not None:
        uprights["pooled with filled"] = filled.adjusted.estimate
    lines = {
        mark: pd.DataFrame({"effect": [at, at], "se": [0.0, deepest]})
        for mark, at in uprights.items()
    }
    if egger is not None and _has_line(egger) and not math.isnan(egger.slope):
        power = 1 if egger.predictor == "standard error" else 2
        errors = [deepest * step / _LINE_POINTS for step in range(_LINE_POINTS + 1)]
        fitted = [egger.limit + egger.slope * se**power for se in errors]
        lines[_FITTED] = pd.DataFrame({"effect": fitted, "se": errors})
    return lines


def _has_line(egger: BiasTestResult) -> bool:
    return not math.isnan(egger.limit) and egger.predictor in _PREDICTORS


def _ends(result: PoolResult, lines: Mapping[str, pd.DataFrame], deepest: float) -> pd.DataFrame:
    """Return the lines as data: the ends of each."""
    rows = [
        {"mark": mark, "label": mark, "row": None, "effect": effect, "se": se}
        | {"natural": result.back(effect)}
        for mark, line in lines.items()
        for effect, se in zip(line["effect"].iloc[[0, -1]], (0.0, deepest), strict=True)
    ]
    return pd.DataFrame(rows)


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


def _place(
    result: PoolResult, caption: Caption, reach: tuple[float, float], deepest: float, share: bool
) -> dict[str, Any]:
    """Return the axes: effect on the scale of the analysis, standard error down to the deepest."""
    shown = {
        place: f"{natural:g}" for place, natural in natural_ticks(result.back, *reach, share=share)
    }
    labels = " : ".join(
        f"abs(datum.value - ({place!r})) < 1e-9 ? '{minus(text)}'" for place, text in shown.items()
    )
    scale = scale_words(result.back.scale)
    unit = f" ({scale})" if scale else ""
    across = alt.Axis(
        values=list(shown),
        labelExpr=f"{labels} : ''" if shown else "''",
        title=f"{caption.what(result.measure)}{unit}",
        grid=False,
    )
    down = alt.Axis(
        title=f"standard error{unit}", grid=False, tickCount=5, domain=True, format="~g"
    )
    return {
        "x": alt.X("effect:Q", scale=exactly(*reach), axis=across),
        "y": alt.Y("se:Q", scale=exactly(deepest, 0), axis=down),
    }


def _line(rows: pd.DataFrame, place: Mapping[str, Any], look: Mapping[str, Any]) -> list[alt.Chart]:
    """Draw a line from the top down."""
    return layer("line", rows, {"clip": True, **look}, **place, order="se:Q")


def _shading(
    result: PoolResult, place: Mapping[str, Any], deepest: float, chosen: str
) -> list[alt.Chart]:
    """Return the contours as areas, the narrowest last and darkest; outside is paper."""
    centre, levels = result.estimate, _LEVELS
    if chosen == "significance":
        centre, levels = 0.0, tuple(1 - p for p in _PVALUES)
    layers = []
    for level, shade in zip(reversed(levels), _SHADES[1:], strict=True):
        half = NormalDist().inv_cdf(0.5 + level / 2) * deepest
        rows = {"effect": [centre, centre - half], "high": [centre, centre + half]}
        look = {"orient": "horizontal", "clip": True, "opacity": 1, "color": shade}
        area = pd.DataFrame({"level": level, "se": [0.0, deepest], **rows})
        layers += layer("area", area, look, **place, x2="high:Q")
    return layers


def _marks(points: pd.DataFrame, place: Mapping[str, Any], colour: str) -> list[alt.Chart]:
    shown = [
        alt.Tooltip("label:N"),
        alt.Tooltip("natural:Q", format=".4~g", title="value"),
        alt.Tooltip("se:Q", format=".4~g"),
    ]
    look = {"shape": "circle", "size": 62, "strokeWidth": 1.1, "opacity": 1}
    return [
        one
        for mark, fill, stroke in (
            ("filled", theme.PAPER, theme.INK),
            ("study", colour, theme.PAPER),
        )
        for one in layer(
            "point",
            points[points["mark"] == mark],
            {**look, "fill": fill, "stroke": stroke},
            **place,
            tooltip=shown,
        )
    ]


def _key(
    result: PoolResult,
    caption: Caption,
    filled: TrimFillResult | None,
    egger: BiasTestResult | None,
    chosen: str,
) -> Key:
    """Return the key on the right: marks, lines and shades with their meaning."""
    key = Key()
    key.mark(caption.studies.lower(), caption.colour)
    if filled is not None:
        key.mark(f"filled in ({filled.k0})", hollow=True)
    pooled = significant(result.back(result.estimate))
    key.rule(f"pooled: {pooled}", "line", theme.RECOMPUTED)
    if filled is not None:
        at = significant(result.back(filled.adjusted.estimate))
        key.rule(f"with the filled in: {at}", "dotted", theme.RECOMPUTED)
    if egger is not None:
        if _has_line(egger):
            key.rule(egger.name, "dashed")
        freedom = "" if egger.df is None else f"({egger.df:g})"
        statistic = f"{egger.statistic_name}{freedom} = {significant(egger.statistic)}"
        key.heading(f"{statistic}, {p_words(egger.p)}")
    key.gap()
    if chosen == "confidence":
        key.heading("Expected by chance alone,")
        key.heading("around the pooled value:")
        texts = ("beyond 99%", "95 to 99% of studies", "90 to 95%", "the middle 90%")
    else:
        key.heading("A study's own test of no effect:")
        texts = ("p < 0.01", "0.01 to 0.05", "0.05 to 0.10", "p > 0.10")
    for shade, text in zip(_SHADES, texts, strict=True):
        key.box(text, shade)
    return key


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
