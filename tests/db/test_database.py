"""Opening, making, refreshing: always a right database or a clear error, never half of one."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, inspect, text

from db.database import Database, open_database
from db.datafolder import data_hash
from db.engine import make_engine
from db.errors import DatabaseError, UsageError
from db.location import default_path, locate
from db.packaged import PackagedData
from db.prepare import MIGRATIONS, prepare, upgrade
from db.state import SCHEMA_HEAD, TABLES, VERSION_TABLE
from db.tables import metadata, table
from db.user import add_studies
from tests.study_files import write


def refs(database: Database, modality: str) -> list[int]:
    rows = database.rows(
        "SELECT ref FROM study WHERE modality = :modality ORDER BY ref", {"modality": modality}
    )
    return [row["ref"] for row in rows]


def test_the_first_opening_makes_and_loads(where: str) -> None:
    with open_database(where) as database:
        assert refs(database, "OCT") == [49, 112, 113, 115, 116, 122]
        assert "114 added" in database.notices[0]
        assert database.data_hash == data_hash()
    with open_database(where) as database:
        assert database.notices == []


def test_the_default_place_is_the_users_data_folder() -> None:
    assert default_path().name == "medtl-meta.sqlite"
    with open_database() as database:
        assert database.location.path == default_path()
    assert default_path().stat().st_size > 0


def test_the_environment_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_META_DB", str(tmp_path / "deep" / "er" / "x.sqlite"))
    with open_database() as database:
        assert database.location.path == tmp_path / "deep" / "er" / "x.sqlite"


def comparable(database: Database) -> dict[str, list[object]]:
    """Content without surrogate ids, which a reload of children renews."""
    found = {}
    for name in metadata.tables:
        rows = database.rows(f"SELECT * FROM {name}")
        if name not in ("study", "run"):
            rows = [{k: v for k, v in row.items() if k != "id"} for row in rows]
        found[name] = sorted((tuple(row.items()) for row in rows), key=repr)
    return found  # type: ignore[return-value]


def test_loading_twice_changes_nothing(where: str) -> None:
    with open_database(where) as database:
        before = comparable(database)
    report = prepare(locate(where), force=True)
    assert (report.added, report.refreshed, report.removed) == (0, 114, 0)
    with open_database(where) as database:
        assert comparable(database) == before


def test_a_refresh_follows_the_files_and_spares_what_is_the_users(
    where: str, tmp_path: Path, packaged: PackagedData
) -> None:
    with open_database(where) as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml")])
        karri = database.rows("SELECT id FROM study WHERE key = 'karri2017'")[0]["id"]
        shi = database.rows("SELECT id FROM study WHERE key = 'shi2018'")[0]["id"]
        with database.writing() as connection:
            for run, study in (("run-karri", karri), ("run-shi", shi)):
                connection.execute(
                    insert(table("run")).values(
                        id=run,
                        study_id=study,
                        study_key=run,
                        state="finished",
                        created_at=datetime(2026, 1, 1, tzinfo=UTC),
                        spec={"a": 1},
                    )
                )
    studies = [
        study.model_copy(
            update={"citation": study.citation.model_copy(update={"title": "A new title"})}
        )
        if study.key == "karri2017"
        else study
        for study in packaged.studies
        if study.key != "shi2018"
    ]
    changed = replace(packaged, hash="0" * 16, studies=studies)
    report = prepare(locate(where), changed)
    assert (report.added, report.refreshed, report.removed) == (0, 113, 1)
    engine = make_engine(locate(where))
    with engine.connect() as connection:
        one = connection.execute(text("SELECT id, title FROM study WHERE key = 'karri2017'")).one()
        assert tuple(one) == (karri, "A new title")
        keys = set(connection.execute(text("SELECT key FROM study")).scalars())
        assert "mine2026" in keys
        assert "shi2018" not in keys
        found = connection.execute(text("SELECT id, study_id FROM run"))
        runs = {row.id: row.study_id for row in found}
        assert runs == {"run-karri": karri, "run-shi": None}
        metrics = connection.execute(
            text(
                "SELECT COUNT(*) FROM reported_metric m JOIN study s ON s.id = m.study_id "
                "WHERE s.key = 'mine2026'"
            )
        ).scalar()
        assert metrics == 1
    with open_database(where) as database:  # the packaged files differ from what is loaded
        assert "brought up to date" in database.notices[0]
        assert database.rows("SELECT title FROM study WHERE key = 'shi2018'")


def test_a_reference_number_may_move_to_another_study(where: str, packaged: PackagedData) -> None:
    prepare(locate(where), packaged)
    swap = {"karri2017": 112, "singla2019": 49}
    studies = [
        study.model_copy(update={"ref": swap.get(study.key, study.ref)})
        for study in packaged.studies
    ]
    prepare(locate(where), replace(packaged, hash="2" * 16, studies=studies))
    with make_engine(locate(where)).connect() as connection:
        found = connection.execute(text("SELECT key FROM study WHERE ref = 49")).scalar()
    assert found == "singla2019"


class Stop(Exception):
    pass


def test_an_error_in_the_middle_of_a_load_leaves_the_old_content(
    where: str, packaged: PackagedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(where) as database:
        before = comparable(database)

    def stop(*_: object) -> None:
        raise Stop

    monkeypatch.setattr("db.load._write_children", stop)
    with pytest.raises(Stop):
        prepare(locate(where), replace(packaged, hash="3" * 16))
    monkeypatch.undo()
    with open_database(where) as database:
        assert comparable(database) == before


def test_an_error_in_the_first_load_leaves_no_tables(
    where: str, packaged: PackagedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Stop

    monkeypatch.setattr("db.load._write_children", stop)
    with pytest.raises(Stop):
        prepare(locate(where), packaged)
    monkeypatch.undo()
    with make_engine(locate(where)).connect() as connection:
        assert not metadata.tables.keys() & set(inspect(connection).get_table_names())
    with open_database(where) as database:
        assert len(refs(database, "OCT")) == 6


SCRIPT = """
import sys
from db.database import open_database
with open_database(sys.argv[1]) as database:
    print(database.rows("SELECT COUNT(*) AS n FROM study")[0]["n"], len(database.notices))
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_processes_that_open_at_once_take_turns(where: str) -> None:
    processes = [start(SCRIPT, where) for _ in range(4)]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outcomes
    made = [out.split() for out, _ in outcomes]
    assert [studies for studies, _ in made] == ["114"] * 4
    assert sum(int(notices) for _, notices in made) == 1  # one made it, the others found it made


