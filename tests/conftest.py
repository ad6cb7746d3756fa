"""Shared fixtures: a loaded database, on SQLite and, where a server is at hand, on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db.database import Database, open_database
from db.packaged import PackagedData, read

POSTGRES = os.environ.get("MEDTL_META_TEST_POSTGRES", "")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may see, or make, the database of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "share"))
    monkeypatch.delenv("MEDTL_META_DB", raising=False)


@pytest.fixture(scope="session")
def packaged() -> PackagedData:
    """The packaged data, read and checked once."""
    return read()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A loaded SQLite database that tests only read."""
    with open_database(tmp_path_factory.mktemp("database") / "medtl-meta.sqlite") as opened:
        yield opened


@pytest.fixture
def own(tmp_path: Path, database: Database) -> Iterator[Database]:
    """A loaded database of the test's own; a copy, since loading takes a second."""
    assert database.location.path is not None
    with open_database(shutil.copy(database.location.path, tmp_path / "own.sqlite")) as opened:
        yield opened


def _fresh_postgres() -> tuple[str, Callable[[], None]]:
    """Make an empty PostgreSQL database on the test server; return its URL and how to drop it."""
    import psycopg
    from psycopg import sql

    name = f"medtl_test_{uuid.uuid4().hex[:12]}"
    base, _, _ = POSTGRES.rpartition("/")
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop() -> None:
        with psycopg.connect(POSTGRES, autocommit=True) as server:
            server.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    return f"{base}/{name}", drop


@contextmanager
def server_database() -> Iterator[str]:
    """Lend an empty PostgreSQL database; without a server skip, on a CI machine fail."""
    if not POSTGRES:
        if os.environ.get("CI"):
            pytest.fail("CI must have a PostgreSQL server: MEDTL_META_TEST_POSTGRES is not set")
        pytest.skip("no PostgreSQL server: set MEDTL_META_TEST_POSTGRES to the URL of one")
    url, drop = _fresh_postgres()
    yield url
    drop()


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with server_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a database that does not exist yet, once for each kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "medtl-meta.sqlite")
    url: str = request.getfixturevalue("postgres")
    return url


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def either(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """A loaded database that tests only read, once for each kind of database."""
    if request.param == "sqlite":
        yield database
        return
    with server_database() as url, open_database(url) as opened:
        yield opened
