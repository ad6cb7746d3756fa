"""Each fault of a study file is told with file, line and field, and nothing is loaded."""

from pathlib import Path

import pytest

from db.datafiles import read_json_lines, read_record
from db.errors import DataFileError, NotFoundError, Problem
from db.packaged import use_backbones
from db.records import StudyRecord
from tests.study_files import GOOD, good, write


@pytest.fixture(autouse=True)
def _backbones() -> None:
    use_backbones()


def problems(path: Path, text: str) -> list[Problem]:
    with pytest.raises(DataFileError) as caught:
        read_record(StudyRecord, write(path, text))
    return list(caught.value.problems)


def test_a_good_file_is_read_with_canonical_terms(tmp_path: Path) -> None:
    record = read_record(StudyRecord, write(tmp_path / "mine2026.yaml"))
    assert record.values.modality.value == "OCT"
    assert record.values.backbones is not None
    assert record.values.backbones.value == ("GoogLeNet", "ResNet50")
    assert record.values.tl_types is not None
    assert record.values.tl_types.value == ("feature extractor",)
    assert record.metrics[0].metric == "AUC"


LINES = GOOD.splitlines()


def line_of(start: str) -> int:
    return next(n for n, line in enumerate(LINES, start=1) if line.strip().startswith(start))


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ("optical coherence tomography", "OTC", line_of("modality"), "values.modality.value", "'OCT'"),
        ("[FE]", "[freezing]", line_of("tl_types"), "values.tl_types.value.0", "no such term"),
        ("resnet-50", "resnet-5O", line_of("backbones"), "values.backbones.value.1", "ResNet50"),
        ("value: 1234, basis: abstract", "value: 1234", line_of("n_images"), "values.n_images.basis", "missing"),
        (", source: title}\n  subject", "}\n  subject", line_of("modality"), "values.modality", "source"),
        ("value: 1234", "value: -3", line_of("n_images"), "values.n_images.value", "greater than 0"),
        ("value: 1234", "value: 12.5", line_of("n_images"), "values.n_images.value", "integer"),
        ("value: 1234", "value: many", line_of("n_images"), "values.n_images.value", "many"),
        ("value: 1234", "value: null", line_of("n_images"), "values.n_images", "not_found"),
        ("{value: 1234, basis: abstract, source: https://doi.org/10.1000/mine.2026}", "1234", line_of("n_images"), "values.n_images", "basis"),
        ("year: 2026", "year: 20260", line_of("year"), "citation.year", "1950 to"),
        ("  year: 2026\n", "", line_of("citation"), "citation.year", "missing"),
        ("value: 0.93", "value: 93", line_of("value: 0.93"), "metrics.0.value", "write 0.93 for 93 %"),
        ("doi: 10.1000/mine.2026", "doi: mine", line_of("doi"), "citation.doi", "not a DOI"),
        ("key: mine2026", "key: Mine 2026", 1, "key", "lower case letters"),
        ("journal:", "jurnal:", line_of("journal"), "citation.jurnal", "no such field"),
        ("A study of mine", '"A study \\e[31mof mine"', line_of("title"), "citation.title", "control character"),
        ("inclusion: added", "inclusion: cited", 1, "", "needs its ref"),
        ("citation:", "ref: 49\ncitation:", 1, "", "is not added"),
        ("[FE]", "[]", line_of("tl_types"), "values.tl_types.value", "empty list"),
        ("[FE]", "[FE, feature extractor]", line_of("tl_types"), "values.tl_types.value", "twice"),
    ],
)  # fmt: skip
def test_a_fault_is_placed(
    tmp_path: Path, old: str, new: str, line: int, field: str, says: str
) -> None:
    assert old in GOOD
    path = tmp_path / "mine2026.yaml"
    found = problems(path, GOOD.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].path == path
    assert found[0].line == line
    assert found[0].field == field
    assert says in found[0].message


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("optical coherence tomography", "OTC").replace("value: 0.93", "value: 93")
    assert len(problems(tmp_path / "mine2026.yaml", text)) == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("key: [mine", 2, "broken YAML"),
        ("key: a\nkey: b\n", 2, "'key' is given twice"),
        ("key: a\n\tref: 1\n", 2, "broken YAML"),
        ("- a\n- b\n", 1, "field: value"),
        ("", None, "field: value"),
        ("key: !!python/object:os.system {}\n", 1, "a tag"),
        ("key: a\n---\nkey: b\n", 2, "second document"),
        ("key: a\n? [b]\n: c\n", 2, "named by a word"),
        ("key: \x00\n", 1, "U+0000"),
    ],
)
def test_broken_yaml(tmp_path: Path, text: str, line: int | None, says: str) -> None:
    found = problems(tmp_path / "x.yaml", text)
    assert found[0].line == line
    assert says in found[0].message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"key: \xff\xfe\n")
    with pytest.raises(DataFileError, match="not UTF-8"):
        read_record(StudyRecord, path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.yaml"):
        read_record(StudyRecord, tmp_path / "nowhere.yaml")


def test_two_headline_values_of_one_metric(tmp_path: Path) -> None:
    metric = GOOD[GOOD.index("  - metric") :]
    found = problems(tmp_path / "x.yaml", GOOD + metric)
    assert "two headline values" in found[0].message


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("    ci_low: 0.9\n", "go together"),
        ("    ci_low: 0.95\n    ci_high: 0.9\n", "above"),
    ],
)
def test_intervals(tmp_path: Path, lines: str, says: str) -> None:
    found = problems(tmp_path / "x.yaml", GOOD + lines)
    assert says in found[0].message


def test_json_lines_name_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", '{"key": "a"}\n{"key": \n')
    with pytest.raises(DataFileError) as caught:
        list(read_json_lines(StudyRecord, path))
    assert {problem.line for problem in caught.value.problems} == {1, 2}
    assert {problem.field for problem in caught.value.problems if problem.line == 1} == {
        "citation",
        "values",
    }


def test_good_changes_key_and_doi() -> None:
    assert "10.1000/other1" in good("other1")
