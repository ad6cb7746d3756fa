"""The forest plot draws the numbers of the result, and nothing else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.text_width import text_width
from metaanalysis.figures.stats.forest import forest
from metaanalysis.stats.effects import proportions
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.pool import pool, pool_studies
from metaanalysis.stats.results import PoolResult
from metaanalysis.stats.subgroups import subgroups
from tests.metaanalysis.figures.drawn import words
from tests.metaanalysis.figures.material import (
    ALLOCATION,
    AT_THE_EDGE,
    CAPTION,
    EVENTS,
    N,
    axis_range,
    bcg,
    many,
    marks,
    pritz,
)


def squares(figure: Figure) -> list[dict[str, Any]]:
    """Return the squares, from the top; each stands in one layer, full or hollow."""
    found: dict[float, dict[str, Any]] = {}
    for rows in marks(figure, "point", shape="square"):
        found |= {row["y"]: row for row in rows}
    return [found[y] for y in sorted(found)]


def diamonds(figure: Figure) -> list[list[float]]:
    """Return the three corners of each diamond, from the top."""
    corners: dict[float, list[float]] = {}
    for row in marks(figure, "area")[0] if marks(figure, "area") else []:
        corners.setdefault(row["y"], []).append(row["x"])
    return [corners[y] for y in sorted(corners)]


def bars(figure: Figure) -> list[dict[str, Any]]:
    """Return the bars of prediction intervals, from the top."""
    found = marks(figure, "rule", color=theme.RECOMPUTED, strokeWidth=4.5)
    return sorted((row for rows in found for row in rows), key=lambda row: row["y"])


def test_squares_stand_at_the_effects_and_their_area_is_the_weight() -> None:
    result = pool(bcg())
    drawn = squares(forest(result, CAPTION))
    assert [row["estimate"] for row in drawn] == pytest.approx([math.exp(e) for e in result.effect])
    assert [row["label"] for row in drawn] == list(result.labels)
    sizes = [row["size"] for row in drawn]
    assert [size / sum(sizes) for size in sizes] == pytest.approx(
        [weight / 100 for weight in result.weights], rel=1e-9
    )


def test_whiskers_are_the_interval_of_the_study_on_the_scale_of_the_analysis() -> None:
    result = pool(bcg())
    (rows,) = marks(forest(result, CAPTION), "rule", color=theme.INK)
    for row, effect, variance in zip(rows, result.effect, result.variance, strict=True):
        half = 1.959963984540054 * math.sqrt(variance)
        assert row["low"] == pytest.approx(math.exp(effect - half), rel=1e-12)
        assert row["high"] == pytest.approx(math.exp(effect + half), rel=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pool(bcg()),
        lambda: pool(pritz(), test="z"),
        lambda: pool(pritz("freeman-tukey")),
        lambda: glmm(EVENTS, N),
        lambda: pool(pritz("raw"), level=0.9),
    ],
    ids=["ratio", "logit", "double arcsine", "glmm", "raw"],
)
def test_diamond_and_bar_are_the_pooled_numbers(make: Callable[[], PoolResult]) -> None:
    result = make()
    at = result.back_transformed
    figure = forest(result, CAPTION)
    assert diamonds(figure) == [pytest.approx([at["ci_low"], at["estimate"], at["ci_high"]])]
    (bar,) = bars(figure)
    assert (bar["ci_low"], bar["ci_high"]) == (at["pi_low"], at["pi_high"])
    domain, _ = axis_range(figure, "estimate")
    # Within the axis the bar is drawn whole; beyond it, up to its end.
    assert bar["low"] == max(at["pi_low"], domain[0])
    assert bar["high"] == min(at["pi_high"], domain[1])


def test_data_hold_one_row_a_mark() -> None:
    result = pool(pritz())
    data = forest(result, CAPTION, events=EVENTS, n=N).data
    assert data["mark"].tolist() == ["study"] * 14 + ["pooled", "prediction"]
    assert data["events"].tolist()[:14] == EVENTS
    assert data["n"].tolist()[:14] == N
    pooled = data[data["mark"] == "pooled"].iloc[0]
    assert pooled["estimate"] == result.back_transformed["estimate"]
    assert pooled["k"] == 14


def test_texts_say_what_is_drawn() -> None:
    figure = forest(pool(bcg()), CAPTION)
    said = words(figure)
    assert "0.49 [0.33, 0.73]" in said  # the published REML, Knapp-Hartung
    assert "[0.14, 1.76]" in said
    assert "Random effects (REML), k = 13" in said
    assert any("I² 92.2% [81.9, 97.7]" in text and "Q (12 df) = 152.2" in text for text in said)
    assert any("Knapp–Hartung, t(12)" in text for text in said)
    assert "A note." in said


def test_kinds_are_told_apart() -> None:
    curated = forest(pool(bcg()), CAPTION)
    reported = forest(pool(bcg()), replace(CAPTION, kind="reported"))
    for figure, colour, word in (
        (curated, theme.CURATED, "Curated"),
        (reported, theme.REPORTED, "Reported"),
    ):
        assert marks(figure, "point", shape="square", fill=colour)
        assert marks(figure, "area", color=theme.RECOMPUTED)
        subtitle = " ".join(figure.chart.title.subtitle)
        assert word in subtitle
        assert "Recomputed" in subtitle


@pytest.mark.parametrize("make", [lambda: pool(pritz()), lambda: glmm(EVENTS, N)])
def test_studies_at_100_percent_are_hollow_and_explained(make: Callable[[], PoolResult]) -> None:
    figure = forest(make(), CAPTION, events=EVENTS, n=N)
    drawn = squares(figure)
    assert [index for index, row in enumerate(drawn) if row["faded"]] == AT_THE_EDGE
    assert [row["estimate"] for row in drawn if row["faded"]] == pytest.approx(
        [10.5 / 11, 12.5 / 13]
    )
    said = words(figure)
    assert {"10/10", "12/12"} <= set(said)
    assert sum(text.startswith("†0.9") for text in said) == 2
    assert any(text.startswith("† 2 studies at 0% or 100%") for text in said)


@pytest.mark.parametrize("transform", ["arcsine", "freeman-tukey"])
def test_arcsines_have_a_place_for_100_percent(transform: str) -> None:
    """Each study is inverted at its own n, not at the harmonic mean that the pooled value takes."""
    figure = forest(pool(pritz(transform)), CAPTION, events=EVENTS, n=N)
    assert [row["estimate"] for row in squares(figure)] == pytest.approx(
        [e / n for e, n in zip(EVENTS, N, strict=True)], abs=1e-9
    )
    assert not any("†" in text for text in words(figure))


def test_glmm_has_no_weights_and_shows_n() -> None:
    figure = forest(glmm(EVENTS, N), CAPTION)
    sizes = [row["size"] for row in squares(figure)]
    assert sizes.index(max(sizes)) == N.index(max(N))
    assert "weight" not in words(figure)
    assert "10/10" in words(figure)


def test_rows_pick_counts_where_some_are_left_out() -> None:
    events: list[float] = [45, math.nan, 18, 70]
    n: list[float] = [50, 40, 20, 80]
    studies = proportions(events, n, labels=["a", "b", "c", "d"], missing="exclude")
    figure = forest(pool(studies), CAPTION, events=events, n=n)
    assert figure.data["n"].tolist()[:3] == [50, 20, 80]
    assert any(text.startswith("Left out: 1 row (events: missing)") for text in words(figure))


@pytest.mark.parametrize("mode", ["separate", "common"])
def test_subgroup_diamonds(mode: Any) -> None:
    result = subgroups(bcg(), groups=ALLOCATION, factor="allocation", tau2_mode=mode)
    figure = forest(result, CAPTION)
    expected = []
    for group in (*result.groups, result.overall):
        at = group.back_transformed
        expected.append([at["ci_low"], at["estimate"], at["ci_high"]])
    found = diamonds(figure)
    assert len(found) == 4
    for corners, numbers in zip(found, expected, strict=True):
        assert corners[1] == pytest.approx(numbers[1])
    # Those that fit the axis are drawn at their numbers; the group of two may leave it.
    domain, _ = axis_range(figure, "estimate")
    for corners, numbers in zip(found, expected, strict=True):
        clipped = [min(max(value, domain[0]), domain[1]) for value in numbers]
        assert corners == pytest.approx(clipped)
    pooled = figure.data[figure.data["mark"] == "pooled"]
    assert pooled["ci_low"].tolist() == pytest.approx([numbers[0] for numbers in expected])
    assert pooled["group"].tolist()[:3] == list(result.names)
    shares = pooled["weight"].tolist()
    assert sum(shares[:3]) == pytest.approx(shares[3]) == pytest.approx(100)
    assert any(text.startswith("Difference between groups") for text in words(figure))


def test_a_subgroup_of_one_has_no_diamond_of_its_own() -> None:
    groups = ["alone", *["rest"] * 12]
    result = subgroups(bcg(), groups=groups, factor="group")
    figure = forest(result, CAPTION)
    assert len(diamonds(figure)) == 2
    assert figure.data["mark"].tolist().count("study") == 13
    assert any("One study only in alone" in text for text in words(figure))


def test_common_effect_has_no_prediction_interval() -> None:
    figure = forest(pool(bcg(), method="common"), CAPTION)
    assert bars(figure) == []
    assert "prediction" not in set(figure.data["mark"])
    assert "prediction" not in " ".join(figure.chart.title.subtitle)


def test_an_endless_prediction_interval_is_cut_with_arrows() -> None:
    result = replace(pool(bcg()), pi_low=-math.inf, pi_high=math.inf)
    figure = forest(result, CAPTION)
    (bar,) = bars(figure)
    domain, _ = axis_range(figure, "estimate")
    assert [bar["low"], bar["high"]] == domain
    assert marks(figure, "point", shape="triangle-left")
    assert marks(figure, "point", shape="triangle-right")
    assert "[0, ∞]" in words(figure)
    assert any(text.startswith("Arrows") for text in words(figure))
    figure.rendered("svg")


@pytest.mark.parametrize("k", [1, 2, 60])
@pytest.mark.parametrize("transform", ["logit", "raw", "freeman-tukey"])
def test_few_and_many_studies(k: int, transform: Any) -> None:
    events, n = many(k)
    result = pool_studies(proportions(events, n, transform))
    figure = forest(result, CAPTION, events=events, n=n)
    drawn = squares(figure)
    assert len(drawn) == k
    assert min(row["size"] for row in drawn) >= 9
    middles = [row["y"] for row in drawn]
    assert all(b - a >= 15 for a, b in itertools.pairwise(middles))
    domain, span = axis_range(figure, "estimate")
    assert domain[0] >= 0
    assert domain[1] <= 1
    assert span[1] - span[0] >= 250
    assert figure.rendered("svg").startswith(b"<svg")


def test_equal_effects_leave_a_mark() -> None:
    """All at 100 %: the diamond has no width, a line stands in its place."""
    figure = forest(pool(proportions([10, 20], [10, 20], "arcsine")), CAPTION)
    assert diamonds(figure) == [[1.0, 1.0, 1.0]]
    assert any(
        row["estimate"] == 1.0
        for rows in marks(figure, "rule", strokeWidth=1.6)
        for row in rows
        if row["mark"] == "pooled"
    )


def test_long_labels_keep_their_reference() -> None:
    labels = [
        f"A very long list of authors, and a long title of a journal {i} [{i}]" for i in (7, 8)
    ]
    result = pool(proportions([45, 18], [50, 20], labels=labels))
    figure = forest(result, CAPTION)
    assert any(text.endswith("… [7]") for text in words(figure))
    assert figure.data["label"].tolist()[0] == labels[0]


def test_order() -> None:
    result = pool(bcg())
    rising = [row["estimate"] for row in squares(forest(result, CAPTION, order="estimate"))]
    assert rising == sorted(rising)
    heaviest = [row["weight"] for row in squares(forest(result, CAPTION, order="weight"))]
    assert heaviest == sorted(heaviest, reverse=True)


def test_a_table_of_ones_own_does_not_name_the_review() -> None:
    own = words(forest(pool(bcg()), CAPTION))
    ours = words(forest(pool(bcg()), replace(CAPTION, data_hash="abc")))
    assert not any("Kim et al." in text for text in own)
    assert any("Kim et al." in text and "data abc" in text for text in ours)


def test_files() -> None:
    figure = forest(pool(bcg()), replace(CAPTION, name="forest-accuracy"))
    assert figure.stem == "figure-forest-accuracy"
    page = figure.rendered("html").decode()
    assert "https://cdn" not in page


@pytest.mark.parametrize("k", [14, 36])
def test_the_widest_label_is_not_cut_by_rounding(k: int) -> None:
    """The column is as wide as the pooled label: all of it must be there, k above all."""
    events, n = many(k)
    labels = [f"S {i}" for i in range(k)]
    result = pool(proportions(events, n, labels=labels))
    for method, name in (
        ("GLMM", "Binomial–normal model (GLMM)"),
        ("REML", "Random effects (REML)"),
        ("common", "Common effect"),
    ):
        figure = forest(replace(result, method=method), CAPTION, events=events, n=n)
        assert f"{name}, k = {k}" in words(figure)


def test_a_label_may_run_over_the_empty_cells_beside_it() -> None:
    name = "Random effects (a method whose name is much longer than the others)"
    result = replace(pool(pritz()), method="a method whose name is much longer than the others")
    figure = forest(result, CAPTION, events=[e * 10**6 for e in EVENTS], n=[e * 10**6 for e in N])
    (pooled,) = [text for text in words(figure) if text.startswith("Random effects (a method")]
    assert text_width(pooled, 12, bold=True) > 250
    assert name.startswith(pooled.rstrip("…"))
