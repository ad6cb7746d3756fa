"""The review's Figure 3: the flow of its literature search, and what of it is curated here."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import Canvas
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


def _path(start: str, end: str) -> list[dict[str, float]]:
    """Return the straight pieces of the arrow between two boxes, the one with the head last."""
    one, other = _box(start), _box(end)
    middle = (one["top"] + one["bottom"]) / 2
    if one["top"] == other["top"]:
        return [{"x": one["right"], "to_x": other["left"], "y": middle, "to_y": middle}]
    across = (other["left"] + other["right"]) / 2
    if one["left"] == other["left"]:
        return [{"x": across, "to_x": across, "y": one["bottom"], "to_y": other["top"]}]
    return [
        {"x": one["right"], "to_x": across, "y": middle, "to_y": middle},
        {"x": across, "to_x": across, "y": middle, "to_y": other["top"]},
    ]


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
        notes.append({"x": _NOTE, "y": middle, "sum": text, "verdict": verdict, "agrees": agrees})
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
    sheet = Canvas(_WIDTH, _TOP + rows * _BOX[1] + (rows - 1) * _GAP + 4)
    placed = [{**row, **_box(row["name"])} for row in result.table.to_dict("records")]
    numbers, labels = [], []
    for box in placed:
        middle = (box["left"] + box["right"]) / 2
        colour = "white" if box["name"] == "curated" else theme.INK
        numbers.append({"x": middle, "y": box["top"] + 21, "text": box["n"], "colour": colour})
        labels.append({"x": middle, "y": box["top"] + 42, "text": box["label"], "colour": colour})
    ours = {"curated", "not_identified"}
    theirs = [box for box in placed if box["name"] not in ours]
    solid: list[dict[str, float]] = []
    dashed: list[dict[str, float]] = []
    corners: list[dict[str, float]] = []
    for start, end in _ARROWS:
        *first, last = _path(start, end)
        corners += first
        (dashed if end in ours else solid).append(last)
    missing, level = _box("not_identified"), _box("curated")
    heads = [
        {"x": _MAIN, "y": 14, "text": "reported by the review"},
        {"x": _NOTE, "y": 14, "text": "recomputed: does it add up?"},
        {"x": _NOTE, "y": level["top"] + 4, "text": "curated here, by how sure it is"},
    ]
    sure = "\n".join(
        f"{result.inclusion.get(name, 0)} {short}" for name, (short, _) in _SURE.items()
    )
    own = alt.Color("colour:N", scale=None)
    return sheet.sheet(
        sheet.words(heads, fontSize=12, color=theme.MUTED),
        sheet.arrows(solid),
        sheet.arrows(dashed, strokeDash=[4, 3]),
        sheet.lines(corners, strokeDash=[4, 3]),
        sheet.boxes(theirs, fill="#f1f3f5", stroke=theme.REPORTED, cornerRadius=3),
        sheet.boxes([_box("curated")], fill=theme.CURATED, cornerRadius=3),
        sheet.boxes(
            [missing], fill="white", stroke=theme.CURATED, strokeDash=[4, 3], cornerRadius=3
        ),
        sheet.words(numbers, align="center", fontSize=17, fontWeight="bold").encode(color=own),
        sheet.words(labels, align="center", fontSize=12).encode(color=own),
        sheet.words(
            [{**note, "y": note["y"] - 9} for note in notes], "sum", fontSize=14, fontWeight="bold"
        ),
        sheet.words([{**note, "y": note["y"] + 10} for note in notes if note["agrees"]], "verdict"),
        sheet.words(
            [{**note, "y": note["y"] + 10} for note in notes if not note["agrees"]],
            "verdict",
            color=theme.ACCENT,
            fontWeight="bold",
        ),
        sheet.words(
            [{"x": _NOTE, "y": level["top"] + 14, "text": sure}], baseline="top", lineHeight=15.5
        ),
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
