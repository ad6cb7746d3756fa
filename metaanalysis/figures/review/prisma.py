"""The review's Figure 3: the flow of its literature search, and what of it is curated here."""

from __future__ import annotations

from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import arrows, boxes, lines, sheet, words
from metaanalysis.review import prisma
from metaanalysis.review.prisma import Flow

_WIDTH = 850
_BOX = (250, 58)
_GAP = 44
_TOP = 40
_MAIN, _SIDE, _NOTE = 0, 310, 604

#: Where each box stands: left edge and row.
_PLACES = {
    "retrieved": (_MAIN, 0),
    "duplicates": (_SIDE, 0),
    "screened": (_MAIN, 1),
    "excluded_at_screening": (_SIDE, 1),
    "full_text_assessed": (_MAIN, 2),
    "excluded_at_full_text": (_SIDE, 2),
    "included": (_MAIN, 3),
    "curated": (_MAIN, 4),
    "not_identified": (_SIDE, 4),
}

_ARROWS = (
    *((entered, removed) for entered, removed, _ in prisma.STEPS),
    *((entered, left) for entered, _, left in prisma.STEPS),
    ("included", "curated"),
    ("included", "not_identified"),
)

#: A straight piece of an arrow: from x and y to x and y.
_Piece: TypeAlias = tuple[float, float, float, float]

#: What a class of ``inclusion`` means: short in the drawing, in full under it.
_SURE = {
    "overview block": (
        "in its overview table",
        "stand in the block of references that the review's overview table lists",
    ),
    "cited": ("cited as reviewed", "are cited by its text as reviewed studies"),
    "uncertain": ("cited, uncertain", "are cited, but not for certain as reviewed studies"),
}


def _box(name: str) -> dict[str, float]:
    left, row = _PLACES[name]
    top = _TOP + row * (_BOX[1] + _GAP)
    return {"left": left, "right": left + _BOX[0], "top": top, "bottom": top + _BOX[1]}


def _path(start: str, end: str) -> list[_Piece]:
    """Return the straight pieces of the arrow between two boxes, the one with the head last."""
    one, other = _box(start), _box(end)
    middle = (one["top"] + one["bottom"]) / 2
    if one["top"] == other["top"]:
        return [(one["right"], middle, other["left"], middle)]
    across = (other["left"] + other["right"]) / 2
    if one["left"] == other["left"]:
        return [(across, one["bottom"], across, other["top"])]
    return [(one["right"], middle, across, middle), (across, middle, across, other["top"])]


def _verdict(printed: int, difference: int) -> str:
    if not difference:
        return f"printed: {printed}, adds up"
    return f"printed: {printed}, {abs(difference)} {'more' if difference > 0 else 'fewer'}"


def _notes(result: Flow) -> list[dict[str, Any]]:
    """Return the arithmetic of each step beside the boxes that it is about."""
    notes = []
    for check in result.checks.to_dict("records"):
        entered = next(name for name, _, left in prisma.STEPS if left == check["step"])
        box = _box(entered)
        text = f"{check['entered']} − {check['removed']} = {check['computed']}"
        verdict = _verdict(check["printed"], check["difference"])
        agrees = not check["difference"]
        middle = (box["top"] + box["bottom"]) / 2
        notes.append({"y": middle, "sum": text, "verdict": verdict, "agrees": agrees})
    return notes


def _data(result: Flow, notes: list[dict[str, Any]]) -> pd.DataFrame:
    boxes = result.table.assign(mark="box")
    arrows = pd.DataFrame(_ARROWS, columns=["start", "end"]).assign(mark="arrow")
    sums = [
        {"mark": "note", "kind": "recomputed", "label": f"{note['sum']}; {note['verdict']}"}
        for note in notes
    ]
    sure = [
        {"mark": "note", "kind": "curated", "label": short, "n": result.inclusion.get(name, 0)}
        for name, (short, _) in _SURE.items()
    ]
    columns = ["mark", "name", "label", "n", "kind", "start", "end"]
    data = pd.concat([boxes, arrows, pd.DataFrame([*sums, *sure])], ignore_index=True)[columns]
    return data.astype({"n": "Int64"})


