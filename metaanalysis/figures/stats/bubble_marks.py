"""The drawing area of a bubble plot: bubbles over a line with its bands, or in strips."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import ValueAxis
from metaanalysis.figures.kit.diagram import down, exactly, layer

#: Size of the drawing area in pixels; strips may make it higher.
WIDTH, HEIGHT = 560, 400

#: Of a strip's height, how far its marks may stand from the middle.
_SPREAD = 0.34

#: Height of a level's name above its strip.
_NAME = 24


def strip_height(levels: int) -> float:
    """Return the height of a strip with its name, in pixels."""
    return max(HEIGHT / levels, 78) if levels > 2 else 130


def _bubbles(points: pd.DataFrame, x: alt.X, y: alt.Y, colour: str) -> list[alt.Chart]:
    look = {"shape": "circle", "fillOpacity": 0.45, "strokeWidth": 1.2}
    hints = [
        alt.Tooltip("label:N"),
        alt.Tooltip("moderator"),
        alt.Tooltip("estimate:Q", format=".4~g", title="value"),
        alt.Tooltip("weight:Q", format=".1f", title="weight (%)"),
    ]
    size = alt.Size("size:Q", scale=None, legend=None)
    # Small ones over large ones, so that none is hidden.
    ordered = points.sort_values("size", ascending=False)
    look |= {"fill": colour, "stroke": colour}
    return layer("point", ordered, look, x=x, y=y, size=size, tooltip=hints)


def _null(axis: ValueAxis, **place: Any) -> list[alt.Chart]:
    """Draw the value of no effect where the axis reaches it."""
    rows = pd.DataFrame({"at": [axis.null] if axis.shows_null else []})
    return layer("rule", rows, {"color": theme.MUTED}, **place)


def curve(
    points: pd.DataFrame,
    fitted: pd.DataFrame,
    axis: ValueAxis,
    colour: str,
    title: str,
    log_base: float | None,
) -> list[alt.Chart]:
    """Draw a number: the line with its bands, bubbles over them.

    `title` and `log_base` are those of the moderator's axis.
    """
    low, high = float(points["moderator"].min()), float(points["moderator"].max())
    pad = 0.05 * (high - low) or 1.0
    labels: dict[str, Any] = {"format": ",~g"}
    if log_base is not None:
        labels = {
            "values": _powers(low - pad, high + pad, log_base),
            "labelExpr": f"format(pow({log_base!r}, datum.value), ',.3~r')",
        }
        title = f"{title} (log scale)"
    x = alt.X(
        "moderator:Q",
        scale=exactly(low - pad, high + pad),
        axis=alt.Axis(title=title, grid=False, tickCount=7, **labels),
    )
    layers = _null(axis, y=axis.y("at"), x=alt.value(0), x2=alt.value(WIDTH))
    for part, opacity in (("pi", 0.10), ("ci", 0.20)):
        if f"{part}_low" in fitted:
            look = {"color": theme.RECOMPUTED, "opacity": opacity, "clip": True}
            band = {"y": axis.y(f"{part}_low"), "y2": f"{part}_high:Q"}
            layers += layer("area", fitted, look, x=x, **band)
    line = {"color": theme.RECOMPUTED, "strokeWidth": 2.2, "clip": True}
    return [
        *layers,
        *_bubbles(points, x, axis.y("estimate"), colour),
        *layer("line", fitted, line, x=x, y=axis.y("estimate")),
    ]


def _powers(low: float, high: float, base: float) -> list[float]:
    """Return ticks at powers of the base, and at their triples where there are few."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    leads = (1, 3) if base == 10 and high - low < 4 else (1,)
    ticks = [power + math.log(lead, base) for power in powers for lead in leads]
    return [tick for tick in ticks if low <= tick <= high]


