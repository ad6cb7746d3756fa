"""Cumulative and leave-one-out analyses: the pooled value as studies join, or as each leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from db.wording import UNKNOWN, significant
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.axes import value_axis
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.interval_lines import Line, Mark, table
from metaanalysis.figures.kit.interval_rows import Drawing

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import TableResult

_TICKS = 5
_PARTS = ("estimate", "ci_low", "ci_high")

#: Kind of table -> heading of its labels, and how the figure is read.
_KINDS = {
    "cumulative": ("Up to and with", "pooled value of all studies down to each line (points)"),
    "leave-one-out": ("Without", "pooled value without the study of each line (points)"),
}


def cumulative(result: TableResult, caption: Caption) -> Figure:
    """Draw a cumulative or a leave-one-out analysis, whichever the result is.

    Parameters
    ----------
    result
        What ``cumulative`` or ``leave_one_out`` returns.
    caption
        Its name is by default that of the analysis.

    Returns
    -------
    Figure
        Its data hold one row a point and one for the diamond of all studies, in natural values.
    """
    full = result.full
    if full is None:
        raise ValueError("a table without the analysis of all studies cannot be drawn")
    heading, reading = _KINDS[result.kind]
    what = caption.what(full.measure)
    whole = [full.back_transformed[part] for part in _PARTS]
    rows = [[float(row[f"natural_{part}"]) for part in _PARTS] for row in result.table]
    axis = value_axis(
        what,
        [row[0] for row in (*rows, whole)],
        [(row[1], row[2]) for row in (*rows, whole)],
        scale=full.back.scale,
        measure=full.measure,
        ticks=_TICKS,
    )
    effect = f"pooled {what} [{captions.percent(full.level)} CI]"

    def line(mark: Mark, label: str, row: Mapping[str, Any], values: Sequence[float]) -> Line:
        cells = {"k": f"{row['k']}", effect: axis.with_span(*values)}
        cells["τ²"] = significant(row["tau2"], 2)
        cells["I²"] = UNKNOWN if math.isnan(row["i2"]) else f"{row['i2']:.0f}%"
        facts = {name: row[name] for name in ("row", "k", "tau2", "i2")}
        estimate, low, high = values
        return Line(mark, label, cells, estimate, low, high, facts=facts)

    lines = [
        line("step", row["label"], row, values)
        for row, values in zip(result.table, rows, strict=True)
    ]
    every = {"row": None, "k": full.k, "tau2": full.tau2, "i2": full.i2}
    lines += [Line("gap"), line("pooled", "All studies", every, whole)]
    drawing = Drawing(
        lines,
        axis,
        left=["k"],
        right=[effect, "τ²", "I²"],
        colour=theme.RECOMPUTED,
        reference=whole[0],
        label_title=heading,
    )
    remarks = drawing.notes
    if result.kind == "cumulative" and result.table and result.table[0]["k"] == 1:
        remarks.append(
            "The first line is one study alone; with two or three, the wide intervals are what so "
            "few studies can say."
        )
    return caption.figure(
        result.kind,
        drawing.over([captions.heterogeneity(full), captions.model(full, prediction=False)]),
        table(lines),
        reading=f"Recomputed: {reading} and of all studies (diamond).",
        remarks=remarks,
        result=result,
    )