def _drawing(result: Flow, notes: list[dict[str, Any]]) -> alt.LayerChart:
    rows = 1 + max(row for _, row in _PLACES.values())
    numbers, labels = [], []
    for row in result.table.to_dict("records"):
        box = _box(row["name"])
        colour = "white" if row["name"] == "curated" else theme.INK
        place = {"x": (box["left"] + box["right"]) / 2, "colour": colour}
        numbers.append({**place, "y": box["top"] + 21, "text": row["n"]})
        labels.append({**place, "y": box["top"] + 42, "text": row["label"]})
    ours = ("curated", "not_identified")
    theirs = [_box(name) for name in result.table["name"] if name not in ours]
    solid: list[_Piece] = []
    dashed: list[_Piece] = []
    corners: list[_Piece] = []
    for start, end in _ARROWS:
        *first, last = _path(start, end)
        corners += first
        (dashed if end in ours else solid).append(last)
    level = _box("curated")["top"]
    heads = [
        (_MAIN, 14, "reported by the review"),
        (_NOTE, 14, "recomputed: does it add up?"),
        (_NOTE, level + 4, "curated here, by how sure it is"),
    ]
    sure = "\n".join(
        f"{result.inclusion.get(name, 0)} {short}" for name, (short, _) in _SURE.items()
    )
    own = alt.Color("colour:N", scale=None)
    broken: dict[str, Any] = {"strokeDash": [4, 3]}
    sums = [(_NOTE, note["y"] - 9, note["sum"]) for note in notes]
    said = {
        agrees: [
            (_NOTE, note["y"] + 10, note["verdict"]) for note in notes if note["agrees"] is agrees
        ]
        for agrees in (True, False)
    }
    return sheet(
        _WIDTH,
        _TOP + rows * _BOX[1] + (rows - 1) * _GAP + 4,
        words(heads, fontSize=12, color=theme.MUTED),
        arrows(solid),
        arrows(dashed, **broken),
        lines(corners, **broken),
        boxes(theirs, fill="#f1f3f5", stroke=theme.REPORTED, cornerRadius=3),
        boxes([_box("curated")], fill=theme.CURATED, cornerRadius=3),
        boxes(
            [_box("not_identified")], fill="white", stroke=theme.CURATED, cornerRadius=3, **broken
        ),
        words(numbers, align="center", fontSize=17, fontWeight="bold").encode(color=own),
        words(labels, align="center", fontSize=12).encode(color=own),
        words(sums, fontSize=14, fontWeight="bold"),
        words(said[True]),
        words(said[False], color=theme.ACCENT, fontWeight="bold"),
        words([(_NOTE, level + 14, sure)], baseline="top", lineHeight=15.5),
    )


def figure_3(database: Database) -> Figure:
    """Draw the flow of the review's literature search (its Figure 3)."""
    result = prisma.flow(database)
    numbers = dict(zip(result.table["name"], result.table["n"], strict=True))
    notes = _notes(result)
    wrong = [note for note in notes if not note["agrees"]]
    outcome = "every step adds up"
    if wrong:
        outcome = (
            f"{len(wrong)} of {len(notes)} steps {'does' if len(wrong) == 1 else 'do'} not add up"
        )
    sure = "; ".join(
        f"{result.inclusion[name]} {meaning}"
        for name, (_, meaning) in _SURE.items()
        if result.inclusion.get(name)
    )
    small_print = [
        f"PubMed was searched on {result.search['pubmed_searched']} and Web of Science on "
        f"{result.search['web_of_science_searched']}, for publications until "
        f"{result.search['published_until']}.",
        f"{result.coverage} Of the {numbers['curated']}, {sure}.",
    ]
    if numbers["curated"] == numbers["excluded_at_full_text"]:
        small_print.append(
            f"That {numbers['curated']} studies are curated and {numbers['excluded_at_full_text']} "
            "were excluded at full text is a coincidence."
        )
    return finish(
        "3",
        f"From {numbers['retrieved']} records to {numbers['included']} studies; {outcome}",
        f"Reported: the flow that the review prints. Curated: the {numbers['curated']} of its "
        f"{numbers['included']} studies that its text lets one identify.",
        _drawing(result, notes),
        _data(result, notes),
        small_print,
        database.data_hash,
        line_length=150,
    )
