"""From release to release: kept databases are taken up whole, a user's data and a release's apart."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from db.database import Database, open_database
from db.datafiles import read_record
from db.errors import DatabaseError, DataFileError, NotFoundError
from db.export import export
from db.literature import read_set_aside
from db.location import locate
from db.packaged import PackagedData
from db.prepare import prepare
from db.reader import open_reader
from db.records import StudyRecord
from db.shape import SHAPES, expected, fingerprint
from db.sqlitefile import APPLICATION_ID
from db.state import SCHEMA_HEAD
from db.tables import table
from db.user import add_studies, check_files, remove_study
from db.verify import verify
from metaanalysis.query import coverage, select, study_in_full
from metaanalysis.query.filters import Filters
from tests.study_files import GOOD, good, write

KEPT = Path(__file__).parent / "releases"
RELEASES = ("0.1.0", "0.2.0")


def restore(release: str, where: str) -> None:
    """Make the database that a release left."""
    if "://" in where:
        import psycopg

        dump = gzip.decompress((KEPT / f"{release}.postgresql.sql.gz").read_bytes())
        with psycopg.connect(where) as server:
            server.execute(dump)  # type: ignore[call-overload]
        return
    dump = gzip.decompress((KEPT / f"{release}.sqlite.sql.gz").read_bytes())
    with closing(sqlite3.connect(where)) as connection:
        connection.executescript(dump.decode())


def key_of_run(database: Database) -> dict[str, tuple[str, str | None]]:
    rows = database.rows(
        "SELECT r.id, r.study_key, s.key FROM run r LEFT JOIN study s ON s.id = r.study_id"
    )
    return {row["id"]: (row["study_key"], row["key"]) for row in rows}


@pytest.mark.parametrize("release", RELEASES)
def test_the_database_of_a_release_is_taken_up(where: str, release: str) -> None:
    restore(release, where)
    with open_database(where) as database:
        keys = {row["key"]: row["origin"] for row in database.rows("SELECT key, origin FROM study")}
        assert sum(origin == "packaged" for origin in keys.values()) == 114
        own = {key for key, origin in keys.items() if origin == "user"}
        assert own == {"mine2020", "fifth", "shi2018-own"}
        moved = {row["key"]: (row["taken_by"], row["why"]) for row in read_set_aside(database)}
        assert moved == {"karri-own": ("karri2017", "doi"), "numbered": ("singla2019", "ref")}
        assert key_of_run(database) == {
            "run-mine2020": ("mine2020", "mine2020"),
            "run-fifth": ("fifth", "fifth"),
            "run-karri-own": ("karri2017", "karri2017"),
            "run-shi2018": ("shi2018-own", "shi2018-own"),
            "run-numbered": ("singla2019", "singla2019"),
            "run-byra2019": ("byra2019", "byra2019"),
        }
        mine = study_in_full(database, "mine2020")
        assert mine["values"]["n_images"]["disagreements"][0]["value"] == 1235
        assert mine["values"]["n_images"]["confirmed_by"] == ["https://example.org/other"]
        assert len(database.rows("SELECT run_id FROM run_setting")) == 6
        assert len(database.rows("SELECT run_id FROM run_metric")) == 6
        kept = read_set_aside(database)[0]["record"]
        assert kept["values"]["n_images"]["disagreements"][0]["note"] == "counted twice"
        assert kept["citation"]["doi"] == "10.1364/BOE.8.000579"
        notice = database.notices[0]
        assert all(word in notice for word in ("karri-own", "numbered", "shi2018-own"))
    assert verify(locate(where)) == []
    with open_database(where) as database:
        assert database.notices == []


@pytest.mark.parametrize("release", RELEASES)
def test_a_copy_from_before_is_kept(tmp_path: Path, release: str) -> None:
    path = tmp_path / "kept.sqlite"
    restore(release, str(path))
    path.chmod(0o600)
    before = list(sqlite3.connect(path).iterdump())
    for _ in range(2):
        with open_database(path) as database:
            if database.notices:
                assert f"{path}.before-{SCHEMA_HEAD}" in database.notices[0]
    (copy,) = tmp_path.glob("*.before-*")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert list(sqlite3.connect(copy).iterdump()) == before


def test_where_no_copy_can_be_made_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.sqlite"
    restore("0.2.0", str(path))
    before = path.read_bytes()

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("db.sqlitefile.sync", full)
    with pytest.raises(DatabaseError, match="cannot be made"):
        open_database(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_header_tells_whose_file_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with open_database(path) as database:
        assert database.rows("PRAGMA application_id")[0]["application_id"] == APPLICATION_ID
        assert database.rows("PRAGMA user_version")[0]["user_version"] == int(SCHEMA_HEAD)
        (snapshot,) = export(database, tmp_path / "out", ("sqlite",))
    with open_database(snapshot) as database:
        assert database.notices == []
        assert database.rows("PRAGMA application_id")[0]["application_id"] == APPLICATION_ID


@pytest.mark.parametrize(("pragma", "says"), [
    ("application_id = 1196444487", "another program"),
    (f"application_id = {APPLICATION_ID}; PRAGMA user_version = 99", "newer medtl-meta"),
])  # fmt: skip
def test_a_header_that_is_not_ours_is_refused(own: Database, pragma: str, says: str) -> None:
    path = own.location.path
    assert path is not None
    own.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA {pragma}")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=says):
        open_database(path)
    assert path.read_bytes() == before


def test_the_shapes_in_the_code_are_those_of_the_tables() -> None:
    assert {kind: fingerprint(expected(kind)) for kind in SHAPES} == SHAPES


# --- what is the user's and what a release packages -----------------------------------------------


def without(packaged: PackagedData, *keys: str) -> PackagedData:
    """Return packaged data as of a release that does not have some studies yet."""
    studies = [study for study in packaged.studies if study.key not in keys]
    return replace(packaged, hash="1" * 16, studies=studies)


def opened(where: str, packaged: PackagedData) -> Database:
    prepare(locate(where), packaged)
    return Database(locate(where), open_reader(locate(where)), None)


@pytest.mark.parametrize(("key", "old", "new", "why"), [
    ("mine2026", "10.1000/mine2026", "10.1364/BOE.8.000579", "doi"),
    ("mine2026", "10.1000/mine2026", "10.1364/boe.8.000579", "doi"),
    ("karri2017", "10.1000/karri2017", "10.1364/BOE.8.000579", "doi"),
    ("shi2018", "10.1000/shi2018", "10.1364/BOE.8.000579", "doi"),
    ("karri2017", "A study of mine", "TITLE", "key"),
    ("karri2017", "A study of mine", "another title", "renamed"),
])  # fmt: skip
def test_a_release_takes_what_a_user_had_before(
    where: str, tmp_path: Path, packaged: PackagedData, key: str, old: str, new: str, why: str
) -> None:
    title = next(s.citation.title for s in packaged.studies if s.key == "karri2017")
    text = good(key).replace(old, new if new != "TITLE" else f"'{title.upper()}'")
    path = write(tmp_path / f"{key}.yaml", text)
    with opened(where, without(packaged, "karri2017", "shi2018")) as database:
        add_studies(database, [path])
        was = study_in_full(database, key)
        own = was["study"]["key"]
        with database.writing() as connection:
            row = {"id": "r", "study_key": own, "state": "finished", "spec": {"a": 1}}
            row["created_at"] = datetime(2026, 1, 1, tzinfo=UTC)
            study_id = database.rows("SELECT id FROM study WHERE key = :k", {"k": own})[0]["id"]
            connection.execute(insert(table("run")).values(**row, study_id=study_id))
    report = prepare(locate(where), packaged)
    assert report is not None
    assert [(one.key, one.why) for one in report.moved] == [(key, why)]
    assert report.added == 2
    with open_database(where) as database:
        count = database.rows("SELECT COUNT(*) AS n FROM study WHERE origin = 'packaged'")[0]["n"]
        assert count == 114
        (run,) = key_of_run(database).values()
        if why == "renamed":
            assert study_in_full(database, f"{key}-own")["values"] == was["values"]
            assert run == (f"{key}-own", f"{key}-own")
            assert read_set_aside(database) == []
        else:
            assert run == ("karri2017", "karri2017")
            assert coverage(database).added == 0
            (kept,) = read_set_aside(database)
            assert kept["record"]["metrics"][0]["value"] == 0.93
            if key == "mine2026":
                with pytest.raises(NotFoundError, match="no study") as caught:
                    study_in_full(database, key)
                assert "karri2017" in caught.value.hint
        assert prepare(locate(where), packaged, force=True).moved == []  # type: ignore[union-attr]
    if why != "renamed":  # what was set aside is a study file, which goes back in where it may
        with open_database(where) as database:
            (csv,) = [p for p in export(database, tmp_path / "out") if p.name == "set_aside.csv"]
            assert key in csv.read_text()
            remove_study(database, key)
            assert read_set_aside(database) == []
            record = write(
                tmp_path / "again.yaml",
                repr(kept["record"])
                .replace("None", "null")
                .replace("True", "true")
                .replace("False", "false"),
            )
            again = read_record(StudyRecord, record)
            assert again.key == key


def test_a_name_that_is_free_is_found(where: str, tmp_path: Path, packaged: PackagedData) -> None:
    with opened(where, without(packaged, "karri2017")) as database:
        for key in ("karri2017", "karri2017-own", "karri2017-own-2"):
            add_studies(database, [write(tmp_path / f"{key}.yaml", good(key))])
    report = prepare(locate(where), packaged)
    assert report is not None
    assert [one.to for one in report.moved] == ["karri2017-own-3"]


def test_a_users_study_has_no_number_of_the_review(where: str, tmp_path: Path) -> None:
    for ref in (5, 49, 155):
        text = GOOD.replace("citation:", f"ref: {ref}\ncitation:")
        path = write(tmp_path / "x.yaml", text.replace("inclusion: added", "inclusion: cited"))
        with open_database(where) as database, pytest.raises(DataFileError) as caught:
            add_studies(database, [path])
        assert {problem.field for problem in caught.value.problems} == {"ref"}
        assert {problem.field for problem in check_files([path])[1]} == {"ref"}


@pytest.mark.parametrize("doi", ["10.1364/boe.8.000579", "10.1364/BOE.8.000579"])
def test_a_doi_is_the_same_in_any_letters(where: str, tmp_path: Path, doi: str) -> None:
    path = write(tmp_path / "x.yaml", GOOD.replace("10.1000/mine.2026", doi))
    with open_database(where) as database:
        with pytest.raises(DataFileError) as caught:
            add_studies(database, [path])
        assert [problem.field for problem in caught.value.problems] == ["citation.doi"]
        assert [problem.field for problem in check_files([path])[1]] == ["citation.doi"]
        report = add_studies(database, [path], replace=True, spare_packaged=True)
        assert (report.added, report.spared) == (0, 1)
        two = [write(tmp_path / f"{n}.yaml", good(n).replace("10.1000/" + n, d))
               for n, d in (("a", "10.1000/Same"), ("b", "10.1000/sAME"))]  # fmt: skip
        with pytest.raises(DataFileError, match="is that of the study a"):
            add_studies(database, two)


def test_a_data_set_that_no_list_has(where: str, tmp_path: Path) -> None:
    text = GOOD + "datasets: [{name: x, dataset: nowhere, basis: abstract, source: x}]\n"
    path = write(tmp_path / "x.yaml", text)
    with open_database(where) as database, pytest.raises(DataFileError) as caught:
        add_studies(database, [path])
    assert [problem.field for problem in caught.value.problems] == ["datasets.0.dataset"]
    assert [problem.field for problem in check_files([path])[1]] == ["datasets.0.dataset"]


def test_a_study_set_aside_is_in_no_query(
    where: str, tmp_path: Path, packaged: PackagedData
) -> None:
    text = GOOD.replace("10.1000/mine.2026", "10.1364/BOE.8.000579")
    with opened(where, without(packaged, "karri2017")) as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml", text)])
    with open_database(where) as database:
        assert select(database, Filters(year=["2026"])).rows == []
