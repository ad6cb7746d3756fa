"""Forest plot: every study with its interval and weight, pooled values, prediction interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

from metaanalysis.figures.kit import captions
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.interval_lines import Column, Line, table
from metaanalysis.figures.kit.interval_rows import Drawing, text_block
from metaanalysis.figures.kit.natural import (
    StudyValue,
    ValueAxis,
    is_share,
    number,
    quantity,
    study_values,
    value_axis,
)

if TYPE_CHECKING:
    from metaanalysis.stats.results import PoolResult, SubgroupResult

Order = Literal["given", "estimate", "weight"]
Cells = Sequence[Any]

_MANY = 5


@dataclass(frozen=True, slots=True)
class _Study:
    """A study as it is drawn."""

    row: int
    label: str
    value: StudyValue
    weight: float | None
    events: float | None
    n: float | None
    #: At 0 % or 100 %, on a scale that has no such value.
    moved: bool


def _cell(values: Cells | None, row: int) -> float | None:
    """Return the value of an input row, counted from 1; None where it is missing."""
    if values is None or not 0 < row <= len(values):
        return None
    value = values[row - 1]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def _counts(
    result: PoolResult, events: Cells | None, n: Cells | None
) -> list[tuple[float | None, float | None]]:
    """Return events and n of each study: the caller's, else those that the result holds."""
    rows = result.rows_used
    if events is None and n is None and "events" in result.details:
        return list(zip(result.details["events"], result.details["n"], strict=True))
    return [(_cell(events, row), _cell(n, row)) for row in rows]


def _studies(
    result: PoolResult,
    weights: Mapping[int, float],
    counts: Mapping[int, tuple[float | None, float | None]],
) -> list[_Study]:
    # Arcsines have a place for 0 % and 100 %; the other scales have none.
    no_place = result.back.scale in ("logit", "exp", "identity")
    no_place = no_place and "proportion" in result.measure
    found = []
    for row, label, value in zip(
        result.rows_used, result.labels, study_values(result), strict=True
    ):
        events, n = counts.get(row, (None, None))
        moved = no_place and events is not None and n is not None and events in (0, n)
        found.append(_Study(row, label, value, weights.get(row), events, n, moved))
    return found


def _sorted(studies: list[_Study], order: Order) -> list[_Study]:
    if order == "estimate":
        return sorted(studies, key=lambda study: study.value.estimate)
    if order == "weight":
        return sorted(studies, key=lambda study: -(study.weight or study.n or 0.0))
    return studies


def _count_text(study: _Study) -> str:
    parts = [part for part in (study.events, study.n) if part is not None]
    return "/".join(f"{part:,.0f}" if part == round(part) else f"{part:,.1f}" for part in parts)


class _Lines:
    """Collects the lines of a forest plot from the top down."""

    def __init__(self, columns: Mapping[str, str], axis: ValueAxis) -> None:
        self.lines: list[Line] = []
        self._columns, self._axis = columns, axis

    def _effect(self, value: float, low: float, high: float) -> str:
        return f"{self._axis.text(value)} {self._axis.span(low, high)}".rstrip()

    def heading(self, text: str) -> None:
        if self.lines:
            self.gap()
        self.lines.append(Line("heading", text))

    def gap(self) -> None:
        self.lines.append(Line("gap"))

    def study(self, study: _Study, area: float, group: str | None) -> None:
        value = study.value
        effect = self._effect(value.estimate, value.low, value.high)
        cells = {
            self._columns["count"]: _count_text(study),
            self._columns["effect"]: ("†" if study.moved else "") + effect,
            self._columns["weight"]: "" if study.weight is None else f"{study.weight:.1f}%",
        }
        facts = {"group": group, "row": study.row, "events": study.events, "n": study.n}
        facts |= {"weight": study.weight, "k": 1}
        self.lines.append(
            Line(
                "study",
                study.label,
                cells,
                value.estimate,
                value.low,
                value.high,
                area,
                study.moved,
                group is not None,
                facts,
            )
        )

    def pooled(
        self, result: PoolResult, label: str, group: str | None, weight: float | None
    ) -> None:
        """Add the diamond, and below it the bar of the prediction interval if there is one."""
        at = result.back_transformed
        indent = group is not None
        facts = {"group": group, "row": None, "events": None, "n": None, "weight": weight}
        facts["k"] = result.k
        cells = {
            self._columns["effect"]: self._effect(at["estimate"], at["ci_low"], at["ci_high"]),
            self._columns["weight"]: "" if weight is None else f"{weight:.1f}%",
        }
        self.lines.append(
            Line(
                "pooled",
                label,
                cells,
                at["estimate"],
                at["ci_low"],
                at["ci_high"],
                indent=indent,
                facts=facts,
            )
        )
        if math.isnan(result.pi_low) or math.isnan(result.pi_high):
            return
        span = self._axis.span(at["pi_low"], at["pi_high"])
        self.lines.append(
            Line(
                "prediction",
                f"{captions.percent(result.level)} prediction interval",
                {self._columns["effect"]: span},
                low=at["pi_low"],
                high=at["pi_high"],
                indent=indent,
                facts={**facts, "weight": None},
            )
        )