def strips(
    points: pd.DataFrame, fitted: pd.DataFrame, axis: ValueAxis, colour: str
) -> list[alt.Chart]:
    """Draw a factor: a strip a level, values across, so that long names of levels fit."""
    levels = list(fitted["moderator"])
    step = strip_height(len(levels))
    height = step - _NAME
    counts = points["moderator"].value_counts()
    middles = {level: index * step + _NAME + height / 2 for index, level in enumerate(levels)}
    points = points.assign(y=_places(points, middles, axis, height))
    half = height / 2
    means = fitted.assign(
        name=[f"{level} (k = {counts.get(level, 0)})" for level in levels],
        y=list(middles.values()),
        top=[at - half for at in middles.values()],
        bottom=[at + half for at in middles.values()],
    )
    drawn = fitted.filter(regex="_(low|high)$").clip(axis.low, axis.high)
    means = means.join(drawn.add_prefix("drawn_"))

    layers = _null(axis, x=_x(axis, "at"), y=alt.value(0), y2=alt.value(step * len(levels)))
    whole: dict[str, Any] = {"y": down("top"), "y2": "bottom:Q"}
    for part, opacity in (("pi", 0.10), ("ci", 0.22)):
        if f"{part}_low" in means:
            look = {"color": theme.RECOMPUTED, "opacity": opacity}
            band = {"x": _x(axis, f"drawn_{part}_low"), "x2": f"drawn_{part}_high:Q"}
            layers += layer("rect", means, look, **band, **whole)
    mean = {"color": theme.RECOMPUTED, "strokeWidth": 2.4}
    names = alt.Chart(means).mark_text(align="left", baseline="bottom", dy=-4, fontSize=12)
    return [
        *layers,
        *_bubbles(points, _x(axis, "estimate"), down(), colour),
        *_arrows(means, axis),
        *layer("rule", means, mean, x=_x(axis, "estimate"), **whole),
        names.encode(x=alt.value(0), y=down("top"), text="name:N"),
    ]


def leaves(fitted: pd.DataFrame, axis: ValueAxis, end: str) -> pd.Series:
    """Return which rows have a confidence or prediction interval that leaves the axis.

    `end` is ``low`` or ``high``.
    """
    values = fitted.filter(regex=f"^[cp]i_{end}$")
    return (values < axis.low if end == "low" else values > axis.high).any(axis=1)


def _x(axis: ValueAxis, name: str) -> alt.X:
    return axis.x(name, grid=True)


def _arrows(means: pd.DataFrame, axis: ValueAxis) -> list[alt.Chart]:
    """Draw an arrow where an interval of a strip goes on beyond the axis."""
    layers: list[alt.Chart] = []
    for end, at, shape in (
        ("low", axis.low, "triangle-left"),
        ("high", axis.high, "triangle-right"),
    ):
        beyond = means.loc[leaves(means, axis, end), ["y"]].assign(at=at)
        look = {"shape": shape, "filled": True, "size": 130, "color": theme.RECOMPUTED}
        layers += layer("point", beyond, {**look, "opacity": 1}, x=_x(axis, "at"), y=down())
    return layers


def _places(
    points: pd.DataFrame, middles: Mapping[Any, float], axis: ValueAxis, height: float
) -> list[float]:
    """Place bubbles across their strips, each where it is nearest to the middle and free."""
    move = math.log if axis.log else float
    length = move(axis.high) - move(axis.low)
    placed: dict[Any, list[tuple[float, float, float]]] = {level: [] for level in middles}
    found = dict.fromkeys(points.index, 0.0)
    for index, row in points.sort_values("size", ascending=False).iterrows():
        level = row["moderator"]
        x = (move(axis.clipped(row["estimate"])) - move(axis.low)) / length * WIDTH
        radius = math.sqrt(row["size"] / math.pi)
        best, least = middles[level], math.inf
        for step in range(41):
            y = middles[level] + (step + 1) // 2 * (-1) ** step * _SPREAD * height / 20
            covered = sum(
                max(radius + other - math.hypot(x - at, y - down), 0.0)
                for at, down, other in placed[level]
            )
            if covered < least - 1e-9:
                best, least = y, covered
            if covered == 0:
                break
        placed[level].append((x, best, radius))
        found[index] = best
    return [found[index] for index in points.index]
