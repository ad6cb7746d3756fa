"""The review's Figures 4b and 4c: counts printed beside counts curated."""

from __future__ import annotations

import altair as alt
import pandas as pd

from db.database import Database
from db.wording import UNKNOWN, minus
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import exactly
from metaanalysis.review import counts
from metaanalysis.review.curated import Recount

_KINDS = ["reported", "curated"]


def _side_by_side(table: pd.DataFrame) -> alt.HConcatChart:
    long = table.melt("category", _KINDS, var_name="kind", value_name="studies").dropna()
    order = table["category"].tolist()
    bands = alt.Scale(type="band", paddingInner=0.2, paddingOuter=0.1)
    category = alt.Y(
        "category:N", sort=order, scale=bands, title=None, axis=alt.Axis(domain=False, ticks=False)
    )
    top = float(long["studies"].max()) * 1.08
    base = alt.Chart(long).encode(
        y=category,
        yOffset=alt.YOffset("kind:N", sort=_KINDS, scale=alt.Scale(paddingOuter=0.18)),
        x=alt.X("studies:Q", title="studies", scale=exactly(0, top)),
    )
    colour = alt.Color(
        "kind:N",
        sort=_KINDS,
        scale=alt.Scale(domain=_KINDS, range=[theme.REPORTED, theme.CURATED]),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", offset=4),
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(0.92)).encode(color=colour)
    numbers = base.mark_text(align="left", dx=4, fontSize=11).encode(text="studies:Q")
    height = 46 * len(order)
    left = (bars + numbers).properties(width=theme.WIDTH - 110, height=height)
    differences = table.assign(
        shown=[
            UNKNOWN if pd.isna(value) else minus(f"{int(value):+d}") if value else "0"
            for value in table["difference"]
        ]
    )
    right = (
        alt.Chart(
            differences,
            title=alt.TitleParams(
                "difference",
                fontSize=12,
                fontWeight="normal",
                color=theme.MUTED,
                anchor="middle",
                offset=10,
            ),
        )
        .mark_text(fontSize=12)
        .encode(y=alt.Y("category:N", sort=order, scale=bands, axis=None), text="shown:N")
        .properties(width=70, height=height)
    )
    return alt.hconcat(left, right, spacing=8).resolve_scale(y="independent")


def _figure(
    name: str,
    title: str,
    what: str,
    found: Recount,
    extra: list[str],
    data_hash: str | None,
) -> Figure:
    subtitle = (
        f"Reported: counts the review prints (n = {found.coverage.reviewed}). "
        f"Curated: {found.counted} studies whose {what} is known."
    )
    notes = [
        f"One label a study; a study that lists several is “many”. The {what} of "
        f"{found.unknown} curated studies is not known to us; they are in no curated bar. "
        f"{found.coverage}",
        "Difference: curated minus reported, so a study that we could not identify or label counts "
        "against the curated side.",
        *extra,
    ]
    body = _side_by_side(found.table)
    return finish(name, title, subtitle, body, found.table, notes, data_hash)


def figure_4b(database: Database) -> Figure:
    """Draw the number of studies by backbone (the review's Figure 4b)."""
    return _figure(
        "4b",
        "Studies by backbone",
        "backbone",
        counts.backbones(database),
        ["Other: the review names LeNet5, DenseNet, CheXNet, DarkNet, OverFeat and CaffeNet."],
        database.data_hash,
    )


def figure_4c(database: Database) -> Figure:
    """Draw the number of studies by TL type (the review's Figure 4c)."""
    return _figure(
        "4c",
        "Studies by type of transfer learning",
        "TL type",
        counts.tl_types(database),
        [
            "The last two bars are ours: a study that says “fine-tuned” and not how far, and one "
            "that starts from random weights, fit none of the review's bars without a guess."
        ],
        database.data_hash,
    )
