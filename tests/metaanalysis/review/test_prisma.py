from __future__ import annotations

from collections import Counter

from db.database import Database
from metaanalysis.figures.review.prisma import figure_3
from metaanalysis.review.prisma import check_steps, flow
from tests.metaanalysis.figures.drawn import layers, review, rows, study_files, words


def test_numbers_are_those_that_the_review_prints(database: Database) -> None:
    table = flow(database).table
    printed = {key: value for key, value in review()["figure_3"].items() if key != "place"}
    reported = table[table["kind"] == "reported"]
    assert dict(zip(reported["name"], reported["n"], strict=True)) == printed
    assert printed["retrieved"] == 467
    assert printed["included"] == 121


def test_curated_and_unidentifiable_make_up_the_included(database: Database) -> None:
    table = flow(database).table.set_index("name")["n"]
    assert table["curated"] == len(study_files()) == 114
    assert table["not_identified"] == 7
    assert table["curated"] + table["not_identified"] == table["included"]


def test_the_last_step_is_one_short(database: Database) -> None:
    checks = flow(database).checks.set_index("step")
    assert checks["computed"].tolist() == [467 - 42, 425 - 189, 236 - 114]
    assert checks["difference"].tolist() == [0, 0, -1]


def test_steps_that_add_up_and_steps_that_do_not() -> None:
    printed = {
        "retrieved": 10,
        "duplicates": 1,
        "screened": 9,
        "excluded_at_screening": 4,
        "full_text_assessed": 7,
        "excluded_at_full_text": 2,
        "included": 5,
    }
    # The second step is judged by what is printed, and its fault does not spread to the third.
    assert check_steps(printed)["difference"].tolist() == [0, 2, 0]


def test_how_sure_it_is_comes_from_the_study_files(database: Database) -> None:
    inclusion = flow(database).inclusion
    assert inclusion == Counter(study["curation"]["inclusion"] for study in study_files())
    assert inclusion == {"overview block": 89, "cited": 22, "uncertain": 3}


def test_figure_draws_each_box_and_the_sum_that_fails(database: Database) -> None:
    figure = figure_3(database)
    boxes = figure.data[figure.data["mark"] == "box"]
    assert len(rows(figure, "rect")) == len(boxes) == 9
    text = words(figure)
    for number, label in zip(boxes["n"], boxes["label"], strict=True):
        assert str(number) in text
        assert label in text
    assert "236 − 114 = 122" in text
    assert "printed: 121, 1 fewer" in text
    assert figure.title == "From 467 records to 121 studies; 1 of 3 steps does not add up"
    assert set(figure.data["kind"].dropna()) == {"reported", "curated", "recomputed"}


def test_every_arrow_has_a_head(database: Database) -> None:
    figure = figure_3(database)
    arrows = (figure.data["mark"] == "arrow").sum()
    assert len(rows(figure, "point")) == arrows == 8
    # The one arrow that turns a corner has a piece more.
    assert len(rows(figure, "rule")) == arrows + 1


def test_arrows_end_at_the_edge_of_a_box(database: Database) -> None:
    figure = figure_3(database)
    boxes = rows(figure, "rect")
    heads = next(drawn for mark, drawn, _ in layers(figure) if mark["type"] == "point")
    for head in heads:
        assert any(
            (head["to_x"] == box["left"] and box["top"] < head["to_y"] < box["bottom"])
            or (head["to_y"] == box["top"] and box["left"] < head["to_x"] < box["right"])
            for box in boxes
        )
