"""Damaged, altered and hostile SQLite files, put before the commands that read and write.

An attempt is one file: made from a sound database with a study of the user's by breaking bytes,
pages or its header, by SQL that alters the schema or the values, or by what a stranger may hide in
it. No command may crash, hang, run what is hidden, or add to a file that SQLite finds damaged;
after a repair nothing is found at fault.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from db.database import open_database
from db.user import add_studies
from tests.fuzz.outcome import FAULTS, Outcome, command
from tests.study_files import good, write

PAGE = 4096
#: Definitions that SQLite would run, and values that no column should hold.
HOSTILE = (
    "CREATE TRIGGER t AFTER INSERT ON study BEGIN DELETE FROM study; END",
    "CREATE TRIGGER t AFTER UPDATE ON load_state BEGIN UPDATE study SET title = 'ran'; END",
    "CREATE VIEW v AS SELECT 1",
    "ALTER TABLE study RENAME TO s; CREATE VIEW study AS SELECT * FROM s",
    "DROP TABLE evidence; CREATE VIEW evidence AS WITH RECURSIVE r(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS id, n AS study_id, 'x' AS field FROM r",
    "CREATE VIRTUAL TABLE f USING fts5(a)",
    "DROP TABLE run_setting; CREATE VIRTUAL TABLE run_setting USING fts5(run_id, name)",
    "CREATE INDEX i ON study (length(randomblob(100000000)))",
    "ALTER TABLE study ADD COLUMN g AS (length(randomblob(900000000)))",
    "CREATE TABLE c (x CHECK (length(randomblob(900000000)) > 0)); INSERT INTO c VALUES (1)",
    "CREATE TABLE c (x DEFAULT (abs(-1)))",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'VARCHAR', 'BLOB')",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'title', 'titel')",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'study'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 1 WHERE type = 'table'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 5 WHERE type = 'index'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = NULL",
    "PRAGMA application_id = 305419896",
    "PRAGMA user_version = 1000000",
    "DELETE FROM medtl_meta_version",
    "UPDATE medtl_meta_version SET version_num = '9999'",
    "UPDATE medtl_meta_version SET version_num = 'x'",
    "UPDATE medtl_meta_version SET version_num = '0001'",
    "UPDATE medtl_meta_version SET version_num = '0002'",
    "INSERT INTO medtl_meta_version VALUES ('0001')",
    "ALTER TABLE medtl_meta_version RENAME COLUMN version_num TO n",
    "DELETE FROM load_state",
    "UPDATE load_state SET value = 'another'",
    "UPDATE load_state SET value = x'ff00'",
    "DROP INDEX uq_evidence",
    "CREATE TABLE beside (a)",
)
#: Tables of which columns are dropped, renamed and filled with what does not belong there.
TABLES = (
    "study", "evidence", "reported_metric", "study_backbone", "study_dataset", "study_tl_type",
    "disagreement", "confirmation", "backbone", "dataset", "review_fact", "run", "coding",
    "set_aside", "backbone_synonym", "load_state",
)  # fmt: skip
VALUES = (
    "NULL", "''", "'x'", "x'ff'", "-1", "9223372036854775807", "9e999", "'{'", "'[]'", "'null'",
    "'[[[[1]]]]'", "CAST(x'ff' AS TEXT)", "0.5", "zeroblob(100)",
)  # fmt: skip

COMMANDS = (
    ("query", "--modality", "OCT", "--format", "json"),
    ("show", "karri2017"),
    ("show", "mine2026", "--format", "json"),
    ("audit", "--format", "csv"),
    ("stats", "pool", "accuracy"),
    ("db", "info"),
    ("replicate", "runs"),
    ("db", "set-aside"),
)


def _sound(folder: Path) -> Path:
    path = folder / "sound.sqlite"
    with open_database(path) as database:
        add_studies(database, [write(folder / "mine2026.yaml", good("mine2026"))])
        with database.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO run (id, study_key, state, created_at, spec, phantom) VALUES "
                "('r', 'karri2017', 'finished', '2026-01-01 00:00:00.000000', '{}', 0)"
            )
    return path


def _bytes(draw: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    places = [draw.randrange(len(content)) for _ in range(draw.choice((1, 5, 50, 500)))]
    for place in places:
        content[place] = draw.randrange(256)
    path.write_bytes(content)
    return f"{len(places)} bytes"


def _header(draw: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    places = [draw.randrange(120) for _ in range(draw.choice((1, 2, 5)))]
    for place in places:
        content[place] = draw.choice((0, 1, 255, draw.randrange(256)))
    path.write_bytes(content)
    return f"header {places}"


def _page_heads(draw: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    page = draw.randrange(len(content) // PAGE)
    for _ in range(draw.choice((1, 3, 8))):
        content[page * PAGE + draw.randrange(40)] = draw.randrange(256)
    path.write_bytes(content)
    return f"head of page {page + 1}"


def _pages(draw: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    count = len(content) // PAGE
    one, other = draw.randrange(count), draw.randrange(count)
    first, second = (slice(n * PAGE, (n + 1) * PAGE) for n in (one, other))
    how = draw.choice(("swapped", "doubled", "zeroed", "noise"))
    if how == "swapped":
        content[first], content[second] = content[second], content[first]
    elif how == "doubled":
        content[first] = content[second]
    else:
        content[first] = bytes(PAGE) if how == "zeroed" else draw.randbytes(PAGE)
    path.write_bytes(content)
    return f"pages {one + 1}, {other + 1} {how}"


def _cut(draw: Random, path: Path) -> str:
    content = path.read_bytes()
    if draw.random() < 0.2:
        path.write_bytes(content + draw.randbytes(draw.randrange(3 * PAGE)))
        return "something behind the end"
    end = draw.choice((draw.randrange(len(content)), PAGE * draw.randrange(len(content) // PAGE)))
    path.write_bytes(content[:end])
    return f"cut to {end}"


def _sql(draw: Random, path: Path) -> str:
    if draw.random() < 0.4:
        script = draw.choice(HOSTILE)
    else:
        table = draw.choice(TABLES)
        with closing(sqlite3.connect(path)) as connection:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = draw.choice(columns)
        value = draw.choice(VALUES)
        some = draw.choice(("", " WHERE rowid % 7 = 1", " WHERE rowid = 1"))
        script = draw.choice((
            f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
            f"ALTER TABLE {table} DROP COLUMN {column}",
            f"ALTER TABLE {table} ADD COLUMN other INTEGER",
            f"DROP TABLE {table}",
            f"DELETE FROM {table}{some}",
            *[f"UPDATE {table} SET {column} = {value}{some}"] * 6,
        ))  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            connection.executescript(script)
        except sqlite3.Error:  # a column that cannot be dropped: nothing is altered, then
            connection.rollback()
    return script


WAYS: tuple[Callable[[Random, Path], str], ...] = (
    _bytes,
    _header,
    _page_heads,
    _pages,
    _cut,
    _sql,
    _sql,
)


def _damaged(path: Path) -> bool:
    """Ask SQLite itself, apart from the code under test."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA cell_size_check = ON")
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error:
        return True


