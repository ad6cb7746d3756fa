"""The review's Figure 5b: studies by number of classes."""

from __future__ import annotations

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import either, exactly
from metaanalysis.figures.review.statement import side_by_side, statement_table, verdict
from metaanalysis.review.classes import STATED_CLASSES, classes

_HEIGHT = 300
_COLUMN = 28

#: Up to so many studies fit above their bar one by one.
_LISTED = 2


def _chart(table: pd.DataFrame) -> alt.LayerChart:
    last = int(table["n_classes"].max())
    top = int(table["studies"].max())
    width = _COLUMN * last
    # A true scale: the numbers of classes that no study has stay visible as gaps.
    base = alt.Chart(table).encode(
        x=alt.X(
            "n_classes:Q",
            title="number of classes that the study tells apart",
            scale=exactly(STATED_CLASSES - 1, last + 1),
            axis=alt.Axis(grid=False, values=list(range(STATED_CLASSES, last + 1)), format="d"),
        ),
        y=alt.Y("studies:Q", scale=exactly(0, top * 1.08), axis=None),
        tooltip=["n_classes:Q", "studies:Q", alt.Tooltip("refs:N", title="references")],
    )
    colour = either(f"datum.n_classes === {STATED_CLASSES}", theme.CURATED, "#7fb3c3")
    bars = base.mark_bar(width=_COLUMN * 0.7).encode(color=colour)
    numbers = base.mark_text(baseline="bottom", dy=-4, fontSize=12.5, fontWeight="bold").encode(
        text="studies:Q"
    )
    rare = table[table["studies"] <= _LISTED]
    stacks = [
        # A text of several lines hangs from its first one, which must start so much higher.
        base.transform_filter(f"datum.studies === {count}")
        .transform_calculate(lines="split(datum.refs, ' ')")
        .mark_text(
            baseline="bottom",
            dy=-22 - 13 * (count - 1),
            fontSize=10.5,
            lineHeight=13,
            color=theme.MUTED,
        )
        .encode(text="lines:N")
        for count in sorted(set(rare["studies"]))
    ]
    return alt.LayerChart(layer=[bars, numbers, *stacks], width=width, height=_HEIGHT)


def figure_5b(database: Database) -> Figure:
    """Draw the number of studies by number of classes (the review's Figure 5b)."""
    result = classes(database)
    commonest = result.table.loc[result.table["studies"].idxmax(), "n_classes"]
    said = verdict(result.two_classes, f"have {STATED_CLASSES} classes")
    words = side_by_side(result.statement, said, left=_COLUMN * 6, top=40)
    largest = result.table["n_classes"].max()
    return finish(
        "5b",
        f"The usual task has {commonest} classes; the largest has {largest}",
        f"Curated: {result.counted} studies whose number of classes is known.",
        alt.layer(_chart(result.table), words).resolve_scale(y="independent"),
        result.table,
        [
            f"The number of classes of {result.unknown} curated studies is not known; they are in "
            "no bar. Bold: studies. Small and grey: the review's references of the rare ones. "
            f"{result.coverage}",
        ],
        database.data_hash,
        beside={"statement": statement_table(result.statement, said)},
    )