def _group_label(group: PoolResult) -> str:
    if math.isnan(group.i2) or group.method == "common":
        return f"Pooled, k = {group.k}"
    return f"Pooled, k = {group.k}; τ² {number(group.tau2, 2)}, I² {group.i2:.1f}%"


def _axis(pooled: Sequence[PoolResult], studies: Sequence[_Study], title: str) -> ValueAxis:
    first = pooled[0]
    naturals = [result.back_transformed for result in pooled]
    intervals = [(study.value.low, study.value.high) for study in studies]
    for at in naturals:
        intervals += [(at["ci_low"], at["ci_high"]), (at["pi_low"], at["pi_high"])]
    return value_axis(
        title,
        [*(study.value.estimate for study in studies), *(at["estimate"] for at in naturals)],
        intervals,
        scale=first.back.scale,
        measure=first.measure,
        ticks=_MANY,
    )


def _alone(group: PoolResult, overall: PoolResult) -> bool:
    """Return whether a group is one study that stands for itself: a diamond would repeat it."""
    return group.k == 1 and overall.k > 1 and math.isnan(group.pi_low)


def forest(
    result: PoolResult | SubgroupResult,
    *,
    title: str,
    subtitle: str | Sequence[str],
    notes: Sequence[str],
    data_hash: str | None,
    kind: str = "curated",
    value: str | None = None,
    events: Cells | None = None,
    n: Cells | None = None,
    order: Order = "given",
    name: str = "forest",
) -> Figure:
    """Draw a forest plot.

    Parameters
    ----------
    result
        A pooled estimate, or one by subgroup; GLMM results too.
    title, subtitle, notes
        What the figure says, of which studies, and what else must be said. How the figure is
        read, the model, the heterogeneity, what was left out and the result's warnings are
        added.
    data_hash
        Of the packaged data; None for a table of the caller's own.
    kind
        Where the studies' values come from: ``reported``, ``curated`` or ``given`` (a table of
        the caller's own). Pooled values are always recomputed.
    value
        What the values are, for axis and column, such as ``accuracy``; default by the measure.
    events, n
        Counts by row of the input (`rows_used` picks the studies'), shown as ``45/50`` or
        ``50``. A GLMM's result holds its own.
    order
        Of the studies, within their groups: as ``given``, by ``estimate`` or by ``weight``.
    name
        Of the figure's files.

    Returns
    -------
    Figure
        Its data hold one row a square, diamond and prediction bar, in natural values.

    Notes
    -----
    A study's interval is effect ± z se on the scale of the analysis, turned back to natural
    values. A study at 0 % or 100 %, which has no place on the logit scale, stands where its
    continuity correction puts it, hollow and with a dagger. Weights are those of all studies
    pooled, in subgroups too; a GLMM has none, so that its squares show n.
    """
    groups: Sequence[PoolResult] = getattr(result, "groups", ())
    overall: PoolResult = getattr(result, "overall", None) or result  # type: ignore[assignment]
    weights = dict(zip(overall.rows_used, overall.weights, strict=False))
    counts = dict(zip(overall.rows_used, _counts(overall, events, n), strict=True))
    parts = groups or [overall]
    members = [_sorted(_studies(part, weights, counts), order) for part in parts]
    studies = [study for part in members for study in part]
    what = value or quantity(overall.measure)
    axis = _axis([overall, *groups], studies, _axis_title(what, overall))
    columns = _columns(studies, what, captions.percent(overall.level))
    areas = _areas(studies)

    lines = _Lines({key: column.name for key, column in columns.items()}, axis)
    for group_name, part, inside in zip(
        getattr(result, "names", [""]), parts, members, strict=True
    ):
        label = f"{getattr(result, 'factor', '')}: {group_name}" if groups else None
        if label is not None:
            lines.heading(label)
        for study in inside:
            lines.study(study, areas[study.row], group_name if groups else None)
        if groups and not _alone(part, overall):
            share = sum(study.weight or 0.0 for study in inside) if weights else None
            lines.pooled(part, _group_label(part), group_name, share)
    lines.gap()
    lines.pooled(
        overall,
        f"{captions.model_name(overall.method)}, k = {overall.k}",
        None,
        100.0 if weights else None,
    )

    shown = [column for column in columns.values() if _used(column, lines.lines)]
    colour, words = captions.KINDS[kind]
    drawing = Drawing(
        lines.lines, shown, axis, colour=colour, reference=overall.back_transformed["estimate"]
    )
    said = [captions.heterogeneity(overall), captions.model(overall)]
    if groups:
        said.insert(0, captions.difference(result))  # type: ignore[arg-type]
    body = alt.vconcat(drawing.chart(), text_block(said), spacing=14).resolve_scale(
        x="independent", y="independent"
    )
    return finish(
        name,
        title,
        captions.subtitle_lines(subtitle, _reading(words, overall, studies)),
        body,
        table(lines.lines),
        captions.small_print(notes, [*drawing.notes, *_remarks(studies, overall)], result),
        data_hash,
        line_length=captions.NOTE_LENGTH,
    )


