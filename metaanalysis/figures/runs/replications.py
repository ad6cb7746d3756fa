"""Replications against the values that the studies report: one line a metric, grouped by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from db.errors import UsageError
from db.wording import method_words, metric_words, plural
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.axes import ValueAxis, value_axis
from metaanalysis.figures.kit.base import SOURCE, Figure, finish
from metaanalysis.figures.kit.diagram import down, layer, sheet
from metaanalysis.figures.kit.interval_lines import Line
from metaanalysis.figures.kit.interval_rows import TOTAL, Drawing

#: How far the reported mark stands above the middle of its line and the replicated one below it,
#: as a share of the line: intervals of both are seen.
_APART = 0.22

#: Columns of numbers, unknown ones as NaN in the drawing.
_VALUES = (
    "reported", "reported_low", "reported_high", "replicated", "ci_low", "ci_high", "baseline",
)  # fmt: skip

_COLUMNS = ("Reported", "Replicated [95% interval]", "Verdict")


class _Pairs(Drawing):
    """Lines on which a reported and a replicated value stand, each with its interval."""

    def _room(self, line: Line) -> float:
        # A heading says what was run; it has the whole width to itself.
        return float(TOTAL) if line.mark == "heading" else super()._room(line)

    def chart(self) -> alt.LayerChart:
        rows = self._rows("study")
        off = _APART * self.sizes.line
        reported = rows.assign(y=rows["y"] - off)
        replicated = rows.assign(y=rows["y"] + off)
        layers = [*self._grid(), *self._clearings(), *self._baselines(rows)]
        layers += self._ends(reported, "reported_low", "reported_high", theme.MUTED, 1.2)
        layers += self._ends(replicated, "ci_low", "ci_high", theme.REPLICATED, 1.6)
        hollow = {"shape": "diamond", "filled": True, "fill": theme.PAPER, "size": 62}
        full = {"shape": "circle", "filled": True, "size": 58, "color": theme.REPLICATED}
        edge = {"stroke": alt.value(theme.INK), "opacity": alt.value(1)}
        layers += self._points(
            reported, {**hollow, "strokeWidth": 1.4}, x=self._x("reported"), **edge
        )
        layers += self._points(replicated, {**full, "opacity": 1})
        return sheet(TOTAL, self.height, *layers, *self._texts())

    def _clearings(self) -> list[alt.Chart]:
        """Keep the grid from running through the headings."""
        half = 0.46 * self.sizes.line
        heads = [
            # Nothing of the grid is left over the first.
            {"top": 0.0 if place == 0 else y - half, "bottom": y + half}
            for place, (line, y) in enumerate(zip(self.lines, self._tops, strict=True))
            if line.mark == "heading"
        ]
        ends: dict[str, Any] = {"x": alt.value(0), "x2": alt.value(TOTAL)}
        look = {"color": theme.PAPER, "opacity": 1}
        return layer("rect", pd.DataFrame(heads), look, **ends, y=down("top"), y2="bottom:Q")

    def _tooltip(self, rows: pd.DataFrame) -> list[alt.Tooltip]:
        shown = (
            "study", "run", "metric", "reported", "estimate", "ci_low", "ci_high", "baseline",
            "verdict", "fidelity", "reason",
        )  # fmt: skip
        return [alt.Tooltip(name) for name in shown if name in rows]

    def _ends(
        self, rows: pd.DataFrame, low: str, high: str, colour: str, thick: float
    ) -> list[alt.Chart]:
        known = rows.dropna(subset=[low, high])
        ends = known.assign(
            ci_low=known[low],
            ci_high=known[high],
            low=known[low].map(self.axis.clipped),
            high=known[high].map(self.axis.clipped),
        )
        return self._spans(ends, {"color": colour, "strokeWidth": thick})

    def _baselines(self, rows: pd.DataFrame) -> list[alt.Chart]:
        inside = rows[rows["baseline"].between(self.axis.low, self.axis.high)]
        half = 0.36 * self.sizes.line
        ticks = inside.assign(top=inside["y"] - half, bottom=inside["y"] + half)
        look = {"color": theme.MUTED, "strokeWidth": 1.6, "strokeDash": [2, 2]}
        return self._uprights(ticks, "baseline", look)


def replications(
    rows: Sequence[Mapping[str, Any]],
    *,
    data_hash: str | None,
    title: str = "Replicated against reported values",
    notes: Sequence[str] = (),
    name: str = "replications",
) -> Figure:
    """Draw replications beside the values that their studies report.

    Parameters
    ----------
    rows
        As of ``replicate.verdicts.comparison.Comparison.rows``: one a run and metric, of one kind.
        Rows of phantoms, and those to which nothing is reported, are not drawn but counted.
    data_hash
        Of the packaged data that the reported values come from.
    title, notes, name
        Of the figure; the notes stand above its own.

    Returns
    -------
    Figure
        Its data hold the rows that are drawn; ``beside`` those that are not, as ``left-out``.

    Raises
    ------
    UsageError
        No row can be drawn; see :func:`drawable`.
    """
    drawn = drawable(rows)
    if not drawn:
        raise UsageError(
            "figure: no replicated value has a reported one beside it.",
            "Compare runs of a study on real images.",
        )
    left = [row for row in rows if row not in drawn]
    beside = {"left-out": pd.DataFrame([dict(row) for row in left])} if left else {}
    data = pd.DataFrame([dict(row) for row in drawn], columns=list(rows[0]))
    runs = len({row["run"] for row in drawn})
    studies = len({row["study"] for row in drawn})
    reading = (
        f"Reported (hollow diamond, interval where n is known) and replicated (filled circle) "
        f"values of {plural(runs, 'run')} on {plural(studies, 'study')}"
    )
    values = data[list(_VALUES)].astype(float)
    numbers = values.to_dict("records")
    axis = _axis(values)
    if values["baseline"].between(axis.low, axis.high).any():
        reading += "; dashed tick: baseline without skill"
    drawing = _Pairs(
        _lines([dict(row) | known for row, known in zip(drawn, numbers, strict=True)], axis),
        axis,
        right=_COLUMNS,
        colour=theme.REPLICATED,
        label_title="",
    )
    return finish(
        name,
        title,
        captions.subtitle_lines("", reading),
        drawing.chart(),
        data,
        [*notes, *_notes(drawn, left), *drawing.notes],
        data_hash,
        line_length=captions.NOTE_LENGTH,
        beside=beside,
        source=f"Reported values: {SOURCE.removeprefix('Source: ')} and the studies; replicated: "
        "runs of this database",
    )


def drawable(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows that have a reported value beside the replicated one."""
    return [row for row in rows if row["kind"] == "replicated" and row["reported"] is not None]


