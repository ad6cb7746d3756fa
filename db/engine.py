"""SQLAlchemy engines for both homes of the database, and their errors in words."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from db.errors import DatabaseError
from db.location import Location
from db.sqlitefile import GUARDS

#: Key of the PostgreSQL advisory lock that lets one process write at a time (any constant).
WRITE_LOCK = 0x6D65_6474_6C
#: Longest that a writer waits for another on SQLite, and for a lost server, in seconds.
PATIENCE_S, LOST_S = 300, 15


# Both tell the console of connections that are lost, beside our own words: what they log is for
# programs that ask for it.
for _chatty in ("psycopg", "sqlalchemy"):
    logging.getLogger(_chatty).addHandler(logging.NullHandler())


def make_engine(location: Location, *, foreign_keys: bool = True) -> Engine:
    """Return an engine of which every transaction starts by taking the write lock.

    One writer at a time: two that load the same studies would else find each other's rows half
    there, and one of them fail.

    Parameters
    ----------
    location
        Where the database is.
    foreign_keys
        False for migrations on SQLite: rebuilding a table drops it, which would delete what
        refers to it; the caller then checks the keys before it commits.
    """
    if location.path is None:
        engine = _server_engine(location)

        @event.listens_for(engine, "begin")
        def _wait_for_the_lock(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")

        return engine
    # Not by the URL as text: a ? or % in a folder's name would be taken for part of the URL.
    place = URL.create("sqlite", database=str(location.path))
    engine = create_engine(place, poolclass=NullPool, connect_args={"timeout": PATIENCE_S})

    @event.listens_for(engine, "connect")
    def _own_transactions(dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]
        # Left alone, the driver commits before DDL; a migration would not be one transaction.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for guard in GUARDS:
            cursor.execute(guard)
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        # The default of 2 MB makes a large load read its own indexes back from the disk.
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _take_the_lock(connection: Connection) -> None:
        # IMMEDIATE: a writer that starts as a reader cannot be let in later (deadlock).
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _server_engine(location: Location) -> Engine:
    try:
        return create_engine(
            location.url,
            poolclass=NullPool,
            # A connection is closed, not kept: there is nothing to reset, and a dead one could not.
            pool_reset_on_return=None,
            connect_args={
                "connect_timeout": 10,
                "client_encoding": "utf8",
                # A server that is gone without a word is noticed after a minute.
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            },
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise DatabaseError(
            "PostgreSQL needs the driver psycopg, which is not installed.",
            "Run: pip install 'medtl-meta[postgres]'",
        ) from None


def connect(location: Location) -> Connection:
    """Return a connection to a server for reading, or say in words why there is none.

    It commits each statement by itself: one that is open between two questions must not hold back
    the server's vacuum, nor a change of the tables.
    """
    engine = _server_engine(location).execution_options(isolation_level="AUTOCOMMIT")
    try:
        return engine.connect()
    except SQLAlchemyError as error:
        raise worded(error, str(location)) from None


@contextmanager
def transaction(location: Location, *, foreign_keys: bool = True) -> Iterator[Connection]:
    """Open one transaction for writing; an error takes all of it back.

    Parameters
    ----------
    location, foreign_keys
        As of :func:`make_engine`.

    Raises
    ------
    DatabaseError
        Nothing was written; or, as it then says, that is not known.
    """
    engine = make_engine(location, foreign_keys=foreign_keys)
    try:
        with engine.connect() as connection:
            begun = connection.begin()
            try:
                yield connection
            except BaseException:
                with suppress(SQLAlchemyError):  # what went wrong first says more
                    begun.rollback()
                raise
            number = None
            if location.path is None:
                number = connection.scalar(text("SELECT txid_current_if_assigned()"))
            try:
                begun.commit()
            except DBAPIError as error:
                if not (number and error.connection_invalidated and _committed(location, number)):
                    raise
    except (SQLAlchemyError, UnicodeError) as error:
        raise worded(error, str(location)) from None
    finally:
        engine.dispose()


def _committed(location: Location, number: int) -> bool:
    """Ask the server what became of a transaction whose answer to COMMIT was lost."""
    until = time.monotonic() + LOST_S
    while time.monotonic() < until:
        with suppress(SQLAlchemyError, DatabaseError), connect(location) as connection:
            status = connection.scalar(text("SELECT txid_status(:n)"), {"n": number})
            if status in ("committed", "aborted"):
                return bool(status == "committed")
        time.sleep(0.25)
    raise DatabaseError(
        f"{location}: the connection was lost at the end; it is not known whether all "
        "of the change was kept or none.",
        "Look with medtl-meta db info when the server runs again, before you repeat the command.",
    )


def worded(error: Exception, place: str) -> DatabaseError:
    """Turn a driver's error into one for people."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    if "://" in place:
        return _of_server(error, text, place)
    if "not a database" in text or "malformed" in text:
        return DatabaseError(
            f"{place}: not a usable SQLite database ({text}).",
            "If it was one of ours, medtl-meta db repair saves what can be read. Otherwise move "
            "the file away and run the command again, or name another with --db.",
        )
    if "locked" in text:
        return DatabaseError(f"{place}: locked by another process.", "Wait for it, then try again.")
    if "readonly" in text or "unable to open" in text or "read-only" in text:
        return DatabaseError(
            f"{place}: cannot be written ({text}).",
            "Name a file in a folder that you may write to, with --db or MEDTL_META_DB.",
        )
    if "disk" in text and "full" in text:
        return DatabaseError(f"{place}: no space left on the device.", "Free some space.")
    if "disk I/O error" in text:
        return DatabaseError(
            f"{place}: the disk does not take or give what is asked ({text}).",
            "Look whether it is full, a quota used up, or the disk at fault; all or nothing of the "
            "change was kept.",
        )
    if isinstance(error, OperationalError):
        return DatabaseError(
            f"{place}: cannot be used as a database ({text}).",
            "Check the file, or name another with --db or MEDTL_META_DB.",
        )
    return DatabaseError(f"{place}: {text}")


def _of_server(error: Exception, said: str, place: str) -> DatabaseError:
    if "permission denied" in said or "read-only transaction" in said:
        return DatabaseError(
            f"{place}: {said}.",
            "The role needs the right to read, and to make and load the tables also to write.",
        )
    if "No space left" in said or "disk full" in said:
        return DatabaseError(f"{place}: {said}.", "Free some space on the server.")
    if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
        return DatabaseError(
            f"{place}: cannot connect or carry on ({said}).",
            "Check host, port, user, password and database of the URL, and that the server runs.",
        )
    return DatabaseError(f"{place}: {said}")
