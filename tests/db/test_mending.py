"""What is damaged or altered is told, takes no additions, and is mended without losing what can be read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from db.database import Database, open_database
from db.engine import make_engine
from db.errors import DatabaseError
from db.location import locate
from db.repair import repair
from db.shape import computes
from db.user import add_studies
from db.verify import verify
from metaanalysis.query import study_in_full
from tests.fuzz.databases import HOSTILE
from tests.study_files import good, write

PAGE = 4096


@pytest.fixture(scope="module")
def sound(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    (folder / "mine").mkdir()
    for number in range(40):
        write(folder / "mine" / f"mine{number}.yaml", good(f"mine{number}"))
    assert database.location.path is not None
    copy = Path(shutil.copy(database.location.path, folder / "sound.sqlite"))
    with open_database(copy) as opened:
        add_studies(opened, [folder / "mine"])
    return copy


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    """A sound file with forty studies of the user's."""
    return Path(shutil.copy(sound, tmp_path / "own.sqlite"))


def script(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executescript(sql)


def codes(path: Path) -> set[str]:
    return {fault.code for fault in verify(locate(path))}


def own_keys(path: Path) -> set[str]:
    with open_database(path) as database:
        rows = database.rows("SELECT key FROM study WHERE origin = 'user'")
        return {row["key"] for row in rows}


ALL = {f"mine{number}" for number in range(40)}


@pytest.mark.parametrize(("sql", "code"), [
    ("UPDATE study SET n_images = 17 WHERE key = 'karri2017'", "packaged"),
    ("UPDATE evidence SET source = 'x' WHERE id = 1", "packaged"),
    ("DELETE FROM study_backbone WHERE rowid = 1", "packaged"),
    ("DELETE FROM backbone_synonym WHERE rowid = 1", "packaged"),
    ("UPDATE review_fact SET value = '[]' WHERE name = 'totals.included'", "packaged"),
    ("UPDATE study SET year = 'x' WHERE key = 'mine1'", "value"),
    ("UPDATE study SET title = x'ff' WHERE key = 'karri2017'", "value"),
    ("UPDATE evidence SET value = '{' WHERE id = 5", "value"),
    ("UPDATE study SET modality = 'OTC' WHERE key = 'mine1'", "damaged"),
    ("UPDATE study SET url = 'no address', doi = 'no doi' WHERE key = 'mine1'", "rule"),
    ("UPDATE evidence SET study_id = 99999 WHERE id = 1", "reference"),
    ("UPDATE load_state SET value = 'old'", "older"),
])  # fmt: skip
def test_a_fault_is_found_and_mended(path: Path, sql: str, code: str) -> None:
    assert codes(path) == set()
    script(path, sql)
    assert codes(path) == {code}
    done = repair(locate(path))
    assert done.report is not None
    if code != "rule":  # the user's own words are not ours to change
        assert codes(path) == set()
    lost = {"mine1"} if "mine1" in sql and code != "rule" else set()
    assert own_keys(path) == ALL - lost
    # A row of a study that is nowhere tells of one that is lost.
    assert done.lost["study"] == (len(lost) or code == "reference")
    assert (done.kept is None) == (code in ("packaged", "rule", "older"))


def test_a_server_is_verified_and_refreshed(where: str) -> None:
    open_database(where).close()
    assert verify(locate(where)) == []
    with open_database(where) as database, database.writing() as connection:
        connection.execute(text("UPDATE study SET n_images = 17 WHERE key = 'karri2017'"))
    assert [fault.code for fault in verify(locate(where))] == ["packaged"]
    assert repair(locate(where)).kept is None
    assert verify(locate(where)) == []


@pytest.mark.parametrize(("sql", "says"), [
    ("ALTER TABLE study DROP COLUMN note", "study lacks note"),
    ("ALTER TABLE evidence RENAME COLUMN source TO origin", "evidence lacks source"),
    ("ALTER TABLE run ADD COLUMN other INTEGER", "run has other besides"),
    ("DROP TABLE evidence", "lacks evidence"),
    ("DROP TABLE evidence; CREATE VIEW evidence AS SELECT 1 AS id", "evidence"),
    ("DROP TABLE coding; CREATE TABLE coding (id TEXT)", "coding lacks"),
    ("DELETE FROM medtl_meta_version", "does not tell the version"),
    ("UPDATE medtl_meta_version SET version_num = 'x'", "does not tell the version"),
    ("INSERT INTO medtl_meta_version VALUES ('0001')", "does not tell the version"),
])  # fmt: skip
def test_altered_tables_are_told(where: str, sql: str, says: str) -> None:
    open_database(where).close()
    with make_engine(locate(where)).begin() as connection:
        for one in sql.split("; "):
            connection.execute(text(one))
    for attempt in (open_database, lambda _: verify(locate(where))):
        with pytest.raises(DatabaseError, match=says):
            attempt(where)


@pytest.mark.postgres
def test_altered_types_are_told(postgres: str) -> None:
    open_database(postgres).close()
    with make_engine(locate(postgres)).begin() as connection:
        connection.execute(text("ALTER TABLE study ALTER COLUMN year TYPE text"))
    with pytest.raises(DatabaseError, match=r"study\.year is of another type"):
        open_database(postgres)


def page_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(connection.execute(sql, (table,)).fetchone()[0])


def overwrite(path: Path, page: int, content: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek((page - 1) * PAGE)
        stream.write(content)


@pytest.mark.parametrize("table", ["evidence", "backbone", "coding", "review_fact", "ix_study_doi"])
def test_a_broken_page_of_something_else_costs_no_study(path: Path, table: str) -> None:
    page = page_of(path, table)
    overwrite(path, page, b"\xff" * PAGE)
    before = path.read_bytes()
    with pytest.raises(DatabaseError), open_database(path) as database:
        add_studies(database, [write(path.parent / "x.yaml", good("x2026"))])
    assert path.read_bytes() == before
    done = repair(locate(path))
    assert done.kept is not None
    assert done.kept.read_bytes() == before
    # What was read about the studies is gone, which the rules of a study file notice.
    assert codes(path) == ({"rule"} if table == "evidence" else set())
    assert own_keys(path) == ALL
    with open_database(path) as database:
        shown = study_in_full(database, "mine7")
        assert shown["metrics"][0]["value"] == 0.93
        assert (shown["values"] == {}) == (table == "evidence")


def test_a_leaf_of_the_studies_costs_those_on_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        try:
            sql = (
                "SELECT pageno FROM dbstat WHERE name = 'study' AND pagetype = 'leaf' ORDER BY path"
            )
            leaves = [row[0] for row in connection.execute(sql)]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
    overwrite(path, leaves[-2], bytes(PAGE))
    done = repair(locate(path))
    kept = own_keys(path)
    assert 0 < len(kept) < len(ALL)
    assert done.saved["study"] == len(kept)
    assert "study" in done.unreadable
    assert codes(path) == set()


@pytest.mark.parametrize("places", [range(16), range(16, 24), range(28, 40), range(44, 60)])
def test_a_broken_header_costs_nothing(path: Path, places: range) -> None:
    overwrite(path, 1, b"")
    with path.open("r+b") as stream:
        stream.seek(places.start)
        stream.write(b"\xff" * len(places))
    done = repair(locate(path))
    assert own_keys(path) == ALL
    assert codes(path) == set()
    assert done.lost.total() == 0


@pytest.mark.parametrize("sql", [sql for sql in HOSTILE if "writable_schema" not in sql])
def test_what_a_stranger_hides_is_not_run(path: Path, sql: str) -> None:
    try:
        script(path, sql)
    except sqlite3.Error as error:
        pytest.skip(f"SQLite does not make it: {error}")
    hidden = any(word in sql for word in ("TRIGGER", "VIEW", "VIRTUAL", "blob(9", "abs("))
    before = path.read_bytes()
    with suppress(DatabaseError):
        with open_database(path) as database:
            study_in_full(database, "karri2017")
        assert not hidden
        return
    assert path.read_bytes() == before


@pytest.mark.parametrize(("sql", "runs"), [
    ("CREATE TABLE a (b INTEGER, c VARCHAR(32) NOT NULL, PRIMARY KEY (b))", False),
    ("CREATE TABLE a (b, CONSTRAINT c CHECK (b IN ('x (y)', 'it''s (z)')))", False),
    ('CREATE UNIQUE INDEX "i" ON "t" ("a", b) WHERE headline', False),
    ("CREATE TABLE a (b CHECK (abs(b) > 0))", True),
    ('CREATE TABLE a (b CHECK ("abs"(b) > 0))', True),
    ("CREATE TABLE a (b CHECK ([abs](b) > 0))", True),
    ("CREATE TABLE a (b CHECK (`abs` (b) > 0))", True),
    ("CREATE TABLE a (b CHECK (abs/**/(b) > 0))", True),
    ("CREATE TABLE a (b CHECK (abs --\n(b) > 0))", True),
    ("""CREATE TABLE a ("it's" CHECK (abs(b) > 0), c DEFAULT 'x')""", True),
    ("CREATE TABLE a (b, c AS (b + 1))", True),
    ("CREATE TABLE a (b, c GENERATED ALWAYS AS (b) STORED)", True),
    ("CREATE TABLE a (b DEFAULT (random()))", True),
    ("CREATE INDEX i ON a (lower(b))", True),
    ("CREATE INDEX i ON a (b) WHERE hex(b) > 1", True),
])  # fmt: skip
def test_definitions_that_compute(sql: str, runs: bool) -> None:
    assert computes(sql) is runs


def _nothing(path: Path) -> None:
    path.unlink()


def _text(path: Path) -> None:
    path.write_text("some text of mine\n" * 1000)


def _foreign(path: Path) -> None:
    path.unlink()
    script(path, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")


@pytest.mark.parametrize("make", [_nothing, _text, _foreign])
def test_what_is_not_ours_is_left_alone(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    before = path.read_bytes() if path.exists() else None
    for attempt in (verify, repair):
        with pytest.raises(DatabaseError):
            attempt(locate(path))
    assert (path.read_bytes() if path.exists() else None) == before
    assert [one for one in path.parent.iterdir() if one.name.startswith(path.name)] == (
        [path] if before else []
    )


def test_a_repair_is_not_in_the_way_of_another(path: Path) -> None:
    for number in range(2):
        overwrite(path, page_of(path, "coding"), b"\xff" * PAGE)
        copy = shutil.copy(path, path.with_suffix(f".{number}"))
        kept = repair(locate(path)).kept
        assert kept is not None
        assert kept.read_bytes() == Path(copy).read_bytes()
    assert len(list(path.parent.glob("*.damaged*"))) == 2
