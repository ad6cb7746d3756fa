"""Reading rows by SQL, fast to start: the standard library's sqlite3 for a file.

A command that answers a question should take less time than SQLAlchemy takes to import (0.2 s,
with SQLModel 0.4 s). Reading therefore goes by parametrised SQL that is the same on both
databases; only a PostgreSQL reader loads SQLAlchemy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from db.errors import DatabaseError
from db.location import Location

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = dict[str, Any]


class Reader(Protocol):
    """A connection that only reads."""

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one query; values go by name (``:name``), never into the text."""

    def stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query of which the rows are never in memory all at once."""

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Lend a reader for which nothing changes any more, whoever writes."""

    def tables(self) -> set[str]:
        """Return the names of the tables that exist."""

    def close(self) -> None:
        """Let go of the connection."""


class SqliteReader:
    """A reader of an SQLite file that exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A load that was killed leaves a journal that the next connection must roll back, so
        # reading needs the right to write where there is one.
        mode = "rw" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"
        try:
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=60
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise self._worded(error) from None

    def _worded(self, error: sqlite3.Error) -> DatabaseError:
        text = str(error)
        if "not a database" in text or "malformed" in text:
            return DatabaseError(
                f"{self.path}: not a usable SQLite database ({text}).",
                "Move the file away and run the command again to make a new one, "
                "or name another with --db.",
            )
        if "locked" in text:
            return DatabaseError(
                f"{self.path}: locked by another process.", "Wait for it to end, then try again."
            )
        return DatabaseError(
            f"{self.path}: cannot be read ({text}).", "Check the file, or name another with --db."
        )

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one query."""
        return list(self.stream(sql, params))

    def stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query, row by row."""
        try:
            for row in self._connection.execute(sql, dict(params or {})):
                yield dict(row)
        except sqlite3.DatabaseError as error:
            raise self._worded(error) from None

    @contextmanager
    def snapshot(self) -> Iterator[SqliteReader]:
        """Lend a reader of a private copy, which SQLite keeps on the disk where it is large.

        A transaction on the file itself would keep every writer waiting until the last row is read.
        """
        copy = sqlite3.connect("", isolation_level=None)
        copy.row_factory = sqlite3.Row
        try:
            self._copy_to(copy)
            yield _CopyReader(self.path, copy)
        finally:
            copy.close()

    def _copy_to(self, copy: sqlite3.Connection) -> None:
        try:
            self._connection.execute("BEGIN")
            try:
                # Waits for a writer as every query does; the copying itself would wait for ever.
                self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                self._connection.backup(copy)
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._worded(error) from None

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        return {
            row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class _CopyReader(SqliteReader):
    """A reader of what a file held at one moment."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection


class ConnectionReader:
    """A reader on a connection of SQLAlchemy, such as that of a PostgreSQL database."""

    def __init__(self, connection: Connection, place: str) -> None:
        self._connection = connection
        self._place = place

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one query."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        from db.engine import worded

        try:
            result = self._connection.execute(text(sql), dict(params or {}))
            return [dict(row) for row in result.mappings()]
        except SQLAlchemyError as error:
            raise worded(error, self._place) from None

    def stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query, row by row."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        from db.engine import worded

        try:
            options = {"stream_results": True, "yield_per": 1000}
            with self._connection.execute(
                text(sql), dict(params or {}), execution_options=options
            ) as result:
                for row in result.mappings():
                    yield dict(row)
        except SQLAlchemyError as error:
            raise worded(error, self._place) from None

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionReader]:
        """Lend a reader on a connection of its own, inside one transaction."""
        from sqlalchemy.exc import SQLAlchemyError

        from db.engine import worded

        try:
            connection = self._connection.engine.connect()
        except SQLAlchemyError as error:
            raise worded(error, self._place) from None
        with connection:
            held = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            yield ConnectionReader(held, self._place)

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        from sqlalchemy import inspect

        return set(inspect(self._connection).get_table_names())

    def close(self) -> None:
        """Close the connection and its pool."""
        self._connection.close()
        self._connection.engine.dispose()


def open_reader(location: Location) -> Reader:
    """Open a reader on a database that exists."""
    if location.path is not None:
        return SqliteReader(location.path)
    from db.engine import connect

    return ConnectionReader(connect(location), str(location))