def _axis_title(what: str, result: PoolResult) -> str:
    if result.back.scale == "exp":
        return f"{what} (log scale)"
    return what


def _columns(studies: Sequence[_Study], what: str, percent: str) -> dict[str, Column]:
    both = any(study.events is not None for study in studies)
    return {
        "count": Column("events/n" if both else "n", "left"),
        "effect": Column(f"{what} [{percent} CI]"),
        "weight": Column("weight"),
    }


def _used(column: Column, lines: Sequence[Line]) -> bool:
    return any(line.cells.get(column.name) for line in lines)


def _areas(studies: Sequence[_Study]) -> dict[int, float]:
    """Return the area of each square by its row, as a share of the largest."""
    sizes = {study.row: study.weight or 0.0 for study in studies}
    if not any(sizes.values()):
        sizes = {study.row: study.n or 0.0 for study in studies}
    largest = max(sizes.values(), default=0.0)
    return {row: size / largest if largest else 0.35 for row, size in sizes.items()}


def _reading(words: str, overall: PoolResult, studies: Sequence[_Study]) -> str:
    if any(study.weight is not None for study in studies):
        sized = ", area by weight"
    elif any(study.n is not None for study in studies):
        sized = ", area by n"
    else:
        sized = ""
    bar = "" if math.isnan(overall.pi_low) else " and prediction interval (bar)"
    return f"{words} (squares{sized}). Recomputed: pooled value (diamond){bar}."


def _remarks(studies: Sequence[_Study], overall: PoolResult) -> list[str]:
    notes = []
    moved = sum(study.moved for study in studies)
    if moved:
        counted = f"{moved} {'study' if moved == 1 else 'studies'}"
        how = "The model takes the counts as they are. " if overall.method == "GLMM" else ""
        notes.append(
            f"† {counted} at 0% or 100% (hollow), drawn with 0.5 added to events and non-events: "
            f"on this scale there is no other place for the value and its interval. {how}".rstrip()
        )
    if is_share(overall.back.scale, overall.measure) and overall.method == "GLMM":
        notes.append("The pooled value is that of the median study.")
    return notes
