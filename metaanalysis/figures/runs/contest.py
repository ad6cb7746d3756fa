"""Performance against cost: TL types x backbones, on the mean of several data sets and on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import pandas as pd

from db.errors import UsageError
from db.wording import RECOMMENDED_IS, metric_words, plural
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.key import Key
from metaanalysis.figures.kit.marks import TL_COLOURS, TL_SHAPES, present
from metaanalysis.figures.kit.placing import labels
from metaanalysis.figures.kit.plane import Plane

_WIDTH, _HEIGHT = 560, 330
_SMALL_WIDTH, _SMALL_HEIGHT, _COLUMNS = 222, 120, 3
_MARK, _SMALL_MARK = 105, 52
_NOTE_LENGTH = 160

_RECOMMENDED = "recommended protocol"
_SHAPES = {**TL_SHAPES, _RECOMMENDED: "square"}
_COLOURS = {**TL_COLOURS, _RECOMMENDED: "#009e73"}

Cost = Literal["seconds", "trained_parameters"]
_COSTS: dict[Cost, str] = {
    "seconds": "seconds for features and training of one run (log scale)",
    "trained_parameters": "trained parameters (log scale beyond 1,000)",
}
#: Below so many parameters the axis is linear: a feature extractor hybrid trains none.
_LINEAR = 1000.0


@dataclass(frozen=True, slots=True)
class _Axes:
    """What the axes show, and the ends of an area: of the large panel, or of all small ones."""

    metric: str
    cost: Cost
    plane: Plane

    @classmethod
    def of(cls, points: pd.DataFrame, metric: str, cost: Cost) -> _Axes:
        """Return axes that hold all of the points."""
        values = [*(points["value"] - points["sd"]), *(points["value"] + points["sd"])]
        step = 0.05 if max(values) - min(values) <= 0.4 else 0.1
        bottom = math.floor((min(values) - 0.01) / step) * step
        top = min(1.0, math.ceil((max(values) + 0.005) / step) * step)
        if cost == "seconds":
            low, high = points[cost].min() / 1.5, points[cost].max() * 1.5
        else:
            # Room left of 0, so that the marks of hybrids are not cut.
            low, high = -0.4 * _LINEAR, max(points[cost].max() * 2.5, 10 * _LINEAR)
        room = (top - bottom) * 0.05
        linear = None if cost == "seconds" else _LINEAR
        ends = float(low), float(high), max(bottom, 0.0), top + room
        return cls(metric, cost, Plane(_WIDTH, _HEIGHT, *ends, linear))

    def x(self, small: bool = False) -> alt.X:
        """Return the axis of costs, with round ones; in a small panel powers of ten alone."""
        words = "datum.value >= 1e6 ? datum.value / 1e6 + ' M' : format(datum.value, ',')"
        if self.cost == "seconds":
            leads = (1,) if small else (1, 3)
            ticks = [lead * 10.0**power for power in range(-2, 10) for lead in leads]
        else:
            ticks = [0.0, *(10.0**power for power in ((4, 6, 8) if small else range(3, 10)))]
        title = None if small else _COSTS[self.cost]
        return self.plane.x(self.cost, title, ticks, labelExpr=words)

    def y(self, small: bool = False, field: str = "value") -> alt.Y:
        """Return the axis of values."""
        span = self.plane.top - self.plane.bottom
        fine, coarse = (0.3, 0.6) if small else (0.4, 1.0)
        step = 0.05 if span <= fine else 0.1 if span <= coarse else 0.2
        return self.plane.y(field, None if small else metric_words(self.metric), step)


def contest(
    methods: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    phantom: bool,
    notes: Sequence[str] = (),
    cost: Cost = "seconds",
    name: str = "contest",
) -> Figure:
    """Draw what each TL type with each backbone reaches, and what it costs.

    Parameters
    ----------
    methods
        A row a method over all sets: ``tl_type, backbone, value, seconds, trained_parameters,
        pareto``.
    points
        A row a set and method: the same, with ``dataset, modality, n_images, seeds,
        sd_over_seeds, baseline``.
    metric
        ``auc``, ``accuracy`` or ``balanced_accuracy``.
    phantom
        Whether the sets are phantoms; the figure then says that it is no evidence.
    notes
        Sentences under the figure.
    cost
        ``seconds`` or ``trained_parameters``.
    name
        As of :class:`metaanalysis.figures.kit.base.Figure`.

    Returns
    -------
    Figure
        Its data hold one row a mark, those of the mean with ``dataset`` "mean of all sets".

    Raises
    ------
    UsageError
        No method ran on all sets, or no cost is known.
    """
    whole, each = (pd.DataFrame([dict(row) for row in rows]) for rows in (methods, points))
    if whole.empty or whole[cost].isna().any() or each[cost].isna().any():
        raise UsageError(
            "contest: no method has value and cost on all sets, so there is nothing to draw.",
            "Repeat the contest: finished runs are not run again.",
        )
    whole["sd"] = 0.0
    each["sd"] = each["sd_over_seeds"].fillna(0.0)
    axes = _Axes.of(pd.concat([whole, each]), metric, cost)
    sets = list(dict.fromkeys(each["dataset"]))
    backbones = sorted(set(each["backbone"]))
    # Two backbones are told apart by filled and hollow marks, more by their names.
    hollow = backbones[1:] if len(backbones) == 2 else []
    # Means lie closer together than the sets that they are of, and are named at their marks.
    large = _large(_marked(whole, hollow), _Axes.of(whole, metric, cost))
    body: Any = _key(each, hollow).beside(large, _HEIGHT, 26)
    if len(sets) > 1:
        marked = _marked(each, hollow)
        panels = [_small(marked[marked["dataset"] == one], axes) for one in sets]
        rows = [
            alt.hconcat(*panels[start : start + _COLUMNS], spacing=22)
            for start in range(0, len(panels), _COLUMNS)
        ]
        body = alt.vconcat(body, *rows, spacing=22).resolve_scale(
            x="independent", y="independent", color="independent", shape="independent"
        )
    drawn = pd.concat([whole.assign(dataset="mean of all sets"), each]).drop(columns="sd")
    own = ["Values are means over seeds."]
    if cost == "seconds":
        own[0] += " Cost is that of one seed, features included."
    if len(sets) > 1 and (each["sd"] > 0).any():
        own[0] += (
            " Vertical lines: standard deviation over seeds, which says nothing of other images."
        )
    if bool(whole["pareto"].any()) and cost == "seconds":
        own.append("Dashed: methods of which no other is as good and cheaper.")
    if len(sets) > 1 and each["baseline"].between(axes.plane.bottom, axes.plane.top).any():
        own.append("Grey line: what needs no look at the images.")
    if _RECOMMENDED in set(each["tl_type"]):
        own.append(f"{RECOMMENDED_IS[:1].upper()}{RECOMMENDED_IS[1:]}.")
    word = metric_words(metric)
    against = "training time" if cost == "seconds" else "trained parameters"
    return finish(
        name,
        f"{word[:1].upper()}{word[1:]} against {against}, by TL type"
        + (" and backbone" if len(backbones) > 1 else f" ({backbones[0]})"),
        _subtitle(each, sets, phantom),
        body,
        drawn,
        [*own, *notes],
        None,
        line_length=_NOTE_LENGTH,
    )


def _subtitle(each: pd.DataFrame, sets: Sequence[str], phantom: bool) -> list[str]:
    fewest, most = int(each["seeds"].min()), int(each["seeds"].max())
    seeds = plural(most, "seed") if fewest == most else f"{fewest} to {plural(most, 'seed')}"
    runs = f"{int(each['seeds'].sum())} runs, {seeds} a method"
    what = f"{plural(len(sets), 'data set')}, equal conditions, {runs}."
    if phantom:
        return [f"Phantom (synthetic) images, no evidence on medicine: {what}"]
    if len(sets) == 1:
        return [f"Replicated on {sets[0]}: {what}"]
    return [f"Replicated: {what}", "Above: mean over all sets; below: each set."]


def _marked(data: pd.DataFrame, hollow: Sequence[str]) -> pd.DataFrame:
    """Return the rows with the shape and the colours of their marks."""
    colours = data["tl_type"].map(_COLOURS)
    inside = colours.mask(data["backbone"].isin(hollow), theme.PAPER)
    return data.assign(shape=data["tl_type"].map(_SHAPES), colour=colours, inside=inside)


def _marks(data: pd.DataFrame, axes: _Axes, *, small: bool) -> list[Any]:
    marks = data.assign(
        low=(data["value"] - data["sd"]).clip(lower=axes.plane.bottom),
        up=(data["value"] + data["sd"]).clip(upper=axes.plane.top),
    )
    base = alt.Chart(marks).encode(x=axes.x(small), stroke=alt.Stroke("colour:N", scale=None))
    layers: list[Any] = []
    if (data["sd"] > 0).any():
        layers.append(base.mark_rule(strokeWidth=1).encode(y=axes.y(small, "low"), y2="up:Q"))
    layers.append(
        base.mark_point(
            opacity=1, size=_SMALL_MARK if small else _MARK, strokeWidth=1.1 if small else 1.5
        ).encode(
            y=axes.y(small),
            fill=alt.Fill("inside:N", scale=None),
            shape=alt.Shape("shape:N", scale=None),
            tooltip=[
                alt.Tooltip("tl_type:N", title="TL type"),
                alt.Tooltip("backbone:N"),
                alt.Tooltip("value:Q", title=metric_words(axes.metric), format=".3f"),
                alt.Tooltip("seconds:Q", format=",.1f"),
                alt.Tooltip("trained_parameters:Q", format=","),
            ],
        )
    )
    return layers


def _large(data: pd.DataFrame, axes: _Axes) -> alt.LayerChart:
    # The key names TL types and up to two backbones; more are named at their marks.
    texts = data["backbone"] if data["backbone"].nunique() > 2 else [""] * len(data)
    spots = axes.plane.spots(data[axes.cost], data["value"], texts)
    place: dict[str, Any] = {"x": axes.x(), "y": axes.y()}
    layers: list[Any] = []
    front = data[data["pareto"]].sort_values("seconds")
    if len(front) > 1 and axes.cost == "seconds":
        layers.append(
            alt.Chart(front)
            .mark_line(color=theme.MUTED, strokeDash=[4, 3], strokeWidth=1)
            .encode(**place, order="seconds:Q")
        )
    layers += _marks(data, axes, small=False)
    layers += labels(data, spots, axes.plane, 11, reach=1.3, **place)
    return alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT)


def _small(data: pd.DataFrame, axes: _Axes) -> alt.LayerChart:
    first = data.iloc[0]
    layers = _marks(data, axes, small=True)
    baseline = float(first["baseline"])
    if axes.plane.bottom <= baseline <= axes.plane.top:
        rule = alt.Chart(pd.DataFrame({"value": [baseline]}))
        rule = rule.mark_rule(color=theme.MUTED, strokeWidth=1)
        layers.insert(0, rule.encode(y=axes.y(small=True)))
    size = "" if pd.isna(first["n_images"]) else f"n = {int(first['n_images']):,}"
    about = ", ".join(str(word) for word in (first["modality"], size) if word and pd.notna(word))
    return alt.LayerChart(
        layer=layers,
        width=_SMALL_WIDTH,
        height=_SMALL_HEIGHT,
        title=alt.TitleParams(
            str(first["dataset"]),
            subtitle=about,
            fontSize=12,
            subtitleFontSize=11,
            subtitlePadding=2,
            offset=6,
        ),
    )


def _key(each: pd.DataFrame, hollow: Sequence[str]) -> Key:
    terms, shapes = present(_SHAPES, set(each["tl_type"]))
    key = Key(line=19, room=14, size=95)
    key.heading("TL type")
    for term, shape in zip(terms, shapes, strict=True):
        key.mark(term, _COLOURS[term], shape)
    key.gap()
    backbones = sorted(set(each["backbone"]))
    key.heading("backbone")
    if len(backbones) > 2:
        key.heading("as named at the marks above")
    else:
        for backbone in backbones:
            key.mark(backbone, hollow=backbone in hollow)
    return key
