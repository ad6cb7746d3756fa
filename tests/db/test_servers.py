"""Servers: the same order and folding under any locale, nobody in the way, every loss in words."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from db.database import Database, open_database
from db.errors import DatabaseError
from db.literature import read_studies
from db.location import locate
from db.prepare import prepare
from db.replications import Run, read_runs
from db.runs import begin_run
from db.user import add_studies
from db.vocabulary import fold_case
from metaanalysis import query
from metaanalysis.query.filters import Filters
from metaanalysis.query.select import LIST_COLUMNS
from tests.conftest import server_database
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
    for column in (name for name in query.COLUMNS if name not in LIST_COLUMNS):
        for sort in (column, f"-{column}"):
            selection = query.select(database, sort=[sort], columns=["key"])
            found[sort] = [row["key"] for row in selection.rows]
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
    for what, told in expected.items():
        assert found[what] == told, what


def test_case_is_folded_as_unicode_has_it(expected: dict[str, Any]) -> None:
    def titles(name: str, word: str) -> int:
        return len(expected[f"{name} {word}"])

    for name in ("text", "dataset"):
        assert titles(name, "ÉTUDE") == titles(name, "étude") == 2
        assert titles(name, "Straße") == titles(name, "strasse") == titles(name, "STRASSE") == 2
        assert titles(name, "istanbul") == titles(name, "İSTANBUL") == 1
        assert titles(name, "ΟΔΌΣ") == titles(name, "οδός") == 1
    assert fold_case("e\u0301tude") == fold_case("ÉTUDE")


# --- nobody in the way, and every loss in words ---------------------------------------------------

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Wire:
    """A wire to the server that is cut when something passes on it."""

    def __init__(
        self, url: str, *, before: bytes = b"", after: bytes = b"", times: int = 1
    ) -> None:
        where = urlsplit(url)
        self.server = (where.hostname or "", where.port or 5432)
        self.before, self.after, self.times = before, after, times
        self.listening = socket.create_server(("127.0.0.1", 0))
        port = self.listening.getsockname()[1]
        self.url = f"postgresql://{where.username}@127.0.0.1:{port}{where.path}?sslmode=disable"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                mine, _ = self.listening.accept()
            except OSError:
                return
            theirs = socket.create_connection(self.server)
            for source, target, mark in ((mine, theirs, self.before), (theirs, mine, self.after)):
                threading.Thread(
                    target=self._pass_on, args=(source, target, mark), daemon=True
                ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, mark: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if mark and mark in data and self.times:
                    self.times -= 1
                    if self.times == 0:
                        break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.postgres
@pytest.mark.parametrize("work", ["load", "add", "run"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_that_is_lost_at_commit(
    postgres: str, tmp_path: Path, work: str, cut: str
) -> None:
    open_database(postgres).close()
    mark = {"before": {"before": b"COMMIT\x00"}, "after": {"after": COMMITTED}}[cut]
    wire = Wire(postgres, **mark)

    def done() -> int:
        with open_database(postgres) as direct:
            counted = {"load": "study WHERE title = 'Old'", "add": "study", "run": "run"}[work]
            return int(direct.rows(f"SELECT COUNT(*) AS n FROM {counted}")[0]["n"])

    with open_database(postgres) as direct, direct.writing() as connection:
        connection.execute(text("UPDATE study SET title = 'Old' WHERE key = 'karri2017'"))
    before = done()

    def go() -> None:
        if work == "load":
            prepare(locate(wire.url), force=True)
            return
        with open_database(wire.url) as database:
            if work == "add":
                add_studies(database, [write(tmp_path / "mine2026.yaml")])
            else:
                begin_run(database, Run(id="aa", spec={}, phantom=True))

    if cut == "after":  # it was kept: nobody may be told otherwise
        go()
        assert done() != before
    else:
        with pytest.raises(DatabaseError, match="cannot connect or carry on"):
            go()
        assert done() == before
    wire.listening.close()


@pytest.mark.postgres
def test_what_cannot_be_known_is_said_to_be_unknown(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(postgres).close()
    wire = Wire(postgres, after=COMMITTED)
    monkeypatch.setattr("db.engine.LOST_S", 0.5)

    def go() -> None:
        with open_database(wire.url) as database, database.writing() as connection:
            connection.execute(text("UPDATE study SET title = 'Old' WHERE key = 'karri2017'"))
            wire.listening.shutdown(socket.SHUT_RDWR)
            wire.listening.close()

    with pytest.raises(DatabaseError, match="not known whether"):
        go()


@pytest.mark.postgres
def test_a_reader_idles_in_no_transaction(postgres: str) -> None:
    with open_database(postgres) as database, open_database(postgres) as other:
        database.rows("SELECT key FROM study")
        with pytest.raises(DatabaseError):
            database.rows("SELECT nothing FROM nowhere")
        states = other.rows(
            "SELECT DISTINCT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert states == [{"state": "idle"}]
        with database.snapshot(), pytest.raises(DatabaseError), database.writing() as connection:
            connection.execute(text("DROP TABLE nowhere"))
        prepare(locate(postgres), force=True)


def _terminate(postgres: str) -> None:
    with open_database(postgres) as other:
        other.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.postgres
def test_a_backend_that_is_terminated(
    postgres: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_database(postgres) as database:
        _terminate(postgres)
        with pytest.raises(DatabaseError, match="cannot connect or carry on"):
            database.rows("SELECT key FROM study")
    with open_database(postgres) as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml")])
        _terminate(postgres)  # after the work: closing says nothing

    def write_on(wrong: Exception | None) -> None:
        with open_database(postgres) as database, database.writing() as connection:
            connection.execute(text("DELETE FROM run"))
            _terminate(postgres)
            if wrong:
                raise wrong
            connection.execute(text("DELETE FROM run"))

    def read_on() -> None:
        with open_database(postgres) as database, database.snapshot():
            _terminate(postgres)
            database.rows("SELECT 1")

    with pytest.raises(DatabaseError, match="of another kind"):
        write_on(DatabaseError("of another kind"))
    with pytest.raises(DatabaseError, match="cannot connect or carry on"):
        write_on(None)
    with pytest.raises(DatabaseError, match="cannot connect or carry on"):
        read_on()
    told = capfd.readouterr()
    assert not told.out + told.err


FOUR = """
import sys
from pathlib import Path
from db.database import open_database
from db.errors import MedtlError
from db.location import locate
from db.prepare import prepare
from db.replications import Run, RunValue
from db.runs import begin_run, finish_run
from db.user import add_studies
work, where, files = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
try:
    if work == "prepare":
        prepare(locate(where), force=True)
    elif work == "run":
        with open_database(where) as database:
            for number in range(5):
                begin_run(database, Run(id=f"aa{number}", spec={}, phantom=True, study_key="karri2017"))
                finish_run(database, f"aa{number}", metrics=[RunValue("accuracy", 0.5)], outcome={})
    else:
        with open_database(where) as database:
            add_studies(database, [Path(files)], replace=work == "replace")
    print("done")
except MedtlError as error:
    print("refused", error)
"""


@pytest.mark.parametrize(
    ("work", "succeed"), [("prepare", 4), ("replace", 4), ("add", 1), ("run", 4)]
)
def test_four_at_once(where: str, tmp_path: Path, work: str, succeed: int) -> None:
    for number in range(30):
        folder = tmp_path / "studies"
        folder.mkdir(exist_ok=True)
        write(folder / f"own{number}.yaml", good(f"own{number}"))
    if work != "prepare":  # which is also the first creation of the tables
        open_database(where).close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FOUR, work, where, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate("\n", timeout=120) for process in processes]
    assert [out.split()[0] for out, _ in told].count("done") == succeed, told
    assert not any(err for _, err in told), told
    with open_database(where) as database:
        count = "SELECT (SELECT COUNT(*) FROM study) AS s, (SELECT COUNT(*) FROM run_metric) AS m"
        own = 30 if work in ("replace", "add") else 0
        assert database.rows(count) == [{"s": 114 + own, "m": 5 if work == "run" else 0}]