# Stops for good in the middle of the load's one transaction, where the parent kills it.
HANG = """
import sys, time
import db.load
from db.location import locate
from db.prepare import prepare
def hang(*_):
    print("in the middle", flush=True)
    time.sleep(60)
db.load._load_review = hang
prepare(locate(sys.argv[1]), force=True)
"""


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_kill_in_the_middle_of_a_load(where: str, loaded_before: bool) -> None:
    if loaded_before:
        with open_database(where) as database:
            before = comparable(database)
    process = start(HANG, where)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with open_database(where) as database:
        assert len(refs(database, "OCT")) == 6
        if loaded_before:
            assert database.notices == []
            assert comparable(database) == before


def test_reading_waits_for_no_writer_on_postgres_and_the_lock_on_sqlite(where: str) -> None:
    open_database(where).close()
    process = start(HANG, where)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        started = time.monotonic()
        with open_database(where) as database:
            assert len(refs(database, "OCT")) == 6
        assert time.monotonic() - started < 30
    finally:
        process.kill()
        process.communicate()


# --- migrations -----------------------------------------------------------------------------------


def test_the_head_in_the_code_is_that_of_the_migrations() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA_HEAD


def test_the_tables_named_in_the_code_are_all_there_are() -> None:
    assert metadata.tables.keys() == TABLES.keys()


def test_a_database_that_lost_a_table(where: str) -> None:
    open_database(where).close()
    with make_engine(locate(where)).begin() as connection:
        connection.execute(text("DROP TABLE evidence"))
    with pytest.raises(DatabaseError, match="is damaged, it lacks evidence"):
        open_database(where)


