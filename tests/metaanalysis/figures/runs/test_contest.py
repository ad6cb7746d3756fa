"""The figure of a contest: what it draws, what it says, what it refuses. All rows are invented."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from db.errors import UsageError
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.runs.contest import Cost, contest
from tests.metaanalysis.figures.drawn import layers, rows, words

TYPES = {"feature extractor hybrid": (0.8, 10.0, 0), "random initialisation": (0.7, 400.0, 2_000)}


BACKBONES = ("MobileNetV2", "LeNet5", "ResNet-18")


def material(
    sets: int = 2, backbones: tuple[str, ...] = BACKBONES[:2]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    points, methods = [], []
    for tl_type, (value, seconds, trained) in TYPES.items():
        for place, backbone in enumerate(backbones):
            one = {
                "tl_type": tl_type,
                "backbone": backbone,
                "value": value + 0.02 * place,
                "seconds": seconds * (1 + place),
                "trained_parameters": trained,
            }
            methods.append({**one, "pareto": tl_type == "feature extractor hybrid"})
            points += [
                {
                    **one,
                    "dataset": f"set {number}",
                    "modality": "CT",
                    "n_images": 1200,
                    "seeds": 3,
                    "sd_over_seeds": 0.01,
                    "baseline": 0.65,
                }
                for number in range(sets)
            ]
    return methods, points


@cache
def drawn(
    cost: Cost = "seconds", sets: int = 2, backbones: int = 2, *, phantom: bool = False
) -> Figure:
    """Return a figure of the material; each is drawn once for all tests."""
    methods, points = material(sets, BACKBONES[:backbones])
    return contest(methods, points, metric="accuracy", phantom=phantom, cost=cost)


def test_every_method_is_a_mark_on_the_mean_and_on_each_set() -> None:
    figure = drawn()
    marks = [row for row in rows(figure, "point") if "tl_type" in row]
    assert len(marks) == 4 + 2 * 4
    assert len(figure.data) == 12
    assert set(figure.data["dataset"]) == {"mean of all sets", "set 0", "set 1"}


def test_two_backbones_are_filled_and_hollow_and_types_are_named_in_the_key() -> None:
    figure = drawn()
    inside = {(row["backbone"], row["inside"]) for row in rows(figure, "point") if "inside" in row}
    assert ("MobileNetV2", theme.PAPER) in inside
    assert all(fill != theme.PAPER for name, fill in inside if name == "LeNet5")
    assert not [row for row in rows(figure, "text") if row.get("label")], "marks stay free"
    text = [value for row in rows(figure, "text") for value in row.values()]
    assert all(text.count(name) == 1 for name in TYPES)


def test_three_backbones_are_named_at_their_marks() -> None:
    text = [row["label"] for row in rows(drawn(backbones=3), "text") if "label" in row]
    assert sorted(text) == sorted(BACKBONES * 2)


def test_the_front_is_a_line_through_its_methods_alone() -> None:
    (line,) = [found for mark, found, _ in layers(drawn()) if mark["type"] == "line"]
    assert {row["tl_type"] for row in line} == {"feature extractor hybrid"}
    assert not [
        mark for mark, _, _ in layers(drawn("trained_parameters")) if mark["type"] == "line"
    ]


def test_kind_of_value_and_counts_are_said() -> None:
    subtitle = " ".join(drawn().chart.title.subtitle)
    assert subtitle.startswith("Replicated: 2 data sets")
    assert "24 runs, 3 seeds a method" in subtitle
    subtitle = " ".join(drawn(phantom=True).chart.title.subtitle)
    assert "no evidence on medicine" in subtitle
    assert "Replicated" not in subtitle
    said = words(drawn())
    assert any("what needs no look" in word for word in said)
    assert any("features included" in word for word in said)
    assert not any("features included" in word for word in words(drawn("trained_parameters")))


@pytest.mark.parametrize(("cost", "sets"), [("seconds", 2), ("trained_parameters", 1)])
def test_it_renders(cost: Cost, sets: int, tmp_path: Path) -> None:
    (svg,) = drawn(cost, sets).save(tmp_path, ("svg",))
    assert "random initialisation" in svg.read_text()
    assert "NaN" not in svg.read_text()


def test_without_costs_or_methods_there_is_nothing_to_draw() -> None:
    methods, points = material()
    with pytest.raises(UsageError, match="nothing to draw"):
        contest([], points, metric="auc", phantom=False)
    methods[0]["seconds"] = float("nan")
    with pytest.raises(UsageError, match="nothing to draw"):
        contest(methods, points, metric="auc", phantom=False)
