"""Cumulative and leave-one-out analyses: the pooled value as studies join, or as each leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt

from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.interval_lines import Column, Line, table
from metaanalysis.figures.kit.interval_rows import Drawing, text_block
from metaanalysis.figures.kit.natural import number, quantity, value_axis

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import TableResult
    from metaanalysis.stats.results import PoolResult

_TICKS = 5

#: Kind of table -> heading of its labels, and how the figure is read.
_KINDS = {
    "cumulative": ("Up to and with", "pooled value of all studies down to each line (points)"),
    "leave-one-out": ("Without", "pooled value without the study of each line (points)"),
}


def cumulative(
    result: TableResult,
    *,
    title: str,
    subtitle: str | Sequence[str],
    notes: Sequence[str],
    data_hash: str | None,
    value: str | None = None,
    name: str | None = None,
) -> Figure:
    """Draw a cumulative or a leave-one-out analysis, whichever the result is.

    Parameters
    ----------
    result
        What ``cumulative`` or ``leave_one_out`` returns.
    title, subtitle, notes, data_hash, value
        As of :func:`metaanalysis.figures.stats.forest.forest`.
    name
        Of the figure's files; default ``cumulative`` or ``leave-one-out``.

    Returns
    -------
    Figure
        Its data hold one row a point and one for the diamond of all studies, in natural values.
    """
    full: PoolResult | None = result.full
    if full is None:
        raise ValueError("a table without the analysis of all studies cannot be drawn")
    heading, reading = _KINDS[result.kind]
    what = value or quantity(full.measure)
    at = full.back_transformed
    parts = ("estimate", "ci_low", "ci_high")
    rows = [tuple(float(row[f"natural_{part}"]) for part in parts) for row in result.table]
    axis = value_axis(
        f"{what} (log scale)" if full.back.scale == "exp" else what,
        [*(row[0] for row in rows), at["estimate"]],
        [*((row[1], row[2]) for row in rows), (at["ci_low"], at["ci_high"])],
        scale=full.back.scale,
        measure=full.measure,
        ticks=_TICKS,
    )
    effect = f"pooled {what} [{captions.percent(full.level)} CI]"
    lines: list[Line] = []
    for row, (estimate, low, high) in zip(result.table, rows, strict=True):
        cells = {
            "k": f"{row['k']}",
            effect: f"{axis.text(estimate)} {axis.span(low, high)}".strip(),
        }
        cells |= {"τ²": number(row["tau2"], 2), "I²": _percent(row["i2"])}
        facts = {"row": row["row"], "k": row["k"], "tau2": row["tau2"], "i2": row["i2"]}
        lines.append(Line("step", row["label"], cells, estimate, low, high, facts=facts))
    text = f"{axis.text(at['estimate'])} {axis.span(at['ci_low'], at['ci_high'])}".strip()
    cells = {"k": f"{full.k}", effect: text, "τ²": number(full.tau2, 2), "I²": _percent(full.i2)}
    facts = {"row": None, "k": full.k, "tau2": full.tau2, "i2": full.i2}
    lines += [
        Line("gap"),
        Line(
            "pooled", "All studies", cells, at["estimate"], at["ci_low"], at["ci_high"], facts=facts
        ),
    ]
    drawing = Drawing(
        lines,
        [Column("k", "left"), Column(effect), Column("τ²"), Column("I²")],
        axis,
        colour=theme.RECOMPUTED,
        reference=at["estimate"],
        label_title=heading,
    )
    said = [captions.heterogeneity(full), captions.model(full, prediction=False)]
    body = alt.vconcat(drawing.chart(), text_block(said), spacing=14).resolve_scale(
        x="independent", y="independent"
    )
    return finish(
        name or result.kind,
        title,
        captions.subtitle_lines(subtitle, f"Recomputed: {reading} and of all studies (diamond)."),
        body,
        table(lines),
        captions.small_print(notes, [*drawing.notes, *_remarks(result)], result),
        data_hash,
        line_length=captions.NOTE_LENGTH,
    )


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}%"


def _remarks(result: TableResult) -> list[str]:
    if result.kind == "cumulative" and result.table and result.table[0]["k"] == 1:
        return [
            "The first line is one study alone; with two or three, the wide intervals are what so "
            "few studies can say."
        ]
    return []
