"""All tables in an order that hangs on their content alone, as CSV and as an SQLite file.

Rows come in the order of reference number and key, with ids that follow that order; nothing of when
or how they were loaded shows. What belongs to studies or runs is read some hundred of these at a
time, so that memory does not grow with their number.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any

from db.csvfiles import CsvWriter, Formulas
from db.files import Opener
from db.literature import AT_ONCE, study_order
from db.reader import Row, Rows, chunks
from db.sqlitefile import APPLICATION_ID
from db.state import SCHEMA_HEAD, TABLES, VERSION_TABLE

#: Booleans are 0 and 1 in one database and true and false in the other.
BOOLEANS = {
    "run": ("phantom",),
    "study": ("tl_seen", "retracted"),
    "study_dataset": ("public",),
    "reported_metric": ("headline",),
}
#: Tables of which the id is a name, not a number.
_NAMED = ("run", "review_claim")
#: Tables of which each row belongs to a study, and to a run.
_OF_STUDY = (
    "study_backbone", "study_tl_type", "study_dataset", "reported_metric", "evidence",
    "confirmation", "disagreement", "coding",
)  # fmt: skip
_OF_RUN = ("run_setting", "run_metric")


class Tables:
    """The rows of a database that does not change while they are read."""

    def __init__(self, database: Rows) -> None:
        self._database = database
        order = study_order(database)
        self._keys = [key for key, _ in order]
        self._studies = [number for _, number in order]
        self._place = {number: place for place, number in enumerate(self._studies, start=1)}
        self._runs = sorted(row["id"] for row in database.stream("SELECT id FROM run"))

    def key(self, study_id: int) -> str:
        """Return the key of a study, by the id that it has here."""
        return self._keys[study_id - 1]

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table, renumbered."""
        for place, row in enumerate(self._sorted(name), start=1):
            if row.get("study_id") is not None:
                row["study_id"] = self._place[row["study_id"]]
            if "id" in row and name not in _NAMED:
                row["id"] = place
            yield {column: _plain(name, column, value) for column, value in row.items()}

    def _sorted(self, name: str) -> Iterator[Row]:
        if name == "study":
            yield from self._owned(name, "id", self._studies)
        elif name in _OF_STUDY:
            yield from self._owned(name, "study_id", self._studies)
        elif name == "run":
            yield from self._owned(name, "id", self._runs)
        elif name in _OF_RUN:
            yield from self._owned(name, "run_id", self._runs)
        else:
            yield from sorted(self._database.rows(f"SELECT * FROM {name}"), key=_order(name))

    def _owned(self, name: str, column: str, owners: Sequence[Any]) -> Iterator[Row]:
        """Yield rows in the order of what they belong to, and of their own columns in there."""
        order = _order(name)
        for chunk in chunks(owners, AT_ONCE):
            place = {owner: number for number, owner in enumerate(chunk)}
            rows = self._database.rows_among(f"SELECT * FROM {name} WHERE {{among}}", column, chunk)
            rows.sort(key=lambda row, place=place: (place[row[column]], order(row)))  # type: ignore[misc]
            yield from rows


def _order(name: str) -> Any:
    columns = TABLES[name]
    return lambda row: [(row[column] is None, row[column]) for column in columns]


def _plain(table: str, column: str, value: Any) -> Any:
    if column in BOOLEANS.get(table, ()) and value is not None:
        return int(value)
    if isinstance(value, datetime):  # of PostgreSQL; SQLite keeps such text, in UTC
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


def write_csv(tables: Tables, folder: Path, start: Opener, formulas: Formulas) -> list[Path]:
    """Write one CSV a table that has rows; a study's children carry its key."""
    written = []
    for name in TABLES:
        rows = tables.rows(name)
        first = next(rows, None)
        if first is None:
            continue
        written.append(folder / f"{name}.csv")
        text = io.TextIOWrapper(start(written[-1]), encoding="utf-8", newline="")
        writer = CsvWriter(text, formulas)
        child = "study_id" in first and name != "run"
        columns = [c for c in first if c not in ("id", "study_id") or (c == "id" and name == "run")]
        writer.row(["study_key", *columns] if child else columns)
        for row in chain([first], rows):
            key = [tables.key(row["study_id"])] if child else []
            writer.row([*key, *(row[column] for column in columns)])
        text.detach()
    return written


def write_sqlite(tables: Tables, file: IO[bytes]) -> None:
    """Write the whole database as an SQLite file that medtl-meta can open.

    Parameters
    ----------
    tables
        What to write.
    file
        An empty file, which SQLite opens by its name.
    """
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    from db.tables import metadata

    dialect = sqlite.dialect()
    with closing(sqlite3.connect(file.name, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # what is not whole is thrown away
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {int(SCHEMA_HEAD)}")
        connection.execute("BEGIN")
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        connection.execute(
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        )
        connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES (?)", (SCHEMA_HEAD,))
        for name in TABLES:
            columns = list(metadata.tables[name].columns.keys())
            marks = ", ".join(f":{column}" for column in columns)
            connection.executemany(
                f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", tables.rows(name)
            )
        for table in metadata.sorted_tables:  # after the rows: each index in one go, and compact
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
        connection.execute("COMMIT")
