"""The look that all figures share."""

from __future__ import annotations

import re

import altair as alt
import pandas as pd

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import finish


def test_the_label_at_the_end_of_an_axis_stands_under_its_tick() -> None:
    rows = pd.DataFrame({"studies": [0, 60], "category": ["a", "b"]})
    ends = alt.Scale(domain=[0, 60], nice=False)
    chart = alt.Chart(rows).mark_bar().encode(x=alt.X("studies:Q", scale=ends), y="category:N")
    figure = finish("x", "A title", "Of these.", chart, rows, [], None)
    picture = figure.rendered("svg").decode()
    for label in ("0", "60"):
        (anchor,) = re.findall(rf'<text text-anchor="(\w+)"[^>]*>{label}</text>', picture)
        assert anchor == "middle"
    assert theme.CONFIG["axis"]["labelFlush"] is False
