"""Figure 5b: counts by number of classes against the files, and what a majority is."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from db.database import Database
from metaanalysis.figures.review.classes import figure_5b
from metaanalysis.figures.review.statement import verdict
from metaanalysis.review.classes import classes, count_classes
from metaanalysis.review.statements import Majority
from tests.metaanalysis.written import drawn, written


def test_counts_are_those_of_the_files(database: Database) -> None:
    found = classes(database)
    expected = Counter(study["n_classes"] for study in written())
    assert found.unknown == expected.pop(None) == 16
    assert dict(zip(found.table["n_classes"], found.table["studies"], strict=True)) == expected
    assert (found.counted, found.two_classes.count) == (98, 66)


def test_each_bar_names_its_studies(database: Database) -> None:
    table = classes(database).table.set_index("n_classes")
    assert table.loc[14, "refs"] == "133 152"
    assert table.loc[24, "refs"] == "97"
    assert [len(refs.split()) for refs in table["refs"]] == table["studies"].tolist()


def test_two_classes_are_a_majority_whatever_is_unknown(database: Database) -> None:
    found = classes(database)
    assert found.statement == "Most studies tell 2 classes apart."
    assert found.two_classes == Majority(count=66, known=98, total=121)
    assert found.two_classes.verdict == "holds"
    assert verdict(found.two_classes, "have 2 classes") == (
        "66 of 98 (67%) have 2 classes: a majority of the review's 121 studies, whatever the other "
        "23 are."
    )


@pytest.mark.parametrize(
    ("count", "known", "total", "expected", "missing"),
    [
        (61, 61, 121, "holds", 0),
        (60, 61, 121, "open", 1),
        (60, 121, 121, "does not hold", 1),
        (60, 120, 120, "does not hold", 1),  # a half is no majority
        (1, 61, 121, "open", 60),
        (0, 61, 121, "does not hold", 61),
    ],
)
def test_majority(count: int, known: int, total: int, expected: str, missing: int) -> None:
    counts = Majority(count, known, total)
    assert (counts.verdict, counts.missing) == (expected, missing)


def test_a_verdict_says_when_it_is_open_or_against() -> None:
    assert "not decided" in verdict(Majority(22, 62, 121), "lie there")
    assert "39 of the other 59" in verdict(Majority(22, 62, 121), "lie there")
    assert "no majority" in verdict(Majority(10, 100, 121), "lie there")


def test_unknown_numbers_are_in_no_bar() -> None:
    frame = pd.DataFrame({"ref": [3, 1, 2], "n_classes": [2, 2, None]}).astype("Int64")
    assert count_classes(frame).to_dict("records") == [
        {"n_classes": 2, "studies": 2, "refs": "1 3"}
    ]
    assert count_classes(frame.iloc[2:]).empty


def test_the_figure_draws_the_table(database: Database) -> None:
    figure, table = figure_5b(database), classes(database).table
    pd.testing.assert_frame_equal(figure.data, table)
    assert drawn(figure.chart, "n_classes", "studies") == set(
        zip(table["n_classes"], table["studies"], strict=True)
    )
    assert figure.title == "The usual task has 2 classes; the largest has 24"
