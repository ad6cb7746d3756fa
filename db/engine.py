"""SQLAlchemy engines for both homes of the database, and their errors in words."""

from __future__ import annotations

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from db.errors import DatabaseError
from db.location import Location
from db.sqlitefile import GUARDS

#: Key of the PostgreSQL advisory lock that lets one process load at a time (any constant).
LOAD_LOCK = 0x6D65_6474_6C


def make_engine(location: Location, *, foreign_keys: bool = True) -> Engine:
    """Return an engine; on SQLite every transaction starts by taking the write lock.

    Parameters
    ----------
    location
        Where the database is.
    foreign_keys
        False for migrations on SQLite: rebuilding a table drops it, which would delete what
        refers to it; the caller then checks the keys before it commits.
    """
    if location.path is None:
        try:
            return create_engine(
                location.url,
                poolclass=NullPool,
                connect_args={"connect_timeout": 10, "client_encoding": "utf8"},
            )
        except (ModuleNotFoundError, NoSuchModuleError):
            raise DatabaseError(
                "PostgreSQL needs the driver psycopg, which is not installed.",
                "Run: pip install 'medtl-meta[postgres]'",
            ) from None
    # Not by the URL as text: a ? or % in a folder's name would be taken for part of the URL.
    place = URL.create("sqlite", database=str(location.path))
    engine = create_engine(place, poolclass=NullPool, connect_args={"timeout": 60})

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


def connect(location: Location) -> Connection:
    """Return a connection for reading, or say in words why there is none.

    It commits each statement by itself: one that is open between two questions must not hold back
    the server's vacuum, nor a change of the tables.
    """
    engine = make_engine(location)
    try:
        return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except SQLAlchemyError as error:
        raise worded(error, str(location)) from None


def worded(error: SQLAlchemyError, place: str) -> DatabaseError:
    """Turn a driver's error into one for people."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
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
    if "permission denied" in text:
        return DatabaseError(
            f"{place}: {text}.",
            "The role needs the right to read, and to make and load the tables also to write.",
        )
    if isinstance(error, OperationalError) and "://" not in place:
        return DatabaseError(
            f"{place}: cannot be used as a database ({text}).",
            "Check the file, or name another with --db or MEDTL_META_DB.",
        )
    if isinstance(error, OperationalError):
        return DatabaseError(
            f"{place}: cannot connect or carry on ({text}).",
            "Check host, port, user, password and database of the URL, and that the server runs.",
        )
    return DatabaseError(f"{place}: {text}")
