"""Studies made for a test, without a database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from db.literature import Reported, Study

_FAMILIES = {"VGG16": "VGG", "VGG19": "VGG", "ResNet50": "ResNet", "InceptionV3": "Inception"}


def metric(name: str, value: float, **columns: Any) -> Reported:
    """Return a reported value; what is not given is unknown."""
    family = _FAMILIES.get(columns.get("backbone") or "")
    row = {"basis": "abstract", "source": "here", "position": 1, "family": family, **columns}
    return Reported(name, value, **row)


def study(*metrics: Reported, **columns: Any) -> Study:
    """Return a two-class study with these values, numbered in order."""
    row = {"key": "made2026", "year": 2026, "n_classes": 2, **columns}
    numbered = tuple(replace(m, position=place) for place, m in enumerate(metrics, start=1))
    return Study(metrics=numbered, **row)
