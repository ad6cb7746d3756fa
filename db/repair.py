"""A database mended: the packaged data anew, what is the user's kept, and told what was lost.

A sound file is refreshed in place. From any other, all rows that can be read and that fit the
tables go into a new file, which then takes the old one's name; the old one is kept beside it.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, Connection, DateTime, Float, Integer, insert
from sqlalchemy.exc import SQLAlchemyError

from db.errors import DatabaseError, ForeignDatabaseError
from db.files import sync
from db.load import CHILDREN, LoadReport
from db.location import Location
from db.packaged import PackagedData, read
from db.prepare import prepare
from db.reader import FAILURES, open_reader
from db.shape import computes
from db.sqlitefile import APPLICATION_ID, GUARDS, address, free_name
from db.state import SCHEMA_HEAD, VERSION_TABLE, state_of
from db.tables import JsonText, table
from db.verify import content_faults

Raw = dict[str, Any]

#: Tables with rows of the user's beside `study` and its children, with what ties them to others.
_OF_RUNS = {"run": None, "run_setting": "run_id", "run_metric": "run_id", "set_aside": None}
#: Packaged tables of which a user's rows may need some that the packaged data no longer have.
_NAMES = ("backbone", "dataset")
#: Children that are of packaged studies alone.
_OWN_CHILDREN = tuple(name for name in CHILDREN if name != "coding")

PAGE = 4096


@dataclass(slots=True)
class Repair:
    """What a repair came to: where the old file is kept, what was saved, what was lost."""

    report: LoadReport | None
    kept: Path | None = None
    saved: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


def repair(location: Location) -> Repair:
    """Mend a database.

    Raises
    ------
    DatabaseError
        It is no file of ours, or the new one cannot be written; nothing was changed.
    """
    if location.path is None or _sound(location):
        return Repair(prepare(location, force=True))
    path = location.path
    if not _ours(path):
        raise DatabaseError(
            f"{path}: is not a medtl-meta database, as far as can be told.",
            "Nothing was changed. To make a new one here, move the file away.",
        )
    data = read()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        found = _salvage(path, Path(folder) / "copy.sqlite")
        new = Path(folder) / "new.sqlite"
        result = Repair(None, unreadable=found.unreadable)
        result.report = prepare(
            Location(f"sqlite:///{new}", new),
            data,
            first=lambda connection: _write(connection, found, data, result),
        )
        shutil.copymode(path, new)
        sync(new)
        result.kept = _take_the_place(path, new)
    return result


def _sound(location: Location) -> bool:
    """Return whether a file is damaged in nothing, so that a refresh mends what there is."""
    assert location.path is not None
    if not location.path.is_file():
        raise DatabaseError(f"{location}: no such file.", "Name the database with --db.")
    try:
        with closing(open_reader(location)) as reader:
            state = state_of(reader, str(location), own_file=True)
            if state.revision != SCHEMA_HEAD:
                return next(iter(reader.rows("PRAGMA integrity_check(1)")[0].values())) == "ok"
            return next(content_faults(reader, own_file=True), None) is None
    except ForeignDatabaseError:
        raise
    except DatabaseError:
        return False


def _ours(path: Path) -> bool:
    """Return whether anything in a file shows that a medtl-meta made it."""
    mark, name = struct.pack(">I", APPLICATION_ID), VERSION_TABLE.encode()
    with path.open("rb") as stream:
        head = stream.read(2 * PAGE)
        return head[68:72] == mark or name in head or name in stream.read()


def _take_the_place(path: Path, new: Path) -> Path:
    """Put the new file in the place of the old one, which is kept under another name."""
    kept = free_name(path, "damaged")
    for suffix in ("-journal", "-wal", "-shm"):  # of the old file: no part of the new one
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + suffix))
    try:
        kept.hardlink_to(path)
    except OSError:  # a file system without links
        path.rename(kept)
    new.replace(path)
    sync(path.parent)
    return kept


# --- reading what can be read ---------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    rows: dict[str, list[Raw]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def _salvage(path: Path, copy: Path) -> _Found:
    """Read from a copy of a damaged file all rows of all tables that can be read."""
    shutil.copyfile(path, copy)
    for suffix in ("-journal", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            shutil.copyfile(beside, copy.with_name(copy.name + suffix))
    found = _Found()
    tables = _definitions(copy)
    if tables is None:
        _mend_header(copy)
        tables = _definitions(copy) or {}
    wanted = ("study", *_OWN_CHILDREN, *_OF_RUNS, *_NAMES)
    for name in wanted:
        # A view, a virtual or a computed table would run what a stranger wrote.
        if name not in tables or computes(tables[name]):
            if name not in ("set_aside",):
                found.unreadable.append(name)
            continue
        found.rows[name] = []
        with closing(_open(copy)) as connection:
            for row in _rows(connection, name):
                if row is None:
                    found.unreadable.append(name)
                else:
                    found.rows[name].append(row)
    return found


def _open(copy: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(address(copy, "rw"), uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for guard in GUARDS:
        connection.execute(guard)
    return connection


def _definitions(copy: Path) -> dict[str, str] | None:
    try:
        with closing(_open(copy)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            return {str(row["name"]): str(row["sql"]) for row in found}
    except FAILURES:
        return None


def _mend_header(copy: Path) -> None:
    """Write the parts of the header that are the same in every file of ours."""
    with copy.open("r+b") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        stream.write(b"SQLite format 3\0" + struct.pack(">HBBBBBB", PAGE, 1, 1, 0, 64, 32, 32))
        stream.seek(28)
        stream.write(struct.pack(">III", size // PAGE, 0, 0))  # pages; none of them free
        stream.seek(44)
        stream.write(struct.pack(">IIII", 4, 0, 0, 1))  # format, cache, no vacuum, UTF-8


def _rows(connection: sqlite3.Connection, name: str) -> Iterator[Raw | None]:
    """Yield each row that can be read; None where some could not.

    From the front to the first broken page, from the back to the last, and what lies between row
    by row.
    """
    low = high = None
    try:
        for row in connection.execute(f"SELECT rowid AS _rowid, * FROM {name} NOT INDEXED"):
            low = row["_rowid"]
            yield dict(row)
        return
    except FAILURES:
        yield None
    back: list[Raw] = []
    with suppress(*FAILURES):
        sql = f"SELECT rowid AS _rowid, * FROM {name} NOT INDEXED ORDER BY rowid DESC"
        for row in connection.execute(sql):
            high = row["_rowid"]
            if low is not None and high <= low:
                return
            back.append(dict(row))
    yield from back
    if isinstance(low, int) or isinstance(high, int):
        start = low if isinstance(low, int) else 0
        end = high if isinstance(high, int) else start + 10_000
        for number in range(start + 1, min(end, start + 1_000_000)):
            with suppress(*FAILURES):
                row = connection.execute(
                    f"SELECT rowid AS _rowid, * FROM {name} NOT INDEXED WHERE rowid = ?", (number,)
                ).fetchone()
                if row is not None:
                    yield dict(row)


# --- writing what fits ----------------------------------------------------------------------------


def _value(column: Column[Any], value: Any) -> Any:
    """Return a value as the column takes it; ValueError where it is none."""
    if value is None:
        if not column.nullable:
            raise ValueError(f"{column.name} is missing")
        return None
    kind = column.type
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, JsonText):
        content = kind.process_result_value(value, None)  # type: ignore[arg-type]
        if column.table.name == "run" and not isinstance(content, dict):
            raise ValueError(f"{column.name}: {value!r}")
        return content
    if isinstance(kind, Boolean) and value in (0, 1):
        return bool(value)
    known = {Boolean: (), Integer: (int,), Float: (int, float)}
    fits = next((types for of, types in known.items() if isinstance(kind, of)), (str,))
    if not isinstance(value, fits) or "\ufffd" in str(value):
        raise ValueError(f"{column.name}: {value!r}")
    return value


def _fitted(name: str, row: Mapping[str, Any], without: tuple[str, ...] = ()) -> Raw | None:
    """Return a row as its table takes it now; None where it does not fit.

    A run may do without what is not known of each; elsewhere NULL would say more than is known.
    """
    fitted: Raw = {}
    for column in table(name).columns:
        if column.name in without or (column.name not in row and column.server_default is not None):
            continue
        try:
            fitted[column.name] = _value(column, row.get(column.name))
        except (ValueError, TypeError, AttributeError, RecursionError):
            if name != "run" or not column.nullable:
                return None
            fitted[column.name] = None
    return fitted


def _kept(connection: Connection, name: str, row: Raw) -> Any:
    """Insert a row, or leave no trace of it; return its id, None where it was refused."""
    try:
        with connection.begin_nested():
            done = connection.execute(insert(table(name)).values(row))
            return done.inserted_primary_key[0] if done.inserted_primary_key else True
    except SQLAlchemyError:
        return None


def _write(connection: Connection, found: _Found, data: PackagedData, result: Repair) -> None:
    known = {
        "backbone": {one.name for one in data.backbones},
        "dataset": {one.name for one in data.datasets},
        "study": {one.key for one in data.studies},
    }
    for name in _NAMES:  # the packaged ones are written over them by the load that follows
        for row in found.rows.get(name, ()):
            fitted = _fitted(name, row)
            if fitted is not None and _kept(connection, name, fitted) is not None:
                known[name].add(fitted["name"])
    ids = _write_studies(connection, found, known, result)
    for name, parent in _OF_RUNS.items():
        for row in found.rows.get(name, ()):
            without = ("id",) if name in ("run_metric", "set_aside") else ()
            fitted = _fitted(name, row, without)
            if fitted is not None and name == "run":
                fitted["study_id"] = ids.get(fitted["study_id"])  # else found again by its key
            good = fitted is not None and _kept(connection, name, fitted) is not None
            (result.saved if good else result.lost)[name] += 1
        if parent is not None:
            gone = connection.exec_driver_sql(
                f"DELETE FROM {name} WHERE {parent} NOT IN (SELECT id FROM run)"
            ).rowcount
            result.saved[name] -= gone
            result.lost[name] += gone


def _write_studies(
    connection: Connection, found: _Found, known: Mapping[str, set[str]], result: Repair
) -> dict[int, int]:
    """Write the user's studies with their children; return the new ids by the old ones."""
    ids: dict[int, int] = {}
    packaged: dict[Any, Any] = {}
    for row in found.rows.get("study", ()):
        if row.get("key") in known["study"] and row.get("origin") != "user":
            packaged[row["key"]] = row["id"]
        elif row.get("origin") != "packaged":  # a page of something else reads as rows, too
            fitted = _fitted("study", {**row, "origin": "user"}, ("id",))
            new = None if fitted is None else _kept(connection, "study", fitted)
            if new is not None:
                result.saved["study"] += 1
                ids[row["id"]] = new
    # Rows of studies that are gone tell how many there were; some are of packaged ones.
    named = {row.get("study_id") for name in _OWN_CHILDREN for row in found.rows.get(name, ())}
    gone = len(named - ids.keys() - set(packaged.values()))
    result.lost["study"] = max(gone - len(known["study"] - packaged.keys()), 0)
    for name in _OWN_CHILDREN:
        for row in found.rows.get(name, ()):
            if row.get("study_id") not in ids:
                continue
            fitted = _fitted(name, {**row, "study_id": ids[row["study_id"]]}, ("id",))
            if fitted is not None and fitted.get("dataset") not in (None, *known["dataset"]):
                fitted["dataset"] = None
            if fitted is not None and fitted.get("backbone") not in (None, *known["backbone"]):
                fitted = None
            good = fitted is not None and _kept(connection, name, fitted) is not None
            (result.saved if good else result.lost)[name] += 1
    return ids