def _attempt(path: Path, study: Path, tried: str) -> Outcome:
    slowest = 0.0
    seen = []
    hidden = "TRIGGER" in tried or "randomblob" in tried or "RECURSIVE" in tried
    damaged = path.stat().st_size > 0 and not hidden and _damaged(path)

    def call(*words: str) -> Outcome:
        nonlocal slowest
        outcome, printed = command(["--db", str(path), *words])
        slowest = max(slowest, outcome.seconds)
        seen.append(f"{' '.join(words[:2])}: {outcome.kind}")
        if outcome.kind in FAULTS:
            raise _FaultError(Outcome(outcome.kind, f"{tried}: {words}", outcome.seen + printed))
        return outcome

    try:
        for words in COMMANDS:
            call(*words)
        if path.stat().st_size == 0 or not damaged:
            damaged = False
        added = call("db", "add", str(study))
        if added.kind == "answered" and (damaged or "TRIGGER" in tried):
            raise _FaultError(Outcome("lost", tried, "added to a damaged or hostile file"))
        call("db", "verify")
        repaired = call("db", "repair")
        verified = call("db", "verify")
        if repaired.kind == "answered" and verified.kind != "answered":
            raise _FaultError(Outcome("half-written", tried, verified.seen))
    except _FaultError as fault:
        return fault.outcome
    return Outcome(
        "refused" if "refused" in " ".join(seen) else "answered", tried, "; ".join(seen), slowest
    )


class _FaultError(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Break one database after another."""
    draw = Random(seed)
    sound = _sound(folder)
    study = write(folder / "another.yaml", good("another2026"))
    number = 0
    while True:
        place = folder / "attempt"
        place.mkdir()
        path = Path(shutil.copy(sound, place / "x.sqlite"))
        way = WAYS[number % len(WAYS)]
        number += 1
        yield _attempt(path, study, f"{number}: {way(draw, path)}")
        shutil.rmtree(place)
