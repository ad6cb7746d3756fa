"""Specification curve: every defensible analysis by its estimate, and the choices behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from db.errors import UsageError
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import ValueAxis, value_axis
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.diagram import across, down, either, layer, sheet

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import MultiverseResult

_WIDTH, _TOP = 660, 260
_LINE, _FONT = 19, 12

#: Intervals are the figure's point: only one so much longer than most is cut at the axis.
_PATIENCE = 5.0

#: What picks the row of the analysis that is reported elsewhere.
_CHOSEN = "datum.chosen"

#: The choices: column of the result -> heading.
_CHOICES = {
    "transform": "scale",
    "method": "method",
    "test": "test",
    "inclusion": "studies",
}

#: Words of the result -> words for readers.
_WORDS = {
    "glmm": "counts (GLMM)",
    "freeman-tukey": "Freeman–Tukey",
    "raw": "none (raw)",
    "knapp-hartung": "Knapp–Hartung",
    "knapp-hartung-adhoc": "Knapp–Hartung, ad hoc",
    "common": "common effect",
    "GLMM": "GLMM (ML)",
}


def multiverse(
    result: MultiverseResult,
    caption: Caption,
    *,
    ratio: bool = False,
    share: bool = False,
    chosen: Mapping[str, str] | None = None,
) -> Figure:
    """Draw a specification curve.

    Parameters
    ----------
    result
        A multiverse, its rows in the order of the estimates.
    caption
        With what the values are, such as ``accuracy``.
    ratio, share
        Whether the values are ratios (log axis) or shares between 0 and 1 (proportion, AUC).
    chosen
        The analysis that is reported elsewhere, to be marked, by any of the columns
        ``transform, method, test, inclusion``.

    Returns
    -------
    Figure
        Its data hold one row an analysis, with all that is drawn of it.

    Raises
    ------
    UsageError
        No analysis, or more than one, is as `chosen` says.
    """
    data = pd.DataFrame([dict(row) for row in result.table])
    data["chosen"] = _is_chosen(data, chosen)
    axis = value_axis(
        caption.value or "pooled value",
        data["estimate"],
        zip(data["ci_low"], data["ci_high"], strict=True),
        scale="exp" if ratio else "logit" if share else "identity",
        measure="",
        ticks=9,
        patience=_PATIENCE,
    )
    choices = {
        column: list(dict.fromkeys(data[column]))
        for column in _CHOICES
        if column in data and data[column].nunique() > 1
    }
    step = _WIDTH / len(data)
    drawn = data.assign(x=[(index + 0.5) * step for index in range(len(data))])
    parts = [_curve(drawn, axis, step)]
    reading = "Recomputed: one analysis with its confidence interval"
    if len(data) > 1:
        reading = (
            f"Recomputed: {len(data)} analyses of the same data by rising estimate, with "
            "confidence intervals"
        )
    if choices:
        parts.append(_matrix(drawn, choices, step))
        reading += "; dots below: the choices of each"
    if data["chosen"].any():
        reading += "; large and orange: the one reported elsewhere"
    return caption.figure(
        "multiverse",
        alt.vconcat(*parts, spacing=10).resolve_scale(x="independent", y="independent"),
        data,
        reading=f"{reading}.",
        remarks=_remarks(data, axis),
        result=result,
    )


def _is_chosen(data: pd.DataFrame, chosen: Mapping[str, str] | None) -> list[bool]:
    if not chosen:
        return [False] * len(data)
    hit = pd.Series(True, index=data.index)
    for column, word in chosen.items():
        hit &= data[column] == word
    if hit.sum() != 1:
        said = ", ".join(f"{column} {word}" for column, word in chosen.items())
        raise UsageError(
            f"{int(hit.sum())} analyses are as chosen ({said}); one is needed.",
            f"Choose by {', '.join(_CHOICES)}.",
        )
    return hit.tolist()


def _word(column: str, level: str, data: pd.DataFrame) -> str:
    text = _WORDS.get(level, level)
    if column == "inclusion":
        counts = sorted(set(data.loc[data[column] == level, "k"]))
        return f"{text} (k = {', '.join(str(count) for count in counts)})"
    return text


def _curve(drawn: pd.DataFrame, axis: ValueAxis, step: float) -> alt.LayerChart:
    ends = {end: drawn[f"ci_{end}"].clip(axis.low, axis.high) for end in ("low", "high")}
    base = alt.Chart(drawn.assign(**ends)).encode(x=across())
    size = min(max(step * 4, 14), 46)
    shown = ["transform", "method", "test", "inclusion", "k", "estimate", "ci_low", "ci_high"]
    levels: list[tuple[Any, dict[str, Any]]] = [
        (axis.null if axis.shows_null else None, {}),
        (float(drawn["estimate"].median()), {"strokeDash": [4, 3]}),
    ]
    whole: dict[str, Any] = {"y": axis.y("at"), "x": alt.value(0), "x2": alt.value(_WIDTH)}
    layers = [
        one
        for at, look in levels
        if at is not None
        for one in layer(
            "rule", pd.DataFrame({"at": [at]}), {"color": theme.MUTED, **look}, **whole
        )
    ]
    layers += [
        base.mark_rule(strokeWidth=min(max(step * 0.3, 1.0), 2.2)).encode(
            y=axis.y("low"), y2="high:Q", color=either(_CHOSEN, theme.RECOMPUTED, theme.REPORTED)
        ),
        base.mark_point(filled=True, opacity=1).encode(
            y=axis.y("estimate"),
            color=either(_CHOSEN, theme.RECOMPUTED, theme.INK),
            size=either(_CHOSEN, 95, size),
            tooltip=[name for name in shown if name in drawn],
        ),
    ]
    return sheet(_WIDTH, _TOP, *layers)


def _matrix(
    drawn: pd.DataFrame, choices: Mapping[str, Sequence[str]], step: float
) -> alt.LayerChart:
    dots: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    y = _LINE * 0.8
    for column, levels in choices.items():
        heads.append({"text": _CHOICES[column], "y": y})
        y += _LINE
        for level in levels:
            names.append({"text": _word(column, level, drawn), "y": y})
            dots += [
                {"x": x, "y": y, "column": column, "level": level, "on": own == level}
                | {"chosen": bool(mark) and own == level}
                for x, own, mark in zip(drawn["x"], drawn[column], drawn["chosen"], strict=True)
            ]
            y += _LINE
        y += _LINE * 0.35
    height = y
    size = min(max(step * 5, 10), 60)
    base = alt.Chart(pd.DataFrame(dots)).encode(x=across(), y=down())
    layers = [
        base.transform_filter("!datum.on").mark_point(
            filled=True, size=size * 0.35, color=theme.FAINT, opacity=0.8
        ),
        base.transform_filter("datum.on")
        .mark_point(filled=True, opacity=1)
        .encode(color=either(_CHOSEN, theme.RECOMPUTED, theme.INK), size=either(_CHOSEN, 95, size)),
    ]
    layers += [
        alt.Chart(pd.DataFrame(rows))
        .mark_text(align="right", baseline="middle", fontSize=_FONT, color=colour)
        .encode(x=alt.value(-12), y=down(), text="text:N")
        for rows, colour in ((names, theme.INK), (heads, theme.MUTED))
    ]
    return sheet(_WIDTH, height, *layers)


def _remarks(data: pd.DataFrame, axis: ValueAxis) -> list[str]:
    middle = float(data["estimate"].median())
    first, last = float(data["estimate"].iloc[0]), float(data["estimate"].iloc[-1])
    notes = [
        f"Estimates from {axis.text(first)} to {axis.text(last)}, median {axis.text(middle)} "
        "(dashed)."
    ]
    ends = data[["ci_low", "ci_high"]].stack()
    if not ends[np.isfinite(ends)].between(axis.low, axis.high).all():
        notes.append("Intervals are cut where they leave the axis.")
    return notes
