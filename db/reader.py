"""Reading rows by SQL, fast to start: the standard library's sqlite3 for a file.

A command that answers a question should take less time than SQLAlchemy takes to import (0.2 s,
with SQLModel 0.4 s). Reading therefore goes by parametrised SQL that is the same on both
databases; only a PostgreSQL reader loads SQLAlchemy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from db.errors import DatabaseError
from db.location import Location
from db.sqlitefile import GUARDS, address

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

Row = dict[str, Any]

#: Behind a text that is sorted or folded: the same on every server, whatever its locale. SQL is
#: written as PostgreSQL has it; SQLite compares text by its code points anyway.
BY_CODE = 'COLLATE "C"'
#: A list of texts as one value, for `IN`: its number of members has no limit.
AMONG = "IN (SELECT json_array_elements_text({}))"
_IN_SQLITE = ((BY_CODE, ""), ("json_array_elements_text(", "value FROM json_each("))

#: What sqlite3 raises at what it cannot read; text that is none does not always come as its own.
FAILURES = (sqlite3.Error, UnicodeError)

#: Values asked for in one query: within the limits of both databases.
_AT_ONCE = 10_000


def _in_sqlite(sql: str) -> str:
    for here, there in _IN_SQLITE:
        sql = sql.replace(here, there)
    return sql


class Reader(Protocol):
    """A connection that only reads."""

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one query; values go by name (``:name``), never into the text."""

    def tables(self) -> set[str]:
        """Return the names of the tables that exist."""

    def begin(self) -> None:
        """See the database from here on as it is now, whatever others write, until `end`."""

    def end(self) -> None:
        """See again what others write."""

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
            self._connection = sqlite3.connect(address(path, mode), uri=True, timeout=60)
            self._connection.row_factory = sqlite3.Row
            for guard in (*GUARDS, "PRAGMA query_only = ON"):
                self._connection.execute(guard)
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except FAILURES as error:
            raise self._worded(error) from None

    def _worded(self, error: Exception) -> DatabaseError:
        text = str(error)
        if "not a database" in text or "malformed" in text:
            return DatabaseError(
                f"{self.path}: not a usable SQLite database ({text}).",
                "If it was one of ours, medtl-meta db repair saves what can be read. Otherwise "
                "move the file away and run the command again, or name another with --db.",
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
        try:
            return [
                dict(row) for row in self._connection.execute(_in_sqlite(sql), dict(params or {}))
            ]
        except FAILURES as error:
            raise self._worded(error) from None

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        return {
            row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    def begin(self) -> None:
        """Begin a transaction that reads; its first statement fixes what it sees."""
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except FAILURES as error:
            raise self._worded(error) from None

    def end(self) -> None:
        """End it."""
        self._connection.rollback()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class ConnectionReader:
    """A reader on a connection of SQLAlchemy, such as that of a PostgreSQL database.

    Parameters
    ----------
    connection, place
        What is read, and what to call it in messages.
    renew
        Gives another connection where this one is lost between two questions: a replication may
        compute for hours between them, and servers are restarted. None: a lost one stays lost.
    """

    def __init__(
        self, connection: Connection, place: str, renew: Callable[[], Connection] | None = None
    ) -> None:
        self._connection = connection
        self._place = place
        self._renew = renew
        self._fixed = False

    def _open(self) -> Connection:
        if self._connection.closed and self._renew is not None:
            self._connection = self._renew()
        return self._connection

    def _let_go(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def _asked(self, ask: Callable[[Connection], T]) -> T:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        from db.engine import worded

        try:
            try:
                return ask(self._open())
            except DBAPIError as error:
                if self._renew is None or self._fixed or not error.connection_invalidated:
                    raise
            self._let_go()
            return ask(self._open())
        except (SQLAlchemyError, UnicodeError) as error:
            raise worded(error, self._place) from None

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one query."""
        from sqlalchemy import text

        if self._connection.dialect.name == "sqlite":  # one that is being made ready
            sql = _in_sqlite(sql)

        def ask(connection: Connection) -> list[Row]:
            return [
                dict(row) for row in connection.execute(text(sql), dict(params or {})).mappings()
            ]

        return self._asked(ask)

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        from sqlalchemy import inspect

        return self._asked(lambda connection: set(inspect(connection).get_table_names()))

    def begin(self) -> None:
        """Begin a transaction that reads; its first statement fixes what it sees."""
        # The connection commits each statement by itself, so this is the whole transaction.
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        self._asked(lambda connection: connection.exec_driver_sql(begin))
        self._fixed = True
        self._asked(lambda connection: connection.exec_driver_sql("SELECT 1"))

    def end(self) -> None:
        """End it."""
        self._fixed = False
        if self._connection.invalidated:  # the server has ended it
            self._let_go()
        else:
            self._asked(lambda connection: connection.exec_driver_sql("ROLLBACK"))

    def close(self) -> None:
        """Close the connection for good."""
        self._renew = None
        self._let_go()


class Rows:
    """What a reader has, by SQL: what is asked of a database that is open or being made ready."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one reading query; values go by name (``:name``), never into the text."""
        return self._reader.rows(sql, params)

    def rows_among(
        self, sql: str, column: str, values: Collection[Any] | None, **params: Any
    ) -> list[Row]:
        """Run a reading query for rows of which a column is among many values.

        Parameters
        ----------
        sql
            With ``{among}`` where the condition belongs.
        column
            Of which the values are asked.
        values
            Any number: they are asked for by thousands. None takes all rows.
        """
        if values is None:
            return self.rows(sql.format(among="1 = 1"), params)
        wanted, found = list(values), []
        for start in range(0, len(wanted), _AT_ONCE):
            chunk = {f"v{n}": one for n, one in enumerate(wanted[start : start + _AT_ONCE])}
            among = f"{column} IN ({', '.join(f':{name}' for name in chunk)})"
            found += self.rows(sql.format(among=among), {**params, **chunk})
        return found


def open_reader(location: Location) -> Reader:
    """Open a reader on a database that exists."""
    if location.path is not None:
        return SqliteReader(location.path)
    from db.engine import connect

    return ConnectionReader(connect(location), str(location), lambda: connect(location))
