"""The review's Figure 5a: studies by anatomical subject and imaging modality."""

from __future__ import annotations

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
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
    base = alt.Chart(cells).encode(
        y=alt.Y(
            "subject:N",
            sort=[*result.subjects, _TOTAL],
            title=None,
            axis=alt.Axis(domain=False, ticks=False, labelPadding=8),
        ),
        x=alt.X(
            "modality:N",
            sort=[*result.modalities, _TOTAL],
            title=None,
            axis=alt.Axis(
                orient="top",
                domain=False,
                ticks=False,
                labelAngle=-45,
                labelAlign="left",
                labelBaseline="middle",
                labelOffset=3,
                labelPadding=7,
            ),
        ),
        tooltip=["subject:N", "modality:N", "studies:Q"],
    )
    grid = (
        alt.Chart(
            pd.DataFrame(
                [(row, column) for row in result.subjects for column in result.modalities],
                columns=["subject", "modality"],
            )
        )
        .mark_rect(color="#f5f7f9", stroke=theme.PAPER, strokeWidth=2)
        .encode(
            y=alt.Y("subject:N", sort=[*result.subjects, _TOTAL]),
            x=alt.X("modality:N", sort=[*result.modalities, _TOTAL]),
        )
    )
    heat = (
        base.transform_filter("datum.panel === 'matrix'")
        .mark_rect(stroke=theme.PAPER, strokeWidth=2)
        .encode(
            color=alt.Color(
                "studies:Q",
                scale=alt.Scale(domain=[1, top], range=["#d5e8ee", theme.CURATED]),
                legend=None,
            )
        )
    )
    numbers = (
        base.transform_filter("datum.panel === 'matrix'")
        .mark_text(fontSize=12)
        .encode(
            text="studies:Q",
            color=alt.condition(
                f"datum.studies > {_DARK * top}", alt.value(theme.PAPER), alt.value(theme.INK)
            ),
        )
    )
    margins = (
        base.transform_filter("datum.panel === 'margin'")
        .mark_text(fontSize=12, fontWeight="bold")
        .encode(text="studies:Q")
    )
    return (grid + heat + numbers + margins).properties(
        width=_COLUMN * (len(result.modalities) + 1), height=_ROW * (len(result.subjects) + 1)
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
            scale=alt.Scale(domain=[0, int(organs["studies"].max()) * 1.2], nice=False),
        ),
        tooltip=["organ:N", "studies:Q"],
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(0.72)).encode(
        color=alt.condition(named, alt.value(theme.CURATED), alt.value("#a9cdd8"))
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
