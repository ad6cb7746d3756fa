"""Figure 6: who is shown by the review's rule, who is not and why, and where the points lie."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest
import yaml

from db.database import Database
from db.errors import UnknownTermError
from metaanalysis import query
from metaanalysis.figures.kit.placing import SIDES, place
from metaanalysis.figures.review import performance as figures
from metaanalysis.figures.review.performance import _TL_AND_MODALITY, _chart, _plane
from metaanalysis.review.performance import (
    MINOR_BARS,
    MINOR_MODEL,
    MODEL_UNKNOWN,
    RULE,
    SEVERAL_MODELS,
    SEVERAL_TL_TYPES,
    SHOWN,
    TL_TYPE_UNKNOWN,
    account_for,
    points,
    rule_reason,
    selection,
)
from tests.metaanalysis.written import _FOLDER, written
from tests.metaanalysis.written import drawn as marks


def _groups() -> dict[str, str]:
    listed = yaml.safe_load((_FOLDER.parent / "backbones.yaml").read_text(encoding="utf-8"))
    return {entry["name"]: entry["review_group"] for entry in listed}


def _expected_reason(study: dict[str, Any], groups: dict[str, str]) -> str:
    models, types = study["backbones"] or [], study["tl_types"] or []
    if len(models) > 1:
        return SEVERAL_MODELS
    if len(types) > 1:
        return SEVERAL_TL_TYPES
    if models and groups[models[0]] not in ("AlexNet", "Inception", "ResNet", "VGG"):
        return MINOR_MODEL
    if not models:
        return MODEL_UNKNOWN
    return TL_TYPE_UNKNOWN if not types else SHOWN


def _expected_points(metric: str) -> dict[int, tuple[float, float]]:
    groups, found = _groups(), {}
    for study in written():
        by_patient = study["modality"] in ("CT", "MRI", "microscopy")
        size = study["n_patients" if by_patient else "n_images"]
        value = study["headline"].get(metric)
        complete = None not in (size, study["n_classes"], value)
        if complete and _expected_reason(study, groups) == SHOWN:
            found[study["ref"]] = (size / study["n_classes"], value)
    return found


def test_every_study_is_accounted_for_as_in_the_files(database: Database) -> None:
    studies = selection(database).studies
    assert len(studies) == 114
    found = dict(zip(studies["key"], studies["reason"].fillna(SHOWN), strict=True))
    groups = _groups()
    assert found == {study["key"]: _expected_reason(study, groups) for study in written()}


def test_counts_reported_and_curated(database: Database) -> None:
    account = selection(database)
    table = account.table.set_index("reason")
    assert table["reported"].dropna().to_dict() == {
        SEVERAL_MODELS: 57,
        SEVERAL_TL_TYPES: 14,
        MINOR_MODEL: 9,
        SHOWN: 41,
    }
    assert table["curated"].to_dict() == {
        SEVERAL_MODELS: 34,
        SEVERAL_TL_TYPES: 9,
        MINOR_MODEL: 11,
        MODEL_UNKNOWN: 24,
        TL_TYPE_UNKNOWN: 5,
        SHOWN: 31,
    }
    assert table["reported"].sum() == account.coverage.reviewed
    assert table["curated"].sum() == account.coverage.curated
    assert account.both_metrics == (11, 3)


def test_minor_models_follow_from_the_printed_counts(database: Database) -> None:
    bars = query.review_facts(database, "figure_4b")
    facts = query.review_facts(database, "figure_6")
    assert sum(bars[name] for name in MINOR_BARS) == facts["excluded_minor_models"]
    major = sum(bars[name] for name in ("Inception", "AlexNet", "VGG", "ResNet"))
    assert major - facts["excluded_multiple_tl_types"] == facts["shown"]


@pytest.mark.parametrize("metric", ["AUC", "accuracy"])
def test_points_are_those_of_the_files(database: Database, metric: str) -> None:
    found = points(database, metric)
    expected = _expected_points(metric)
    assert len(expected) == {"AUC": 14, "accuracy": 10}[metric]
    assert set(found["ref"]) == set(expected)
    for row in found.itertuples():
        assert (row.x, row.y) == pytest.approx(expected[row.ref])
    assert found["x"].is_monotonic_increasing
    assert found["basis"].notna().all()
    assert set(found["group"]) == {SHOWN}


def test_points_left_out_by_the_rule_come_on_request(database: Database) -> None:
    found = points(database, "auc", left_out=True)
    assert Counter(found["group"]) == {
        SHOWN: 14,
        SEVERAL_MODELS: 10,
        SEVERAL_TL_TYPES: 2,
        MINOR_MODEL: 4,
    }
    # What is unknown is no reason of the rule: ref 122 (OCT) has AUC, size and classes, no TL type.
    assert 122 not in set(found["ref"])


def test_the_account_of_a_metric_names_the_first_missing_value(database: Database) -> None:
    studies = selection(database).studies
    by_rule = studies[studies["by_rule"]]
    assert by_rule["in_auc"].sum() == 14
    assert by_rule["reason_auc"].value_counts().to_dict() == {
        "no headline AUC": 8,
        "number of patients not known": 4,
        "number of images not known": 3,
        "number of classes not known": 2,
    }
    outside = studies[~studies["by_rule"]]
    assert not outside[["in_auc", "in_accuracy"]].any(axis=None)
    assert (outside["reason_auc"] == outside["reason"]).all()


def test_only_the_two_metrics_of_the_figure(database: Database) -> None:
    with pytest.raises(ValueError, match="not sensitivity"):
        points(database, "sensitivity")
    with pytest.raises(UnknownTermError):
        points(database, "acuracy of sorts")


@pytest.mark.parametrize(
    ("backbone", "tl_type", "expected"),
    [
        ("VGG", "fine-tuning", None),
        ("many", "many", SEVERAL_MODELS),
        ("many", None, SEVERAL_MODELS),
        (None, "many", SEVERAL_TL_TYPES),
        ("other", "many", SEVERAL_TL_TYPES),
        ("Inception-ResNet", None, MINOR_MODEL),
        (None, None, MODEL_UNKNOWN),
        ("VGG", None, TL_TYPE_UNKNOWN),
    ],
)
def test_the_first_reason_counts(
    backbone: str | None, tl_type: str | None, expected: str | None
) -> None:
    assert rule_reason(backbone, tl_type) == expected


def test_an_account_of_hand_made_studies() -> None:
    frame = pd.DataFrame(
        {
            "modality": ["CT", "CT", "OCT", None],
            "backbone": ["VGG", "VGG", None, "VGG"],
            "tl_type": ["fine-tuning"] * 4,
            "n_classes": pd.array([2, None, 2, 2], dtype="Int64"),
            "n_images": pd.array([1000, 1000, 30, 40], dtype="Int64"),
            "n_patients": pd.array([10, 10, None, None], dtype="Int64"),
            "auc": pd.array([0.8, 0.9, 0.7, 0.6], dtype="Float64"),
            "accuracy": pd.array([None] * 4, dtype="Float64"),
        }
    )
    found = account_for(frame)
    assert found["size_per_class"].iloc[0] == 5
    assert found["reason_auc"].tolist() == [
        None,
        "number of classes not known",
        MODEL_UNKNOWN,
        "number of images or patients not known",
    ]
    assert found["reason_accuracy"].iloc[0] == "no headline accuracy"


@pytest.mark.parametrize("name", ["6a", "6b", "6c", "6d"])
def test_a_figure_draws_shown_and_left_out(database: Database, name: str) -> None:
    metric = "AUC" if name in ("6a", "6c") else "accuracy"
    drawn = getattr(figures, f"figure_{name}")(database)
    pd.testing.assert_frame_equal(drawn.data, points(database, metric, left_out=True))
    data = drawn.data
    assert marks(drawn.chart, "ref", "x", "y") == set(
        zip(data["ref"], data["x"], data["y"], strict=True)
    )
    text = " ".join(str(drawn.chart.to_dict()).split())
    assert ("is our reading" in text) == (name in ("6c", "6d"))
    assert set(drawn.data["group"]) <= {SHOWN, *RULE}


def test_axes_hold_every_point(database: Database) -> None:
    data = points(database, "accuracy", left_out=True)
    for x, y, _ in _plane(data).spots(data["x"], data["y"], data["ref"]):
        assert 0 < x < 540
        assert 0 < y < 400
    drawn = _chart(data, "accuracy", _TL_AND_MODALITY).to_dict()["layer"][0]["encoding"]
    assert drawn["x"]["axis"]["values"] == [30, 100, 300, 1000, 3000, 10000]


def test_a_figure_without_points_is_empty_and_no_error(database: Database) -> None:
    nothing = points(database, "AUC").iloc[:0]
    assert _chart(nothing, "AUC", _TL_AND_MODALITY).to_dict()["layer"]


def test_labels_of_close_points_take_different_sides() -> None:
    assert place([(100, 100, "1")], (500, 500)) == ["right"]
    assert place([(100, 100, "1"), (108, 100, "2")], (500, 500)) == ["left", "right"]
    assert place([(495, 100, "153")], (500, 500)) == ["left"]
    crowd = place([(100, 100, "10"), (110, 100, "20"), (120, 100, "30")], (500, 500))
    assert crowd[1] not in ("left", "right")
    assert set(crowd) <= set(SIDES)
