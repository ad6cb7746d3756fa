"""The review's Figure 6: AUC and accuracy against data size per class."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from db.database import Database
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.diagram import either, sheet
from metaanalysis.figures.kit.key import Key
from metaanalysis.figures.kit.marks import (
    ASIDE,
    BACKBONE_COLOURS,
    BACKBONE_SHAPES,
    MODALITY_COLOURS,
    TL_SHAPES,
    present,
)
from metaanalysis.figures.kit.placing import labels
from metaanalysis.figures.kit.plane import Plane
from metaanalysis.review.performance import (
    METRIC_COLUMNS,
    MINOR_BARS,
    RULE,
    SHOWN,
    Account,
    points,
    selection,
)
from metaanalysis.review.sizes import size_rule

_WIDTH, _HEIGHT = 540, 400
_SYMBOL = 95

#: What shape and colour of a figure's marks show: (column, title, marks).
_Channel = tuple[str, str, dict[str, str]]
_TL_AND_MODALITY: tuple[_Channel, _Channel] = (
    ("tl_type", "TL type", TL_SHAPES),
    ("modality", "modality", MODALITY_COLOURS),
)
_BACKBONE: tuple[_Channel, _Channel] = (
    ("backbone", "backbone", BACKBONE_SHAPES),
    ("backbone", "backbone", BACKBONE_COLOURS),
)

_METRIC_TITLES = {
    "AUC": "AUC (1 is perfect, 0.5 is chance)",
    "accuracy": "accuracy (share of cases classified correctly)",
}


def _plane(data: pd.DataFrame) -> Plane:
    """Return a drawing area that holds all points with some room around them."""
    x, y = data["x"].astype(float), data["y"].astype(float)
    if data.empty:
        x, y = pd.Series([13.5, 7400.0]), pd.Series([0.52])
    bottom = math.floor((y.min() - 0.02) * 20) / 20
    # The drawing ends a little above 1, so that no mark is cut.
    top = 1 + 0.035 * (1 - bottom)
    return Plane(_WIDTH, _HEIGHT, x.min() / 1.35, x.max() * 1.35, bottom, top)


_PLAIN = ("key:N", "ref:Q", "modality:N", "backbone:N", "tl_type:N", "n_classes:Q", "counted:N")
_TOOLTIP = [
    *(alt.Tooltip(name) for name in _PLAIN),
    alt.Tooltip("size:Q", format=","),
    alt.Tooltip("y:Q", title="value"),
    alt.Tooltip("group:N", title="by the review's rule"),
]


def _chart(data: pd.DataFrame, metric: str, channels: tuple[_Channel, _Channel]) -> alt.LayerChart:
    plane = _plane(data)
    title = f"data size per class ({size_rule()}; log scale)"
    ticks = [lead * 10**power for power in range(9) for lead in (1, 3)]
    # Twentieths on a short axis, tenths on a long one.
    step = 0.05 if 1 - plane.bottom <= 0.4 else 0.1
    axes: dict[str, Any] = {
        "x": plane.x("x", title, ticks, format=","),
        "y": plane.y("y", _METRIC_TITLES[metric], step),
    }
    shown, rest = data[data["group"] == SHOWN], data[data["group"] != SHOWN]
    (shape, _, shapes), (colour, _, colours) = channels
    # Colours cannot be told apart in grey print, so the label names what they show; shapes can.
    named = data["ref"].astype(str)
    if shape != colour:
        named = named.where(data["group"] != SHOWN, named + " " + data[colour].astype(str))
    shape_terms, shape_marks = present(shapes, set(shown[shape]))
    colour_terms, colour_marks = present(colours, set(shown[colour]))
    hollow = (
        alt.Chart(rest)
        .mark_point(shape="circle", filled=False, size=55, strokeWidth=1.3, opacity=1, color=ASIDE)
        .encode(**axes, tooltip=_TOOLTIP)
    )
    full = (
        alt.Chart(shown)
        .mark_point(filled=True, size=_SYMBOL, opacity=1)
        .encode(
            **axes,
            shape=alt.Shape(
                f"{shape}:N", scale=alt.Scale(domain=shape_terms, range=shape_marks), legend=None
            ),
            color=alt.Color(
                f"{colour}:N", scale=alt.Scale(domain=colour_terms, range=colour_marks), legend=None
            ),
            tooltip=_TOOLTIP,
        )
    )
    ink = either(f"datum.group === '{SHOWN}'", theme.INK, theme.MUTED)
    texts = labels(data, plane.spots(data["x"], data["y"], named), plane, 10.5, **axes, color=ink)
    return sheet(_WIDTH, _HEIGHT, hollow, full, *texts)


def _key(data: pd.DataFrame, channels: tuple[_Channel, _Channel], account: Account) -> Key:
    shown = data[data["group"] == SHOWN]
    (shape, shape_title, shapes), (colour, colour_title, colours) = channels
    one = shape == colour
    key = Key(line=19, room=14, size=95)
    key.heading(shape_title if one else f"shape: {shape_title}")
    for term, mark in zip(*present(shapes, set(shown[shape])), strict=True):
        key.mark(term, colours[term] if one else theme.INK, mark)
    if not one:
        key.gap()
        key.heading(f"colour: {colour_title}")
        for term, mark in zip(*present(colours, set(shown[colour])), strict=True):
            key.mark(term, mark, "square")
    key.gap()
    key.mark("left out by the review's rule", ASIDE, hollow=True)
    key.gap(1)
    key.heading("studies", "reported", "curated")
    for row in account.table.to_dict("records"):
        last = row["reason"] == SHOWN
        name = "let in by the rule" if last else str(row["reason"])
        key.counts(name, row["reported"], row["curated"], strong=last)
    key.counts("drawn here", pd.NA, len(shown), strong=True)
    return key


def _want_of_values(account: Account, metric: str) -> str:
    """Return why studies that the rule lets in are not drawn."""
    studies, column = account.studies, METRIC_COLUMNS[metric]
    by_rule = studies[studies["by_rule"]]
    missing = by_rule[f"reason_{column}"].dropna().value_counts()
    lacking = ", ".join(f"{reason} {count}" for reason, count in missing.items())
    drawn = int(by_rule[f"in_{column}"].sum())
    reported, curated = account.both_metrics
    return (
        f"Of the {len(by_rule)} curated studies that the review's rule lets in, {drawn} are drawn; "
        f"the others lack a value ({lacking}). Shown with both metrics: {reported} reported, "
        f"{curated} curated."
    )


def figure_6(
    name: str, metric: str, channels: tuple[_Channel, _Channel], database: Database
) -> Figure:
    """Draw a metric against data size per class (a panel of the review's Figure 6).

    Parameters
    ----------
    name
        Of the panel, such as ``6a``.
    metric
        ``AUC`` or ``accuracy``.
    channels
        What shape and colour of the marks show.
    """
    account = selection(database)
    data = points(database, metric, left_out=True, account=account)
    drawn = int((data["group"] == SHOWN).sum())
    hollow = len(data) - drawn
    key = _key(data, channels, account)
    by = "backbone" if channels is _BACKBONE else "TL type and modality"
    notes = [
        "The table gives the first reason that leaves a study out, in the review's order. Minor "
        f"models are what its Figure 4b calls {' or '.join(MINOR_BARS)}. Where model or TL type is "
        "not known to us, the rule cannot be applied.",
        _want_of_values(account, metric),
        f"Hollow: {hollow} studies with a value that only the rule leaves out ({', '.join(RULE)}). "
        f"Numbers are the review's references. {account.coverage}",
    ]
    if channels is _BACKBONE:
        reading = "That the review's panels c and d show the model is our reading; its text does "
        notes.insert(0, f"{reading}not say so.")
    elif "OCT" not in set(data.loc[data["group"] == SHOWN, "modality"]):
        notes[2] = (
            f"Purple, the review's colour of OCT, is missing: no such study is drawn. {notes[2]}"
        )
    return finish(
        name,
        f"{metric[:1].upper()}{metric[1:]} against data size per class, by {by}",
        f"Curated: headline {metric} of {drawn} studies that the review's rule lets in (filled) "
        f"and {hollow} that it leaves out (hollow).",
        key.beside(_chart(data, metric, channels), _HEIGHT, 28),
        data,
        notes,
        database.data_hash,
        line_length=145,
        beside={"selection": account.table, "studies": account.studies},
    )


figure_6a = partial(figure_6, "6a", "AUC", _TL_AND_MODALITY)
figure_6b = partial(figure_6, "6b", "accuracy", _TL_AND_MODALITY)
#: That the review's panels c and d show the backbone is our reading.
figure_6c = partial(figure_6, "6c", "AUC", _BACKBONE)
figure_6d = partial(figure_6, "6d", "accuracy", _BACKBONE)
