"""Servers: the same order and folding under any locale, nobody in the way, every loss in words."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

import db.engine as engines
from db.database import Database, open_database
from db.errors import DatabaseError, MedtlError
from db.literature import read_studies
from db.location import locate
from db.prepare import prepare
from db.replications import Run, RunValue, read_runs
from db.runs import begin_run, finish_run
from db.tables import table
from db.user import add_studies
from db.vocabulary import fold_case
from metaanalysis import query
from metaanalysis.query.filters import Filters
from tests.conftest import POSTGRES, server_database
from tests.study_files import good, write

COLLATIONS = {
    "sqlite": None,
    "C": "TEMPLATE template0 LOCALE 'C'",
    "en": "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'",
    "tr": "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'",
}
#: Keys, titles and data sets whose order and case differ between locales.
KEYS = ("a-b1", "ab0", "a_c", "a-a", "z1", "ab_", "i9", "aa")
TITLES = (
    "ÉTUDE",
    "étude",
    "Zebra",
    "apple",
    "Apple",
    "Straße",
    "STRASSE",
    "İSTANBUL",
    "ISI",
    "ΟΔΌΣ",
)


def studies(folder: Path) -> list[Path]:
    folder.mkdir()
    files = []
    for number, title in enumerate(TITLES):
        key = KEYS[number] if number < len(KEYS) else f"k{number}"
        own = good(
            key.replace("_", "-") if "_" in key else key, **{"A study of mine": f"{title} {number}"}
        )
        datasets = (
            f"datasets:\n  - {{name: '{title} set', public: false, basis: title, source: title}}\n"
        )
        files.append(write(folder / f"{number}.yaml", own + datasets))
    return files


@contextmanager
def loaded(kind: str, folder: Path) -> Iterator[Database]:
    options = COLLATIONS[kind]
    if options is None:
        with open_database(folder / "x.sqlite") as database:
            yield database
        return
    with server_database(options) as url, open_database(url) as database:
        yield database


def answers(database: Database) -> dict[str, Any]:
    """Everything that is told in an order or found by a word."""
    found: dict[str, Any] = {
        "studies": [study.key for study in read_studies(database).values()],
        "runs": list(read_runs(database)),
        "ledger": [[line.name for line in run.ledger] for run in read_runs(database).values()],
        "newest": [run.id for run in query.find_runs(database)],
        "values": query.metrics(database),
    }
    for what in ("backbones", "public_datasets", "codings", "review_claims", "printed"):
        found[what] = getattr(query, what)(database)
    found["facts"] = list(query.review_facts(database, "figure_4b"))
    for column in query.COLUMNS:
        if (
            column not in query.select.LIST_COLUMNS
            if hasattr(query.select, "LIST_COLUMNS")
            else True
        ):
            for sign in ("", "-"):
                try:
                    selection = query.select(database, sort=[sign + column], columns=["key"])
                except MedtlError:
                    continue
                found[sign + column] = [row["key"] for row in selection.rows]
    words = [*TITLES, *map(str.lower, TITLES), *map(str.upper, TITLES), "isi", "ısı", "istanbul"]
    for word in words:
        for name in ("text", "dataset"):
            selection = query.select(database, Filters.of({name: [word]}), columns=["key"])
            found[f"{name} {word}"] = [row["key"] for row in selection.rows]
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("order")
    with loaded("sqlite", folder) as database:
        fill(database, folder / "studies")
        return answers(database)


def fill(database: Database, folder: Path) -> None:
    add_studies(database, studies(folder))
    for number, key in enumerate(("b", "A", "a-c", None, "ab")):
        run = Run(id=f"{number}f-{key}", spec={}, phantom=True, study_key=key)
        begin_run(database, run)


@pytest.mark.postgres
@pytest.mark.parametrize("kind", [kind for kind in COLLATIONS if kind != "sqlite"])
def test_any_locale_answers_as_sqlite_does(
    kind: str, tmp_path: Path, expected: dict[str, Any]
) -> None:
    with loaded(kind, tmp_path) as database:
        fill(database, tmp_path / "studies")
        found = answers(database)
        for _ in range(20):  # the order in which rows lie must not matter either
            if found == expected:
                break
        assert {k: v for k, v in found.items() if k not in ("newest",)} == {
            k: v for k, v in expected.items() if k not in ("newest",)
        }
        assert found["newest"] == expected["newest"]


def test_case_is_folded_as_unicode_has_it(expected: dict[str, Any]) -> None:
    def titles(name: str, word: str) -> int:
        return len(expected[f"{name} {word}"])

    for name in ("text", "dataset"):
        assert titles(name, "ÉTUDE") == titles(name, "étude") == 2
        assert titles(name, "Straße") == titles(name, "strasse") == titles(name, "STRASSE") == 2
        assert titles(name, "istanbul") == titles(name, "İSTANBUL") == 1
        assert titles(name, "ΟΔΌΣ") == titles(name, "οδός") == 1
    assert fold_case("e\u0301tude") == fold_case("ÉTUDE")
