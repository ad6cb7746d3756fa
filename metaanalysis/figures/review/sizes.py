"""The review's Figure 5c: studies by data size."""

from __future__ import annotations

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import either, exactly
from metaanalysis.figures.review.statement import side_by_side, statement_table, verdict
from metaanalysis.review.sizes import Sizes, size_rule, sizes

_BRICK = 15
_COLUMN = 46

#: How far the open bin stands apart, in bins.
_APART = 0.9

_UNITS = ["images", "patients"]
_FILLS = ["#b9dbe5", theme.CURATED]


def _drawn(result: Sizes) -> pd.DataFrame:
    """Return one row a brick: the study, its bin and its place in the stack."""
    studies = result.table
    column = studies["bin_from"].astype(int) // result.bin_width
    # The open bin stands a little apart: it is no bin of the same width.
    return studies.assign(
        x=column + 0.5 + _APART * studies["bin_to"].isna(), middle=studies["position"] - 0.5
    )


def _axis(result: Sizes) -> tuple[alt.Axis, float]:
    width, start = result.bin_width, result.overflow_from
    bins = start // width
    has_open = bool(result.table["bin_to"].isna().any())
    values = [*range(bins + 1), *([bins + 0.5 + _APART] if has_open else [])]
    axis = alt.Axis(
        values=values,
        grid=False,
        labelExpr=f"datum.value > {bins} ? 'above {start:,}' : format(datum.value * {width}, ',')",
        labelOverlap=False,
        tickSize=5,
    )
    return axis, bins + (2.3 + _APART if has_open else 0)


def _chart(result: Sizes, drawn: pd.DataFrame) -> alt.LayerChart:
    axis, right = _axis(result)
    top = int(drawn["position"].max()) + 1.6
    x = alt.X(
        "x:Q",
        title=f"patients or images, in bins of {result.bin_width} (a bin includes its upper end)",
        scale=exactly(0, right),
        axis=axis,
    )
    y = alt.Y("middle:Q", axis=None, scale=exactly(0, top))
    tooltip = ["key:N", "ref:Q", "modality:N", "size:Q", "counted:N"]
    base = alt.Chart(drawn).encode(x=x, y=y, tooltip=tooltip)
    bricks = base.mark_rect(width=_COLUMN - 5, height=_BRICK - 1.5).encode(
        color=alt.Color(
            "counted:N",
            scale=alt.Scale(domain=_UNITS, range=_FILLS),
            legend=alt.Legend(
                title="each brick is one study, by reference, counted in",
                orient="top",
                direction="horizontal",
                titleOrient="left",
                symbolType="square",
                titleLimit=400,
            ),
        )
    )
    references = base.mark_text(fontSize=10.5).encode(
        text="ref:Q",
        color=either("datum.counted === 'patients'", theme.PAPER, theme.INK),
    )
    stacks = drawn.groupby("x", as_index=False).agg(studies=("position", "max"))
    totals = (
        alt.Chart(stacks.assign(middle=stacks["studies"] + 0.2))
        .mark_text(baseline="bottom", fontSize=12.5, fontWeight="bold")
        .encode(x=x, y=y, text="studies:Q")
    )
    amounts = (
        base.transform_filter("!isValid(datum.bin_to)")
        .mark_text(align="left", dx=_COLUMN / 2 + 3, fontSize=10.5, color=theme.MUTED)
        .encode(text=alt.Text("size:Q", format=","))
    )
    return (bricks + references + totals + amounts).properties(
        width=_COLUMN * right, height=_BRICK * top
    )


def figure_5c(database: Database) -> Figure:
    """Draw the number of studies by data size (the review's Figure 5c)."""
    result = sizes(database)
    drawn = _drawn(result)
    above = int(drawn["bin_to"].isna().sum())
    fullest = drawn["bin_from"].value_counts().idxmax()
    smallest, largest = int(drawn["size"].min()), int(drawn["size"].max())
    said = verdict(result.first_bin, f"lie in the bin up to {result.bin_width}")
    words = side_by_side(result.statement, said, left=_COLUMN * 3, top=36, width=60)
    reasons = "; ".join(f"{count}: {reason}" for reason, count in result.excluded.items())
    return finish(
        "5c",
        f"Data sizes run from {smallest} to {largest:,}; the first bin of {result.bin_width} is "
        f"{'the fullest' if fullest == 0 else 'not the fullest'}",
        [
            f"Curated: {result.counted} studies whose size is known in the unit that the review "
            "counts:",
            f"{size_rule()}.",
        ],
        alt.layer(_chart(result, drawn), words).resolve_scale(y="independent"),
        drawn.drop(columns=["x", "middle"]),
        [
            f"{above} studies lie above {result.overflow_from:,}; their sizes stand beside them.",
            f"{result.unknown} curated studies have no size by that rule ({reasons}). "
            f"{result.coverage}",
        ],
        database.data_hash,
        line_length=125,
        beside={"statement": statement_table(result.statement, said)},
    )
