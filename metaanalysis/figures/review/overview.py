"""The overview of the studies by modality, subject and TL type (the review's Appendix B)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.marks import TL_COLOURS, TL_SHAPES
from metaanalysis.review.overview import TL_LABELS, UNKNOWN, Overview, overview

#: A mark with its reference number, in pixels, and the room between cells and above the matrix.
_STEP, _LINE = 32.0, 16.5
_PAD, _HEAD = 3.5, 32.0
_LABELS = 146.0

#: Width of a letter of a column's name; a cell of so many marks has two in a line.
_LETTER, _MANY = 6.9, 5


def _per_line(name: str, most: int) -> int:
    """Return how many marks a column has in a line, by its fullest cell and its name."""
    return 2 if most >= _MANY or _LETTER * len(name) >= 2 * _STEP else 1


@dataclass(frozen=True, slots=True)
class _Band:
    """A row or a column of the matrix, in pixels."""

    name: str
    start: float
    size: float

    @property
    def middle(self) -> float:
        return self.start + self.size / 2


def _bands(sizes: Sequence[tuple[str, float]], start: float) -> list[_Band]:
    bands = []
    for name, size in sizes:
        bands.append(_Band(name, start, size + 2 * _PAD))
        start += size + 2 * _PAD
    return bands


@dataclass(frozen=True, slots=True)
class _Layout:
    rows: list[_Band]
    columns: list[_Band]
    marks: pd.DataFrame

    @property
    def width(self) -> float:
        return self.columns[-1].start + self.columns[-1].size

    @property
    def height(self) -> float:
        return self.rows[-1].start + self.rows[-1].size


def _layout(result: Overview) -> _Layout:
    """Place the marks: columns as wide as their fullest cell needs, rows as high."""
    studies = result.table
    cells = studies.groupby(["subject", "modality"]).size()
    most = cells.groupby("modality").max()
    per_line = {name: _per_line(name, int(most[name])) for name in result.modalities}
    lines = {
        name: max(
            math.ceil(int(count) / per_line[str(modality)])
            for modality, count in cells.loc[name].items()
        )
        for name in result.subjects
    }
    widths = [(name, _column_width(name, per_line[name])) for name in result.modalities]
    columns = _bands(widths, _LABELS)
    rows = _bands([(name, _LINE * lines[name]) for name in result.subjects], _HEAD)
    column_of, row_of = {band.name: band for band in columns}, {band.name: band for band in rows}
    marks = studies.copy()
    order = marks.groupby(["subject", "modality"]).cumcount()
    width = marks["modality"].map(per_line)
    left = marks["modality"].map(lambda name: column_of[name].middle - _STEP * per_line[name] / 2)
    top = marks["subject"].map(lambda name: row_of[name].start + _PAD)
    marks["x"] = left + _STEP * (order % width) + 6
    marks["y"] = top + _LINE * (order // width) + _LINE / 2
    return _Layout(rows, columns, marks)


def _column_width(name: str, per_line: int) -> float:
    """Return the width that the marks of a column, or its name, need."""
    return max(_STEP * per_line, _LETTER * len(name))


def _frame(layout: _Layout) -> list[alt.Chart]:
    """Return bands, names and counts of rows and columns."""
    shaded = pd.DataFrame(
        [
            {"x": 0.0, "x2": layout.width, "y": row.start, "y2": row.start + row.size}
            for row in layout.rows[::2]
        ]
    )
    lines = pd.DataFrame(
        [{"x": column.start, "y": _HEAD, "y2": layout.height} for column in layout.columns]
    )
    per_row = layout.marks["subject"].value_counts()
    per_column = layout.marks["modality"].value_counts()
    rows = pd.DataFrame(
        [
            {
                "x": _LABELS - 32,
                "y": row.start + _PAD + _LINE / 2,
                "text": row.name,
                "n": int(per_row[row.name]),
            }
            for row in layout.rows
        ]
    )
    columns = pd.DataFrame(
        [
            {"x": band.middle, "y": 0.0, "text": band.name, "n": int(per_column[band.name])}
            for band in layout.columns
        ]
    )
    x, y = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    names: dict[str, Any] = {"fontSize": 11.5, "color": theme.INK}
    counts: dict[str, Any] = {"fontSize": 11, "color": theme.MUTED}
    return [
        alt.Chart(shaded).mark_rect(color="#f3f6f8").encode(x=x, x2="x2:Q", y=y, y2="y2:Q"),
        alt.Chart(lines).mark_rule(color=theme.PAPER, strokeWidth=3).encode(x=x, y=y, y2="y2:Q"),
        alt.Chart(rows).mark_text(align="right", **names).encode(x=x, y=y, text="text:N"),
        alt.Chart(rows).mark_text(align="right", dx=22, **counts).encode(x=x, y=y, text="n:Q"),
        alt.Chart(columns).mark_text(baseline="top", **names).encode(x=x, y=y, text="text:N"),
        alt.Chart(columns).mark_text(baseline="top", dy=15, **counts).encode(x=x, y=y, text="n:Q"),
    ]


def _chart(result: Overview, layout: _Layout) -> alt.LayerChart:
    labels = [label for label in TL_LABELS if result.of_tl_type(label)]
    names = {label: f"{label} ({result.of_tl_type(label)})" for label in labels}
    drawn = layout.marks.assign(legend=layout.marks["tl_type"].map(names))
    x, y = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    domain = list(names.values())
    legend = alt.Legend(
        title=None,
        orient="top",
        direction="horizontal",
        columns=4,
        symbolSize=95,
        offset=14,
        columnPadding=22,
        rowPadding=5,
    )
    tooltip = ["key:N", "ref:Q", "modality:N", "subject:N", "tl_type:N"]
    base = alt.Chart(drawn).encode(x=x, y=y, tooltip=tooltip)
    marks = base.mark_point(filled=True, size=58, opacity=1).encode(
        shape=alt.Shape(
            "legend:N",
            scale=alt.Scale(domain=domain, range=[TL_SHAPES[label] for label in labels]),
            legend=legend,
        ),
        color=alt.Color(
            "legend:N",
            scale=alt.Scale(domain=domain, range=[TL_COLOURS[label] for label in labels]),
            legend=legend,
        ),
    )
    numbers = base.mark_text(align="left", dx=6.5, fontSize=10.5).encode(text="ref:Q")
    return alt.LayerChart(
        layer=[*_frame(layout), marks, numbers], width=layout.width, height=layout.height
    )


def appendix_b(database: Database) -> Figure:
    """Draw each study by modality, subject and TL type (the review's Appendix B)."""
    result = overview(database)
    layout = _layout(result)
    unknown = result.of_tl_type(UNKNOWN)
    unplaced = (
        f" {result.unknown} more cannot be placed: modality or subject is not known."
        if result.unknown
        else ""
    )
    return finish(
        "appendix-b",
        "The reviewed studies by modality, subject and TL type",
        f"Curated: {result.counted} studies, each a mark with its reference number in the review."
        f"{unplaced}",
        _chart(result, layout),
        result.table,
        [
            "One TL type a study; a study of several is “many”. “Extent unreported” is ours: the "
            "study says “fine-tuned” and not how far. The TL type of "
            f"{unknown} studies is not known to us.",
            "Grey numbers count the studies. The review's own table (its Additional file 2) is not "
            f"part of its text. {result.coverage}",
        ],
        database.data_hash,
        line_length=172,
    )