def test_the_migrations_make_the_tables_of_the_code(where: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = make_engine(locate(where))
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def ddl(path: Path) -> dict[str, set[str]]:
    """Return each table's and index's definition as a set of its parts (their order is free)."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {
            name: {" ".join(line.split()).strip(" ,").replace('"', "") for line in sql.splitlines()}
            for name, sql in rows
            if name != VERSION_TABLE
        }


def test_the_migrations_make_the_same_constraints(tmp_path: Path) -> None:
    migrated, made = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    with make_engine(locate(migrated)).begin() as connection:
        upgrade(connection)
    with make_engine(locate(made)).begin() as connection:
        metadata.create_all(connection)
    assert ddl(migrated) == ddl(made)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("study", {"modality": "OTC"}),
        ("study", {"n_images": 0}),
        ("study", {"origin": "nobody"}),
    ],
)
def test_the_database_itself_refuses_what_is_no_term(
    where: str, name: str, values: dict[str, object]
) -> None:
    open_database(where).close()
    with open_database(where) as database:
        column, value = next(iter(values.items()))
        with pytest.raises(DatabaseError, match="ck_study"), database.writing() as connection:
            connection.execute(table(name).update().values({column: value}))


# --- what is not a database of ours ---------------------------------------------------------------


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = write(tmp_path / "x.sqlite", "this is no database, only text " * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a usable SQLite database") as caught:
        open_database(path)
    assert "db repair" in caught.value.hint
    assert path.read_bytes() == before


def test_a_database_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    open_database(path).close()
    path.write_bytes(path.read_bytes()[: 5 * 4096])
    with (
        pytest.raises(DatabaseError, match="not a usable SQLite database"),
        open_database(path) as it,
    ):
        it.rows("SELECT * FROM evidence")


def test_a_database_of_something_else(where: str) -> None:
    with make_engine(locate(where)).begin() as connection:
        connection.execute(text("CREATE TABLE study (something_else INTEGER)"))
    with pytest.raises(DatabaseError, match="holds tables of something else") as caught:
        open_database(where)
    assert "nothing was written" in caught.value.hint
    with make_engine(locate(where)).connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM study")).scalar() == 0


@pytest.mark.postgres
def test_other_tables_on_a_server_do_no_harm(postgres: str) -> None:
    with make_engine(locate(postgres)).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of another program')"))
    with open_database(postgres) as database:
        assert len(refs(database, "OCT")) == 6
        kept = database.rows("SELECT version_num FROM alembic_version")
    assert kept == [{"version_num": "of another program"}]


def test_a_database_of_a_newer_release(where: str) -> None:
    open_database(where).close()
    with make_engine(locate(where)).begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for attempt in (lambda: open_database(where), lambda: prepare(locate(where), force=True)):
        with pytest.raises(DatabaseError, match="made by a newer medtl-meta") as caught:
            attempt()
        assert "pip install --upgrade" in caught.value.hint


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.touch()
    with open_database(path) as database:
        assert len(refs(database, "OCT")) == 6


# --- places that cannot be ------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made() -> None:
    with pytest.raises(DatabaseError, match="cannot be made") as caught:
        open_database("/proc/nowhere/x.sqlite")
    assert "--db" in caught.value.hint


@pytest.mark.parametrize("name", ["a b", "50%", "why?", "#1", "ä ö", "it's"])
def test_a_folder_with_an_unusual_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / f"{name}.sqlite"
    for _ in range(2):
        with open_database(path) as database:
            assert len(refs(database, "OCT")) == 6
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is a folder"):
        open_database(tmp_path)


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "file", "x")
    with pytest.raises(DatabaseError, match="cannot be made"):
        open_database(tmp_path / "file" / "x.sqlite")


def _bound_by_permissions() -> None:
    """Give up, before exec, the capabilities by which root passes over permissions."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; refused, and not needed, if not root


def unprivileged(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
        preexec_fn=_bound_by_permissions,
    )


READ_ONLY = """
import sys
from db.database import open_database
from db.errors import DatabaseError
try:
    with open_database(sys.argv[1]) as database:
        print(database.rows("SELECT COUNT(*) AS n FROM study")[0]["n"], *database.notices)
except DatabaseError as error:
    print("refused:", error.message)
"""


def test_a_read_only_folder(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    outcome = unprivileged(READ_ONLY, str(shut / "x.sqlite"))
    assert "refused:" in outcome.stdout, outcome
    assert "cannot be written" in outcome.stdout
    assert list(shut.iterdir()) == []


def test_a_read_only_database_is_read(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    open_database(shut / "x.sqlite").close()
    (shut / "x.sqlite").chmod(0o444)
    shut.chmod(0o555)
    assert unprivileged(READ_ONLY, str(shut / "x.sqlite")).stdout == "114\n"


def test_a_read_only_database_of_other_data_is_read_with_a_word(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    open_database(shut / "x.sqlite").close()
    with make_engine(locate(shut / "x.sqlite")).begin() as connection:
        connection.execute(text("UPDATE load_state SET value = 'old' WHERE name = 'data_hash'"))
    (shut / "x.sqlite").chmod(0o444)
    shut.chmod(0o555)
    said = unprivileged(READ_ONLY, str(shut / "x.sqlite")).stdout
    assert said.startswith("114 ")
    assert "data of another release" in said


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("mysql://host/db", "not supported"),
        ("postgresql://host", "names no database"),
        ("postgresql://host:port/db", "not a usable database URL"),
        ("sqlite://", "names no file"),
        (":memory:", "gone with the process"),
    ],
)
def test_a_wrong_url(place: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        locate(place)


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(DatabaseError, match="cannot connect") as caught:
        open_database("postgresql://me:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in caught.value.message


@pytest.mark.postgres
def test_a_database_that_does_not_exist_on_the_server(postgres: str) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        open_database(postgres + "_nowhere")


def test_postgres_urls_in_all_their_forms() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert locate(f"{scheme}://u:p@h:5/d").url == "postgresql+psycopg://u:p@h:5/d"
    assert str(locate("postgresql://u:p@h:5/d")) == "postgresql://u@h:5/d"


def test_a_snapshot_sees_one_state(where: str, tmp_path: Path) -> None:
    open_database(where).close()
    count = "SELECT COUNT(*) AS n FROM study"
    with open_database(where) as reading, open_database(where) as other:
        with reading.snapshot() as still:
            add_studies(other, [write(tmp_path / "mine2026.yaml")])
            assert still.rows(count)[0]["n"] == 114
            assert next(iter(still.stream(count)))["n"] == 114
            assert reading.rows(count)[0]["n"] == 115
        with pytest.raises(DatabaseError), reading.snapshot() as still:
            still.rows("SELECT nothing FROM nowhere")
        assert reading.rows(count)[0]["n"] == 115
