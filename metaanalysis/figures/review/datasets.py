"""Public medical image data sets (after the review's Appendix C): what is there to choose from."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import across, down, lines, sheet, words
from metaanalysis.review import datasets
from metaanalysis.review.datasets import (
    CLASSES_ONLY,
    CLASSES_TOO,
    OTHER,
    SEGMENTATION,
    PublicDatasets,
)

_WIDTH = 860
_TOP = 84
_STEP = 9.5
_PAD = 9

#: Task group -> (heading, left edge, marks a line). How many there are stands left of the marks.
_CELLS = {
    CLASSES_ONLY: ("classes only", 118, 10),
    CLASSES_TOO: ("classes\nand more", 246, 5),
    SEGMENTATION: ("segmentation", 328, 12),
    OTHER: ("other", 476, 4),
}

#: Where the strip of sizes begins and ends; names stand right of it.
_STRIP = (546, 766)

#: Access -> (words, shape, colour).
_ACCESS = {
    "open": ("open", "circle", "#0072b2"),
    "registration": ("after registration", "square", "#c4560a"),
    "credentialed": ("credentialed", "triangle-up", "#4d4d4d"),
    "unknown": ("access unknown", "cross", "#4d4d4d"),
}


_TOOLTIP = [
    alt.Tooltip("name:N", title="data set"),
    alt.Tooltip("anatomy:N"),
    alt.Tooltip("task:N"),
    alt.Tooltip("year:Q", format="d"),
    alt.Tooltip("n_images:Q", title="images", format=","),
    alt.Tooltip("n_classes:Q", title="classes", format=","),
    alt.Tooltip("access:N"),
    alt.Tooltip("loader:N"),
]


#: Modality -> top and bottom of its row, which is as high as its marks need.
_Rows: TypeAlias = dict[str, tuple[float, float]]


def _powers(sized: pd.DataFrame) -> tuple[int, int]:
    """Return the powers of ten between which the numbers of images in the strip lie."""
    images = sized["n_images"].astype(float)
    return math.floor(math.log10(images.min())), math.ceil(math.log10(images.max()))


def _place(images: float, powers: tuple[int, int]) -> float:
    """Return the place on the strip of a number of images."""
    low, high = powers
    return _STRIP[0] + (math.log10(images) - low) / (high - low) * (_STRIP[1] - _STRIP[0])


def _swarm(sized: pd.DataFrame, powers: tuple[int, int]) -> dict[str, tuple[float, int]]:
    """Place data sets along the strip, stepping up or down where marks would touch.

    Returns
    -------
    dict
        Name -> place across, and line from the top.
    """
    placed: dict[str, tuple[float, int]] = {}
    for row in sized.sort_values("n_images").to_dict("records"):
        x = _place(float(row["n_images"]), powers)
        taken = {step for other, step in placed.values() if abs(other - x) < _STEP}
        steps = (step for size in range(len(placed) + 1) for step in (size, -size))
        placed[row["name"]] = (x, next(step for step in steps if step not in taken))
    first = min((step for _, step in placed.values()), default=0)
    return {name: (x, step - first) for name, (x, step) in placed.items()}


def _marks(result: PublicDatasets, powers: tuple[int, int]) -> tuple[pd.DataFrame, _Rows]:
    """Return one row a mark: each data set in its cell, those of known size in the strip too."""
    marks: list[dict[str, Any]] = []
    rows: _Rows = {}
    sized = result.sized
    top = float(_TOP)
    for modality in result.modalities:
        mine = result.table[result.table["modality"] == modality]
        records = {row["name"]: row for row in mine.to_dict("records")}
        # Row, panel, place across, line from the top.
        placed: list[tuple[Any, str, float, int]] = []
        for group, (_, left, per_line) in _CELLS.items():
            cell = [row for row in records.values() if row["task_group"] == group]
            for index, row in enumerate(cell):
                line, column = divmod(index, per_line)
                placed.append((row, "cell", left + (column + 0.5) * _STEP, line))
        for name, (x, line) in _swarm(sized[sized["modality"] == modality], powers).items():
            placed.append((records[name], "strip", x, line))
        first = top + _PAD + _STEP / 2
        marks += [
            {**row, "panel": panel, "x": x, "y": first + line * _STEP}
            for row, panel, x, line in placed
        ]
        lines = 1 + max(line for *_, line in placed)
        rows[modality] = (top, top + lines * _STEP + 2 * _PAD)
        top = rows[modality][1]
    frame = pd.DataFrame(marks)
    frame["colour"] = [_ACCESS[access][2] for access in frame["access"]]
    frame["fill"] = frame["colour"].where(frame["has_loader"], "white")
    return frame, rows


def _points(marks: pd.DataFrame) -> alt.Chart:
    shapes = alt.Scale(domain=list(_ACCESS), range=[look[1] for look in _ACCESS.values()])
    return (
        alt.Chart(marks)
        .mark_point(size=40, strokeWidth=1.3, opacity=1)
        .encode(
            x=across(),
            y=down(),
            shape=alt.Shape("access:N", scale=shapes, legend=None),
            stroke=alt.Stroke("colour:N", scale=None),
            fill=alt.Fill("fill:N", scale=None),
        )
    )


def _short(name: str) -> str:
    """Return a data set's name without what explains it."""
    return name.split(" (")[0].split(" / ")[0]


