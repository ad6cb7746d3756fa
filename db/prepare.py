"""Make a database ready: tables of this release, and the packaged data of this release.

All of it is one transaction under one lock. Two processes that start at once take turns, and the
second finds the work done; a process that is killed leaves the database as it was before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from db import __version__
from db.engine import LOAD_LOCK, make_engine, worded
from db.errors import DatabaseError
from db.load import LoadReport, load_packaged
from db.location import Location
from db.packaged import PackagedData, read
from db.reader import ConnectionReader
from db.shape import REPAIR, check_columns, check_sound
from db.sqlitefile import APPLICATION_ID, back_up
from db.state import SCHEMA_HEAD, TABLES, State, state_of

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a revision, inside the transaction of the connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"{path.parent}: cannot be made ({os.strerror(error.errno or 0)}).",
            "Name a file in a folder that you may write to, with --db or MEDTL_META_DB.",
        ) from None
    if path.is_dir():
        raise DatabaseError(f"{path}: is a folder, not a database file.", "Name a file in it.")


def prepare(
    location: Location,
    data: PackagedData | None = None,
    *,
    force: bool = False,
    first: Callable[[Connection], None] | None = None,
) -> LoadReport | None:
    """Migrate and load what is missing or outdated.

    Parameters
    ----------
    location
        Where the database is or shall be.
    data
        The packaged data; read from their files if None.
    force
        Load even if the same data are loaded already.
    first
        What else is to be written, before the packaged data and in one transaction with them.

    Returns
    -------
    LoadReport or None
        What was loaded; None where nothing had to be.

    Raises
    ------
    DataFileError, DatabaseError
        Nothing was changed.
    """
    data = data or read()  # faults in the files show before the database is touched
    if location.path is not None:
        _make_folder(location.path)
    engine = make_engine(location, foreign_keys=False)
    try:
        with engine.begin() as connection:
            if location.path is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOAD_LOCK})
            reader = ConnectionReader(connection, str(location))
            state = state_of(reader, str(location), own_file=location.path is not None)
            if state == State(SCHEMA_HEAD, data.hash, __version__) and not force:
                return None
            return _filled(connection, reader, location, state, data, first)
    except SQLAlchemyError as error:
        raise worded(error, str(location)) from None
    finally:
        engine.dispose()


def _filled(
    connection: Connection,
    reader: ConnectionReader,
    location: Location,
    state: State,
    data: PackagedData,
    first: Callable[[Connection], None] | None,
) -> LoadReport:
    """Bring tables and packaged data up to date, in the transaction of the connection."""
    path, kept = location.path, None
    if path is not None and state.revision is not None:
        check_sound(reader, str(location), path.stat().st_size)
    if state.revision != SCHEMA_HEAD:
        if path is not None and state.revision is not None:
            # No other can write now: we hold the lock, and have written nothing yet.
            kept = back_up(path, f"before-{SCHEMA_HEAD}")
        upgrade(connection)
        check_columns(reader, str(location), TABLES, own_file=path is not None)
    if first is not None:
        first(connection)
    report = load_packaged(connection, data)
    report.kept = kept
    if path is not None:
        _check_keys(connection, location)
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {int(SCHEMA_HEAD)}")
    return report


def _check_keys(connection: Connection, location: Location) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise DatabaseError(
            f"{location}: a row of {broken[0]} refers to a row of {broken[2]} that is gone.",
            f"The database was left as it was. {REPAIR}",
        )
