"""What cannot be true of a study is refused with its field, or must be explained by a note."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from db.datafiles import read_json_lines, read_record
from db.errors import DataFileError
from db.packaged import use_backbones
from db.plain import parse_yaml
from db.records import StudyRecord
from tests.study_files import GOOD, write


@pytest.fixture(autouse=True)
def _backbones() -> None:
    use_backbones()


def fields(tmp_path: Path, study: dict[str, Any]) -> list[str]:
    """Return the fields at fault, which are the same in a YAML file and in a line of JSON."""
    text = json.dumps(study)
    told = []
    for path in (write(tmp_path / "x.yaml", text), write(tmp_path / "x.jsonl", text)):
        try:
            if path.suffix == ".yaml":
                read_record(StudyRecord, path)
            else:
                list(read_json_lines(StudyRecord, path))
            told.append([])
        except DataFileError as error:
            told.append([problem.field for problem in error.problems])
    assert told[0] == told[1]
    return told[0]


def study() -> dict[str, Any]:
    content = parse_yaml(GOOD).content
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("n_images", [0, -1, 1.0, 1.5, True, "12", "012", 10**8 + 1, 2**31, 2**63, [1], {}]),
        ("n_patients", [0, 2**31, 1235, "²"]),
        ("n_train", [1235, 2**40]),
        ("n_classes", [1, 0, 1235, 10**6]),
        ("cv_folds", [1, 0, 1235, 10**9]),
        ("retracted", ["yes", "no", 1, 0, "true"]),
        ("task", [1, True, "", " ", ["a"], "x" * 10_001]),
    ],
)
def test_values(tmp_path: Path, field: str, values: list[Any]) -> None:
    for value in values:
        spoiled = study()
        spoiled["values"][field] = {"value": value, "basis": "abstract", "source": "s"}
        found = fields(tmp_path, spoiled)
        assert found, value
        assert found[0].startswith("values."), value


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("year", [1950, 2026], [1949, 2099, 20260, "2020", 2020.0, True]),
        ("doi", ["10.1000/x", "https://doi.org/10.1000/x", "http://dx.doi.org/10.1002/(SICI)1<1::A>3.0.CO;2-2", "doi:10.1000.1/x"],
         ["10.1/x", "10.1000/", "10.1000/a b", "10.1000/ä", "mine", 10.1, "10.1000/" + "x" * 300]),
        ("pmid", [29352285, "29352285"], ["0123", "PMC1", 0, -1, 123456789, 1.5, True, "²"]),
        ("pmcid", ["PMC5774804"], ["5774804", "PMC", "PMC01", "pmc1", 5774804]),
        ("url", ["https://a.b/c?d=e#f", "http://localhost:80/"],
         ["javascript:alert(1)", "ftp://a/b", "https://", "https://[", "https://a b", "https://a:x/", "file:///etc/passwd", "//a.b", 'https://a/"b']),
        ("volume", [12, "12(3)", "012"], [1.10, True, [], ""]),
        ("pages", ["012", "e0191493", 16942], [1.0]),
    ],
)  # fmt: skip
def test_citations(tmp_path: Path, field: str, good: list[Any], bad: list[Any]) -> None:
    for values, at_fault in ((good, []), (bad, [f"citation.{field}"])):
        for value in values:
            spoiled = study()
            spoiled["citation"][field] = value
            assert fields(tmp_path, spoiled) == at_fault, value


@pytest.mark.parametrize(
    "key", ["con", "com1", "Mine", "1a", "", "a" * 101, "a b", "a.b", "é", 12, None]
)
def test_keys(tmp_path: Path, key: Any) -> None:
    assert fields(tmp_path, study() | {"key": key}) == ["key"]


@pytest.mark.parametrize(
    ("more", "at_fault"),
    [
        ({"ci_low": 0.9, "ci_high": 0.95}, []),
        ({"ci_low": 0.93, "ci_high": 0.93}, []),
        ({"ci_low": 0.1, "ci_high": 0.2}, ["metrics.0"]),
        ({"ci_low": 0.94, "ci_high": 0.99}, ["metrics.0"]),
        ({"ci_low": 0.95, "ci_high": 0.9}, ["metrics.0"]),
        ({"ci_high": 0.95}, ["metrics.0"]),
        ({"ci_low": 0.0, "ci_high": None}, ["metrics.0"]),
        ({"sd": 0.49}, []),
        ({"sd": 0.5}, ["metrics.0.sd"]),
        ({"sd": -0.1}, ["metrics.0.sd"]),
        ({"n": 10**7}, []),
        ({"n": 10**7 + 1}, ["metrics.0.n"]),
        ({"value": True}, ["metrics.0.value"]),
        ({"value": "0.9"}, ["metrics.0.value"]),
        ({"value": "0_1"}, ["metrics.0.value"]),
        ({"value": 1}, []),
        ({"headline": 1}, ["metrics.0.headline"]),
        ({"headline": "yes"}, ["metrics.0.headline"]),
    ],
)
def test_outcomes(tmp_path: Path, more: dict[str, Any], at_fault: list[str]) -> None:
    spoiled = study()
    spoiled["metrics"][0] |= more
    assert fields(tmp_path, spoiled) == at_fault


@pytest.mark.parametrize(
    ("counts", "unit"),
    [
        ({"n_images": 100, "n_train": 90, "n_test": 90}, None),
        ({"n_images": 100, "n_train": 50, "n_val": 50, "n_test": 1}, "images"),
        ({"n_images": 100, "n_patients": 10, "n_train": 8, "n_test": 3}, "patients"),
        ({"n_images": 100, "n_patients": 101}, None),
        ({"n_images": 100, "n_classes": 101}, None),
        ({"n_images": 100, "cv_folds": 101}, None),
    ],
)
def test_counts_that_cannot_be_true_together(
    tmp_path: Path, counts: dict[str, int], unit: str | None
) -> None:
    spoiled = study()
    where = {"basis": "abstract", "source": "s"}
    for name, count in counts.items():
        spoiled["values"][name] = {"value": count, **where}
    if unit:
        spoiled["values"]["split_unit"] = {"value": unit, **where}
    found = fields(tmp_path, spoiled)
    assert len(found) == 1
    assert found[0].removeprefix("values.") in counts
    for name in counts:  # a note on any of them says why
        noted = json.loads(json.dumps(spoiled))
        noted["values"][name]["note"] = "The abstract says so."
        of_images = name == "n_images" and unit == "patients"
        assert fields(tmp_path, noted) == (found if of_images else [])


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        (1, True), ("a", True), (None, True), ([1, "a", None], True), ([{"metric": "AUC", "value": 0.9}], True),
        ({}, False), ({"a": 1}, False), ([[1]], False), ([{"a": [1]}], False), ([{"a": {}}], False),
    ],
)  # fmt: skip
def test_what_another_source_may_give(tmp_path: Path, value: Any, fine: bool) -> None:
    more = {"other_disagreements": {"topic": [{"value": value, "source": "s"}]}}
    at_fault = [] if fine else ["other_disagreements.topic.0.value"]
    assert fields(tmp_path, study() | more) == at_fault


def test_a_data_set_must_be_listed(tmp_path: Path) -> None:
    for name, fine in (("NIH ChestX-ray14", True), ("nih chestxray14", False), ("Nowhere", False)):
        used = {"name": "x", "dataset": name, "basis": "abstract", "source": "s"}
        at_fault = [] if fine else ["datasets.0.dataset"]
        assert fields(tmp_path, study() | {"datasets": [used]}) == at_fault