def _key(present: set[str]) -> list[alt.Chart]:
    shown = [
        (access, look, "white") for access, (look, _, _) in _ACCESS.items() if access in present
    ]
    loaded = "filled: a known package loads it, or a version of it"
    shown.append(("open", loaded, _ACCESS["open"][2]))
    marks, texts = [], []
    left = 5.0
    for access, text, fill in shown:
        marks.append((left, 10, access, _ACCESS[access][2], fill))
        texts.append((left + 10, 10, text))
        left += 42 + 5.4 * len(text)
    frame = pd.DataFrame(marks, columns=["x", "y", "access", "colour", "fill"])
    return [_points(frame), words(texts, fontSize=12)]


def _drawing(result: PublicDatasets) -> alt.LayerChart:
    powers = _powers(result.sized)
    marks, places = _marks(result, powers)
    bottom = max(end for _, end in places.values())
    names, counts, labels = [], [], []
    for modality, (top, _) in places.items():
        mine = result.table[result.table["modality"] == modality]
        first = top + _PAD + _STEP / 2
        names.append((0, first, modality))
        for group, (_, left, _per_line) in _CELLS.items():
            if count := int((mine["task_group"] == group).sum()):
                counts.append((left - 5, first, count))
        strip = marks[(marks["panel"] == "strip") & (marks["modality"] == modality)]
        if not strip.empty:
            largest = strip.loc[strip["n_images"].astype(float).idxmax()]
            labels.append((largest["x"] + 9, largest["y"], _short(largest["name"])))
    ticks = {power: _place(10.0**power, powers) for power in range(*powers)}
    ticks[powers[1]] = float(_STRIP[1])
    scale = [(x, bottom + 12, f"{10**power:,}") for power, x in ticks.items() if power % 2]
    heads = [
        (left - 18, _TOP - 11 - 14 * heading.count("\n"), heading)
        for heading, left, _ in _CELLS.values()
    ]
    heads.append((_STRIP[0], _TOP - 11, "the largest of each modality is named"))
    panels = [
        (_CELLS[CLASSES_ONLY][1] - 18, 40, "Data sets by what is labelled"),
        (_STRIP[0], 40, "Size of those with classes"),
    ]
    unit = [(sum(_STRIP) / 2, bottom + 32, "images (logarithmic)")]
    return sheet(
        _WIDTH,
        bottom + 42,
        lines([(0, top, _WIDTH, top) for top, _ in places.values()], color=theme.GRID),
        lines([(x, _TOP, x, bottom) for x in ticks.values()], color=theme.GRID),
        _points(marks).encode(href="url:N", tooltip=_TOOLTIP),
        words(names, fontSize=12.5, fontWeight="bold"),
        words(counts, align="right", fontSize=11, color=theme.MUTED),
        words(labels, fontSize=10.5),
        words(heads, fontSize=12, color=theme.MUTED, lineHeight=14),
        words(panels, fontSize=13, fontWeight="bold"),
        words(scale, align="center", fontSize=11),
        words(unit, align="center", fontSize=12, color=theme.MUTED),
        *_key(set(result.table["access"])),
    )


def appendix_c(database: Database) -> Figure:
    """Draw the public data sets by modality, task, access and size (after Appendix C)."""
    result = datasets.public_datasets(database)
    table = result.table
    loaders = table["loader"].dropna().str.split(";").explode()
    packages = sorted(set(loaders.str.split(r"[:.]", regex=True).str[0].str.strip()))
    labelled, sized = result.labelled, result.sized
    is_open = int((labelled["access"] == "open").sum())
    loads = int(labelled["has_loader"].sum())
    others = sorted(set(table.loc[table["task_group"] == OTHER, "task"]))
    data = table.assign(in_size_panel=table["name"].isin(sized["name"]))
    return finish(
        "appendix-c",
        f"{len(labelled)} of {len(table)} public data sets have class labels, "
        f"and {is_open} of these are open",
        [
            f"Curated: the {len(table)} data sets of our list, a mark each; {loads} of those with "
            "classes are loaded by a known package.",
            f"Reported: the review counts {result.reported}, in an additional file that is not at "
            "hand; which of ours are among them is not known.",
        ],
        _drawing(result),
        data,
        [
            "Classes and more: also boxes or outlines. Other: "
            f"{', '.join(others)}. “Many” is several modalities. Open: no account needed. "
            f"Known packages: {', '.join(packages)}.",
            f"{len(labelled) - len(sized)} of the {len(labelled)} with classes state no number of "
            "images and are not in the right panel. Numbers are those of the sources, not counted "
            "by us. In the HTML each mark names its data set and leads to it.",
        ],
        database.data_hash,
        line_length=160,
        source="Source: the public lists named in data/datasets.yaml, after Kim et al., BMC Med "
        "Imaging 2022;22:69 (CC BY 4.0)",
    )
