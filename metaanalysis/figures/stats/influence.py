"""Influence diagnostics: one panel a measure, one line a study, those that stand out marked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from db.wording import plural
from metaanalysis.figures.kit import captions, theme
from metaanalysis.figures.kit.axes import even_ticks
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.figures.kit.diagram import down, either, exactly, layer, sheet, words
from metaanalysis.figures.kit.interval_lines import Sizes
from metaanalysis.figures.kit.text_width import shortened, text_width

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import InfluenceResult

#: Measure -> heading, and value from which its lines start (None: that of all studies).
_PANELS: dict[str, tuple[str, float | None]] = {
    "rstudent": ("residual", 0.0),
    "dffits": ("DFFITS", 0.0),
    "cook": ("Cook's distance", 0.0),
    "hat": ("leverage", 0.0),
    "cov_ratio": ("covariance ratio", 1.0),
    "tau2_deleted": ("τ² without it", None),
}
_WIDTH, _GAP = 96, 18
_LABEL = 190

#: Of tick labels: font size, least distance, and how far one may stand out of its panel.
_TICK_FONT, _APART, _OUT = 12, 10, 5


def influence(result: InfluenceResult, caption: Caption) -> Figure:
    """Draw the deletion diagnostics of each study.

    Parameters
    ----------
    result
        What ``influence`` of the statistics returns. Its cut-offs, beyond which a study stands
        out, are drawn as dashed lines (on both sides of 0 for residual and DFFITS).
    caption
        Beside it, nothing is told of the studies' own values.

    Returns
    -------
    Figure
        Its data hold one row a study and measure.

    Notes
    -----
    Which studies are influential is the result's own verdict (``influential``), never taken
    from the lines drawn.
    """
    limits = {
        measure: limit
        for measure, limit in result.cutoffs.items()
        if measure in _PANELS and math.isfinite(limit)
    }
    sizes = Sizes.of(len(result.table))
    height = sizes.line * (len(result.table) + 1.2)
    data = _data(result)
    places = {row["row"]: sizes.line * (at + 1.5) for at, row in enumerate(result.table)}
    drawn = data.assign(y=[places[row] for row in data["row"]])
    starts = {measure: origin for measure, (_, origin) in _PANELS.items()}
    if result.full is not None:
        starts["tau2_deleted"] = result.full.tau2
    panels = [
        _labels(drawn.drop_duplicates("row"), height, sizes),
        *(_panel(drawn, one, starts[one], limits.get(one), height, sizes) for one in _PANELS),
    ]
    reading = "Recomputed: what changes when each study is left out"
    if result.influential:
        reading += "; influential studies in bold and orange"
    return caption.figure(
        "influence",
        alt.hconcat(*panels, spacing=_GAP).resolve_scale(x="independent", y="independent"),
        data,
        reading=f"{reading}.",
        remarks=_remarks(result, limits),
        result=result,
    )


def _data(result: InfluenceResult) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"label": row["label"], "row": row["row"], "measure": measure, "value": row[measure]}
            | {"influential": row["label"] in result.influential}
            | {"by": "; ".join(result.influential.get(row["label"], ()))}
            for row in result.table
            for measure in _PANELS
        ]
    )


def _labels(studies: pd.DataFrame, height: float, sizes: Sizes) -> alt.LayerChart:
    rows = studies[["y", "influential"]].assign(
        text=[shortened(label, sizes.font, _LABEL) for label in studies["label"]]
    )
    width = min(_LABEL, max([70.0, *(text_width(t, sizes.font, bold=True) for t in rows["text"])]))
    base = alt.Chart(rows).encode(x=alt.value(0), y=down(), text="text:N")
    look: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": sizes.font}
    plain = base.transform_filter("!datum.influential").mark_text(**look)
    bold = base.transform_filter("datum.influential").mark_text(
        **look, fontWeight="bold", color=theme.RECOMPUTED
    )
    return (plain + bold).properties(width=width, height=height)


def _ticks(low: float, high: float) -> list[float]:
    """Return as many ticks as have room for their labels, within the panel and side by side."""

    def ends(tick: float) -> tuple[float, float]:
        middle = (tick - low) / (high - low) * _WIDTH
        half = text_width(f"{tick:g}", _TICK_FONT) / 2
        return middle - half, middle + half

    found: list[float] = []
    for most in (4, 3, 2, 1):
        # A label may stand out half the gap to the next panel, less what keeps two apart.
        places = [
            tick
            for tick in even_ticks(low, high, most)
            if ends(tick)[0] >= -_OUT and ends(tick)[1] <= _WIDTH + _OUT
        ]
        free = all(
            ends(after)[0] - ends(before)[1] >= _APART
            for before, after in itertools.pairwise(places)
        )
        if free and len(places) > len(found):
            found = places
    return found


def _panel(
    data: pd.DataFrame,
    measure: str,
    origin: float | None,
    limit: float | None,
    height: float,
    sizes: Sizes,
) -> alt.LayerChart:
    rows = data[(data["measure"] == measure) & np.isfinite(data["value"].astype(float))]
    cuts = [] if limit is None else [limit]
    if limit is not None and measure in ("rstudent", "dffits"):
        cuts = [-limit, limit]
    start = origin if origin is not None else float(rows["value"].min() if len(rows) else 0.0)
    values = [*rows["value"], *cuts, start]
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 0.1
    low, high = low - pad, high + pad
    x = alt.X(
        "value:Q",
        scale=exactly(low, high),
        axis=alt.Axis(title=None, values=_ticks(low, high), grid=False, format="~g"),
    )
    layers = [
        one
        for at, look in (
            ([] if origin is None else [origin], {"color": theme.FAINT}),
            (cuts, {"color": theme.MUTED, "strokeDash": [4, 3]}),
        )
        for one in layer(
            "rule",
            pd.DataFrame({"value": at, "top": sizes.line, "bottom": height}),
            look,
            x=x,
            y=down("top"),
            y2="bottom:Q",
        )
    ]
    place = {
        "x": x,
        "y": down(),
        "color": either("datum.influential", theme.RECOMPUTED, theme.MUTED),
    }
    hints = [alt.Tooltip("label:N"), alt.Tooltip("value:Q", format=".4~g"), "by:N"]
    marks, dot = rows.assign(start=start), {"filled": True, "size": 42, "opacity": 1}
    layers += layer("rule", marks, {"strokeWidth": 1.4}, **place, x2="start:Q")
    layers += layer("point", marks, dot, **place, tooltip=hints)
    heading = [(0, sizes.line * 0.4, _PANELS[measure][0])]
    return sheet(_WIDTH, height, *layers, words(heading, fontSize=sizes.font, color=theme.MUTED))


def _remarks(result: InfluenceResult, limits: Mapping[str, float]) -> list[str]:
    notes = []
    if result.influential:
        listed = [
            f"{label} ({', '.join(_PANELS.get(name, (name, 0))[0] for name in names)})"
            for label, names in result.influential.items()
        ]
        notes.append(f"Influential: {'; '.join(listed)}.")
    else:
        notes.append("No study is influential by any of the measures.")
    if limits:
        notes.append("Dashed: the cut-offs. A residual beyond its own marks an outlier only.")
    lost = sum(not math.isfinite(row[measure]) for row in result.table for measure in _PANELS)
    if lost:
        verb = "is" if lost == 1 else "are"
        notes.append(f"{plural(lost, 'value')} {verb} not defined and not drawn.")
    notes.append(
        f"{captions.model_name(result.method)}, {captions.test_name(result.test, None)}. Residuals "
        "are studentised by the fit without the study."
    )
    return notes
