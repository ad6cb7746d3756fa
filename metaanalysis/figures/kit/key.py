"""A key beside a chart: what marks, lines and shades mean, and the numbers that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from db.wording import UNKNOWN
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.diagram import across, down, layer, sheet, words

WIDTH = 236

#: Kind of line -> its dashes.
DASHES: dict[str, list[int]] = {"line": [1, 0], "dotted": [2, 3], "dashed": [7, 4]}

#: Where the two columns of counts end, in pixels.
_FIRST, _SECOND = 178, WIDTH


class Key:
    """Lines of a key, from the top down.

    Parameters
    ----------
    line
        Height of a line.
    room
        Width of the column of marks, which lines fill.
    size
        Of marks, as an area.
    """

    def __init__(self, line: float = 21, room: float = 22, size: float = 62) -> None:
        self._line, self._room, self._size = line, room, size
        self._y = line - 13.0
        self._texts: list[dict[str, Any]] = []
        self._marks: list[dict[str, Any]] = []
        self._rules: list[dict[str, Any]] = []

    def _text(self, text: str, x: float, look: str = "plain", align: str = "left") -> None:
        if text:
            self._texts.append({"x": x, "y": self._y, "text": text, "look": look, "align": align})

    def _point(self, text: str, **mark: Any) -> None:
        self._marks.append({"x": self._room / 2, "y": self._y, **mark})
        self._text(text, self._room + 8)
        self._y += self._line

    def gap(self, share: float = 0.5) -> None:
        """Leave some room, as a share of a line."""
        self._y += self._line * share

    def mark(
        self,
        text: str,
        colour: str = theme.INK,
        shape: str = "circle",
        *,
        hollow: bool = False,
        size: float | None = None,
    ) -> None:
        """Add a mark and what it means."""
        fill, stroke = ("transparent", colour) if hollow else (colour, "transparent")
        look = {"shape": shape, "fill": fill, "stroke": stroke, "width": 1.3}
        self._point(text, size=size or self._size, **look)

    def box(self, text: str, shade: str) -> None:
        """Add a shade and what it means."""
        self._point(text, shape="square", fill=shade, stroke=theme.FAINT, width=1, size=190)

    def rule(self, text: str, dash: str, colour: str = theme.INK) -> None:
        """Add a line, drawn as of :data:`DASHES`, and what it means."""
        end = self._room
        self._rules.append({"x": 0, "to_x": end, "y": self._y, "dash": dash, "colour": colour})
        self._text(text, self._room + 8)
        self._y += self._line

    def heading(self, text: str, first: str = "", second: str = "") -> None:
        """Add words without a mark, over two columns of counts if named."""
        self._text(text, 0, "muted")
        self._text(first, _FIRST, "muted", "right")
        self._text(second, _SECOND, "muted", "right")
        self._y += self._line

    def value(self, name: str, text: str) -> None:
        """Add a named value; the values stand under each other."""
        self._text(name, 0, "muted")
        self._text(text, WIDTH, align="right")
        self._y += self._line

    def counts(self, text: str, first: Any, second: Any, *, strong: bool = False) -> None:
        """Add a line of two counts; a missing one is drawn as a dash."""
        look = "strong" if strong else "plain"
        self._text(text, 0, look)
        for value, end in ((first, _FIRST), (second, _SECOND)):
            self._text(UNKNOWN if pd.isna(value) else f"{value:,}", end, look, "right")
        self._y += self._line

    def beside(self, chart: Any, height: float, spacing: float = 24) -> alt.HConcatChart:
        """Return a chart with the key on its right, both of the height given."""
        return alt.hconcat(chart, self.chart(height), spacing=spacing).resolve_scale(
            x="independent", y="independent", color="independent", shape="independent"
        )

    def chart(self, height: float) -> alt.LayerChart:
        """Return the key as a drawing of :data:`WIDTH` and the height given."""
        channels = {
            "shape": alt.Shape("shape:N", scale=None),
            "size": alt.Size("size:Q", scale=None),
            "fill": alt.Fill("fill:N", scale=None),
            "stroke": alt.Stroke("stroke:N", scale=None),
            "strokeWidth": alt.StrokeWidth("width:Q", scale=None),
        }
        place = {"x": across(), "y": down()}
        layers = layer("point", pd.DataFrame(self._marks), {"opacity": 1}, **place, **channels)
        colour = alt.Color("colour:N", scale=None)
        for dash, dashes in DASHES.items():
            rows = pd.DataFrame([row for row in self._rules if row["dash"] == dash])
            look = {"strokeWidth": 1.6, "strokeDash": dashes}
            layers += layer("rule", rows, look, **place, x2="to_x:Q", color=colour)
        return sheet(WIDTH, height, *layers, *texts(self._texts))


def texts(rows: Sequence[Mapping[str, Any]], size: float = 12) -> list[alt.Chart]:
    """Return text layers in pixels.

    Parameters
    ----------
    rows
        With ``x, y, text``, ``align`` (left or right) and ``look`` (muted, plain or strong).
    size
        Of the letters.
    """
    looks: dict[str, dict[str, Any]] = {
        "muted": {"color": theme.MUTED},
        "plain": {},
        "strong": {"fontWeight": "bold"},
    }
    return [
        words(mine, align=align, fontSize=size, **mark)
        for align in ("left", "right")
        for look, mark in looks.items()
        if (mine := [row for row in rows if (row["look"], row["align"]) == (look, align)])
    ]
