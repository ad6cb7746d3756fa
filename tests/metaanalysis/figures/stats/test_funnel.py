"""The funnel plot: points at effect and standard error, contours that fit the effect."""

from __future__ import annotations

import math
from typing import Any

import pytest

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.stats.funnel import funnel
from metaanalysis.stats.bias import egger, peese
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.pool import pool, pool_studies
from metaanalysis.stats.trim_fill import trim_and_fill
from tests.metaanalysis.figures.drawn import words
from tests.metaanalysis.figures.material import CAPTION, EVENTS, N, bcg, marks, pritz


def contour(figure: Figure, level: float) -> list[dict[str, Any]]:
    found = [rows for rows in marks(figure, "area") if rows[0].get("level") == level]
    (rows,) = found
    return rows


def test_points_are_the_studies() -> None:
    result = pool(bcg())
    (rows,) = marks(funnel(result, CAPTION), "point", fill=theme.CURATED)
    assert [row["effect"] for row in rows] == list(result.effect)
    assert [row["se"] ** 2 for row in rows] == pytest.approx(list(result.variance))
    assert [row["natural"] for row in rows] == pytest.approx([math.exp(e) for e in result.effect])


def test_ratios_have_contours_of_significance() -> None:
    figure = funnel(pool(bcg()), CAPTION)
    for level, z in ((0.90, 1.6448536), (0.95, 1.9599640), (0.99, 2.5758293)):
        for row in contour(figure, level):
            assert row["effect"] == pytest.approx(-z * row["se"], abs=1e-6)
            assert row["high"] == pytest.approx(z * row["se"], abs=1e-6)
    assert "p > 0.10" in words(figure)


def test_proportions_have_contours_around_the_pooled_value() -> None:
    result = pool(pritz())
    figure = funnel(result, CAPTION)
    for row in contour(figure, 0.95):
        assert row["effect"] == pytest.approx(result.estimate - 1.959964 * row["se"], abs=1e-6)
    assert any("no value of no effect" in text for text in words(figure))
    assert any("a funnel leans" in text for text in words(figure))
    steady = funnel(pool(pritz("arcsine")), CAPTION)
    assert not any("a funnel leans" in text for text in words(steady))


def test_contours_can_be_chosen() -> None:
    figure = funnel(pool(bcg()), CAPTION, contours="confidence")
    (top,) = [row for row in contour(figure, 0.95) if row["se"] == 0]
    assert top["effect"] == top["high"] == pytest.approx(pool(bcg()).estimate)


def test_filled_studies_are_hollow() -> None:
    filled = trim_and_fill(pritz())
    assert filled.k0 == 4
    figure = funnel(pool(pritz()), CAPTION, filled=filled)
    (rows,) = marks(figure, "point", fill=theme.PAPER)
    assert [row["effect"] for row in rows] == list(filled.filled_effect)
    assert [row["se"] ** 2 for row in rows] == pytest.approx(list(filled.filled_variance))
    assert "filled in (4)" in words(figure)
    ends = figure.data[figure.data["mark"] == "pooled with filled"]
    assert ends["effect"].tolist() == [filled.adjusted.estimate] * 2
    assert "no data" in " ".join(figure.chart.title.subtitle)


def test_nothing_filled_draws_nothing_and_says_so() -> None:
    filled = trim_and_fill(bcg(), estimator="R0")
    assert filled.k0 == 0
    figure = funnel(pool(bcg()), CAPTION, filled=filled)
    assert marks(figure, "point", fill=theme.PAPER) == []
    assert any("finds no study missing" in text for text in words(figure))


@pytest.mark.parametrize(("test", "power"), [(egger, 1), (peese, 2)])
def test_line_of_the_regression(test: Any, power: int) -> None:
    fitted = test(bcg())
    figure = funnel(pool(bcg()), CAPTION, egger=fitted)
    (rows,) = marks(figure, "line", color=theme.INK)
    for row in rows:
        assert row["effect"] == pytest.approx(fitted.limit + fitted.slope * row["se"] ** power)
    assert rows[0]["se"] == 0
    assert fitted.name in words(figure)


def test_the_key_gives_natural_values() -> None:
    figure = funnel(pool(bcg()), CAPTION, filled=trim_and_fill(bcg()))
    assert "pooled: 0.489" in words(figure)
    assert "with the filled in: 0.518" in words(figure)  # exp(-0.657083), published


def test_glmm_says_where_its_100_percent_stand() -> None:
    figure = funnel(glmm(EVENTS, N), CAPTION)
    assert any("drawn with 0.5 added" in text for text in words(figure))


@pytest.mark.parametrize("k", [1, 2])
def test_few_studies(k: int) -> None:
    studies = bcg()
    kept = studies.take([index < k for index in range(studies.k)])  # type: ignore[arg-type]
    figure = funnel(pool_studies(kept), CAPTION)
    assert len(figure.data[figure.data["mark"] == "study"]) == k
    assert figure.rendered("svg").startswith(b"<svg")
