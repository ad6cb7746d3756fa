"""One look for every figure: quiet, print-ready, readable in grey."""

from __future__ import annotations

from typing import Any

import altair as alt

#: Metric-compatible fonts, so that text measures the same on every machine and in the PNG.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

INK = "#1f2933"
MUTED = "#616e7c"
FAINT = "#cbd2d9"
GRID = "#e8ecf0"
PAPER = "#ffffff"

#: What kind of value is drawn decides its colour, in every figure.
REPORTED = "#9aa5b1"
CURATED = "#1f6f8b"
ACCENT = "#b44d12"
RECOMPUTED = ACCENT
REPLICATED = "#54428e"

WIDTH = 620
"""Width of the drawing area in pixels; with labels a figure stays under 900."""

CONFIG: dict[str, Any] = {
    "background": PAPER,
    "font": FONT,
    "padding": 18,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 240,
        # Flush labels are pushed inwards at the ends of an axis, off their ticks.
        "labelFlush": False,
        "labelPadding": 6,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "gridColor": GRID,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 260,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "symbolSize": 90,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "titleColor": MUTED, "titleFontSize": 12},
    "title": {
        "anchor": "start",
        "frame": "group",
        "color": INK,
        "fontSize": 17,
        "fontWeight": "bold",
        "subtitleColor": MUTED,
        "subtitleFontSize": 12.5,
        "subtitlePadding": 6,
        "offset": 16,
    },
    "text": {"color": INK, "fontSize": 12},
    "bar": {"color": CURATED},
    "point": {"color": CURATED, "filled": True, "size": 70},
    "range": {
        # Okabe and Ito's colours, told apart with every common colour vision, minus yellow.
        "category": [
            "#0072b2",
            "#d55e00",
            "#009e73",
            "#cc79a7",
            "#56b4e9",
            "#e69f00",
            "#4d4d4d",
            "#8c6d31",
            "#7b4173",
            "#9ecae1",
        ],
        "ordinal": {"scheme": "blues"},
        "heatmap": {"scheme": "blues"},
    },
}


def footer(lines: list[str], width: int = WIDTH) -> alt.Chart:
    """Return the small print under a figure, one line of text per item."""
    rows = [{"line": line, "y": 15 * place} for place, line in enumerate(lines)]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_text(align="left", baseline="top", fontSize=10.5, color=MUTED)
        .encode(x=alt.value(0), y=alt.Y("y:Q", scale=None, axis=None), text="line:N")
        .properties(width=width, height=15 * max(len(rows), 1))
    )


def compose(
    body: Any, title: str, subtitle: str | list[str], small_print: list[str]
) -> alt.VConcatChart:
    """Put title, drawing and small print together in the house's look.

    Parameters
    ----------
    body
        The drawing, without title or configuration of its own.
    title
        What the figure says, as a short sentence or noun phrase.
    subtitle
        What kind of value is drawn (reported, curated, ...) and of how many studies.
    small_print
        Lines under the figure: n, what was left out, source, data hash.
    """
    return (
        alt.vconcat(body, footer(small_print), spacing=14)
        .properties(title=alt.TitleParams(title, subtitle=subtitle), padding=CONFIG["padding"])
        .resolve_scale(color="independent", shape="independent", x="independent", y="independent")
        .configure(**{key: value for key, value in CONFIG.items() if key != "padding"})
    )
