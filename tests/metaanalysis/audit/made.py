"""Studies made for a test, without a database."""

from __future__ import annotations

from typing import Any

from metaanalysis.audit.material import Metric, Study

_FAMILIES = {"VGG16": "VGG", "VGG19": "VGG", "ResNet50": "ResNet", "InceptionV3": "Inception"}


def metric(name: str, value: float, **columns: Any) -> Metric:
    """Return a reported value; what is not given is unknown."""
    row: dict[str, Any] = dict.fromkeys(
        ("ci_low", "ci_high", "sd", "backbone", "tl_type", "task", "split", "n")
    )
    row |= {"headline": False, "basis": "abstract", "source": "here", "position": 1}
    row |= columns
    family = _FAMILIES.get(row["backbone"] or "")
    return Metric(metric=name, value=value, family=family, **row)


def study(*metrics: Metric, **columns: Any) -> Study:
    """Return a two-class study with these values, numbered in order."""
    row: dict[str, Any] = dict.fromkeys(
        (
            "n_images",
            "n_patients",
            "n_train",
            "n_val",
            "n_test",
            "split_unit",
            "cv_folds",
            "finetune_detail",
            "backbones",
            "families",
            "tl_types",
        )
    )
    row |= {"key": "made2026", "ref": None, "origin": "user", "year": 2026, "n_classes": 2}
    row |= {"retracted": False}
    row |= columns
    numbered = tuple(
        Metric(**{**{name: getattr(m, name) for name in Metric.__slots__}, "position": place})
        for place, m in enumerate(metrics, start=1)
    )
    return Study(metrics=numbered, **row)
