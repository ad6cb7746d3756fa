"""Opening the database: found, made ready if it must be, and read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from db import __version__
from db.datafolder import data_hash
from db.errors import DatabaseError, MedtlError
from db.location import Location, locate
from db.reader import ConnectionReader, Reader, Rows, open_reader
from db.shape import check_sound
from db.state import SCHEMA_HEAD, State, state_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from db.load import LoadReport


class Database(Rows):
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
        super().__init__(reader)
        self.location = location
        self.data_hash = data_hash
        self.notices: list[str] = []
        self._sound: tuple[int, int] | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """Lend the database as it is now: all queries see one state, whoever writes meanwhile."""
        with self._reader.snapshot() as reader:
            yield Database(self.location, reader, self.data_hash)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one transaction for writing; an error takes all of it back."""
        from db.engine import transaction

        with transaction(self.location) as connection:
            self._check_before_writing(connection)
            yield connection
        self._sound = self._stamp()

    def _stamp(self) -> tuple[int, int] | None:
        """Return what shows that a file was written to; None for a server."""
        path = self.location.path
        if path is None:
            return None
        found = path.stat()
        return found.st_size, found.st_mtime_ns

    def _check_before_writing(self, connection: Connection) -> None:
        """Refuse to add to a damaged file; what we checked or wrote last need not be checked."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._sound:
            place = str(self.location)
            check_sound(ConnectionReader(connection, place), place, stamp[0])

    def close(self) -> None:
        """Close the database."""
        self._reader.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is not None:
            _explain(self.location, error)


def _explain(location: Location, error: BaseException) -> None:
    """Say in words that an unexpected error comes of what a database holds, if it does.

    Raises
    ------
    DatabaseError
        It does; otherwise the error is a defect of ours, and goes on as it is.
    """
    if isinstance(error, Exception) and not isinstance(error, MedtlError):
        from db.verify import explained

        if (told := explained(location, error)) is not None:
            raise told from error


def refresh(location: Location, *, force: bool = False) -> LoadReport | None:
    """Make a database ready; see :func:`db.prepare.prepare`."""
    from db.prepare import prepare

    try:
        return prepare(location, force=force)
    except Exception as error:
        _explain(location, error)
        raise


def _exists(location: Location) -> bool:
    if location.path is None:
        return True
    try:
        if location.path.is_file():
            return location.path.stat().st_size > 0
        if location.path.exists() and not location.path.is_dir():
            raise DatabaseError(
                f"{location}: is a device or a pipe, and cannot be a database.",
                "Give another path with --db.",
            )
        return False
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
    try:
        report = refresh(location)
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
