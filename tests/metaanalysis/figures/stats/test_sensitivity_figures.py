"""Cumulative, leave-one-out, influence and multiverse figures draw their tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from db.errors import UsageError
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.text_width import text_width
from metaanalysis.figures.stats.cumulative import cumulative as draw_cumulative
from metaanalysis.figures.stats.influence import _ticks as panel_ticks
from metaanalysis.figures.stats.influence import influence as draw_influence
from metaanalysis.figures.stats.multiverse import multiverse as draw_multiverse
from metaanalysis.stats.effects import proportions
from metaanalysis.stats.influence import cumulative, influence, leave_one_out
from metaanalysis.stats.multiverse import multiverse, multiverse_proportions
from tests.metaanalysis.figures.drawn import layers, words
from tests.metaanalysis.figures.material import (
    CAPTION,
    EVENTS,
    YEAR,
    N,
    axis_range,
    bcg,
    many,
    marks,
)


def points(figure: Any, colour: str = theme.RECOMPUTED) -> list[dict[str, Any]]:
    found = [rows for rows in marks(figure, "point", color=colour) if rows[0].get("mark") == "step"]
    (rows,) = [rows for rows in found if "estimate" in rows[0]][-1:]
    return sorted(rows, key=lambda row: row["y"])


def test_cumulative() -> None:
    result = cumulative(bcg(), order=YEAR)
    figure = draw_cumulative(result, CAPTION)
    assert figure.stem == "figure-cumulative"
    drawn = points(figure)
    assert [row["estimate"] for row in drawn] == list(result.column("natural_estimate"))
    assert [row["ci_low"] for row in drawn] == list(result.column("natural_ci_low"))
    assert [row["k"] for row in drawn] == list(range(1, 14))
    assert drawn[0]["label"] == "Trial 1 [1]"
    assert drawn[-1]["label"] == "Trial 8 [8]"  # of 1980
    domain, _ = axis_range(figure, "estimate")
    for row in drawn:
        assert row["high"] == min(row["ci_high"], domain[1])
    assert "Up to and with" in words(figure)
    pooled = figure.data[figure.data["mark"] == "pooled"].iloc[0]
    assert result.full is not None
    assert pooled["estimate"] == result.full.back_transformed["estimate"]


@pytest.mark.parametrize("k", [3, 60])
def test_leave_one_out(k: int) -> None:
    events, n = many(k)
    result = leave_one_out(proportions(events, n))
    figure = draw_cumulative(result, CAPTION)
    assert figure.stem == "figure-leave-one-out"
    assert [row["estimate"] for row in points(figure)] == list(result.column("natural_estimate"))
    assert "Without" in words(figure)
    assert figure.rendered("svg").startswith(b"<svg")


def test_influence_draws_the_measures() -> None:
    result = influence(bcg())
    figure = draw_influence(result, CAPTION)
    for measure in ("rstudent", "dffits", "cook", "hat", "cov_ratio", "tau2_deleted"):
        mine = figure.data[figure.data["measure"] == measure]
        assert mine["value"].tolist() == list(result.column(measure))
    # Published, trial 1.
    first = figure.data[figure.data["label"] == "Trial 1 [1]"].set_index("measure")["value"]
    assert first["tau2_deleted"] == pytest.approx(0.336156745, abs=1e-6)
    assert any("No study is influential" in text for text in words(figure))


def test_influence_marks_what_the_result_calls_influential() -> None:
    events, n = [*many(20)[0][2:], 30], [*many(20)[1][2:], 1000]
    labels = [f"Study {index}" for index in range(1, 20)]
    result = influence(proportions(events, n, labels=labels))
    assert list(result.influential) == ["Study 19"]
    figure = draw_influence(result, CAPTION)
    marked = figure.data[figure.data["influential"]]
    assert set(marked["label"]) == {"Study 19"}
    assert any(text.startswith("Influential: Study 19") for text in words(figure))


def test_cut_offs_of_the_result_are_drawn() -> None:
    """Those of measures that have a panel; one that is not defined is none."""
    plain = influence(bcg())
    limits = {"rstudent": 1.96, "dffits": 0.87, "cook": 0.45, "hat": 0.23, "dfbetas": 1.0}
    figure = draw_influence(replace(plain, cutoffs=limits), CAPTION)
    drawn = [row["value"] for rows in marks(figure, "rule", strokeDash=[4, 3]) for row in rows]
    assert drawn == [-1.96, 1.96, -0.87, 0.87, 0.45, 0.23]
    assert any(text.startswith("Dashed: the cut-offs") for text in words(figure))
    none = {"dfbetas": 1.0, "cook": math.nan}
    figure = draw_influence(replace(plain, cutoffs=none), CAPTION)
    assert not marks(figure, "rule", strokeDash=[4, 3])
    assert not any(text.startswith("Dashed") for text in words(figure))


@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.005, 0.0734), (0.77, 1.17), (0.33, 0.55), (-0.55, 0.65), (-2.1, 2.6), (-9e-5, 1.2e-3)],
)
def test_tick_labels_of_a_panel_do_not_collide(low: float, high: float) -> None:
    ticks = panel_ticks(low, high)
    assert len(ticks) >= 2
    places = [(tick - low) / (high - low) * 96 for tick in ticks]
    halves = [text_width(f"{tick:g}", 12) / 2 for tick in ticks]
    for index in range(len(ticks) - 1):
        assert places[index] + halves[index] + 8 < places[index + 1] - halves[index + 1]
    assert places[0] - halves[0] >= -6
    assert places[-1] + halves[-1] <= 96 + 6


def test_influence_panels_have_these_ticks() -> None:
    figure = draw_influence(influence(bcg()), CAPTION)
    axes = [encoding["x"] for _, _, encoding in layers(figure) if encoding.get("x", {}).get("axis")]
    assert axes
    for x in axes:
        assert x["axis"]["values"] == panel_ticks(*x["scale"]["domain"])


def test_influence_leaves_out_what_is_not_defined() -> None:
    result = influence(bcg())
    broken = replace(result, table=({**result.table[0], "cook": math.nan}, *result.table[1:]))
    figure = draw_influence(broken, CAPTION)
    assert any(text.startswith("1 value is not defined") for text in words(figure))
    assert figure.rendered("svg").startswith(b"<svg")


def test_multiverse_curve_and_matrix() -> None:
    result = multiverse_proportions(EVENTS, N, inclusion={"large": np.array(N) >= 12})
    figure = draw_multiverse(result, replace(CAPTION, value="proportion"), share=True)
    estimates = [row["estimate"] for row in result.table]
    (drawn,) = [rows for rows in marks(figure, "point") if "estimate" in rows[0]]
    assert [row["estimate"] for row in drawn] == estimates == sorted(estimates)
    places = [row["x"] for row in drawn]
    assert places == sorted(places)
    dots = next(rows for rows in marks(figure, "point") if "on" in rows[0])
    for row in drawn:
        mine = {dot["column"]: dot["level"] for dot in dots if dot["on"] and dot["x"] == row["x"]}
        assert mine == {name: row[name] for name in ("transform", "method", "test", "inclusion")}
    said = words(figure)
    assert "all (k = 14)" in said
    assert "counts (GLMM)" in said
    low, high = estimates[0], estimates[-1]
    assert any(text.startswith(f"Estimates from {low:.3f} to {high:.3f}") for text in said)


def test_multiverse_marks_the_chosen_analysis() -> None:
    result = multiverse_proportions(EVENTS, N)
    chosen = {"transform": "glmm", "test": "z"}
    figure = draw_multiverse(result, CAPTION, share=True, chosen=chosen)
    (marked,) = figure.data[figure.data["chosen"]].to_dict("records")
    assert marked["transform"] == "glmm"
    assert marked["test"] == "z"
    with pytest.raises(UsageError, match="are as chosen"):
        draw_multiverse(result, CAPTION, chosen={"transform": "logit"})


def test_choices_without_alternatives_are_not_drawn() -> None:
    result = multiverse(bcg(), methods=["REML", "DL"], tests=["z"])
    said = words(draw_multiverse(result, CAPTION, ratio=True))
    assert "method" in said
    assert "test" not in said
    assert "studies" not in said
    one = draw_multiverse(replace(result, table=result.table[:1]), CAPTION, ratio=True)
    assert len(one.data) == 1
    assert one.rendered("svg").startswith(b"<svg")


def test_analyses_that_failed_are_said() -> None:
    result = multiverse_proportions([10, 12], [10, 12], transforms=["arcsine", "glmm"])
    assert result.summary["failed"] > 0
    figure = draw_multiverse(result, CAPTION, share=True)
    assert any(text.startswith("Not shown: all, glmm") for text in words(figure))


def _multiverse_with(lows: list[float]) -> Any:
    result = multiverse_proportions(EVENTS, N)
    rows = [
        {**result.table[0], "estimate": 0.87 + 0.002 * i, "ci_low": low, "ci_high": 0.93}
        for i, low in enumerate(lows)
    ]
    return draw_multiverse(replace(result, table=tuple(rows)), CAPTION, share=True)


def test_a_multiverse_shows_its_intervals_whole() -> None:
    figure = _multiverse_with([0.84] * 16 + [0.80] * 4)
    (rows,) = [rows for rows in marks(figure, "rule") if "ci_low" in rows[0]]
    assert [row["low"] for row in rows] == [row["ci_low"] for row in rows]
    assert not any(text.startswith("Intervals are cut") for text in words(figure))


def test_an_absurd_interval_of_a_multiverse_is_cut_and_said() -> None:
    figure = _multiverse_with([0.84] * 19 + [0.01])
    (rows,) = [rows for rows in marks(figure, "rule") if "ci_low" in rows[0]]
    assert rows[-1]["low"] > 0.5
    assert any(text.startswith("Intervals are cut") for text in words(figure))
