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
from metaanalysis.figures.kit.diagram import arrows, boxes, lines, sheet, words
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


def _hatch(box: dict[str, Any], step: float = 7) -> list[tuple[float, float, float, float]]:
    """Return the parallel slanted lines that fill a box."""
    width, height = box["right"] - box["left"], box["bottom"] - box["top"]
    left, top = box["left"], box["top"]
    hatch = []
    offset = step
    while offset < width + height:
        # The line where x + y = offset, cut off at the edges of the box.
        low, high = max(0.0, offset - height), min(width, offset)
        hatch.append((left + low, top + offset - low, left + high, top + offset - high))
        offset += step
    return hatch


def _looks(drawn: list[dict[str, Any]]) -> list[alt.Chart]:
    """Draw boxes: fill for the state, hatch where frozen, a broken edge where new."""
    layers = []
    for state, fill in _FILL.items():
        for new in (False, True):
            chosen = [b for b in drawn if b["state"] == state and (b["start"] == NEW) is new]
            if chosen:
                dash = {"strokeDash": _DASH[NEW]} if new else {}
                layers.append(boxes(chosen, fill=fill, stroke=theme.INK, strokeWidth=1.4, **dash))
    hatched = [line for box in drawn if box["state"] == FROZEN for line in _hatch(box)]
    return [*layers, lines(hatched, color=_HATCH, strokeWidth=1)]


def _brackets(drawn: list[dict[str, Any]]) -> list[alt.Chart]:
    """Draw a line under each run of blocks that are treated alike, and the words under it."""
    rules, texts = [], []
    for (_, _, start, state), group in groupby(
        drawn, key=lambda b: (b["approach"], b["layer"] == CONVOLUTIONAL, b["start"], b["state"])
    ):
        members = list(group)
        left, right = members[0]["left"], members[-1]["right"]
        under = (members[0]["top"] + members[0]["bottom"]) / 2 + 43
        rules.append((left, under, right, under))
        texts.append(((left + right) / 2, under + 10, f"{start}, {state}"))
    return [lines(rules, color=theme.MUTED), words(texts, align="center", fontSize=11)]


def _key(top: float) -> list[alt.Chart]:
    plain = {"fill": "white", "stroke": theme.INK, "strokeWidth": 1.4}
    entries: list[tuple[float, dict[str, Any], str]] = [
        (0, {"fill": _FILL[FROZEN]}, "frozen: training leaves it as it is"),
        (236, {"fill": _FILL[TRAINED]}, "trained: training changes it"),
        (436, plain, "starts from pretrained weights"),
        (654, {**plain, "strokeDash": _DASH[NEW]}, "new: starts without them"),
    ]
    layers = []
    for left, look, _ in entries:
        box = _corners(left, 26, 16, top)
        layers.append(boxes([box], **look))
        if look["fill"] == _FILL[FROZEN]:
            layers.append(lines(_hatch(box), color=_HATCH, strokeWidth=1))
    return [*layers, words([(left + 34, top, text) for left, _, text in entries], fontSize=12)]


def _drawing(blocks: pd.DataFrame, definitions: dict[str, str]) -> alt.LayerChart:
    names = list(dict.fromkeys(blocks["approach"]))
    middles = {name: _TOP + _ROW * (row + 0.5) - 6 for row, name in enumerate(names)}
    tops = {name: middle - _ROW / 2 + 22 for name, middle in middles.items()}
    comparators = list(dict.fromkeys(blocks.loc[~blocks["transfers"], "approach"]))
    bottom = _TOP + _ROW * len(names)
    drawn = [
        {**block, **_corners(*place, middles[block["approach"]])}
        for block in blocks.to_dict("records")
        for place in _places(block)
    ]
    told = [
        (0, top + 12, "\n".join(textwrap.wrap(definitions[name], 52))) for name, top in tops.items()
    ]
    classifiers = [
        ((box["left"] + box["right"]) / 2, middles[box["approach"]] - 7, "SVM, random\nforest, ...")
        for box in drawn
        if box["layer"] == CLASSICAL
    ]
    flow = []
    for name, middle in middles.items():
        mine = [box for box in drawn if box["approach"] == name]
        heads = [box for box in mine if box["layer"] != CONVOLUTIONAL]
        flow += [
            (start + 4, middle, end, middle)
            for start, end in (
                (_IMAGE[0] + _IMAGE[1], mine[0]["left"] - 3),
                (_CONVOLUTIONS[-1][0] + _CONVOLUTIONS[-1][1], heads[0]["left"] - 3),
                (heads[-1]["right"], _OUTPUT - 5),
            )
        ]
    columns = [
        (0, 14, "approach, as the review defines it"),
        (_IMAGE[0], 14, "image"),
        (_CONVOLUTIONS[0][0], 14, "convolutional layers (the backbone)"),
        (_CLASSIFIER[0], 14, "classifier (fully connected layers)"),
    ]
    shaded = [_corners(-8, _WIDTH + 16, _ROW, middles[name] + 6) for name in comparators]
    images = [_corners(*_IMAGE, middle) for middle in middles.values()]
    edges = [_TOP + _ROW * row for row in range(len(names) + 1)]
    tag: dict[str, Any] = {"fontSize": 11, "fontStyle": "italic", "color": theme.ACCENT}
    return sheet(
        _WIDTH,
        bottom + _KEY,
        boxes(shaded, fill=_SHADE),
        lines([(0, edge, _WIDTH, edge) for edge in edges], color=theme.FAINT),
        words(columns, fontSize=12, color=theme.MUTED),
        boxes(images, fill="#eceff2", stroke=theme.MUTED),
        *_looks(drawn),
        arrows(flow, head=7),
        *_brackets(drawn),
        words(classifiers, align="center", fontSize=12, lineHeight=14),
        words([(_OUTPUT, middle, "class") for middle in middles.values()], fontSize=12),
        words([(0, top, name) for name, top in tops.items()], fontSize=14, fontWeight="bold"),
        words([(150, tops[name], "comparator") for name in comparators], **tag),
        words(told, fontSize=11.5, baseline="top", lineHeight=14.5),
        *_key(bottom + 26),
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
