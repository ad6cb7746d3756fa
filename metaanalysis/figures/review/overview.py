"""The overview of the studies by modality, subject and TL type (the review's Appendix B)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import across, boxes, down, lines, words
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


def _bands(sizes: Mapping[str, float], start: float) -> pd.DataFrame:
    """Return where each row or column of the matrix starts and ends, by name, in pixels."""
    edges = list(accumulate((size + 2 * _PAD for size in sizes.values()), initial=start))
    return pd.DataFrame({"start": edges[:-1], "end": edges[1:]}, index=list(sizes))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows and columns, as of :func:`_bands`, and the studies with their places."""

    rows: pd.DataFrame
    columns: pd.DataFrame
    marks: pd.DataFrame


def _layout(result: Overview) -> _Layout:
    """Place the marks: columns as wide as their fullest cell needs, rows as high."""
    marks = result.table.copy()
    cells = marks.groupby(["subject", "modality"]).size()
    most = cells.groupby("modality").max()
    per_line = {name: _per_line(name, int(most[name])) for name in result.modalities}
    lines = {
        name: max(
            math.ceil(int(count) / per_line[str(modality)])
            for modality, count in cells.loc[name].items()
        )
        for name in result.subjects
    }
    # As wide as the marks of a column need, or its name.
    widths = {name: max(_STEP * per_line[name], _LETTER * len(name)) for name in per_line}
    columns = _bands(widths, _LABELS)
    rows = _bands({name: _LINE * count for name, count in lines.items()}, _HEAD)
    order = marks.groupby(["subject", "modality"]).cumcount()
    across = marks["modality"].map(per_line)
    left = marks["modality"].map(_middles(columns)) - _STEP * across / 2
    top = marks["subject"].map(rows["start"]) + _PAD
    marks["x"] = left + _STEP * (order % across) + 6
    marks["y"] = top + _LINE * (order // across) + _LINE / 2
    return _Layout(rows, columns, marks)


def _middles(bands: pd.DataFrame) -> pd.Series[float]:
    return bands["start"] + (bands["end"] - bands["start"]) / 2


def _frame(layout: _Layout) -> list[alt.Chart]:
    """Return bands, names and counts of rows and columns."""
    width, height = layout.columns["end"].max(), layout.rows["end"].max()
    shaded = [(0.0, width, top, bottom) for top, bottom in layout.rows.iloc[::2].to_numpy()]
    edges = [(x, _HEAD, x, height) for x in layout.columns["start"]]
    rows, columns = (
        pd.DataFrame({"text": bands.index, "n": layout.marks[name].value_counts()[bands.index]})
        for name, bands in (("subject", layout.rows), ("modality", layout.columns))
    )
    rows = rows.assign(x=_LABELS - 32, y=layout.rows["start"] + _PAD + _LINE / 2)
    columns = columns.assign(x=_middles(layout.columns), y=0.0)
    counts: dict[str, Any] = {"fontSize": 11, "color": theme.MUTED}
    return [
        boxes(shaded, color="#f3f6f8"),
        lines(edges, color=theme.PAPER, strokeWidth=3),
        words(rows, align="right", fontSize=11.5),
        words(rows, "n", align="right", dx=22, **counts),
        words(columns, align="center", baseline="top", fontSize=11.5),
        words(columns, "n", align="center", baseline="top", dy=15, **counts),
    ]


def _chart(result: Overview, layout: _Layout) -> alt.LayerChart:
    labels = [label for label in TL_LABELS if result.of_tl_type(label)]
    names = {label: f"{label} ({result.of_tl_type(label)})" for label in labels}
    drawn = layout.marks.assign(legend=layout.marks["tl_type"].map(names))
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
    base = alt.Chart(drawn).encode(x=across(), y=down(), tooltip=tooltip)
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
    width, height = layout.columns["end"].max(), layout.rows["end"].max()
    return alt.LayerChart(layer=[*_frame(layout), marks, numbers], width=width, height=height)


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
