from __future__ import annotations

import yaml

from db.database import Database
from metaanalysis.figures.review.table1 import table_1 as figure_table_1
from metaanalysis.query import coverage
from metaanalysis.review.table1 import REPORTED, count_any, table_1
from tests.metaanalysis.figures.drawn import DATA, review, study_files, words


def _tested() -> list[set[str]]:
    """Return the backbones of each study, straight from its file."""
    known = []
    for study in study_files():
        value = study["values"]["backbones"]["value"]
        if value:
            known.append(set(value))
    return known


def _names(**wanted: str) -> set[str]:
    backbones = yaml.safe_load((DATA / "backbones.yaml").read_text())
    return {b["name"] for b in backbones if all(b.get(k) == v for k, v in wanted.items())}


def test_reported_columns_are_what_the_review_prints(database: Database) -> None:
    table = table_1(database).table
    assert table[list(REPORTED)].to_dict("records") == review()["table_1"]["rows"]
    assert table["model"].tolist() == ["LeNet5", "AlexNet", "VGG16", "GoogLeNet", "ResNet50"]


def test_studies_are_counted_straight_from_their_files(database: Database) -> None:
    result = table_1(database)
    tested = _tested()
    for row in result.table.to_dict("records"):
        assert row["studies"] == sum(row["backbone"] in names for names in tested)
        family = _names(family=row["family"])
        assert row["studies_family"] == sum(bool(family & names) for names in tested)
    assert result.table["studies"].tolist() == [1, 20, 16, 12, 16]
    assert result.table["studies_family"].tolist() == [1, 24, 26, 35, 25]
    assert (result.counted, result.unknown) == (len(tested), 114 - len(tested)) == (86, 28)


def test_a_group_counts_every_backbone_of_its_depth_once_a_study(database: Database) -> None:
    groups = table_1(database).groups.set_index("model_type")["studies"]
    tested = _tested()
    for model_type, depth in (("shallow and linear", "shallow"), ("deep", "deep")):
        names = _names(depth_group=depth)
        assert groups[model_type] == sum(bool(names & listed) for listed in tested)
    assert groups.to_dict() == {"shallow and linear": 44, "deep": 56}


def test_a_study_counts_once_and_unknown_counts_nowhere() -> None:
    assert count_any([["a", "b"], ["b"], None, [], ["c"]], ["a", "b"]) == 2
    assert count_any([["a"]], []) == 0


def test_figure_writes_every_value(database: Database) -> None:
    figure = figure_table_1(database)
    text = words(figure)
    for printed in ("134.2 million", "60,000", "1,716", "16 (13 + 3)", "MNIST", "deep"):
        assert printed in text
    for row in figure.data.to_dict("records"):
        assert row["model"] in text
        assert str(row["studies"]) in text
        assert f"any of them: {row['studies_model_type']}" in text
    small_print = " ".join(text)
    assert "28 curated studies is not known" in small_print
    assert str(coverage(database)) in small_print
