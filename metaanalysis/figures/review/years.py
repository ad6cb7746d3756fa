"""The review's Figure 4a: studies by year of publication, and what the review says about them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import altair as alt

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import exactly, sheet, words
from metaanalysis.query import Coverage
from metaanalysis.review import years
from metaanalysis.review.years import Years

_BARS = 430
_HEIGHT = 300
_CHECKS = 330


def _bars(result: Years) -> alt.LayerChart:
    periods = ["within the search", "after the search"]
    table = result.table.assign(
        period=[periods[1] if named else periods[0] for named in result.table["named"]]
    )
    base = alt.Chart(table).encode(
        x=alt.X("year:O", title="year of publication", axis=alt.Axis(labelAngle=0, ticks=False)),
        y=alt.Y(
            "studies:Q",
            title="curated studies",
            axis=alt.Axis(tickCount=5, domain=False, ticks=False),
            scale=exactly(0, float(table["studies"].max()) * 1.12),
        ),
    )
    bars = base.mark_bar(size=44).encode(
        color=alt.Color(
            "period:N",
            scale=alt.Scale(domain=periods, range=[theme.CURATED, theme.ACCENT]),
            legend=None,
        )
    )
    numbers = base.mark_text(dy=-9, fontSize=13, fontWeight="bold").encode(text="studies:Q")
    notes = table[table["named"] != ""]
    named = alt.Chart(
        notes.assign(text=notes["named"] + f"\nthe search ended\n{result.published_until}")
    )
    words = named.mark_text(
        dy=-58, fontSize=11, lineBreak="\n", color=theme.ACCENT, baseline="top"
    ).encode(x="year:O", y="studies:Q", text="text:N")
    return alt.LayerChart(layer=[bars, numbers, words], width=_BARS, height=_HEIGHT)


def _verdict(check: dict[Hashable, Any], coverage: Coverage) -> str:
    word = "Holds" if check["holds"] else "Does not hold"
    if check["safe"]:
        return f"{word} for all {coverage.reviewed}: {check['evidence']}."
    missing = coverage.reviewed - coverage.curated
    which = (
        f"only all {missing} others together"
        if check["turned_by"] == missing > 1
        else f"{check['turned_by']} of the other {missing}"
    )
    return (
        f"{word} among these: {check['evidence']}.\n"
        f"Open for all {coverage.reviewed}: {which} could turn it."
    )


def _checks(result: Years) -> alt.LayerChart:
    claims, verdicts = [], []
    top = 40.0
    for check in result.checks.to_dict("records"):
        text = _verdict(check, result.coverage)
        claims.append((0, top, check["claim"]))
        verdicts.append((0, top + 13, text))
        top += 46 + 15 * (text.count("\n") + 1)
    head = [(0, 8, "What the review says, checked against these counts")]
    return sheet(
        _CHECKS,
        _HEIGHT,
        words(head, fontSize=12, color=theme.MUTED),
        words(claims, fontSize=13, fontWeight="bold"),
        words(verdicts, fontSize=12, baseline="top", lineHeight=15),
    )


def figure_4a(database: Database) -> Figure:
    """Draw the number of studies by year of publication (the review's Figure 4a)."""
    result = years.studies_by_year(database)
    peak = result.table.nlargest(1, "studies").to_dict("records")[0]
    body = alt.hconcat(_bars(result), _checks(result), spacing=34)
    return finish(
        "4a",
        f"{peak['year']} has the most studies: {peak['studies']} of {result.counted}",
        f"Curated: {result.counted} studies by year of publication. Reported: the review prints no "
        "counts, only a statement.",
        body,
        result.table,
        [
            f"The review on its Figure 4a, in our words: {result.statement}",
            "The year is that of the citation. How fast is “fast” the review does not say: checked "
            f"is that each year has more studies than the one before. {result.coverage}",
        ],
        database.data_hash,
        line_length=150,
        beside={"statement": result.checks},
    )
