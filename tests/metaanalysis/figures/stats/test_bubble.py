"""The bubble plot: studies over a moderator, with the regression's own predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from db.errors import UsageError
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import ValueAxis
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.stats.bubble import _drawn, bubble
from metaanalysis.stats.effects import proportions
from metaanalysis.stats.regression import predict, regress
from tests.metaanalysis.figures.drawn import layers, words
from tests.metaanalysis.figures.material import (
    ALLOCATION,
    CAPTION,
    LATITUDE,
    YEAR,
    bcg,
    many,
    marks,
)


def bubbles(figure: Figure) -> list[dict[str, Any]]:
    (rows,) = [rows for rows in marks(figure, "point", shape="circle") if "moderator" in rows[0]]
    return rows


def test_bubbles_and_line() -> None:
    result = regress(bcg(), None, {"latitude": LATITUDE})
    figure = bubble(result, CAPTION)
    drawn = sorted(bubbles(figure), key=lambda row: row["row"])
    assert [row["moderator"] for row in drawn] == LATITUDE
    assert [row["estimate"] for row in drawn] == pytest.approx([math.exp(e) for e in result.effect])
    shares = [row["size"] / max(row["size"] for row in drawn) for row in drawn]
    heaviest = max(result.weights)
    assert shares == pytest.approx([weight / heaviest for weight in result.weights])
    (line,) = marks(figure, "line", color=theme.RECOMPUTED)
    assert line[0]["moderator"] == min(LATITUDE)
    assert line[-1]["moderator"] == max(LATITUDE)
    # Published: intercept 0.2515, slope -0.0291 on the log scale.
    for row in (line[0], line[60], line[-1]):
        assert math.log(row["estimate"]) == pytest.approx(
            0.25146821 - 0.02910172501 * row["moderator"], abs=1e-6
        )
        (expected,) = predict(result, {"latitude": [row["moderator"]]})
        for name in ("ci_low", "ci_high", "pi_low", "pi_high"):
            assert row[name] == pytest.approx(expected[f"natural_{name}"])


def test_the_key_gives_test_and_slope() -> None:
    said = words(bubble(regress(bcg(), None, {"latitude": LATITUDE}), CAPTION))
    assert "−0.0291" in said
    assert "F(1, 11) = 12.6" in said
    assert "p = 0.0046" in said
    assert "76%" in said


def test_a_factor_is_drawn_as_strips() -> None:
    result = regress(bcg(), None, {"allocation": ALLOCATION, "year": YEAR})
    figure = bubble(result, CAPTION, moderator="allocation")
    means = figure.data[figure.data["mark"] == "mean"]
    assert means["moderator"].tolist() == ["alternate", "random", "systematic"]
    (first, *_) = predict(result, {"allocation": ["alternate"], "year": [float(np.mean(YEAR))]})
    assert means["estimate"].iloc[0] == pytest.approx(first["natural_estimate"])
    said = words(figure)
    assert {"alternate (k = 2)", "random (k = 7)", "systematic (k = 4)"} <= set(said)
    assert any(text.startswith("Other moderators are held at: year 1966") for text in said)
    # Every bubble stands within its own strip.
    strips = next(rows for rows in marks(figure, "rect") if "top" in rows[0])
    ends = {row["moderator"]: (row["top"], row["bottom"]) for row in strips}
    for row in bubbles(figure):
        top, bottom = ends[row["moderator"]]
        assert top <= row["y"] <= bottom


def test_other_moderators_are_held_at_their_reference() -> None:
    result = regress(bcg(), None, {"allocation": ALLOCATION, "year": YEAR})
    figure = bubble(result, CAPTION, moderator="year")
    line = figure.data[figure.data["mark"] == "line"]
    (expected,) = predict(result, {"allocation": ["alternate"], "year": [min(YEAR)]})
    assert line["estimate"].iloc[0] == pytest.approx(expected["natural_estimate"])
    assert any("allocation alternate" in text for text in words(figure))


def test_common_effect_has_no_prediction_band() -> None:
    figure = bubble(regress(bcg(), None, {"latitude": LATITUDE}, method="common"), CAPTION)
    assert "prediction interval" not in words(figure)
    assert "new study" not in " ".join(figure.chart.title.subtitle)
    assert len(marks(figure, "area")) == 1


def test_unknown_moderator() -> None:
    result = regress(bcg(), None, {"latitude": LATITUDE})
    with pytest.raises(UsageError, match=r"no moderator 'altitude'"):
        bubble(result, CAPTION, moderator="altitude")


def test_many_studies_and_many_levels() -> None:
    events, n = many(60)
    levels = [f"a level with a long name, number {index % 8}" for index in range(60)]
    result = regress(proportions(events, n), None, {"level": levels})
    figure = bubble(result, replace(CAPTION, kind="reported"))
    assert len(bubbles(figure)) == 60
    assert b"number 7 (k = 7)" in figure.rendered("svg")


def test_a_logarithm_is_labelled_by_its_numbers() -> None:
    events, n = many(20)
    result = regress(proportions(events, n), None, {"log10 n": np.log10(n)})
    figure = bubble(result, CAPTION, log_base=10.0, moderator_title="cases")
    picture = figure.rendered("svg").decode()
    assert ">100<" in picture
    assert ">1,000<" in picture
    assert "cases (log scale)" in picture


def test_an_interval_beyond_the_axis_has_an_arrow_and_a_note() -> None:
    """One study of 28 alone in its level: its mean may be nearly anything."""
    events = [163, 76, 81, 42, 21, 115, 119, 534, 91, 2404, 6749, 4940, 10069]
    n = [197, 89, 100, 60, 28, 129, 125, 600, 100, 2544, 7180, 5278, 11481]
    kinds = ["CT"] * 4 + ["MRI"] + ["X-ray"] * 5 + ["microscopy"] + ["endoscopy"] * 2
    figure = bubble(regress(proportions(events, n), None, {"kind": kinds}), CAPTION)
    means = figure.data[figure.data["mark"] == "mean"].reset_index(drop=True)
    domain = next(
        encoding["x"]["scale"]["domain"]
        for _, _, encoding in layers(figure)
        if encoding.get("x", {}).get("scale")
    )
    beyond = means[(means["ci_low"] < domain[0]) | (means["pi_low"] < domain[0])]
    assert len(beyond) > 0
    (arrows,) = marks(figure, "point", shape="triangle-left")
    assert [row["at"] for row in arrows] == [domain[0]] * len(beyond)
    strips = next(rows for rows in marks(figure, "rect") if "top" in rows[0])
    cut = [row for row in strips if row["moderator"] in set(beyond["moderator"])]
    assert [row["y"] for row in arrows] == [(row["top"] + row["bottom"]) / 2 for row in cut]
    assert not marks(figure, "point", shape="triangle-right")
    assert "Arrows: the interval goes on beyond the axis." in words(figure)


def test_no_arrow_where_all_is_on_the_axis() -> None:
    figure = bubble(regress(bcg(), None, {"allocation": ALLOCATION}, method="common"), CAPTION)
    assert not marks(figure, "point", shape="triangle-left")
    assert not any("beyond the axis" in text for text in words(figure))


def test_a_line_whose_bands_are_cut_says_so() -> None:
    fitted = pd.DataFrame({"mark": ["line"], "ci_low": [0.1], "ci_high": [0.9]})
    axis = ValueAxis("x", 0.2, 1.0, (0.5,), 1)
    said = _drawn(regress(bcg(), None, {"latitude": LATITUDE}), fitted, axis)
    assert said[0] == "The intervals of the line are cut where they leave the axis."


def test_bubbles_that_look_alike_are_explained() -> None:
    """Where studies differ far more than chance, their weights hardly do."""
    alike = regress(proportions([90, 10, 50, 70], [100] * 4), None, {"x": [1.0, 2.0, 4.0, 3.0]})
    assert 1 <= max(alike.weights) / min(alike.weights) < 1.5
    assert any(text.startswith("The bubbles look alike") for text in words(bubble(alike, CAPTION)))
    apart = regress(bcg(), None, {"latitude": LATITUDE})
    assert max(apart.weights) / min(apart.weights) > 1.5
    assert not any("look alike" in text for text in words(bubble(apart, CAPTION)))
