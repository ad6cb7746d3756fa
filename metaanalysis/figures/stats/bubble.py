"""Bubble plot of a meta-regression: studies over one moderator, with the fitted line or means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from db.errors import UsageError
from db.wording import p_words, significant
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.axes import ValueAxis, scale_words, study_values, value_axis
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.key import Key
from metaanalysis.figures.stats.bubble_marks import (
    HEIGHT,
    WIDTH,
    curve,
    leaves,
    strip_height,
    strips,
)

if TYPE_CHECKING:
    from metaanalysis.stats.results import RegressionResult

_GRID = 120
_LARGEST, _SMALLEST = 520.0, 22.0

#: Up to so many studies bubbles may be large.
_FEW = 30

#: Below this ratio of the largest weight to the smallest, areas cannot be told apart by eye.
_ALIKE = 1.5


def bubble(
    result: RegressionResult,
    caption: Caption,
    *,
    moderator: str | None = None,
    moderator_title: str | None = None,
    log_base: float | None = None,
) -> Figure:
    """Draw the studies of a meta-regression over one of its moderators.

    Parameters
    ----------
    result
        A meta-regression.
    caption
        With the kind of the studies' values.
    moderator
        Name of the moderator; default the first. A factor is drawn as strips.
    moderator_title
        Title of its axis, with unit; default its name.
    log_base
        If the moderator is a logarithm, its base: the axis then shows the numbers themselves.

    Returns
    -------
    Figure
        Its data hold one row a study and one a point of the line (or a level's mean).

    Raises
    ------
    UsageError
        The regression has no such moderator.

    Notes
    -----
    Line and bands are the regression's predictions, in natural values. Other moderators are
    held at their mean over the studies, factors at their reference level; the small print says
    where.
    """
    known = list(result.moderators)
    chosen = known[0] if moderator is None and known else moderator
    if chosen not in known:
        raise UsageError(
            f"The regression has no moderator {moderator!r}.", f"It has: {', '.join(known)}."
        )
    factor = chosen in result.levels
    held = _held(result, chosen)
    fitted = _fitted(result, chosen, held)
    points = _points(result, chosen)
    axis = _value_axis(result, points, fitted, caption.what(result.measure))
    x_title = moderator_title or chosen
    if factor:
        layers = strips(points, fitted, axis, caption.colour)
    else:
        layers = curve(points, fitted, axis, caption.colour, x_title, log_base)
    height = strip_height(len(fitted)) * len(fitted) + 6 if factor else HEIGHT
    chart = alt.LayerChart(layer=layers, width=WIDTH, height=height)
    mean = f"mean of each {x_title}" if factor else "regression line"
    reading = f"{caption.studies} (bubbles, area by weight). Recomputed: {mean} with its interval"
    if result.method != "common":
        reading += ", and where a new study is expected"
    return caption.figure(
        "bubble",
        _key(result, chosen, caption).beside(chart, HEIGHT),
        pd.concat([points.drop(columns="size"), fitted], ignore_index=True),
        reading=f"{reading}.",
        remarks=[*_remarks(result, held), *_drawn(result, fitted, axis)],
        result=result,
    )


def _held(result: RegressionResult, chosen: str) -> dict[str, Any]:
    """Return at which value each other moderator is held."""
    held: dict[str, Any] = {}
    for name, values in result.moderators.items():
        if name != chosen:
            levels = result.levels.get(name)
            held[name] = next(iter(levels)) if levels else float(np.mean(values))
    return held


def _fitted(result: RegressionResult, chosen: str, held: Mapping[str, Any]) -> pd.DataFrame:
    """Return the predictions along the moderator, or at each level of a factor."""
    from metaanalysis.stats.regression import predict

    levels = result.levels.get(chosen)
    if levels:
        at: list[Any] = list(levels)
    else:
        values = [float(value) for value in result.moderators[chosen]]
        at = np.linspace(min(values), max(values), _GRID).tolist()
    rows = predict(result, {chosen: at, **{key: [v] * len(at) for key, v in held.items()}})
    columns = ["estimate", "ci_low", "ci_high"]
    # Under a common effect a new study has the mean's own value: there is nothing to predict.
    columns += ["pi_low", "pi_high"] if result.method != "common" else []
    return pd.DataFrame(
        [
            {"mark": "mean" if levels else "line", "moderator": value}
            | {name: row[f"natural_{name}"] for name in columns}
            for value, row in zip(at, rows, strict=True)
        ]
    )


def _points(result: RegressionResult, chosen: str) -> pd.DataFrame:
    weights = np.array(result.weights or (1.0,) * result.k)
    most = _LARGEST if result.k <= _FEW else _LARGEST / 2
    return pd.DataFrame(
        {
            "mark": "study",
            "label": list(result.labels),
            "row": list(result.rows_used),
            "moderator": list(result.moderators[chosen]),
            "estimate": [value for value, _, _ in study_values(result)],
            "weight": weights,
            "size": np.maximum(most * weights / weights.max(), _SMALLEST),
        }
    )


def _value_axis(
    result: RegressionResult, points: pd.DataFrame, fitted: pd.DataFrame, what: str
) -> ValueAxis:
    intervals = [
        pair
        for part in ("ci", "pi")
        if f"{part}_low" in fitted
        for pair in zip(fitted[f"{part}_low"], fitted[f"{part}_high"], strict=True)
    ]
    return value_axis(
        what,
        [*points["estimate"], *fitted["estimate"]],
        intervals,
        scale=result.back.scale,
        measure=result.measure,
    )


def _key(result: RegressionResult, chosen: str, caption: Caption) -> Key:
    interval = f"{captions.percent(result.level)} interval"
    key = Key()
    key.mark(caption.studies.lower(), caption.colour)
    key.rule("mean" if chosen in result.levels else "regression line", "line", theme.RECOMPUTED)
    key.box(f"its {interval}", "#efcfbf")
    if result.method != "common":
        key.box("prediction interval", "#f8ece6")
    key.gap()
    term = next(item for item in result.terms if item.term == chosen)
    scale = scale_words(result.back.scale)
    if chosen not in result.levels:
        slope = next(item for item in result.coefficients if item.name == chosen)
        key.value("slope" + (f" ({scale})" if scale else ""), significant(slope.estimate))
        key.value(interval, captions.span((slope.ci_low, slope.ci_high)))
    key.value("test of the moderator", captions.statistic(term))
    key.value("", p_words(term.p))
    if not math.isnan(term.permutation_p):
        key.value("by permutation", p_words(term.permutation_p))
    if not math.isnan(result.r2):
        key.value("R² (of τ²)", f"{result.r2:.0f}%")
    key.value("remaining τ²", significant(result.tau2))
    key.value("remaining I²", f"{result.i2:.0f}%")
    key.value("studies", f"{result.k}")
    return key


def _remarks(result: RegressionResult, held: Mapping[str, Any]) -> list[str]:
    notes = [
        f"Meta-regression: {captions.model_on(result)}; tests and intervals by "
        f"{captions.test_name(result.test, result.df)}."
    ]
    if held:
        at = [f"{name} {significant(v) if isinstance(v, float) else v}" for name, v in held.items()]
        notes.append(f"Other moderators are held at: {', '.join(at)} (mean, or reference level).")
    return notes


def _drawn(result: RegressionResult, fitted: pd.DataFrame, axis: ValueAxis) -> list[str]:
    """Return what must be said of the drawing itself."""
    notes = []
    if any(leaves(fitted, axis, end).any() for end in ("low", "high")):
        strips_drawn = fitted["mark"].iloc[0] == "mean"
        notes.append(
            "Arrows: the interval goes on beyond the axis."
            if strips_drawn
            else "The intervals of the line are cut where they leave the axis."
        )
    smallest, largest = min(result.weights, default=0.0), max(result.weights, default=0.0)
    if result.k > 1 and 0 < smallest <= largest < _ALIKE * smallest:
        notes.append(
            "The bubbles look alike because the weights are: the largest is "
            f"{largest / smallest:.2f} times the smallest."
        )
    return notes
