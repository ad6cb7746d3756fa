"""Bubble plot of a meta-regression: studies over one moderator, with the fitted line or means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from db.errors import UsageError
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.legend import Legend
from metaanalysis.figures.kit.natural import (
    ValueAxis,
    number,
    p_words,
    quantity,
    scale_words,
    study_values,
    value_axis,
)
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
    *,
    title: str,
    subtitle: str | Sequence[str],
    notes: Sequence[str],
    data_hash: str | None,
    moderator: str | None = None,
    moderator_title: str | None = None,
    log_base: float | None = None,
    kind: str = "curated",
    value: str | None = None,
    name: str = "bubble",
) -> Figure:
    """Draw the studies of a meta-regression over one of its moderators.

    Parameters
    ----------
    result
        A meta-regression.
    title, subtitle, notes, data_hash, kind, value, name
        As of :func:`metaanalysis.figures.stats.forest.forest`.
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
    axis = _value_axis(result, points, fitted, value)
    colour, words = captions.KINDS[kind]
    x_title = moderator_title or chosen
    if factor:
        layers = strips(points, fitted, axis, colour)
    else:
        layers = curve(points, fitted, axis, colour, x_title, log_base)
    height = strip_height(len(fitted)) * len(fitted) + 6 if factor else HEIGHT
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=height)
    body = alt.hconcat(chart, _key(result, chosen, colour, words), spacing=24)
    mean = f"mean of each {x_title}" if factor else "regression line"
    reading = f"{words} (bubbles, area by weight). Recomputed: {mean} with its interval"
    if result.method != "common":
        reading += ", and where a new study is expected"
    data = pd.concat([points.drop(columns="size"), fitted], ignore_index=True)
    return finish(
        name,
        title,
        captions.subtitle_lines(subtitle, f"{reading}."),
        body.resolve_scale(x="independent", y="independent", color="independent"),
        data,
        captions.small_print(
            notes, [*_remarks(result, held), *_drawn(result, fitted, axis)], result
        ),
        data_hash,
        line_length=captions.NOTE_LENGTH,
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
    weights = result.weights or (1.0,) * result.k
    largest = max(weights)
    most = _LARGEST if result.k <= _FEW else _LARGEST / 2
    moderator = result.moderators[chosen]
    return pd.DataFrame(
        [
            {
                "mark": "study",
                "label": label,
                "row": row,
                "moderator": at,
                "estimate": value.estimate,
            }
            | {"weight": weight, "size": max(most * weight / largest, _SMALLEST)}
            for label, row, at, value, weight in zip(
                result.labels,
                result.rows_used,
                moderator,
                study_values(result),
                weights,
                strict=True,
            )
        ]
    )


def _value_axis(
    result: RegressionResult, points: pd.DataFrame, fitted: pd.DataFrame, value: str | None
) -> ValueAxis:
    what = value or quantity(result.measure)
    title = f"{what} (log scale)" if result.back.scale == "exp" else what
    intervals = [
        pair
        for part in ("ci", "pi")
        if f"{part}_low" in fitted
        for pair in zip(fitted[f"{part}_low"], fitted[f"{part}_high"], strict=True)
    ]
    return value_axis(
        title,
        [*points["estimate"], *fitted["estimate"]],
        intervals,
        scale=result.back.scale,
        measure=result.measure,
    )


def _key(result: RegressionResult, chosen: str, colour: str, words: str) -> alt.LayerChart:
    key = Legend()
    key.mark("point", words.lower(), colour)
    key.mark("line", "mean" if chosen in result.levels else "regression line", theme.RECOMPUTED)
    key.mark("box", f"its {captions.percent(result.level)} interval", "#efcfbf")
    if result.method != "common":
        key.mark("box", "prediction interval", "#f8ece6")
    key.gap()
    term = next(item for item in result.terms if item.term == chosen)
    kind, freedom = "χ²", f"{term.df}"
    if term.df_residual is not None:
        kind, freedom = "F", f"{term.df}, {term.df_residual:g}"
    scale = scale_words(result.back.scale)
    if chosen not in result.levels:
        slope = next(item for item in result.coefficients if item.name == chosen)
        key.value("slope" + (f" ({scale})" if scale else ""), number(slope.estimate))
        low, high = number(slope.ci_low), number(slope.ci_high)
        key.value(f"{captions.percent(result.level)} interval", f"[{low}, {high}]")
    key.value("test of the moderator", f"{kind}({freedom}) = {number(term.statistic)}")
    key.value("", p_words(term.p))
    if not math.isnan(term.permutation_p):
        key.value("by permutation", p_words(term.permutation_p))
    if not math.isnan(result.r2):
        key.value("R² (of τ²)", f"{result.r2:.0f}%")
    key.value("remaining τ²", number(result.tau2))
    key.value("remaining I²", f"{result.i2:.0f}%")
    key.value("studies", f"{result.k}")
    return key.chart(HEIGHT)


def _remarks(result: RegressionResult, held: Mapping[str, Any]) -> list[str]:
    notes = []
    model = captions.model_name(result.method)
    scale = scale_words(result.back.scale)
    where = f" on the {scale}" if scale else ""
    notes.append(
        f"Meta-regression: {model[:1].lower()}{model[1:]}{where}; tests and intervals by "
        f"{captions.test_name(result.test, result.df)}."
    )
    if held:
        at = [f"{name} {number(v) if isinstance(v, float) else v}" for name, v in held.items()]
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
