"""Placing the labels of points, so that none covers a point or another label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import pandas as pd

from metaanalysis.figures.kit.diagram import layer
from metaanalysis.figures.kit.plane import Plane

Align = Literal["left", "center", "right"]
Baseline = Literal["top", "middle", "bottom"]

#: Side -> how a label is anchored there: (align, baseline, dx, dy), by preference.
SIDES: dict[str, tuple[Align, Baseline, float, float]] = {
    "right": ("left", "middle", 8, 0.5),
    "left": ("right", "middle", -8, 0.5),
    "above": ("center", "bottom", 0, -7),
    "below": ("center", "top", 0, 8),
    "above right": ("left", "bottom", 5, -5),
    "below right": ("left", "top", 5, 6),
    "above left": ("right", "bottom", -5, -5),
    "below left": ("right", "top", -5, 6),
}

#: Width and height of a digit of a label in pixels, and the half width of a point.
_DIGIT, _LINE, _POINT = 6.2, 11.0, 6.0


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        """Return the area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, width: float, height: float) -> float:
        """Return the area that lies outside the drawing."""
        inside = self.overlap(_Box(0, 0, width, height))
        return (self.right - self.left) * (self.bottom - self.top) - inside


def _label(x: float, y: float, text: str, side: str) -> _Box:
    align, baseline, dx, dy = SIDES[side]
    width = _DIGIT * len(text) + 3  # and a space to the next
    left = x + dx - {"left": 0.0, "right": width, "center": width / 2}[align]
    top = y + dy - {"top": 0.0, "bottom": _LINE, "middle": _LINE / 2}[baseline]
    return _Box(left, top, left + width, top + _LINE)


def place(
    points: Sequence[tuple[float, float, str]], size: tuple[float, float], rounds: int = 4
) -> list[str]:
    """Choose a side for the label of each point.

    Parameters
    ----------
    points
        Position in pixels, from the top left, and the text of each.
    size
        Width and height of the drawing.
    rounds
        How often to go through all labels; each moves to the side where it covers least.

    Returns
    -------
    list of str
        A key of :data:`SIDES` a point.

    Notes
    -----
    Greedy and without chance, so that the same data give the same drawing.
    """
    marks = [_Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y, _ in points]
    chosen = [next(iter(SIDES))] * len(points)
    for _ in range(rounds):
        for index, point in enumerate(points):
            rest = [other for other in range(len(points)) if other != index]
            taken = [marks[other] for other in rest]
            taken += [_label(*points[other], chosen[other]) for other in rest]
            costs = {}
            for preference, side in enumerate(SIDES):
                box = _label(*point, side)
                covered = sum(box.overlap(other) for other in taken)
                costs[side] = covered + box.outside(*size) + 0.3 * preference
            chosen[index] = min(costs, key=costs.__getitem__)
    return chosen


def labels(
    frame: pd.DataFrame,
    points: Sequence[tuple[float, float, str]],
    plane: Plane,
    font: float,
    *,
    reach: float = 1.0,
    **channels: Any,
) -> list[alt.Chart]:
    """Return text layers that label points, one layer a side; an empty label is not drawn.

    Parameters
    ----------
    frame
        One row a point.
    points
        As of :func:`place`, in the order of the rows.
    plane
        On which they stand.
    font
        Size of the letters.
    reach
        How much farther from the point, across, than :data:`SIDES` say.
    channels
        Encoding of the texts beside the text itself.
    """
    texts = frame.assign(
        label=[text for _, _, text in points], side=place(points, (plane.width, plane.height))
    )
    return [
        one
        for side, (align, baseline, dx, dy) in SIDES.items()
        for one in layer(
            "text",
            texts[(texts["side"] == side) & (texts["label"] != "")],
            {"align": align, "baseline": baseline, "dx": reach * dx, "dy": dy, "fontSize": font},
            **channels,
            text="label:N",
        )
    ]
