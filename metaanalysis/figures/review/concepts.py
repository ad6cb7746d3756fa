"""The review's Figure 2: the TL approaches, each drawn as a network."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import Canvas
from metaanalysis.review import approaches
from metaanalysis.review.approaches import CLASSICAL, CONVOLUTIONAL, FROZEN, NEW, TRAINED

_WIDTH = 850
_ROW = 112
_TOP = 34
_KEY = 46

#: Light and hatched against dark and plain: told apart in grey too.
_FILL = {FROZEN: "#dbe8f1", TRAINED: "#e0893b"}
_HATCH = "#9db8ca"
_SHADE = "#f5f6f8"
_DASH = {NEW: [5, 3]}

#: Left edge and width of each block, and its height: a network narrows while its maps multiply.
_IMAGE = (300, 40, 72)
_CONVOLUTIONS = ((366, 30, 72), (402, 36, 62), (444, 42, 52), (492, 48, 42), (546, 54, 32))
_LAYERS = ((640, 16, 62), (664, 16, 44))
_CLASSIFIER = (628, 88, 46)
_OUTPUT = 752


def _corners(left: float, width: float, height: float, middle: float) -> dict[str, float]:
    return {
        "left": left,
        "right": left + width,
        "top": middle - height / 2,
        "bottom": middle + height / 2,
    }


def _places(block: dict[str, Any]) -> list[tuple[int, int, int]]:
    if block["layer"] == CONVOLUTIONAL:
        return [_CONVOLUTIONS[block["position"] - 1]]
    return [_CLASSIFIER] if block["layer"] == CLASSICAL else list(_LAYERS)


def _placed(blocks: pd.DataFrame, middles: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {**block, **_corners(*place, middles[block["approach"]])}
        for block in blocks.to_dict("records")
        for place in _places(block)
    ]


def _hatch(box: dict[str, Any], step: float = 7) -> list[dict[str, float]]:
    """Return the parallel slanted lines that fill a box."""
    width, height = box["right"] - box["left"], box["bottom"] - box["top"]
    lines = []
    offset = step
    while offset < width + height:
        # The line where x + y = offset, cut off at the edges of the box.
        low, high = max(0.0, offset - height), min(width, offset)
        lines.append(
            {
                "x": box["left"] + low,
                "y": box["top"] + offset - low,
                "to_x": box["left"] + high,
                "to_y": box["top"] + offset - high,
            }
        )
        offset += step
    return lines


def _boxes(sheet: Canvas, boxes: list[dict[str, Any]]) -> list[alt.Chart]:
    """Draw boxes: fill for the state, hatch where frozen, a broken edge where new."""
    layers = []
    for state, fill in _FILL.items():
        for new in (False, True):
            chosen = [b for b in boxes if b["state"] == state and (b["start"] == NEW) is new]
            if chosen:
                dash = {"strokeDash": _DASH[NEW]} if new else {}
                layers.append(
                    sheet.boxes(chosen, fill=fill, stroke=theme.INK, strokeWidth=1.4, **dash)
                )
    hatched = [line for box in boxes if box["state"] == FROZEN for line in _hatch(box)]
    layers.append(sheet.lines(hatched, color=_HATCH, strokeWidth=1))
    return layers


def _brackets(boxes: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a line under each run of blocks that are treated alike, and the words under it."""
    lines, words = [], []
    for (approach, _, start, state), group in groupby(
        boxes, key=lambda b: (b["approach"], b["layer"] == CONVOLUTIONAL, b["start"], b["state"])
    ):
        members = list(group)
        left, right = members[0]["left"], members[-1]["right"]
        middle = (members[0]["top"] + members[0]["bottom"]) / 2
        under = middle + 43
        lines.append({"x": left, "to_x": right, "y": under, "to_y": under, "approach": approach})
        words.append({"x": (left + right) / 2, "y": under + 10, "text": f"{start}, {state}"})
    return lines, words


def _key(sheet: Canvas, top: float) -> list[alt.Chart]:
    entries = [
        (0, FROZEN, "", "frozen: training leaves it as it is"),
        (236, TRAINED, "", "trained: training changes it"),
        (436, None, "", "starts from pretrained weights"),
        (654, None, NEW, "new: starts without them"),
    ]
    layers: list[alt.Chart] = []
    words = []
    for left, state, start, text in entries:
        box = _corners(left, 26, 16, top)
        words.append({"x": left + 34, "y": top, "text": text})
        if state:
            layers.append(sheet.boxes([box], fill=_FILL[state]))
            if state == FROZEN:
                layers.append(sheet.lines(_hatch(box), color=_HATCH, strokeWidth=1))
        else:
            dash = {"strokeDash": _DASH[NEW]} if start == NEW else {}
            layers.append(
                sheet.boxes([box], fill="white", stroke=theme.INK, strokeWidth=1.4, **dash)
            )
    return [*layers, sheet.words(words, fontSize=12)]


