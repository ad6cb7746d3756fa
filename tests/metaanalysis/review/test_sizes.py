"""Figure 5c: the review's rule for data size, its bins, and who has no size."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from db.database import Database
from metaanalysis.figures.review.sizes import figure_5c
from metaanalysis.review.sizes import (
    NEITHER,
    NO_MODALITY,
    ONLY_IMAGES,
    ONLY_PATIENTS,
    bin_studies,
    overflow_start,
    size_rule,
    sizes,
    with_size,
)
from tests.metaanalysis.written import drawn, written

_BY_PATIENT = ("CT", "MRI", "microscopy")


def _size(study: dict[str, object]) -> object:
    return study["n_patients" if study["modality"] in _BY_PATIENT else "n_images"]


def test_sizes_are_those_of_the_files(database: Database) -> None:
    found = sizes(database)
    expected = {study["key"]: _size(study) for study in written() if _size(study) is not None}
    assert dict(zip(found.table["key"], found.table["size"], strict=True)) == expected
    assert found.counted == 62
    patients = found.table[found.table["counted"] == "patients"]
    assert set(patients["modality"]) == set(_BY_PATIENT)


def test_studies_without_a_size_are_counted_by_reason(database: Database) -> None:
    expected: Counter[str] = Counter()
    for study in written():
        if _size(study) is None:
            other = "n_images" if study["modality"] in _BY_PATIENT else "n_patients"
            has_other = study[other] is not None
            reason = ONLY_IMAGES if other == "n_images" else ONLY_PATIENTS
            expected[reason if has_other else NEITHER] += 1
    found = sizes(database)
    assert found.excluded == expected == {NEITHER: 32, ONLY_IMAGES: 13, ONLY_PATIENTS: 7}
    assert found.counted + sum(found.excluded.values()) == found.coverage.curated


def test_bins_are_the_review_s(database: Database) -> None:
    found = sizes(database)
    assert found.bin_width == 600
    closed = found.table.dropna(subset=["bin_to"])
    assert (closed["bin_to"] - closed["bin_from"] == 600).all()
    assert ((closed["size"] > closed["bin_from"]) & (closed["size"] <= closed["bin_to"])).all()
    above = found.table[found.table["bin_to"].isna()]
    assert (found.overflow_from, len(above)) == (6600, 9)
    assert (above["size"] > 6600).all()
    assert above["size"].max() == 122263


def test_the_first_bin_is_the_fullest_and_no_proven_majority(database: Database) -> None:
    found = sizes(database)
    first = sum(size is not None and size <= 600 for size in map(_size, written()))
    assert found.first_bin.count == first == 22
    assert found.table["bin_from"].value_counts().idxmax() == 0
    assert (found.first_bin.verdict, found.first_bin.missing) == ("open", 39)


def test_images_never_stand_in_for_patients() -> None:
    frame = pd.DataFrame(
        {
            "modality": ["CT", "CT", "OCT", "OCT", "many", None],
            "n_images": pd.array([900, 900, 50, None, 70, 10], dtype="Int64"),
            "n_patients": pd.array([9, None, None, 5, 7, 1], dtype="Int64"),
        }
    )
    found = with_size(frame)
    assert found["size"].dropna().tolist() == [9, 50, 70]
    assert found["counted"].tolist() == ["patients", "patients", *["images"] * 3, None]
    assert found["no_size"].tolist() == [None, ONLY_IMAGES, None, ONLY_PATIENTS, None, NO_MODALITY]
    assert "size" not in frame


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        (set(), 0),
        ({0}, 600),
        ({0, 1, 2}, 1800),
        ({0, 3}, 2400),  # two empty bins are drawn
        ({0, 4}, 600),  # three are not
        ({3, 4}, 0),
    ],
)
def test_the_open_bin_starts_before_the_first_long_gap(bins: set[int], expected: int) -> None:
    assert overflow_start(bins, 600) == expected


def test_a_bin_includes_its_upper_end() -> None:
    frame = pd.DataFrame({"ref": range(5), "size": [600, 601, 0, 1200, 99999]})
    binned, start = bin_studies(frame, 600)
    assert start == 1200
    assert binned[["ref", "bin_from", "position"]].to_numpy().tolist() == [
        [2, 0, 1],
        [0, 0, 2],
        [1, 600, 1],
        [3, 600, 2],
        [4, 1200, 1],
    ]
    assert binned["bin_to"].isna().tolist() == [False, False, False, False, True]


def test_the_rule_in_words_is_the_vocabulary_s() -> None:
    assert size_rule() == "patients for CT, MRI and microscopy, images otherwise"


def test_the_figure_draws_one_brick_a_study(database: Database) -> None:
    figure, studies = figure_5c(database), sizes(database).table
    pd.testing.assert_frame_equal(figure.data, studies)
    bricks = studies[["ref", "size", "position"]].astype(int).itertuples(index=False, name=None)
    assert drawn(figure.chart, "ref", "size", "position") == set(bricks)
    assert "56 to 122,263" in figure.title
