"""A key beside a chart: what the marks mean, and a small table of counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme

WIDTH = 236
_LINE = 19

#: Where the two columns of numbers end, in pixels.
_FIRST, _SECOND = 178, WIDTH


class Key:
    """Lines of a key, from the top down."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._y = 6.0

    def _add(self, **row: Any) -> None:
        self._rows.append({"y": self._y, **row})
        self._y += _LINE

    def gap(self, share: float = 0.5) -> None:
        """Leave some room."""
        self._y += _LINE * share

    def heading(self, text: str, first: str = "", second: str = "") -> None:
        """Add a heading, over two columns of numbers if named."""
        self._add(kind="heading", left=text, first=first, second=second)

    def marks(self, terms: Iterable[tuple[str, str, str]], *, hollow: bool = False) -> None:
        """Add one line a mark: what it means, its shape, its colour."""
        for text, shape, colour in terms:
            self._add(kind="hollow" if hollow else "mark", text=text, shape=shape, colour=colour)

    def counts(self, text: str, first: Any, second: Any, *, strong: bool = False) -> None:
        """Add a line of the table; a missing count is drawn as a dash."""
        shown = ["–" if pd.isna(value) else f"{value:,}" for value in (first, second)]
        kind = "strong" if strong else "count"
        self._add(kind=kind, left=text, first=shown[0], second=shown[1])

    @property
    def height(self) -> float:
        """Return the height of all lines in pixels."""
        return self._y

    def chart(self, height: float) -> alt.LayerChart:
        """Return the key as a drawing of :data:`WIDTH` and the height given."""
        columns = ["y", "kind", "text", "shape", "colour", "left", "first", "second"]
        rows = pd.DataFrame(self._rows, columns=columns)
        y = alt.Y("y:Q", scale=None, axis=None)

        def points(kind: str, **mark: Any) -> alt.Chart:
            chart: alt.Chart = (
                alt.Chart(rows[rows["kind"] == kind])
                .mark_point(size=95, opacity=1, **mark)
                .encode(
                    x=alt.value(7),
                    y=y,
                    shape=alt.Shape("shape:N", scale=None),
                    color=alt.Color("colour:N", scale=None),
                )
            )
            return chart

        def texts(kinds: Sequence[str], column: str, x: float, **mark: Any) -> alt.Chart:
            chart: alt.Chart = (
                alt.Chart(rows[rows["kind"].isin(kinds)])
                .mark_text(baseline="middle", **mark)
                .encode(x=alt.value(x), y=y, text=f"{column}:N")
            )
            return chart

        faint = {"color": theme.MUTED, "fontSize": 12}
        layers: list[Any] = [
            points("mark", filled=True),
            points("hollow", filled=False, strokeWidth=1.3),
            texts(["mark", "hollow"], "text", 22, align="left", fontSize=12),
        ]
        for column, x, align in (
            ("left", 0, "left"),
            ("first", _FIRST, "right"),
            ("second", _SECOND, "right"),
        ):
            layers += [
                texts(["heading"], column, x, align=align, **faint),
                texts(["count"], column, x, align=align, fontSize=12),
                texts(["strong"], column, x, align=align, fontSize=12, fontWeight="bold"),
            ]
        layer: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=height)
        return layer
