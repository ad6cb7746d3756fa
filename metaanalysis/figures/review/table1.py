"""The review's Table 1 of backbones, set as a table."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import Canvas
from metaanalysis.review import table1
from metaanalysis.review.table1 import Table1

_WIDTH = 850
_ROW = 30
_TOP = 66
_INDENT = 14

#: Column -> (heading, where its text stands, how it is aligned).
_COLUMNS = {
    "model": ("model", _INDENT, "left"),
    "released": ("released", 170, "right"),
    "parameters": ("parameters", 274, "right"),
    "parameters_fe_only": ("of these in the\nfeature extractor", 394, "right"),
    "trainable_layers": ("trainable layers\n(convolutional + full)", 424, "left"),
    "dataset": ("pretrained on", 570, "left"),
    "studies": ("this\nmodel", 722, "right"),
    "studies_family": ("any of\nits family", 806, "right"),
}
_OURS = ("studies", "studies_family")
_OURS_LEFT = 664


def _number(value: int) -> str:
    """Write a count of parameters as the review does: in millions where it has millions."""
    return f"{value / 1e6:g} million" if value >= 1_000_000 else f"{value:,}"


def _cells(result: Table1) -> tuple[list[dict[str, Any]], list[float], float]:
    """Return the cells with their places, the rules between groups, and the bottom."""
    cells: list[dict[str, Any]] = []
    rules = []
    top = float(_TOP)
    for group in result.groups.to_dict("records"):
        rules.append(top)
        middle = top + _ROW / 2 + 2
        cells.append({"column": "group", "x": 0, "y": middle, "text": group["model_type"]})
        cells.append(
            {"column": "group_studies", "x": _COLUMNS["studies_family"][1], "y": middle}
            | {"text": f"any of them: {group['studies']}"}
        )
        top += _ROW + 2
        members = result.table[result.table["model_type"] == group["model_type"]]
        for row in members.to_dict("records"):
            for column, (_, left, _align) in _COLUMNS.items():
                value = row[column]
                text = _number(value) if column.startswith("parameters") else str(value)
                cells.append({"column": column, "x": left, "y": top + _ROW / 2 - 2, "text": text})
            top += _ROW
        top += 4
    return cells, rules, top


def _drawing(result: Table1) -> alt.LayerChart:
    cells, rules, bottom = _cells(result)
    sheet = Canvas(_WIDTH, bottom + 2)
    layers: list[alt.Chart] = [
        sheet.boxes(
            [{"left": _OURS_LEFT, "right": _WIDTH, "top": 0, "bottom": bottom}], fill="#eaf2f5"
        ),
        sheet.lines(
            [{"x": 0, "to_x": _WIDTH, "y": y, "to_y": y} for y in rules[1:]], color=theme.FAINT
        ),
        sheet.lines(
            [{"x": 0, "to_x": _WIDTH, "y": y, "to_y": y} for y in (0, rules[0], bottom)],
            color=theme.INK,
            strokeWidth=1.2,
        ),
        sheet.words(
            [{"x": 0, "y": 14, "text": "reported by the review"}], fontSize=12, color=theme.MUTED
        ),
        sheet.words(
            [{"x": _OURS_LEFT + 8, "y": 14, "text": "ours: curated studies that test"}],
            fontSize=12,
            fontWeight="bold",
            color=theme.CURATED,
        ),
    ]
    for column, (heading, left, align) in _COLUMNS.items():
        colour = theme.CURATED if column in _OURS else theme.INK
        lines = heading.count("\n")
        layers.append(
            sheet.words(
                [{"x": left, "y": _TOP - 12 - 14 * lines, "text": heading}],
                align=align,
                fontSize=12,
                lineHeight=14,
                color=theme.CURATED if column in _OURS else theme.MUTED,
            )
        )
        layers.append(
            sheet.words(
                [cell for cell in cells if cell["column"] == column],
                align=align,
                fontSize=13.5,
                color=colour,
                fontWeight="bold" if column in ("model", "studies") else "normal",
            )
        )
    for column, align, colour in (
        ("group", "left", theme.MUTED),
        ("group_studies", "right", theme.CURATED),
    ):
        mine = [cell for cell in cells if cell["column"] == column]
        look = {"align": align, "color": colour, "fontStyle": "italic"}
        layers.append(sheet.words(mine, fontSize=12.5, **look))
    return sheet.sheet(*layers)


def _data(result: Table1) -> pd.DataFrame:
    depth = result.groups.rename(columns={"studies": "studies_model_type"})
    shown = ["model_type", *_COLUMNS]
    return result.table[shown].merge(depth, on="model_type", how="left")


def table_1(database: Database) -> Figure:
    """Set the review's Table 1 of backbones, with the curated studies that test each."""
    result = table1.table_1(database)
    return finish(
        "table-1",
        "The backbones that the review describes, and how often they are tested",
        f"Reported: the review's Table 1. Curated: {result.counted} studies of which a backbone "
        "is known.",
        _drawing(result),
        _data(result),
        [
            "A study that tests several models counts in each row; one that tests several of a "
            "family counts once for the family. A family holds its other depths and versions (such "
            "as VGG19, or Inception-v3 for GoogLeNet); “any of them” is every backbone of that "
            "depth, listed here or not.",
            f"The backbone of {result.unknown} curated studies is not known to us. "
            f"{result.coverage}",
        ],
        database.data_hash,
        line_length=155,
    )
