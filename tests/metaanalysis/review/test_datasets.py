from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import yaml

from db.database import Database
from metaanalysis.figures.review.datasets import appendix_c
from metaanalysis.review.datasets import (
    CLASSES_ONLY,
    CLASSES_TOO,
    OTHER,
    SEGMENTATION,
    UNKNOWN,
    public_datasets,
    tabulate,
    task_group,
)
from tests.metaanalysis.figures.drawn import DATA, layers, review, words


def _files() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.safe_load((DATA / "datasets.yaml").read_text())
    return entries


def _marks(figure: Any, panel: str) -> list[dict[str, Any]]:
    points = [drawn for mark, drawn, _ in layers(figure) if mark["type"] == "point"]
    return [row for row in points[0] if row["panel"] == panel]


@pytest.mark.parametrize(
    ("task", "group"),
    [
        ("classification", CLASSES_ONLY),
        ("segmentation/classification", CLASSES_TOO),
        ("classification / detection", CLASSES_TOO),
        ("segmentation", SEGMENTATION),
        ("detection/segmentation", SEGMENTATION),
        ("detection", OTHER),
        ("registration", OTHER),
        (None, OTHER),
    ],
)
def test_task_group(task: str | None, group: str) -> None:
    assert task_group(task) == group


def test_every_data_set_stands_in_the_table_once(database: Database) -> None:
    result = public_datasets(database)
    assert sorted(result.table["name"]) == sorted(entry["name"] for entry in _files())
    assert len(result.table) == 290
    assert result.reported == review()["totals"]["public_datasets"] == 78


def test_counts_come_straight_from_the_file(database: Database) -> None:
    result = public_datasets(database)
    classes = [entry for entry in _files() if "classification" in entry["task"]]
    assert len(result.labelled) == len(classes) == 141
    assert len(result.sized) == sum("n_images" in entry for entry in classes) == 141 - 38
    assert result.table["modality"].value_counts().to_dict() == Counter(
        entry["modality"] for entry in _files()
    )
    assert result.table["has_loader"].sum() == sum("loader" in entry for entry in _files())


def _entry(name: str, **values: Any) -> dict[str, Any]:
    columns = ("modality", "anatomy", "task", "year", "n_images", "n_classes", "access")
    return {"name": name, **dict.fromkeys((*columns, "loader", "url")), **values}


def test_modalities_by_data_sets_with_classes_and_collective_ones_last() -> None:
    rows = [
        _entry("a", modality="CT", task="segmentation"),
        _entry("b", modality="CT", task="segmentation"),
        _entry("c", modality="OCT", task="classification"),
        _entry("d", modality="many", task="classification"),
        _entry("e", modality="many", task="classification"),
        _entry("f", task="classification"),
    ]
    table, modalities = tabulate(rows)
    assert modalities == ("OCT", "CT", "many", UNKNOWN)
    assert table.loc[table["name"] == "f", "access"].item() == UNKNOWN


def test_open_ones_first_then_those_that_a_package_loads_then_by_name() -> None:
    common = {"modality": "CT", "task": "classification"}
    rows = [
        _entry("d", access="registration", loader="x:D", **common),
        _entry("B", access="open", **common),
        _entry("a", access="open", **common),
        _entry("c", access="open", loader="x:C", **common),
    ]
    table, _ = tabulate(rows)
    assert table["name"].tolist() == ["c", "a", "B", "d"]


def test_figure_draws_each_data_set_once_and_the_sized_ones_again(database: Database) -> None:
    figure = appendix_c(database)
    assert sorted(row["name"] for row in _marks(figure, "cell")) == sorted(figure.data["name"])
    sized = figure.data[figure.data["in_size_panel"]]
    assert sorted(row["name"] for row in _marks(figure, "strip")) == sorted(sized["name"])
    assert len(sized) == 141 - 38
    assert sized["n_images"].notna().all()


def test_no_two_marks_touch(database: Database) -> None:
    figure = appendix_c(database)
    marks = _marks(figure, "cell") + _marks(figure, "strip")
    for index, one in enumerate(marks):
        for other in marks[index + 1 :]:
            apart = max(abs(one["x"] - other["x"]), abs(one["y"] - other["y"]))
            assert apart > 8, (one["name"], other["name"])


def test_a_larger_data_set_never_stands_left_of_a_smaller_one(database: Database) -> None:
    strip = sorted(_marks(appendix_c(database), "strip"), key=lambda row: int(row["n_images"]))
    places = [row["x"] for row in strip]
    assert places == sorted(places)
    assert len(set(places)) > 50


def test_figure_says_what_it_shows_and_what_not(database: Database) -> None:
    figure = appendix_c(database)
    is_open = sum("classification" in e["task"] and e["access"] == "open" for e in _files())
    assert figure.title == (
        f"141 of 290 public data sets have class labels, and {is_open} of these are open"
    )
    subtitle = " ".join(figure.chart.title.subtitle)
    assert "the review counts 78" in subtitle
    assert "not at hand" in subtitle
    assert "38 of the 141 with classes state no number of images" in " ".join(words(figure))
    filled = {row["name"] for row in _marks(figure, "cell") if row["fill"] != "white"}
    assert filled == {entry["name"] for entry in _files() if "loader" in entry}
