"""Drawing by the pixel with Altair marks: boxes, lines, arrows and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt
import numpy as np
import pandas as pd

from metaanalysis.figures.kit import theme

Rows: TypeAlias = pd.DataFrame | Iterable[Mapping[str, Any]]


def _frame(rows: Rows) -> pd.DataFrame:
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))


@dataclass(frozen=True, slots=True)
class Canvas:
    """A sheet of fixed size whose marks are placed in pixels from its top left corner.

    Every method returns one layer; :meth:`sheet` lays them over each other. The scales are the
    identity, so that a position in the data is a position on the paper.

    Attributes
    ----------
    width, height
        Size in pixels.
    """

    width: float
    height: float

    def x(self, field: str = "x") -> alt.X:
        """Return the horizontal position out of a column."""
        ends = [0, self.width]
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=ends, range=ends, nice=False))

    def y(self, field: str = "y") -> alt.Y:
        """Return the vertical position out of a column, downwards."""
        ends = [0, self.height]
        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=ends, range=ends, nice=False))

    def boxes(self, rows: Rows, **mark: Any) -> alt.Chart:
        """Draw rectangles from the columns ``left, right, top, bottom``."""
        return (
            alt.Chart(_frame(rows))
            .mark_rect(**mark)
            .encode(x=self.x("left"), x2="right:Q", y=self.y("top"), y2="bottom:Q")
        )

    def lines(self, rows: Rows, **mark: Any) -> alt.Chart:
        """Draw straight lines from the columns ``x, y`` to ``to_x, to_y``."""
        return (
            alt.Chart(_frame(rows))
            .mark_rule(**{"color": theme.MUTED, **mark})
            .encode(x=self.x(), x2="to_x:Q", y=self.y(), y2="to_y:Q")
        )

    def arrows(self, rows: Rows, *, head: float = 8, **mark: Any) -> alt.LayerChart:
        """Draw arrows, level or upright, from the columns ``x, y`` to ``to_x, to_y``."""
        ends = _frame(rows)
        across = np.sign(ends["to_x"] - ends["x"])
        down = np.sign(ends["to_y"] - ends["y"]).where(across == 0, 0)
        tips = ends.assign(
            tip_x=ends["to_x"] - head / 2 * across,
            tip_y=ends["to_y"] - head / 2 * down,
            # Vega's wedge points up at 0 degrees and turns clockwise.
            turned=np.degrees(np.arctan2(across, -down)) % 360,
        )
        colour = mark.get("color", theme.MUTED)
        heads = (
            alt.Chart(tips)
            .mark_point(shape="triangle", filled=True, opacity=1, color=colour, size=head**2 * 0.8)
            .encode(
                x=self.x("tip_x"),
                y=self.y("tip_y"),
                angle=alt.Angle("turned:Q", scale=alt.Scale(domain=[0, 360], range=[0, 360])),
            )
        )
        return alt.LayerChart(layer=[self.lines(rows, **mark), heads])

    def words(self, rows: Rows, field: str = "text", **mark: Any) -> alt.Chart:
        """Write the words of a column at ``x, y``; a line break in them starts a new line."""
        style = {"align": "left", "baseline": "middle", "lineBreak": "\n", "color": theme.INK}
        frame = _frame(rows)
        if field in frame:
            # Vega splits the words at line breaks, and a number has none.
            frame = frame.assign(**{field: frame[field].astype(str)})
        return (
            alt.Chart(frame)
            .mark_text(**{**style, **mark})
            .encode(x=self.x(), y=self.y(), text=f"{field}:N")
        )

    def sheet(self, *layers: alt.Chart | alt.LayerChart) -> alt.LayerChart:
        """Lay layers over each other, the first one undermost."""
        return alt.LayerChart(layer=list(layers), width=self.width, height=self.height)
