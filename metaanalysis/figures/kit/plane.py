"""A drawing area with sizes or costs across, by their logarithm, and shares upwards."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import altair as alt

from metaanalysis.figures.kit.axes import multiples
from metaanalysis.figures.kit.diagram import exactly


@dataclass(frozen=True, slots=True)
class Plane:
    """Both axes in data units, so that labels can be placed in pixels.

    Attributes
    ----------
    width, height
        Size in pixels.
    low, high
        Ends of the horizontal axis.
    bottom, top
        Ends of the vertical axis.
    linear
        Below this the horizontal axis is linear, since it holds 0; None for logarithms throughout.
    """

    width: float
    height: float
    low: float
    high: float
    bottom: float
    top: float
    linear: float | None = None

    def _along(self, value: float) -> float:
        if self.linear is None:
            return math.log(value)
        return math.copysign(math.log1p(abs(value) / self.linear), value)

    def spots(
        self, x: Iterable[float], y: Iterable[float], texts: Iterable[Any]
    ) -> list[tuple[float, float, str]]:
        """Return points in pixels from the top left, each with its text."""
        left, right = self._along(self.low), self._along(self.high)
        return [
            (
                (self._along(float(one)) - left) / (right - left) * self.width,
                (self.top - float(other)) / (self.top - self.bottom) * self.height,
                str(text),
            )
            for one, other, text in zip(x, y, texts, strict=True)
        ]

    def x(self, field: str, title: str | None, ticks: Iterable[float], **axis: Any) -> alt.X:
        """Return a column as the horizontal position, with those of the ticks that lie on it."""
        kind: dict[str, Any] = {"type": "log"}
        if self.linear is not None:
            kind = {"type": "symlog", "constant": self.linear}
        shown = [tick for tick in ticks if self.low <= tick <= self.high]
        return alt.X(
            f"{field}:Q",
            title=title,
            scale=exactly(self.low, self.high, **kind),
            axis=alt.Axis(values=shown, grid=True, **axis),
        )

    def y(self, field: str, title: str | None, step: float) -> alt.Y:
        """Return a column of shares as the vertical position, on a grid a step apart."""
        ticks = multiples(self.bottom, self.top, step)
        return alt.Y(
            f"{field}:Q",
            title=title,
            scale=exactly(self.bottom, self.top),
            axis=alt.Axis(values=ticks, format=".2f", domain=False, ticks=False),
        )
