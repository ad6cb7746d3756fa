"""The user's own studies: added whole or not at all, found like any other, never in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from db.database import Database, open_database
from db.datafiles import read_record
from db.datafolder import folder
from db.errors import DataFileError, NotFoundError
from db.export import export
from db.location import locate
from db.packaged import PackagedData, use_backbones
from db.prepare import prepare
from db.reader import open_reader
from db.records import StudyRecord
from db.user import PARALLEL_FROM, add_studies, check_files, remove_study
from metaanalysis.query import coverage, select, study_in_full
from metaanalysis.query.filters import Filters
from metaanalysis.review.curated import curated
from tests.study_files import GOOD, good, write


def keys(database: Database) -> set[str]:
    return {row["key"] for row in database.rows("SELECT key FROM study WHERE origin = 'user'")}


def test_a_study_of_ones_own_is_found_and_shown(where: str, tmp_path: Path) -> None:
    with open_database(where) as database:
        report = add_studies(database, [write(tmp_path / "mine2026.yaml")])
        assert report.added == 1
        found = select(database, Filters(modality=["OCT"], year=["2026"]))
        assert [row["key"] for row in found.rows] == ["mine2026"]
        assert found.rows[0]["auc"] == 0.93
        assert found.coverage.added == 1
        assert "1 added beside them" in str(coverage(database))
        shown = study_in_full(database, "mine2026")
        assert shown["values"]["n_images"]["basis"] == "abstract"
        assert shown["study"]["inclusion"] == "added"


def test_the_same_key_again(where: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine2026.yaml")
    with open_database(where) as database:
        add_studies(database, [path])
        with pytest.raises(DataFileError, match=r"mine2026\.yaml:1: key: you have added mine2026"):
            add_studies(database, [path])
        write(
            path,
            GOOD.replace("A study of mine", "Another title").replace("value: 0.93", "value: 0.5"),
        )
        assert add_studies(database, [path], replace=True).refreshed == 1
        row = select(database, Filters(year=["2026"])).rows[0]
        assert (row["key"], row["auc"]) == ("mine2026", 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (good("karri2017"), r"mine2026\.yaml:1: key: a packaged study has the key karri2017"),
        (GOOD.replace("10.1000/mine.2026", "10.1364/BOE.8.000579"), r"mine2026\.yaml:7: citation\.doi: .* that of the study karri2017"),
        (GOOD.replace("citation:", "ref: 49\ncitation:").replace("inclusion: added", "inclusion: cited"), r"mine2026\.yaml:2: ref: 49 is that of the study karri2017"),
        (GOOD.replace("basis: abstract, ", "", 1), r"mine2026\.yaml:12: values\.n_classes\.basis"),
    ],
)  # fmt: skip
def test_what_cannot_be_added_leaves_no_trace(
    where: str, tmp_path: Path, text: str, says: str
) -> None:
    fine = write(tmp_path / "fine2026.yaml", good("fine2026"))
    with open_database(where) as database:
        with pytest.raises(DataFileError, match=says):
            add_studies(database, [fine, write(tmp_path / "mine2026.yaml", text)])
        assert keys(database) == set()


def test_a_key_twice_in_one_load(where: str, tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.yaml"), write(tmp_path / "b.yaml")]
    with (
        open_database(where) as database,
        pytest.raises(DataFileError, match=r"b\.yaml:1: key: mine2026 stands twice"),
    ):
        add_studies(database, paths, replace=True)


def test_removing(where: str, tmp_path: Path) -> None:
    with open_database(where) as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml")])
        remove_study(database, "mine2026")
        assert keys(database) == set()
        orphans = database.rows(
            "SELECT COUNT(*) AS n FROM evidence WHERE study_id NOT IN (SELECT id FROM study)"
        )
        assert orphans[0]["n"] == 0
        for key in ("mine2026", "karri2017"):
            with pytest.raises(NotFoundError, match="no study of your own"):
                remove_study(database, key)
        assert database.rows("SELECT key FROM study WHERE key = 'karri2017'")


def many(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        write(folder / f"s{number}.yaml", good(f"s{number}"))


def test_many_files_are_read_by_several_processes(where: str, tmp_path: Path) -> None:
    many(tmp_path / "many", PARALLEL_FROM + 1)
    with open_database(where) as database:
        report = add_studies(database, [tmp_path / "many"])
        assert report.added == PARALLEL_FROM + 1
        assert keys(database) == {f"s{number}" for number in range(PARALLEL_FROM + 1)}
        again = add_studies(database, [tmp_path / "many"], replace=True)
        assert (again.added, again.refreshed) == (0, PARALLEL_FROM + 1)


def test_every_fault_among_many_files_is_told(where: str, tmp_path: Path) -> None:
    many(tmp_path / "many", PARALLEL_FROM + 1)
    for number in (3, PARALLEL_FROM - 2):
        write(
            tmp_path / "many" / f"s{number}.yaml", good(f"s{number}").replace("[FE]", "[freezing]")
        )
    with open_database(where) as database:
        with pytest.raises(DataFileError) as caught:
            add_studies(database, [tmp_path / "many"])
        told = {Path(str(problem.path)).name for problem in caught.value.problems}
        assert told == {"s3.yaml", f"s{PARALLEL_FROM - 2}.yaml"}
        assert keys(database) == set()


def test_what_an_export_wrote_can_be_loaded_elsewhere(where: str, tmp_path: Path) -> None:
    with open_database(tmp_path / "mine.sqlite") as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml")])
        export(database, tmp_path / "out", ("json",))
        mine = study_in_full(database, "mine2026")
    with open_database(where) as database:
        report = add_studies(
            database, [tmp_path / "out" / "studies.jsonl"], replace=True, spare_packaged=True
        )
        assert (
            str(report) == "1 added, 0 refreshed, 0 removed; 114 packaged studies left as they are"
        )
        assert study_in_full(database, "mine2026") == mine


def test_a_study_beside_the_reviews_is_in_no_total_of_the_review(
    where: str, tmp_path: Path, packaged: PackagedData
) -> None:
    """Study 115 may be added to data/studies by a pull request; the review's total stays 114."""
    use_backbones()
    more = read_record(StudyRecord, write(tmp_path / "mine2026.yaml"))
    prepare(locate(where), replace(packaged, hash="5" * 16, studies=[*packaged.studies, more]))
    reader = open_reader(locate(where))
    with Database(locate(where), reader, None) as database:
        assert str(coverage(database)).startswith("114 of the review's 121 studies")
        assert coverage(database).added == 1
        assert 2026 not in set(curated(database, ["year"])["year"])


def test_checking_without_loading(tmp_path: Path) -> None:
    path = write(tmp_path / "mine2026.yaml")
    assert check_files([path]) == (1, [])
    twin = write(tmp_path / "twin.yaml")
    _, problems = check_files([path, twin])
    assert [str(problem) for problem in problems] == [
        f"{twin}:1: key: mine2026 is also that of {path}.",
        f"{twin}:7: citation.doi: 10.1000/mine.2026 is also that of {path}.",
    ]
    clash = write(tmp_path / "karri2017.yaml", good("karri2017"))
    _, problems = check_files([clash])
    assert [problem.field for problem in problems] == ["key"]
    assert check_files([folder() / "studies" / "karri2017.yaml"]) == (1, [])


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"holds no \.yaml file"):
        check_files([tmp_path])
    with pytest.raises(NotFoundError, match="no such file"):
        check_files([tmp_path / "nowhere"])
