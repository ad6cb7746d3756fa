"""A key of marks, lines and shades beside a chart, and the numbers that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme

WIDTH = 236
_LINE = 21

#: Kind of line -> its dashes.
DASHES: dict[str, list[int]] = {"line": [1, 0], "dotted": [2, 3], "dashed": [7, 4]}


class Legend:
    """Lines of a key, from the top down."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._y = 8.0

    def _add(self, kind: str, text: str, colour: str = theme.INK, right: str = "") -> None:
        self._rows.append(
            {"kind": kind, "text": text, "colour": colour, "right": right, "y": self._y}
        )
        self._y += _LINE

    def gap(self) -> None:
        """Leave some room."""
        self._y += _LINE / 2

    def mark(self, kind: str, text: str, colour: str = theme.INK) -> None:
        """Add a mark and what it means.

        Parameters
        ----------
        kind
            ``point``, ``hollow``, ``diamond``, ``box``, ``line``, ``dotted`` or ``dashed``.
        text, colour
            What it means, and how it is drawn.
        """
        self._add(kind, text, colour)

    def words(self, text: str) -> None:
        """Add words without a mark."""
        self._add("words", text)

    def value(self, name: str, text: str) -> None:
        """Add a named value; the values stand under each other."""
        self._add("value", name, right=text)

    def chart(self, height: float) -> alt.LayerChart:
        """Return the key as a drawing of :data:`WIDTH` and the height given."""
        rows = pd.DataFrame(self._rows, columns=["kind", "text", "colour", "right", "y"])
        y = alt.Y("y:Q", scale=None, axis=None)
        colour = alt.Color("colour:N", scale=None)

        def of(*kinds: str) -> alt.Chart:
            chart: alt.Chart = alt.Chart(rows[rows["kind"].isin(kinds)])
            return chart

        def texts(kinds: Sequence[str], column: str, x: float, **look: Any) -> alt.Chart:
            style: dict[str, Any] = {"baseline": "middle", "fontSize": 12, "align": "left", **look}
            chart: alt.Chart = (
                of(*kinds).mark_text(**style).encode(x=alt.value(x), y=y, text=f"{column}:N")
            )
            return chart

        middle = alt.value(11)
        layers: list[alt.Chart] = [
            of(kind)
            .mark_point(shape=shape, filled=filled, size=size, strokeWidth=1.2, opacity=1)
            .encode(x=middle, y=y, color=colour)
            for kind, shape, filled, size in (
                ("point", "circle", True, 62),
                ("hollow", "circle", False, 62),
                ("diamond", "diamond", True, 110),
            )
        ]
        layers += [
            of(kind)
            .mark_rule(strokeWidth=1.6, strokeDash=dash)
            .encode(x=alt.value(0), x2=alt.value(22), y=y, color=colour)
            for kind, dash in DASHES.items()
        ]
        layers += [
            of("box")
            .mark_point(shape="square", size=190, stroke=theme.FAINT, strokeWidth=1, opacity=1)
            .encode(x=middle, y=y, fill=alt.Fill("colour:N", scale=None)),
            texts(["point", "hollow", "diamond", "box", *DASHES], "text", 30),
            texts(["words", "value"], "text", 0, color=theme.MUTED),
            texts(["value"], "right", WIDTH, align="right"),
        ]
        layer: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=height)
        return layer
