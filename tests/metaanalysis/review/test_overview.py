"""The overview by modality, subject and TL type: each study once, where its file puts it."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from db.database import Database
from metaanalysis.figures.kit.marks import TL_COLOURS, TL_SHAPES
from metaanalysis.figures.review.overview import _layout, appendix_b
from metaanalysis.review.overview import TL_LABELS, UNKNOWN, overview
from tests.metaanalysis.written import drawn, written


def _label(types: list[str] | None) -> str:
    return UNKNOWN if not types else types[0] if len(types) == 1 else "many"


def test_each_study_stands_where_its_file_puts_it(database: Database) -> None:
    found = overview(database).table.set_index("key")
    assert len(found) == 114
    for study in written():
        row = found.loc[study["key"]]
        assert (row["ref"], row["modality"], row["subject"], row["tl_type"]) == (
            study["ref"],
            study["modality"],
            study["subject"],
            _label(study["tl_types"]),
        )


def test_counts_of_the_labels(database: Database) -> None:
    found = overview(database)
    expected = Counter(_label(study["tl_types"]) for study in written())
    assert {label: found.of_tl_type(label) for label in TL_LABELS} == expected
    assert expected[UNKNOWN] == 37
    assert (found.counted, found.unknown) == (114, 0)


def test_the_oct_column_is_the_known_one(database: Database) -> None:
    studies = overview(database).table
    assert sorted(studies.loc[studies["modality"] == "OCT", "ref"]) == [49, 112, 113, 115, 116, 122]


def test_studies_are_ordered_as_they_are_drawn(database: Database) -> None:
    found = overview(database)
    first = found.table.iloc[0]
    assert (first["subject"], first["modality"]) == (found.subjects[0], "photography")
    cell = found.table[
        (found.table["subject"] == "respiratory system") & (found.table["modality"] == "CT")
    ]
    assert cell["ref"].tolist() == [64, 69, 78, 72, 54, 79, 73, 74, 75, 76, 77]


def test_no_two_marks_overlap_and_all_lie_in_their_cell(database: Database) -> None:
    layout = _layout(overview(database))
    places = list(zip(layout.marks["x"], layout.marks["y"], strict=True))
    for mark in layout.marks.itertuples():
        row, column = layout.rows.loc[mark.subject], layout.columns.loc[mark.modality]
        assert row["start"] < mark.y < row["end"]
        assert column["start"] < mark.x < column["end"] - 18  # room for the number
    for index, (x, y) in enumerate(places):
        for other_x, other_y in places[index + 1 :]:
            assert abs(x - other_x) >= 30 or abs(y - other_y) >= 15


def test_every_label_has_a_shape_and_a_colour_of_its_own() -> None:
    assert set(TL_SHAPES) == set(TL_COLOURS) == set(TL_LABELS)
    assert len(set(TL_SHAPES.values())) == len(set(TL_COLOURS.values())) == len(TL_LABELS)
    assert TL_SHAPES["feature extractor"] == "cross"  # as in the review's Figure 6


def test_the_figure_holds_one_row_a_study(database: Database) -> None:
    figure, studies = appendix_b(database), overview(database).table
    pd.testing.assert_frame_equal(figure.data, studies)
    assert drawn(figure.chart, "ref", "tl_type") == set(
        zip(studies["ref"], studies["tl_type"], strict=True)
    )
    assert figure.stem == "appendix-b"
