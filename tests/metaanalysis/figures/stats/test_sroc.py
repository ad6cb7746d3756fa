"""The SROC plot draws the bivariate model's own points."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metaanalysis.figures.kit import theme
from metaanalysis.figures.stats.sroc import sroc
from metaanalysis.stats.accuracy import bivariate
from metaanalysis.stats.result_tables import BivariateResult
from tests.metaanalysis.figures.drawn import words
from tests.metaanalysis.figures.material import AUDIT_C, CAPTION, axis_range, marks


@pytest.fixture(scope="module")
def result() -> BivariateResult:
    return bivariate(AUDIT_C)


def test_studies_summary_and_lines(result: BivariateResult) -> None:
    figure = sroc(result, CAPTION)
    studies = [rows for rows in marks(figure, "point", shape="circle") if "sensitivity" in rows[0]]
    drawn = sorted(studies[0], key=lambda row: row["row"])
    tp, fn, fp, tn = np.array(AUDIT_C, dtype=float).T
    assert [row["sensitivity"] for row in drawn] == pytest.approx((tp / (tp + fn)).tolist())
    assert [row["fpr"] for row in drawn] == pytest.approx((fp / (fp + tn)).tolist())
    assert [row["n"] for row in drawn] == (tp + fn + fp + tn).tolist()
    largest = max(drawn, key=lambda row: row["size"])
    assert largest["n"] == 6955
    (summary,) = [
        rows for rows in marks(figure, "point", shape="diamond") if "sensitivity" in rows[0]
    ]
    assert summary[0]["sensitivity"] == result.sensitivity.estimate
    assert summary[0]["fpr"] == result.fpr.estimate
    lines = {rows[0]["mark"]: rows for rows in marks(figure, "line", color=theme.RECOMPUTED)}
    for name, points in (
        ("confidence region", result.confidence_region),
        ("prediction region", result.prediction_region),
        ("summary curve", result.sroc),
    ):
        assert [(row["fpr"], row["sensitivity"]) for row in lines[name]] == list(points)


def test_the_key_gives_the_published_summary(result: BivariateResult) -> None:
    said = words(sroc(result, CAPTION))
    assert "0.891 [0.808, 0.941]" in said
    assert "0.780 [0.715, 0.833]" in said
    assert "0.888" in said
    assert any("0.5 added to all four cells" in text for text in said)


def test_no_curve_where_there_is_none(result: BivariateResult) -> None:
    flat = replace(result, sroc=(), auc=math.nan, partial_auc=math.nan, rho=math.nan)
    figure = sroc(flat, CAPTION)
    assert "summary curve" not in words(figure)
    assert "area under the curve" not in words(figure)
    assert figure.rendered("svg").startswith(b"<svg")


def test_zoom_keeps_everything_in_a_square(result: BivariateResult) -> None:
    near = replace(
        result,
        study_points=tuple((fpr / 4, 1 - (1 - height) / 4) for fpr, height in result.study_points),
        confidence_region=((0.05, 0.95),),
        prediction_region=((0.2, 0.85),),
        sroc=((0.1, 0.9), (0.15, 0.92)),
    )
    figure = sroc(near, CAPTION, zoom=True)
    x, _ = axis_range(figure, "fpr")
    assert 0.2 <= x[1] < 0.5
    assert any("Only a part" in text for text in words(figure))
    whole = sroc(result, CAPTION)
    assert axis_range(whole, "fpr")[0] == [0, 1]
    assert not any("Only a part" in text for text in words(whole))