def _drawing(blocks: pd.DataFrame, definitions: dict[str, str]) -> alt.LayerChart:
    names = list(dict.fromkeys(blocks["approach"]))
    middles = {name: _TOP + _ROW * (row + 0.5) - 6 for row, name in enumerate(names)}
    tops = {name: middle - _ROW / 2 + 22 for name, middle in middles.items()}
    comparators = list(dict.fromkeys(blocks.loc[~blocks["transfers"], "approach"]))
    bottom = _TOP + _ROW * len(names)
    sheet = Canvas(_WIDTH, bottom + _KEY)
    boxes = _placed(blocks, middles)
    lines, words = _brackets(boxes)
    titles = [{"x": 0, "y": top, "text": name} for name, top in tops.items()]
    texts = [
        {"x": 0, "y": top + 12, "text": "\n".join(textwrap.wrap(definitions[name], 52))}
        for name, top in tops.items()
    ]
    tags = [{"x": 150, "y": tops[name], "text": "comparator"} for name in comparators]
    shaded = [_corners(-8, _WIDTH + 16, _ROW, middles[name] + 6) for name in comparators]
    images = [_corners(*_IMAGE, middle) for middle in middles.values()]
    outputs = [{"x": _OUTPUT, "y": middle, "text": "class"} for middle in middles.values()]
    classifiers = [
        {"x": (box["left"] + box["right"]) / 2, "y": middles[box["approach"]] - 7}
        | {"text": "SVM, random\nforest, ..."}
        for box in boxes
        if box["layer"] == CLASSICAL
    ]
    arrows = []
    for name, middle in middles.items():
        mine = [box for box in boxes if box["approach"] == name]
        heads = [box for box in mine if box["layer"] != CONVOLUTIONAL]
        arrows += [
            {"x": start + 4, "to_x": end, "y": middle, "to_y": middle}
            for start, end in (
                (_IMAGE[0] + _IMAGE[1], mine[0]["left"] - 3),
                (_CONVOLUTIONS[-1][0] + _CONVOLUTIONS[-1][1], heads[0]["left"] - 3),
                (heads[-1]["right"], _OUTPUT - 5),
            )
        ]
    columns = [
        {"x": 0, "text": "approach, as the review defines it"},
        {"x": _IMAGE[0], "text": "image"},
        {"x": _CONVOLUTIONS[0][0], "text": "convolutional layers (the backbone)"},
        {"x": _CLASSIFIER[0], "text": "classifier (fully connected layers)"},
    ]
    rules = [
        {"x": 0, "to_x": _WIDTH, "y": _TOP + _ROW * row, "to_y": _TOP + _ROW * row}
        for row in range(len(names) + 1)
    ]
    return sheet.sheet(
        sheet.boxes(shaded, fill=_SHADE),
        sheet.lines(rules, color=theme.FAINT),
        sheet.words([{**column, "y": 14} for column in columns], fontSize=12, color=theme.MUTED),
        sheet.boxes(images, fill="#eceff2", stroke=theme.MUTED),
        *_boxes(sheet, boxes),
        sheet.arrows(arrows, head=7),
        sheet.lines(lines, color=theme.MUTED),
        sheet.words(words, align="center", fontSize=11),
        sheet.words(classifiers, align="center", fontSize=12, lineHeight=14),
        sheet.words(outputs, fontSize=12),
        sheet.words(titles, fontSize=14, fontWeight="bold"),
        sheet.words(tags, fontSize=11, fontStyle="italic", color=theme.ACCENT),
        sheet.words(texts, fontSize=11.5, baseline="top", lineHeight=14.5),
        *_key(sheet, bottom + 26),
    )


def figure_2(database: Database) -> Figure:
    """Draw the review's approaches to transfer learning (its Figure 2)."""
    blocks = approaches.blocks()
    names = blocks.drop_duplicates("approach")
    transfers = int(names["transfers"].sum())
    return finish(
        "2",
        f"{['No', 'One', 'Two', 'Three', 'Four', 'Five'][transfers]} ways to transfer a network, "
        "and starting from nothing",
        "Reported: the review's definitions, in our words and drawing.",
        _drawing(blocks, approaches.definitions(database)),
        blocks,
        [
            f"{approaches.GROUPS} groups of convolutional layers stand for any number; how many of "
            f"them fine-tuning trains differs from study to study, here {approaches.UNFROZEN}. The "
            "definitions do not say whether the fully connected layers start new; they are drawn "
            "so because the classes are new.",
        ],
        database.data_hash,
        line_length=160,
    )
