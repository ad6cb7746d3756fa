"""Opening the database: found, made ready if it must be, and read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from db import __version__
from db.datafolder import data_hash
from db.errors import DatabaseError
from db.location import Location, locate
from db.reader import Reader, Row, open_reader
from db.state import SCHEMA_HEAD, State, state_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Values asked for in one query: within the limits of both databases.
_AT_ONCE = 10_000


class Database:
    """An open literature database.

    Attributes
    ----------
    location
        Where it is.
    data_hash
        Hash of the packaged data that it holds; figures print it.
    notices
        What a person should be told about the opening, in sentences.
    """

    def __init__(self, location: Location, reader: Reader, data_hash: str | None) -> None:
        self.location = location
        self.data_hash = data_hash
        self.notices: list[str] = []
        self._reader = reader

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one reading query; values go by name (``:name``), never into the text."""
        return self._reader.rows(sql, params)

    def stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one reading query of which the rows are never in memory all at once."""
        return self._reader.stream(sql, params)

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """Lend the database as it is now: all queries see one state, whoever writes meanwhile."""
        with self._reader.snapshot() as reader:
            yield Database(self.location, reader, self.data_hash)

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

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one transaction for writing; an error takes all of it back."""
        from sqlalchemy.exc import SQLAlchemyError

        from db.engine import make_engine, worded

        engine = make_engine(self.location)
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise worded(error, str(self.location)) from None
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close the database."""
        self._reader.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _exists(location: Location) -> bool:
    if location.path is None:
        return True
    try:
        return location.path.is_file() and location.path.stat().st_size > 0
    except OSError as error:
        raise DatabaseError(
            f"{location}: cannot be a file ({error.strerror}).", "Give another path with --db."
        ) from None


def open_database(where: str | os.PathLike[str] | None = None) -> Database:
    """Open the literature database, making and loading it first where that is due.

    Parameters
    ----------
    where
        A path or a URL; None takes ``MEDTL_META_DB``, else the file in the user's data folder.

    Raises
    ------
    UsageError, DatabaseError, DataFileError
        It cannot be found, reached, read, written or understood.
    """
    location = locate(where)
    wanted = data_hash()
    notices = []
    if _exists(location):
        reader = open_reader(location)
        try:
            state = state_of(reader, str(location), own_file=location.path is not None)
        except BaseException:
            reader.close()
            raise
        if state == State(SCHEMA_HEAD, wanted, __version__):
            return Database(location, reader, wanted)
        reader.close()
    else:
        state = State()
    from db.prepare import prepare

    try:
        report = prepare(location)
        if report is not None:
            verb = "made" if state.revision is None else "brought up to date"
            notices.append(f"Database {verb}: {location} (packaged studies: {report}).")
    except DatabaseError as error:
        if state.revision != SCHEMA_HEAD:
            raise
        # An older load can still be read; whoever may write to it will refresh it.
        notices.append(
            f"{error.message} It holds the data of another release and is used as it is."
        )
        wanted = state.data_hash or "unknown"
    database = Database(location, open_reader(location), wanted)
    database.notices += notices
    return database


@contextmanager
def lent(database: Database | None) -> Iterator[Database]:
    """Lend a database that is open; None lends the default one, which is closed afterwards."""
    if database is not None:
        yield database
        return
    with open_database() as opened:
        yield opened
