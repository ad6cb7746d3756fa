"""The review's Figure 5a: studies by anatomical subject and imaging modality."""

from __future__ import annotations

from itertools import product
from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import either, exactly, layer, sheet
from metaanalysis.organs import OTHER_ORGAN
from metaanalysis.review.subjects import (
    INTEGUMENT,
    NAMED_ORGANS,
    Subjects,
    subjects,
)

_ROW = 27
_COLUMN = 39
_TOTAL = "all"

#: From this share of the largest count on, a cell is dark and its number white.
_DARK = 0.65

#: Organs with fewer studies are not drawn one by one.
_FEWEST = 3


def _cells(result: Subjects) -> pd.DataFrame:
    """Return the cells with studies and both margins, one row a mark."""
    cells = result.table[result.table["studies"] > 0].assign(panel="matrix")
    rows = cells.groupby("subject", as_index=False)["studies"].sum()
    columns = cells.groupby("modality", as_index=False)["studies"].sum()
    total = pd.DataFrame({"subject": [_TOTAL], "modality": _TOTAL, "studies": [result.counted]})
    margins = pd.concat([rows.assign(modality=_TOTAL), columns.assign(subject=_TOTAL), total])
    return pd.concat([cells, margins.assign(panel="margin")], ignore_index=True)


def _matrix(result: Subjects, cells: pd.DataFrame) -> alt.LayerChart:
    top = int(cells.loc[cells["panel"] == "matrix", "studies"].max())
    across = alt.Axis(
        orient="top",
        domain=False,
        ticks=False,
        labelAngle=-45,
        labelAlign="left",
        labelBaseline="middle",
        labelOffset=3,
        labelPadding=7,
    )
    down = alt.Axis(domain=False, ticks=False, labelPadding=8)
    axes = {
        "y": alt.Y("subject:N", sort=[*result.subjects, _TOTAL], title=None, axis=down),
        "x": alt.X("modality:N", sort=[*result.modalities, _TOTAL], title=None, axis=across),
    }
    pairs = pd.DataFrame(
        product(result.subjects, result.modalities), columns=["subject", "modality"]
    )
    matrix, margin = (cells[cells["panel"] == panel] for panel in ("matrix", "margin"))
    place: dict[str, Any] = {**axes, "tooltip": ["subject:N", "modality:N", "studies:Q"]}
    edge = {"stroke": theme.PAPER, "strokeWidth": 2}
    shades = alt.Scale(domain=[1, top], range=["#d5e8ee", theme.CURATED])
    number = {"text": "studies:Q"}
    ink = either(f"datum.studies > {_DARK * top}", theme.PAPER, theme.INK)
    return sheet(
        _COLUMN * (len(result.modalities) + 1),
        _ROW * (len(result.subjects) + 1),
        *layer("rect", pairs, {"color": "#f5f7f9", **edge}, **axes),
        *layer(
            "rect", matrix, edge, **place, color=alt.Color("studies:Q", scale=shades, legend=None)
        ),
        *layer("text", matrix, {"fontSize": 12}, **place, **number, color=ink),
        *layer("text", margin, {"fontSize": 12, "fontWeight": "bold"}, **place, **number),
    )


def _organs(result: Subjects) -> pd.DataFrame:
    enough = result.organs["studies"] >= _FEWEST
    return result.organs[enough & (result.organs["organ"] != OTHER_ORGAN)].reset_index(drop=True)


def _organ_bars(organs: pd.DataFrame) -> alt.LayerChart:
    named = alt.FieldOneOfPredicate(field="organ", oneOf=list(NAMED_ORGANS))
    base = alt.Chart(organs).encode(
        y=alt.Y(
            "organ:N",
            sort=organs["organ"].tolist(),
            title=None,
            axis=alt.Axis(domain=False, ticks=False, labelPadding=6),
        ),
        x=alt.X(
            "studies:Q",
            axis=None,
            scale=exactly(0, int(organs["studies"].max()) * 1.2),
        ),
        tooltip=["organ:N", "studies:Q"],
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(0.72)).encode(
        color=either(named, theme.CURATED, "#a9cdd8")
    )
    numbers = base.mark_text(align="left", dx=4, fontSize=12).encode(text="studies:Q")
    return (bars + numbers).properties(
        width=130,
        height=_ROW * len(organs),
        title=alt.TitleParams(
            "The same studies by organ",
            fontSize=12,
            fontWeight="normal",
            color=theme.MUTED,
            frame="group",
            offset=8,
        ),
    )


def _ordinal(rank: int) -> str:
    teens = 10 <= rank % 100 <= 20
    return f"{rank}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(rank % 10, 'th')}"


def _check(result: Subjects) -> str:
    """Return what the counts say of the review's statement."""
    parts = []
    for name in NAMED_ORGANS:
        row = result.organs[result.organs["organ"] == name]
        if row.empty:
            parts.append(f"no study of the {name}")
            continue
        ahead = result.ahead_of(name)
        behind = f", behind {', '.join(ahead)}" if ahead else ""
        rank = int(row["rank"].iloc[0])
        shared = "joint " if int((result.organs["rank"] == rank).sum()) > 1 else ""
        place = f"{shared}{_ordinal(rank)}"
        parts.append(f"{name} {place} with {result.of_organ(name)} studies{behind}")
    both = sum(result.of_organ(name) for name in NAMED_ORGANS)
    return (
        f"By organ: {'; '.join(parts)}. Together they are {both} of the "
        f"{result.of_subject(INTEGUMENT)} studies of {INTEGUMENT}, the review's subject for both."
    )


def _absent(result: Subjects) -> str:
    terms = [*result.absent_subjects, *result.absent_modalities]
    if not terms:
        return ""
    return f" The review's vocabulary also has {' and '.join(terms)}, of which no study is curated."


def figure_5a(database: Database) -> Figure:
    """Draw the number of studies by subject and modality (the review's Figure 5a)."""
    result = subjects(database)
    cells, organs = _cells(result), _organs(result)
    body = alt.hconcat(_matrix(result, cells), _organ_bars(organs), spacing=26).resolve_scale(
        x="independent", y="independent", color="independent"
    )
    data = pd.concat([cells, organs.drop(columns="rank").assign(panel="organs")])
    first = result.subjects[0]
    title = (
        f"{first[:1].upper()}{first[1:]} and the {result.subjects[1]} are imaged most; "
        f"{result.modalities[0]} and {result.modalities[1]} lead"
    )
    unknown = f" {result.unknown} more lack subject or modality." if result.unknown else ""
    return finish(
        "5a",
        title,
        [
            f"Curated: {result.counted} studies, each counted once.{unknown}",
            f"Reported: {result.statement[:1].lower()}{result.statement[1:]}",
        ],
        body,
        data[["panel", "subject", "modality", "organ", "studies"]],
        [
            _check(result),
            f"Organs are read from the anatomy of each study; those with {_FEWEST} studies or more "
            f"are drawn, the two that the review names in the darker colour.{_absent(result)}",
            str(result.coverage),
        ],
        database.data_hash,
        line_length=140,
    )
