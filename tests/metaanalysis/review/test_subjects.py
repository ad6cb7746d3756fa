"""Figure 5a: counts by subject and modality against the files, and the review's statement."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from db.database import Database
from metaanalysis.figures.review.subjects import figure_5a
from metaanalysis.review.curated import by_frequency
from metaanalysis.review.subjects import count_organs, organ, subjects
from tests.metaanalysis.written import written


def test_cells_are_those_of_the_files(database: Database) -> None:
    found = subjects(database)
    cells = {
        (row.subject, row.modality): row.studies for row in found.table.itertuples() if row.studies
    }
    assert cells == Counter((study["subject"], study["modality"]) for study in written())
    assert (found.counted, found.unknown) == (114, 0)
    assert cells["the integument", "mammography"] == 13
    assert cells["respiratory system", "CT"] == 11


def test_order_is_by_count_with_collective_terms_last(database: Database) -> None:
    found = subjects(database)
    assert found.subjects[:3] == ["the integument", "respiratory system", "alimentary system"]
    assert found.subjects[-2:] == ["many", "else"]
    assert found.modalities[:2] == ["X-ray", "CT"]
    assert by_frequency(["b", "a", "many", "many", "a", "b"]) == ["a", "b", "many"]


def test_terms_without_a_study_are_named(database: Database) -> None:
    found = subjects(database)
    assert found.absent_subjects == ["muscles"]
    assert found.absent_modalities == ["PET"]


def test_the_statement_about_breast_and_skin(database: Database) -> None:
    found = subjects(database)
    assert "Breast cancer" in found.statement
    # Read off the files: every study of the integument is breast, skin or nail.
    anatomies = [s["anatomy"] for s in written() if s["subject"] == "the integument"]
    assert found.of_organ("breast") == sum("breast" in anatomy for anatomy in anatomies) == 18
    assert found.of_organ("skin") == sum("skin" in anatomy for anatomy in anatomies) == 5
    assert found.of_subject("the integument") == 24
    assert found.ahead_of("breast") == []
    assert found.ahead_of("skin") == ["breast", "lung", "eye", "brain", "bones"]


@pytest.mark.parametrize(
    ("anatomy", "expected"),
    [
        ("breast (tumour tissue, immunohistochemistry)", "breast"),
        ("sentinel lymph node (breast cancer metastasis), frozen sections", "other"),
        ("foot skin (diabetic foot ulcer)", "skin"),
        ("blood / bone marrow (white blood cells)", "blood"),
        ("peripapillary retinal nerve fibre layer", "eye"),
        ("retina / optic disc", "eye"),
        ("thoraco-abdominal lymph nodes; lung", "other"),
        ("hip / pelvis", "bones"),
        ("Lung (nodule)", "lung"),
        (None, None),
    ],
)
def test_organ_of_an_anatomy(anatomy: str | None, expected: str | None) -> None:
    assert organ(anatomy) == expected


def test_equal_counts_share_a_rank_and_other_has_none() -> None:
    found = count_organs(pd.Series(["lung", "brain", "breast", "breast", "elsewhere", None]))
    assert found["organ"].tolist() == ["breast", "brain", "lung", "other"]
    assert found["rank"].tolist()[:3] == [1, 2, 2]
    assert pd.isna(found["rank"].iloc[3])


def test_the_figure_holds_cells_margins_and_organs(database: Database) -> None:
    drawn = figure_5a(database).data
    matrix = drawn[drawn["panel"] == "matrix"]
    margin = drawn[drawn["panel"] == "margin"]
    assert matrix["studies"].sum() == 114
    assert (matrix["studies"] > 0).all()
    assert margin.loc[margin["modality"] == "all", "studies"].sum() == 2 * 114
    assert margin.loc[margin["subject"] == "all", "studies"].sum() == 2 * 114
    organs = drawn[drawn["panel"] == "organs"].set_index("organ")["studies"]
    assert organs["lung"] == 17
    assert organs.min() >= 3
