"""How the training of a replication went: loss and accuracy by epoch, of every model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from db.wording import plural
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.figures.kit.key import Key

_WIDTH, _HEIGHT = 330, 230
#: Part of the images -> its colour.
_PARTS = {"training images": theme.REPORTED, "validation images": theme.REPLICATED}
_COLUMNS = ("loss", "val_loss"), ("accuracy", "val_accuracy")


def drawable(history: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether there are epochs to draw: the classifier of a hybrid is fitted in one go."""
    return any(line["loss"] is not None for line in history)


def history(
    rows: Sequence[Mapping[str, Any]], *, title: str, phantom: bool, name: str = "history"
) -> Figure:
    """Draw loss and accuracy of training and validation images by epoch, a line a model.

    Parameters
    ----------
    rows
        A row a model and epoch, in order: ``seed, repeat, fold, phase, epoch, loss, accuracy,
        val_loss, val_accuracy``; see :func:`drawable`.
    title
        What was trained.
    phantom
        Whether the images are phantoms; the figure then says that it is no evidence.
    name
        As of :class:`metaanalysis.figures.kit.base.Figure`.
    """
    told = pd.DataFrame([dict(row) for row in rows])
    models = told.groupby(["seed", "repeat", "fold"], sort=False)
    told["model"] = models.ngroup() + 1
    # Epochs are counted anew in each phase.
    told["passes"] = models.cumcount() + 1
    began = told[told["phase"] != told.groupby("model")["phase"].shift().fillna(told["phase"])]
    parts = _PARTS if told["val_loss"].notna().any() else {"training images": theme.REPLICATED}
    data = pd.concat(
        told[["seed", "repeat", "fold", "model", "phase", "epoch", "passes"]].assign(
            part=part, measure=names[0], value=pd.to_numeric(told[column])
        )
        for names in _COLUMNS
        for part, column in zip(parts, names, strict=False)
    ).dropna(subset="value")
    starts = sorted(set(began["passes"] - 0.5))
    panels = [
        _panel(data[data["measure"] == one], one, parts, starts) for one in ("loss", "accuracy")
    ]
    key = Key(line=19, room=18)
    key.heading("of")
    for part, colour in parts.items():
        key.rule(part, "line", colour)
    if starts:
        key.gap()
        key.rule("layers unfrozen", "dotted", theme.MUTED)
    many = int(told["model"].max())
    epochs = told.groupby("model")["passes"].max()
    each = plural(int(epochs.max()), "epoch") + (" at most" if epochs.nunique() > 1 else "")
    kind = "Phantom (synthetic) images, no evidence on medicine: " if phantom else ""
    notes = ["Thick: mean over models, as far as all were trained."] if many > 1 else []
    return finish(
        name,
        title,
        f"{kind}{plural(many, 'model')}, {each}.",
        key.beside(alt.hconcat(*panels, spacing=34), _HEIGHT, 26),
        data,
        notes,
        None,
    )


def _panel(
    data: pd.DataFrame, measure: str, parts: Mapping[str, str], starts: Sequence[float]
) -> alt.LayerChart:
    """Return one measure: thin lines of models, and their mean where there are several."""
    colour = alt.Color(
        "part:N", legend=None, scale=alt.Scale(domain=[*parts], range=[*parts.values()])
    )
    last = int(data["passes"].max())
    step = max(1, math.ceil(last / 10))
    ticks = sorted({1, *range(step, last + 1, step)} - ({1} if step > 2 else set()))
    x = alt.X(
        "passes:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, last] if last > 1 else [0.5, 1.5], nice=False),
        axis=alt.Axis(values=ticks, format="d", grid=False),
    )
    ends = [math.floor(20 * data["value"].min() - 0.5) / 20, 1.0]
    scale = alt.Scale(domain=ends) if measure == "accuracy" else alt.Scale(zero=True)
    y = alt.Y("value:Q", title=measure, scale=scale)
    several = data["model"].nunique() > 1
    base = alt.Chart(data).encode(x=x, y=y, color=colour)
    layers: list[Any] = [
        alt.Chart(pd.DataFrame({"passes": starts}))
        .mark_rule(color=theme.MUTED, strokeDash=[2, 3])
        .encode(x=x)
    ] * bool(starts)
    thin = base.mark_line(strokeWidth=0.8 if several else 2, opacity=0.5 if several else 1)
    layers.append(thin.encode(detail=["model:N"]))
    if last == 1:
        layers.append(base.mark_point(size=50))
    if several:
        whole = data[data["passes"] <= data.groupby("model")["passes"].max().min()]
        mean = whole.groupby(["part", "passes"], as_index=False)["value"].mean()
        layers.append(alt.Chart(mean).mark_line(strokeWidth=2.4).encode(x=x, y=y, color=colour))
    return alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT)
