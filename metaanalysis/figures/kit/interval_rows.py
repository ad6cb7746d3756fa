"""Drawing estimates with their intervals line by line, between columns of text.

What forest plots, cumulative and leave-one-out analyses share. Lines are placed in pixels from
the top; values are drawn by a scale of their own, so that the chart's data are the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import ValueAxis
from metaanalysis.figures.kit.diagram import down, layer, sheet, words
from metaanalysis.figures.kit.interval_lines import Line, Mark, Sizes
from metaanalysis.figures.kit.key import texts
from metaanalysis.figures.kit.text_width import shortened, text_width

#: Width of all columns together, in pixels.
TOTAL = 864

_LABEL_WIDTH = 250
_COLUMN_GAP = 16
_INDENT = 12
_NAN = float("nan")

#: Marks of which the words are set in bold.
_STRONG = ("pooled", "prediction", "heading")

#: An interval's end, where it is drawn, and the arrow where it goes on beyond the axis.
_ENDS = (("ci_low", "low", "triangle-left"), ("ci_high", "high", "triangle-right"))


class Drawing:
    """The lines of one figure.

    Parameters
    ----------
    lines
        From the top down.
    axis
        Of the intervals.
    left, right
        Names of the columns of text beside the intervals; each line's `cells` say what stands
        there. A column without any text is left out.
    colour
        Of the studies' marks; pooled values have the house's colour of what is recomputed.
    reference
        Value at which a dashed line runs through all lines, NaN for none.
    label_title
        Heading of the labels.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        axis: ValueAxis,
        *,
        left: Sequence[str] = (),
        right: Sequence[str] = (),
        colour: str,
        reference: float = _NAN,
        label_title: str = "Study",
    ) -> None:
        self.lines, self.axis = list(lines), axis
        self.colour, self.reference, self.label_title = colour, reference, label_title
        filled = {name for line in lines for name, text in line.cells.items() if text}
        self._left = [name for name in left if name in filled]
        self._right = [name for name in right if name in filled]
        self.sizes = Sizes.of(len(self.lines))
        self._tops = self._places()
        self._edges: dict[str, float] = {}
        self.panel = self._across()
        self._marks = self._placed()

    # Layout -----------------------------------------------------------------------------

    def _places(self) -> list[float]:
        """Return the middle of each line, below a line of headings."""
        middle, places = self.sizes.line * 0.5, []
        for line in self.lines:
            step = self.sizes.line * (0.45 if line.mark == "gap" else 1.0)
            places.append(middle + self.sizes.line * 0.75 + step / 2)
            middle += step
        return places

    @property
    def height(self) -> float:
        """Return the height of the drawing above its axis."""
        return (self._tops[-1] if self._tops else 0.0) + self.sizes.line * 0.75

    @property
    def notes(self) -> list[str]:
        """Return what must be said of the drawing itself."""
        ends = [end for line in self.lines for end in (line.low, line.high) if not math.isnan(end)]
        beyond = any(self.axis.clipped(end) != end for end in ends)
        return ["Arrows: the interval goes on beyond the axis."] if beyond else []

    def _width(self, column: str) -> float:
        widths = [
            text_width(line.cells.get(column, ""), self.sizes.font, bold=line.mark in _STRONG)
            for line in self.lines
        ]
        return max([text_width(column, self.sizes.font), *widths])

    def _across(self) -> tuple[float, float]:
        """Place the columns; return where the panel of intervals begins and ends."""
        labels = [
            text_width(line.label, self.sizes.font, bold=line.mark != "study")
            + (_INDENT if line.indent else 0)
            for line in self.lines
            # A heading may run over the empty cells beside it.
            if line.mark != "heading"
        ]
        self._label_width = min(max([60.0, *labels]), _LABEL_WIDTH)
        x = self._label_width
        for name in self._left:
            x += _COLUMN_GAP + self._width(name)
            self._edges[name] = x
        start, x = x + _COLUMN_GAP, float(TOTAL)
        for name in reversed(self._right):
            self._edges[name] = x
            x -= self._width(name) + _COLUMN_GAP
        return start + 4, x - 4

    def _room(self, line: Line) -> float:
        """Return where a line's label must end: it may run over empty cells beside it."""
        if line.mark == "heading":
            return self.panel[0]
        for name in self._left:
            if text := line.cells.get(name):
                return self._edges[name] - text_width(text, self.sizes.font) - _COLUMN_GAP
        return max([self._label_width, *(self._edges[name] for name in self._left)])

    # Drawing ----------------------------------------------------------------------------

    def chart(self) -> alt.LayerChart:
        """Return the drawing."""
        # Intervals over squares: many are narrower than the square of their study.
        layers = [*self._grid(), *self._squares(), *self._intervals(), *self._diamonds()]
        layers += [*self._steps(), *self._texts()]
        return sheet(TOTAL, self.height, *layers)

    def over(self, sentences: Sequence[str]) -> alt.VConcatChart:
        """Return the drawing over sentences in ink."""
        parts = alt.vconcat(self.chart(), text_block(sentences), spacing=14)
        return parts.resolve_scale(x="independent", y="independent")

    def _x(self, name: str) -> alt.X:
        return self.axis.x(name, self.panel, grid=False, offset=0, titlePadding=8)

    def _placed(self) -> pd.DataFrame:
        """Return the lines that have an estimate or an interval to draw, one row each."""
        half = self.sizes.line * 0.5
        rows = pd.DataFrame(
            [
                {"label": line.label, "mark": line.mark, "y": y, "estimate": line.estimate}
                | {"ci_low": line.low, "ci_high": line.high, "faded": line.faded}
                | {"top": y - 0.62 * half, "bottom": y + 0.62 * half, "area": line.area}
                | dict(line.facts)
                for line, y in zip(self.lines, self._tops, strict=True)
                if line.mark not in ("heading", "gap")
            ]
        )
        whole = rows["ci_low"].notna() & rows["ci_high"].notna()
        for end in ("low", "high"):
            rows[end] = rows[f"ci_{end}"].map(self.axis.clipped).where(whole)
        return rows[whole | rows["estimate"].notna()]

    def _rows(self, mark: Mark) -> pd.DataFrame:
        return self._marks[self._marks["mark"] == mark]

    def _grid(self) -> list[alt.Chart]:
        rules: list[tuple[Sequence[float], dict[str, Any]]] = [
            (self.axis.ticks, {"color": theme.GRID})
        ]
        if self.axis.null is not None and self.axis.shows_null:
            rules.append(([self.axis.null], {"color": theme.MUTED}))
        if self.axis.low <= self.reference <= self.axis.high:
            dashed = {"color": theme.RECOMPUTED, "strokeDash": [3, 3], "opacity": 0.7}
            rules.append(([self.reference], dashed))
        ends = {"top": self.sizes.line * 1.25, "bottom": self.height}
        upright: dict[str, Any] = {"x": self._x("at"), "y": down("top"), "y2": "bottom:Q"}
        return [
            one
            for values, look in rules
            for one in layer("rule", pd.DataFrame({"at": values, **ends}), look, **upright)
        ]

    def _tooltip(self, rows: pd.DataFrame) -> list[alt.Tooltip]:
        shown = ["label", "group", "events", "n", "estimate", "ci_low", "ci_high", "weight"]
        return [alt.Tooltip(f"{name}") for name in shown if name in rows]

    def _intervals(self) -> list[alt.Chart]:
        """Draw confidence and prediction intervals, with an arrow where one leaves the axis."""
        layers: list[alt.Chart] = []
        looks: tuple[tuple[Mark, str, float], ...] = (
            ("study", theme.INK, 1.1),
            ("step", theme.RECOMPUTED, 1.2),
            ("prediction", theme.RECOMPUTED, 4.5),
        )
        for mark, colour, thick in looks:
            rows = self._rows(mark)
            look = {"color": colour, "strokeWidth": thick}
            look["opacity"] = 0.75 if mark == "prediction" else 1
            layers += self._spans(rows, look, tooltip=self._tooltip(rows))
        return [*layers, *self._caps(self._rows("prediction"))]

    def _spans(self, rows: pd.DataFrame, look: dict[str, Any], **channels: Any) -> list[alt.Chart]:
        """Draw from ``low`` to ``high``, with an arrow at an end that is cut off."""
        span = {"x": self._x("low"), "x2": "high:Q", "y": down(), **channels}
        return [*layer("rule", rows, look, **span), *self._arrows(rows, look["color"])]

    def _caps(self, rows: pd.DataFrame) -> list[alt.Chart]:
        """Close a bar at the ends that lie on the axis, so that one without length is seen."""
        caps = rows.assign(top=rows["y"] - 4.5, bottom=rows["y"] + 4.5)
        look = {"color": theme.RECOMPUTED, "strokeWidth": 1.6}
        return [
            one
            for value, end, _ in _ENDS
            for one in self._uprights(caps[caps[value] == caps[end]], end, look)
        ]

    def _uprights(self, rows: pd.DataFrame, at: str, look: dict[str, Any]) -> list[alt.Chart]:
        """Draw upright lines from ``top`` to ``bottom``."""
        return layer("rule", rows, look, x=self._x(at), y=down("top"), y2="bottom:Q")

    def _arrows(self, rows: pd.DataFrame, colour: str) -> list[alt.Chart]:
        layers = []
        for value, end, shape in _ENDS:
            beyond = rows[rows[value].notna() & (rows[value] != rows[end])]
            look = {"shape": shape, "filled": True, "size": 46, "color": colour, "opacity": 1}
            layers += layer("point", beyond, look, x=self._x(end), y=down())
        return layers

    def _squares(self) -> list[alt.Chart]:
        rows = self._rows("study").dropna(subset="estimate")
        # At least three pixels wide, so that no study is lost.
        rows = rows.assign(size=(rows["area"] * (0.66 * self.sizes.line) ** 2).clip(lower=9.0))
        look = {"shape": "square", "fillOpacity": 0.8, "strokeWidth": 1.2, "opacity": 1}
        size = alt.Size("size:Q", scale=None, legend=None)
        return [
            one
            for faded, fill in ((False, self.colour), (True, theme.PAPER))
            for one in self._points(
                rows[rows["faded"] == faded],
                {**look, "fill": fill, "stroke": self.colour},
                size=size,
            )
        ]

    def _points(self, rows: pd.DataFrame, look: dict[str, Any], **channels: Any) -> list[alt.Chart]:
        channels = {"x": self._x("estimate"), "y": down(), **channels}
        return layer("point", rows, look, tooltip=self._tooltip(rows), **channels)

    def _steps(self) -> list[alt.Chart]:
        look = {"filled": True, "size": 46, "color": theme.RECOMPUTED, "opacity": 1}
        return self._points(self._rows("step").dropna(subset="estimate"), look)

    def _corners(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the three places of a diamond; one that leaves the axis is cut off there."""
        move = math.log if self.axis.log else float
        half, middle = row["bottom"] - row["y"], row["estimate"]
        corners = []
        places = (row["ci_low"], row["low"]), (middle, middle), (row["ci_high"], row["high"])
        for value, drawn in places:
            left = 0.0 if drawn == value else 1 - _share(move, middle, drawn, value)
            high = half if value is middle else half * left
            corners.append({**row, "x": drawn, "top": row["y"] - high, "bottom": row["y"] + high})
        return corners

    def _diamonds(self) -> list[alt.Chart]:
        rows = self._rows("pooled").dropna(subset=["estimate", "low"])
        if rows.empty:
            return []
        corners = pd.DataFrame(
            [corner for row in rows.to_dict("records") for corner in self._corners(row)]
        )
        area: dict[str, Any] = {"x": self._x("x"), "y": down("top"), "y2": "bottom:Q"}
        look = {"color": theme.RECOMPUTED, "opacity": 1, "line": False}
        return [
            *layer("area", corners, look, **area, detail="y:Q", tooltip=self._tooltip(rows)),
            # Where the interval is a point, the diamond has no area and this is all of it.
            *self._uprights(rows, "estimate", {"color": theme.RECOMPUTED, "strokeWidth": 1.6}),
            *self._arrows(rows, theme.RECOMPUTED),
        ]

    def _texts(self) -> list[alt.Chart]:
        size = self.sizes.font
        first = self.sizes.line * 0.55
        head: dict[str, Any] = {"y": first, "look": "muted"}
        rows = [{"text": self.label_title, "x": 0.0, "align": "left", **head}]
        rows += [{"text": n, "x": x, "align": "right", **head} for n, x in self._edges.items()]
        for line, y in zip(self.lines, self._tops, strict=True):
            bold = line.mark in _STRONG
            place: dict[str, Any] = {"y": y, "look": "strong" if bold else "plain"}
            indent = _INDENT if line.indent else 0
            text = shortened(line.label, size, self._room(line) - indent, bold=bold)
            rows.append({"text": text, "x": indent, "align": "left", **place})
            rows += [
                {"text": line.cells[name], "x": x, "align": "right", **place}
                for name, x in self._edges.items()
                if line.cells.get(name)
            ]
        return texts(rows, size)


def _share(move: Callable[[float], float], start: float, stop: float, end: float) -> float:
    """Return how much of the way from `start` to `end` lies before `stop`, as it is drawn."""
    if not math.isfinite(end) or (end <= 0 and move is math.log):
        return 0.0
    return (move(stop) - move(start)) / (move(end) - move(start))


def text_block(lines: Sequence[str], width: float = TOTAL) -> alt.LayerChart:
    """Return sentences under a drawing, in ink, one a line."""
    rows = [(0, 16.0 * place, line) for place, line in enumerate(lines)]
    return sheet(width, 16.0 * len(rows), words(rows, baseline="top", fontSize=11.5))
