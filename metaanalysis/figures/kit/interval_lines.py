"""The lines of a forest-like figure: what each says and draws, before it is placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Mark = Literal["study", "step", "pooled", "prediction", "heading", "gap"]

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the drawing.

    Attributes
    ----------
    mark
        ``study`` (square), ``step`` (point), ``pooled`` (diamond), ``prediction`` (bar),
        ``heading`` (words only) or ``gap``.
    label
        The words on the left.
    cells
        Texts of the columns, by the columns' names.
    estimate, low, high
        What is drawn, in natural values; NaN is not drawn.
    area
        Of a square, as a share of the largest.
    faded
        Whether the mark is hollow: it needs a remark.
    facts
        Further columns of the figure's data.
    """

    mark: Mark
    label: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    estimate: float = _NAN
    low: float = _NAN
    high: float = _NAN
    area: float = 1.0
    faded: bool = False
    indent: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes that depend on how many lines there are, in pixels."""

    line: float
    font: float

    @classmethod
    def of(cls, lines: int) -> Sizes:
        """Return sizes at which so many lines can be read."""
        if lines <= 16:
            return cls(24, 12)
        return cls(20, 12) if lines <= 32 else cls(16, 11)


def table(lines: Sequence[Line]) -> pd.DataFrame:
    """Return what the lines draw, one row a mark."""
    return pd.DataFrame(
        [
            {"mark": line.mark, "label": line.label, **line.facts}
            | {"estimate": line.estimate, "ci_low": line.low, "ci_high": line.high}
            for line in lines
            if line.mark not in ("heading", "gap")
        ]
    )
