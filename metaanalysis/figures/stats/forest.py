"""Forest plot: every study with its interval and weight, pooled values, prediction interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from db.wording import plural, significant
from metaanalysis.figures.kit import captions
from metaanalysis.figures.kit.axes import (
    StudyValue,
    ValueAxis,
    is_share,
    study_values,
    value_axis,
)
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.interval_lines import Line, table
from metaanalysis.figures.kit.interval_rows import Drawing
from metaanalysis.stats.results import PoolResult, SubgroupResult

Order = Literal["given", "estimate", "weight"]
Cells = Sequence[float | None]

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
    value = values[row - 1] if values is not None and 0 < row <= len(values) else None
    return None if value is None or math.isnan(value) else float(value)


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


@dataclass(frozen=True, slots=True)
class _Texts:
    """The columns of text beside the marks, by name, and the lines that hold their texts."""

    axis: ValueAxis
    count: str
    effect: str
    weight: str = "weight"

    def study(self, study: _Study, area: float, group: str | None) -> Line:
        """Return the line of a study."""
        value = study.value
        effect = self.axis.with_span(value.estimate, value.low, value.high)
        cells = {
            self.count: _count_text(study),
            self.effect: f"†{effect}" if study.moved else effect,
            self.weight: "" if study.weight is None else f"{study.weight:.1f}%",
        }
        facts = {"group": group, "row": study.row, "events": study.events, "n": study.n}
        return Line(
            "study",
            study.label,
            cells,
            value.estimate,
            value.low,
            value.high,
            area=area,
            faded=study.moved,
            indent=group is not None,
            facts={**facts, "weight": study.weight, "k": 1},
        )

    def pooled(
        self, result: PoolResult, label: str, group: str | None, weight: float | None
    ) -> list[Line]:
        """Return the diamond, and the bar of the prediction interval if there is one."""
        at = result.back_transformed
        indent = group is not None
        facts = {"group": group, "row": None, "events": None, "n": None, "weight": weight}
        facts["k"] = result.k
        values = at["estimate"], at["ci_low"], at["ci_high"]
        cells = {
            self.effect: self.axis.with_span(*values),
            self.weight: "" if weight is None else f"{weight:.1f}%",
        }
        lines = [Line("pooled", label, cells, *values, indent=indent, facts=facts)]
        if not (math.isnan(result.pi_low) or math.isnan(result.pi_high)):
            bar = Line(
                "prediction",
                f"{captions.percent(result.level)} prediction interval",
                {self.effect: self.axis.span(at["pi_low"], at["pi_high"])},
                low=at["pi_low"],
                high=at["pi_high"],
                indent=indent,
                facts={**facts, "weight": None},
            )
            lines.append(bar)
        return lines


def _group_label(group: PoolResult) -> str:
    if math.isnan(group.i2) or group.method == "common":
        return f"Pooled, k = {group.k}"
    return f"Pooled, k = {group.k}; τ² {significant(group.tau2, 2)}, I² {group.i2:.1f}%"


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
    caption: Caption,
    *,
    events: Cells | None = None,
    n: Cells | None = None,
    order: Order = "given",
) -> Figure:
    """Draw a forest plot.

    Parameters
    ----------
    result
        A pooled estimate, or one by subgroup; GLMM results too.
    caption
        With the kind of the studies' values.
    events, n
        Counts by row of the input (`rows_used` picks the studies'), shown as ``45/50`` or
        ``50``. A GLMM's result holds its own.
    order
        Of the studies, within their groups: as ``given``, by ``estimate`` or by ``weight``.

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
    factor = None
    if isinstance(result, SubgroupResult):
        overall, factor = result.overall, result.factor
        parts = dict(zip(result.names, result.groups, strict=True))
    else:
        overall, parts = result, {"": result}
    weights = dict(zip(overall.rows_used, overall.weights, strict=False))
    counts = dict(zip(overall.rows_used, _counts(overall, events, n), strict=True))
    members = {
        name: _sorted(_studies(part, weights, counts), order) for name, part in parts.items()
    }
    studies = [study for inside in members.values() for study in inside]
    what = caption.what(overall.measure)
    axis = _axis([overall, *parts.values()] if factor else [overall], studies, what)
    both = any(study.events is not None for study in studies)
    effect = f"{what} [{captions.percent(overall.level)} CI]"
    texts = _Texts(axis, "events/n" if both else "n", effect)
    areas = _areas(studies)

    lines: list[Line] = []
    for name, part in parts.items():
        group = name if factor else None
        if factor:
            lines += [Line("gap")] if lines else []
            lines.append(Line("heading", f"{factor}: {name}"))
        lines += [texts.study(study, areas[study.row], group) for study in members[name]]
        if factor and not _alone(part, overall):
            share = sum(study.weight or 0.0 for study in members[name]) if weights else None
            lines += texts.pooled(part, _group_label(part), group, share)
    label = f"{captions.model_name(overall.method)}, k = {overall.k}"
    lines += [Line("gap"), *texts.pooled(overall, label, None, 100.0 if weights else None)]

    drawing = Drawing(
        lines,
        axis,
        left=[texts.count],
        right=[texts.effect, texts.weight],
        colour=caption.colour,
        reference=overall.back_transformed["estimate"],
    )
    said = [captions.heterogeneity(overall), captions.model(overall)]
    if isinstance(result, SubgroupResult):
        said.insert(0, captions.difference(result))
    return caption.figure(
        "forest",
        drawing.over(said),
        table(lines),
        reading=_reading(caption.studies, overall, studies),
        remarks=[*drawing.notes, *_remarks(studies, overall)],
        result=result,
    )


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
        how = "The model takes the counts as they are. " if overall.method == "GLMM" else ""
        notes.append(
            f"† {plural(moved, 'study')} at 0% or 100% (hollow), drawn with 0.5 added to events "
            "and non-events: on this scale there is no other place for the value and its interval. "
            f"{how}".rstrip()
        )
    if is_share(overall.back.scale, overall.measure) and overall.method == "GLMM":
        notes.append("The pooled value is that of the median study.")
    return notes
