"""The review's Table 1 of backbones, set as a table."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import boxes, lines, sheet, words
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


def _cells(result: Table1) -> tuple[dict[str, list[tuple[float, float, str]]], list[float], float]:
    """Return the cells of each column with their places, the rules of groups, and the bottom."""
    cells: dict[str, list[tuple[float, float, str]]] = {
        name: [] for name in (*_COLUMNS, "group", "group_studies")
    }
    rules = []
    top = float(_TOP)
    for group in result.groups.to_dict("records"):
        rules.append(top)
        middle = top + _ROW / 2 + 2
        tested = f"any of them: {group['studies']}"
        cells["group"].append((0, middle, group["model_type"]))
        cells["group_studies"].append((_COLUMNS["studies_family"][1], middle, tested))
        top += _ROW + 2
        members = result.table[result.table["model_type"] == group["model_type"]]
        for row in members.to_dict("records"):
            for column, (_, left, _align) in _COLUMNS.items():
                value = row[column]
                text = _number(value) if column.startswith("parameters") else str(value)
                cells[column].append((left, top + _ROW / 2 - 2, text))
            top += _ROW
        top += 4
    return cells, rules, top


def _drawing(result: Table1) -> alt.LayerChart:
    cells, rules, bottom = _cells(result)
    ends = [(0, y, _WIDTH, y) for y in (0, rules[0], bottom)]
    ours: dict[str, Any] = {"fontSize": 12, "fontWeight": "bold", "color": theme.CURATED}
    layers = [
        boxes([(_OURS_LEFT, _WIDTH, 0, bottom)], fill="#eaf2f5"),
        lines([(0, y, _WIDTH, y) for y in rules[1:]], color=theme.FAINT),
        lines(ends, color=theme.INK, strokeWidth=1.2),
        words([(0, 14, "reported by the review")], fontSize=12, color=theme.MUTED),
        words([(_OURS_LEFT + 8, 14, "ours: curated studies that test")], **ours),
    ]
    for column, (heading, left, align) in _COLUMNS.items():
        own = column in _OURS
        place = (left, _TOP - 12 - 14 * heading.count("\n"), heading)
        head: dict[str, Any] = {"color": theme.CURATED if own else theme.MUTED, "lineHeight": 14}
        layers += [
            words([place], align=align, fontSize=12, **head),
            words(
                cells[column],
                align=align,
                fontSize=13.5,
                color=theme.CURATED if own else theme.INK,
                fontWeight="bold" if column in ("model", "studies") else "normal",
            ),
        ]
    group: dict[str, Any] = {"fontSize": 12.5, "fontStyle": "italic"}
    layers += [
        words(cells["group"], align="left", color=theme.MUTED, **group),
        words(cells["group_studies"], align="right", color=theme.CURATED, **group),
    ]
    return sheet(_WIDTH, bottom + 2, *layers)


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
