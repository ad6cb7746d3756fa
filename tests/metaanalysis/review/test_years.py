from __future__ import annotations

from collections import Counter

import pytest

from db.database import Database
from metaanalysis.figures.review.years import figure_4a
from metaanalysis.query import coverage
from metaanalysis.review.years import by_year, check_statement, studies_by_year
from tests.metaanalysis.figures.drawn import review, rows, study_files, words


def test_counts_are_those_of_the_study_files(database: Database) -> None:
    result = studies_by_year(database)
    counts = dict(zip(result.table["year"], result.table["studies"], strict=True))
    assert counts == Counter(study["citation"]["year"] for study in study_files())
    assert counts == {2016: 3, 2017: 10, 2018: 27, 2019: 40, 2020: 33, 2021: 1}
    assert result.counted == 114


def test_the_study_of_2021_is_named_because_the_search_ended_in_2020(database: Database) -> None:
    result = studies_by_year(database)
    named = result.table.loc[result.table["named"] != "", ["year", "named"]]
    assert named.to_numpy().tolist() == [[2021, "Devnath [140]"]]
    assert result.published_until == review()["search"]["published_until"] == "2020-12-31"


def test_a_year_without_studies_is_zero_and_not_left_out() -> None:
    table = by_year([(2016, "a"), (2018, "b"), (2018, "c")], 2017)
    assert table.to_numpy().tolist() == [[2016, 1, ""], [2017, 0, ""], [2018, 2, "b, c"]]


def test_no_studies_give_an_empty_table() -> None:
    assert list(by_year([], 2020).columns) == ["year", "studies", "named"]
    assert by_year([], 2020).empty


def _outcomes(counts: dict[int, int], missing: int) -> list[tuple[bool, int | None, bool]]:
    table = check_statement(counts, missing)
    needed = [None if value != value else value for value in table["turned_by"].astype(float)]
    return list(zip(table["holds"], needed, table["safe"], strict=True))


def test_the_statement_of_the_review_holds_but_the_unidentified_could_turn_it(
    database: Database,
) -> None:
    checks = studies_by_year(database).checks
    assert checks["holds"].tolist() == [True, True, True]
    # One earlier study; seven of 2016 (3 + 7 = 10); seven of 2020 (33 + 7 = 40).
    assert checks["turned_by"].tolist() == [1, 7, 7]
    assert checks["safe"].tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("counts", "missing", "expected"),
    [
        # Everything as the review says, with nothing missing.
        ({2016: 1, 2017: 2, 2018: 4, 2019: 9, 2020: 3}, 0, [(True, 1, True)]),
        # An earlier study refutes the start for good.
        ({2015: 1, 2016: 1, 2017: 2, 2018: 3, 2019: 4}, 99, [(False, None, True)]),
        # A later start could be mended by one of the missing.
        ({2017: 2, 2018: 3, 2019: 4}, 1, [(False, 1, False)]),
    ],
)
def test_start(
    counts: dict[int, int], missing: int, expected: list[tuple[bool, int | None, bool]]
) -> None:
    assert _outcomes(counts, missing)[:1] == expected


def test_a_fall_on_the_way_up_needs_one_study_more_than_the_gap() -> None:
    # 2017 needs 3 more to pass 2016; 2018 then has just 1 more than it.
    counts = {2016: 5, 2017: 3, 2018: 7, 2019: 8, 2020: 0}
    assert _outcomes(counts, 2)[1] == (False, 3, True)
    assert _outcomes(counts, 3)[1] == (False, 3, False)
    # Mending one year pushes the next: 6, 7, 8 after 5 need 2 + 3 + 4 more.
    assert _outcomes({2016: 5, 2017: 4, 2018: 4, 2019: 4}, 9)[1] == (False, 9, False)


def test_equal_years_are_not_fewer() -> None:
    assert _outcomes({2019: 4, 2020: 4}, 0)[2] == (False, 1, True)
    assert _outcomes({2019: 4, 2020: 3}, 0)[2] == (True, 1, True)
    assert _outcomes({2019: 4, 2020: 3}, 1)[2] == (True, 1, False)


def test_figure_draws_a_labelled_bar_a_year(database: Database) -> None:
    figure = figure_4a(database)
    bars = {row["year"]: row["studies"] for row in rows(figure, "bar")}
    assert bars == dict(zip(figure.data["year"], figure.data["studies"], strict=True))
    assert figure.title == "2019 has the most studies: 40 of 114"
    text = " ".join(words(figure))
    assert "Devnath [140]\nthe search ended\n2020-12-31" in text
    assert "Open for all 121: only all 7 others together could turn it." in text
    assert str(coverage(database)) in text.replace("\n", " ")
