"""Drawing by the pixel with Altair marks: boxes, lines, arrows and words.

Every function returns one layer; :func:`sheet` lays them over each other. Places are pixels from
the top left corner: the layers have no scale, so a position in the data is one on the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import altair as alt
import numpy as np
import pandas as pd

from metaanalysis.figures.kit import theme

#: Marks that :func:`layer` draws.
Kind = Literal["area", "line", "point", "rect", "rule", "text"]

#: A frame, or rows: mappings, or tuples of the columns that a function names, in their order.
Rows: TypeAlias = pd.DataFrame | Iterable[Mapping[str, Any]] | Iterable[tuple[Any, ...]]


def _frame(rows: Rows, *columns: str) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    listed = list(rows)
    named = bool(listed) and isinstance(listed[0], Mapping)
    return pd.DataFrame(listed, columns=None if named else list(columns))


def across(field: str = "x") -> alt.X:
    """Return a column of pixels as the horizontal position."""
    return alt.X(f"{field}:Q", scale=None, axis=None)


def down(field: str = "y") -> alt.Y:
    """Return a column of pixels as the vertical position, downwards."""
    return alt.Y(f"{field}:Q", scale=None, axis=None)


def exactly(low: float, high: float, **options: Any) -> alt.Scale:
    """Return a scale that begins and ends where it is told."""
    return alt.Scale(domain=[low, high], nice=False, zero=False, **options)


def either(test: Any, so: Any, otherwise: Any) -> Any:
    """Return a channel that has one value where a test of the row holds, else another."""
    return alt.condition(test, alt.value(so), alt.value(otherwise))


def layer(
    kind: Kind, rows: pd.DataFrame, look: Mapping[str, Any], **channels: Any
) -> list[alt.Chart]:
    """Return a layer of marks of a kind, such as ``point``; none where there are no rows."""
    if rows.empty:
        return []
    return [alt.Chart(rows, mark=alt.MarkDef(type=kind, **look)).encode(**channels)]


def boxes(rows: Rows, **mark: Any) -> alt.Chart:
    """Draw rectangles from the columns ``left, right, top, bottom``."""
    chart = alt.Chart(_frame(rows, "left", "right", "top", "bottom")).mark_rect(**mark)
    return chart.encode(x=across("left"), x2="right:Q", y=down("top"), y2="bottom:Q")


def lines(rows: Rows, **mark: Any) -> alt.Chart:
    """Draw straight lines from the columns ``x, y`` to ``to_x, to_y``."""
    chart = alt.Chart(_frame(rows, "x", "y", "to_x", "to_y"))
    chart = chart.mark_rule(**{"color": theme.MUTED, **mark})
    return chart.encode(x=across(), x2="to_x:Q", y=down(), y2="to_y:Q")


def arrows(rows: Rows, *, head: float = 8, **mark: Any) -> alt.LayerChart:
    """Draw arrows, level or upright, from the columns ``x, y`` to ``to_x, to_y``."""
    ends = _frame(rows, "x", "y", "to_x", "to_y")
    right = np.sign(ends["to_x"] - ends["x"])
    below = np.sign(ends["to_y"] - ends["y"]).where(right == 0, 0)
    tips = ends.assign(
        tip_x=ends["to_x"] - head / 2 * right,
        tip_y=ends["to_y"] - head / 2 * below,
        # Vega's wedge points up at 0 degrees and turns clockwise.
        turned=np.degrees(np.arctan2(right, -below)) % 360,
    )
    colour = mark.get("color", theme.MUTED)
    turned = alt.Angle("turned:Q", scale=alt.Scale(domain=[0, 360], range=[0, 360]))
    heads = (
        alt.Chart(tips)
        .mark_point(shape="triangle", filled=True, opacity=1, color=colour, size=head**2 * 0.8)
        .encode(x=across("tip_x"), y=down("tip_y"), angle=turned)
    )
    return alt.LayerChart(layer=[lines(ends, **mark), heads])


def words(rows: Rows, field: str = "text", **mark: Any) -> alt.Chart:
    """Write the words of a column at ``x, y``; a line break in them starts a new line."""
    style = {"align": "left", "baseline": "middle", "lineBreak": "\n", "color": theme.INK}
    frame = _frame(rows, "x", "y", field)
    if field in frame:
        # Vega splits the words at line breaks, and a number has none.
        frame = frame.assign(**{field: frame[field].astype(str)})
    chart = alt.Chart(frame).mark_text(**{**style, **mark})
    return chart.encode(x=across(), y=down(), text=f"{field}:N")


def sheet(width: float, height: float, *layers: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Lay layers over each other, the first one undermost, on paper of a size in pixels."""
    return alt.LayerChart(layer=list(layers), width=width, height=height)
