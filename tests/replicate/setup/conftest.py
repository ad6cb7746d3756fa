"""Setups are checked against the studies of a database: here a loaded one that is only read."""

from __future__ import annotations

import pytest

from db.database import Database


@pytest.fixture(autouse=True)
def _loaded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_META_DB", str(database.location.path))