def _axis(values: pd.DataFrame) -> ValueAxis:
    pairs = (("ci_low", "ci_high"), ("reported_low", "reported_high"))
    return value_axis(
        "Value of the metric",
        values[["reported", "replicated", "baseline"]].stack(),
        [ends for low, high in pairs for ends in zip(values[low], values[high], strict=True)],
        scale="logit",
        measure="logit proportion",
    )


def _lines(rows: Sequence[Mapping[str, Any]], axis: ValueAxis) -> list[Line]:
    lines: list[Line] = []
    run = None
    for row in rows:
        if row["run"] != run:
            run = row["run"]
            if lines:
                lines.append(Line("gap"))
            lines.append(Line("heading", _heading(row)))
        value, low, high = row["replicated"], row["ci_low"], row["ci_high"]
        cells = {
            "Reported": axis.text(row["reported"]),
            "Replicated [95% interval]": axis.with_span(value, low, high),
            "Verdict": str(row["verdict"]),
        }
        facts = {name: item for name, item in row.items() if name not in ("ci_low", "ci_high")}
        lines.append(Line("study", _metric(row), cells, value, low, high, indent=True, facts=facts))
    return lines


def _metric(row: Mapping[str, Any]) -> str:
    name = metric_words(row["metric"])
    return f"{name} of {row['of_class']}" if row.get("of_class") else name


def _heading(row: Mapping[str, Any]) -> str:
    name = row["study"] or row["setup"] or "own images"
    number = "" if pd.isna(row["ref"]) else f" [{row['ref']:.0f}]"
    network = row["backbone"] or "unknown network"
    if row["backbone_reported"]:
        network += f" for {row['backbone_reported']}"
    # The same run with patients apart and with images apart must not be taken for each other.
    method = method_words(row["tl_type"], row.get("unfrozen"))
    parts = [f"{name}{number}", f"{network}, {method}", row["dataset"], row["split"]]
    return " · ".join(str(part) for part in (*parts, row["fidelity"]) if part)


def _apart_by_spread(row: Mapping[str, Any]) -> bool:
    """Tell whether a verdict rests on the spread over seeds, which no drawn interval shows."""
    if row["verdict"] != "consistent" or not row["sd"] or row["ci_low"] is None:
        return False
    known = row["reported_low"] is not None
    low, high = (row["reported_low"], row["reported_high"]) if known else (row["reported"],) * 2
    return bool(low > row["ci_high"] or high < row["ci_low"])


def _notes(drawn: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = []
    if drawn:
        margins = [row["margin"] for row in drawn if row.get("margin") is not None]
        ends = sorted({f"{one:.2g}" for one in (min(margins), max(margins))}) if margins else []
        span = f" ({' to '.join(ends)})" if ends else ""
        measured = any(row.get("margin_source") != "chosen" for row in drawn)
        most = f"what reruns differ by{span}" if measured else f"the margin{span}"
        notes.append(
            "Reproduced: the replicated interval covers the reported value and they differ by at "
            f"most {most}; consistent: covered, or the difference is within both uncertainties; "
            "lower, higher: significant."
        )
    apart = sum(map(_apart_by_spread, drawn))
    if apart:
        notes.append(
            f"{plural(apart, 'value')} {'is' if apart == 1 else 'are'} consistent though the two "
            "intervals do not overlap: the spread over seeds, which is not drawn, is in the "
            "uncertainty of the difference."
        )
    if any(row["fidelity"] == "proxy" for row in drawn):
        notes.append(
            "Proxy: other images of a like task; the verdict speaks on whether the setup carries "
            "over, not on the study."
        )
    phantoms = sum(row["kind"] == "phantom" for row in left)
    bare = len(left) - phantoms
    if bare:
        notes.append(f"Not drawn: {plural(bare, 'value')} without a reported one.")
    if phantoms:
        notes.append(f"Not drawn: {plural(phantoms, 'value')} of phantoms.")
    return notes
