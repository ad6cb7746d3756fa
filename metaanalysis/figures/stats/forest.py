"""Forest plot: every study with its interval and weight, pooled values, prediction interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from db.wording import plural, significant
from metaanalysis.figures.kit import captions
from metaanalysis.figures.kit.axes import (
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


def _counted(result: PoolResult, events: Cells | None, n: Cells | None) -> pd.DataFrame:
    """Return weight, events and n of each study by its row; NaN where there is none.

    The counts are the caller's, by row of the input, else those that the result holds.
    """
    rows = list(result.rows_used)

    def cells(given: Cells | None) -> pd.Series[float]:
        values = () if given is None else given
        return pd.Series(values, range(1, len(values) + 1), dtype=float).reindex(rows)

    found = pd.DataFrame({"events": cells(events), "n": cells(n)})
    if events is None and n is None and "events" in result.details:
        found = pd.DataFrame({name: result.details[name] for name in ("events", "n")}, rows)
    return found.assign(weight=pd.Series(result.weights or math.nan, rows))


def _studies(part: PoolResult, counted: pd.DataFrame, order: Order) -> pd.DataFrame:
    """Return the studies of a part as they are drawn, one row each."""
    frame = pd.DataFrame(study_values(part), columns=["estimate", "low", "high"])
    frame = frame.assign(label=part.labels, row=part.rows_used).join(counted, on="row")
    # Arcsines have a place for 0 % and 100 %; the other scales have none.
    no_place = part.back.scale in ("logit", "exp", "identity") and "proportion" in part.measure
    at_the_edge = (frame["events"] == 0) | (frame["events"] == frame["n"])
    frame["moved"] = at_the_edge & frame["n"].notna() & no_place
    if order == "estimate":
        return frame.sort_values("estimate", kind="stable")
    if order == "weight":
        sizes = frame["weight"].fillna(frame["n"])
        return frame.loc[sizes.sort_values(ascending=False, kind="stable").index]
    return frame


def _count_text(study: Any) -> str:
    parts = [part for part in (study.events, study.n) if not math.isnan(part)]
    return "/".join(f"{part:,.0f}" if part == round(part) else f"{part:,.1f}" for part in parts)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The columns of text beside the marks, by name, and the lines that hold their texts."""

    axis: ValueAxis
    count: str
    effect: str
    weight: str = "weight"

    def study(self, study: Any, area: float, group: str | None) -> Line:
        """Return the line of a study, a row of :func:`_studies`."""
        effect = self.axis.with_span(study.estimate, study.low, study.high)
        cells = {
            self.count: _count_text(study),
            self.effect: f"†{effect}" if study.moved else effect,
            self.weight: "" if math.isnan(study.weight) else f"{study.weight:.1f}%",
        }
        facts = {"group": group, "row": study.row, "events": study.events, "n": study.n}
        return Line(
            "study",
            study.label,
            cells,
            study.estimate,
            study.low,
            study.high,
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


def _axis(pooled: Sequence[PoolResult], studies: pd.DataFrame, title: str) -> ValueAxis:
    naturals = [result.back_transformed for result in pooled]
    intervals = list(zip(studies["low"], studies["high"], strict=True))
    for at in naturals:
        intervals += [(at["ci_low"], at["ci_high"]), (at["pi_low"], at["pi_high"])]
    return value_axis(
        title,
        [*studies["estimate"], *(at["estimate"] for at in naturals)],
        intervals,
        scale=pooled[0].back.scale,
        measure=pooled[0].measure,
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
    counted = _counted(overall, events, n)
    members = {name: _studies(part, counted, order) for name, part in parts.items()}
    studies = pd.concat(members.values())
    weighted = bool(studies["weight"].notna().any())
    what = caption.what(overall.measure)
    axis = _axis([overall, *parts.values()] if factor else [overall], studies, what)
    both = studies["events"].notna().any()
    effect = f"{what} [{captions.percent(overall.level)} CI]"
    texts = _Texts(axis, "events/n" if both else "n", effect)
    areas = _areas(studies)

    lines: list[Line] = []
    for name, part in parts.items():
        group = name if factor else None
        if factor:
            lines += [Line("gap")] if lines else []
            lines.append(Line("heading", f"{factor}: {name}"))
        lines += [
            texts.study(study, areas[study.row], group) for study in members[name].itertuples()
        ]
        if factor and not _alone(part, overall):
            share = float(members[name]["weight"].sum()) if weighted else None
            lines += texts.pooled(part, _group_label(part), group, share)
    label = f"{captions.model_name(overall.method)}, k = {overall.k}"
    lines += [Line("gap"), *texts.pooled(overall, label, None, 100.0 if weighted else None)]

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


def _areas(studies: pd.DataFrame) -> dict[int, float]:
    """Return the area of each square by its row, as a share of the largest."""
    sizes = studies["weight"] if studies["weight"].sum() else studies["n"]
    largest = sizes.max()
    areas = sizes.fillna(0.0) / largest if largest > 0 else sizes * 0 + 0.35
    return dict(zip(studies["row"], areas, strict=True))


def _reading(words: str, overall: PoolResult, studies: pd.DataFrame) -> str:
    sized = ""
    if studies[["weight", "n"]].notna().any(axis=None):
        sized = ", area by " + ("weight" if studies["weight"].notna().any() else "n")
    bar = "" if math.isnan(overall.pi_low) else " and prediction interval (bar)"
    return f"{words} (squares{sized}). Recomputed: pooled value (diamond){bar}."


def _remarks(studies: pd.DataFrame, overall: PoolResult) -> list[str]:
    notes = []
    moved = int(studies["moved"].sum())
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
