"""Whatever writes is ended at a random moment: the database is as before or as after, never between.

On SQLite a process is killed (SIGKILL). On PostgreSQL that, or its backend is terminated, which it
must then say in words. Afterwards the same command, given again, must come to its end.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from db.export import export
from db.location import locate
from db.prepare import prepare
from db.reader import open_reader
from db.replications import Run, RunValue, Setting
from db.runs import begin_run, finish_run
from db.state import TABLES
from db.user import add_studies, remove_study
from tests.fuzz.outcome import Outcome
from tests.study_files import good, write

#: Longest that a command may take on a machine with much else to do.
PATIENCE_S = 60.0
#: The state of the content of a database.
State = dict[str, list[str]]

RUN = Run(
    id="feed0000beef",
    spec={"seeds": [0]},
    phantom=True,
    study_key="karri2017",
    ledger=tuple(Setting(f"a.{n}", n, "reported", None) for n in range(40)),
)
VALUES = [RunValue("accuracy", n / 300, seed=n) for n in range(200)]


def content(where: str) -> State:
    """Return all rows, without ids and times, of a database that is not touched by reading."""
    location = locate(where)
    if location.path is not None and not (location.path.exists() and location.path.stat().st_size):
        return {}
    reader = open_reader(location)
    try:
        found = {}
        for name in sorted(reader.tables() & TABLES.keys()):
            rows = reader.rows(f"SELECT * FROM {name}")
            hidden = {"created_at", "finished_at", *(() if name == "run" else ("id", "study_id"))}
            found[name] = sorted(
                repr(
                    [
                        (c, int(v) if isinstance(v, bool) else v)
                        for c, v in row.items()
                        if c not in hidden
                    ]
                )
                for row in rows
            )
        return found
    finally:
        reader.close()


def flawed(where: str) -> str:
    """Return what SQLite itself finds wrong with the file; on a server there is nothing to ask."""
    path = locate(where).path
    if path is None or not path.exists():
        return ""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchall()
        keys = connection.execute("PRAGMA foreign_key_check").fetchall()
    return "" if whole == [("ok",)] and not keys else f"{whole} {keys}"


# --- what is ended --------------------------------------------------------------------------------


def _opened(where: str) -> Any:
    from db.database import open_database

    return open_database(where)


def record(where: str) -> None:
    with _opened(where) as database:
        begin_run(database, RUN)
        finish_run(database, RUN.id, metrics=VALUES, outcome={"classes": ["a", "b"]})


def begin(where: str) -> None:
    with _opened(where) as database:
        begin_run(database, RUN)


def add(files: Path, where: str) -> None:
    with _opened(where) as database:
        add_studies(database, [files], replace=True)


def remove(where: str) -> None:
    from db.errors import NotFoundError

    with _opened(where) as database, contextlib.suppress(NotFoundError):  # removed in time
        remove_study(database, "own0")


def write_out(folder: Path, where: str) -> None:
    with _opened(where) as database:
        export(database, folder)


def load(where: str) -> None:
    prepare(locate(where), force=True)


@dataclass(slots=True)
class Job:
    """A command that writes: what it starts from, and what it may leave (the last is the end)."""

    name: str
    start: str
    call: Callable[[str], None]
    between: tuple[Callable[[str], None], ...] = ()
    allowed: dict[str, list[State]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def _words(call: Callable[[], None]) -> int:
    """Do as the command line does with an error."""
    from db.errors import MedtlError

    try:
        call()
    except MedtlError as error:
        print(f"Error: {error.message}", flush=True)
        return error.exit_code
    return 0


def forked(call: Callable[[], None], said: Path) -> int:
    """Call in a process of its own, without the second that a new interpreter takes."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with said.open("w") as stream:
            for descriptor in (1, 2):
                os.dup2(stream.fileno(), descriptor)
            code = _words(call)
    except BaseException:  # noqa: BLE001 - told by the exit code
        import traceback

        said.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def ended(child: int) -> int | None:
    """Wait for a process; return its exit code, the signal that ended it as a negative, or None."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# --- homes of the database ------------------------------------------------------------------------


class Files:
    """SQLite: each attempt has a copy of the file."""

    name = "sqlite"
    ways = ("kill",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, start: str) -> str:
        return str(self.folder / f"{start}.sqlite")

    def fresh(self, start: str) -> str:
        place = self.folder / "attempt"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if start != "empty":
            shutil.copy(self.url(start), place / "x.sqlite")
        return str(place / "x.sqlite")

    def close(self) -> None: ...


class Server:
    """PostgreSQL: each attempt has a copy of the database."""

    name = "postgresql"
    ways = ("kill", "terminate")

    def __init__(self, server: str) -> None:
        import psycopg

        self.base, self.prefix = server.rpartition("/")[0], f"kills_{uuid.uuid4().hex[:8]}"
        self.connection = psycopg.connect(server, autocommit=True)
        for start in ("empty", "loaded", "old"):
            self.ask(f"CREATE DATABASE {self.prefix}_{start}")

    def ask(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def url(self, start: str) -> str:
        return f"{self.base}/{self.prefix}_{start}"

    def fresh(self, start: str) -> str:
        self.ask(f"DROP DATABASE IF EXISTS {self.prefix}_x WITH (FORCE)")
        self.ask(f"CREATE DATABASE {self.prefix}_x TEMPLATE {self.prefix}_{start}")
        return self.url("x")

    def terminate(self) -> None:
        self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{self.prefix}_x'"
        )

    def close(self) -> None:
        for start in ("x", "empty", "loaded", "old"):
            self.ask(f"DROP DATABASE IF EXISTS {self.prefix}_{start} WITH (FORCE)")
        self.connection.close()


def _made_ready(home: Files | Server, files: Path) -> None:
    """Make the states that jobs start from: a database of this release, and one of older data."""
    for start in ("loaded", "old"):
        with _opened(home.url(start)) as database:
            add_studies(database, [files])
            if start == "old":
                with database.writing() as connection:
                    for statement in (
                        "UPDATE study SET title = 'Old' WHERE origin = 'packaged'",
                        "UPDATE load_state SET value = 'old' WHERE name = 'data_hash'",
                        "DELETE FROM reported_metric WHERE metric = 'AUC' AND basis = 'table'",
                    ):
                        connection.exec_driver_sql(statement)


# --- one attempt ----------------------------------------------------------------------------------


def _learn(home: Files | Server, job: Job, said: Path) -> None:
    """Let the job come to its end once, to know what it leaves and how long it takes."""
    where = home.fresh(job.start)
    allowed = [content(where)]
    for step in (*job.between, job.call):
        where = home.fresh(job.start)
        begun = time.perf_counter()
        code = ended(forked(partial(step, where), said))
        assert code == 0, (job.name, code, said.read_text())
        job.seconds[home.name] = time.perf_counter() - begun
        allowed.append(content(where))
    job.allowed[home.name] = allowed


def _half_exported(folder: Path, whole: dict[str, bytes]) -> str:
    """Name a file of an export that is there and is not whole."""
    if not folder.exists():
        return ""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.name.startswith(".") and path.read_bytes() != whole[name]:
            return name
    return ""


def _attempt(home: Files | Server, job: Job, way: str, share: float, said: Path) -> tuple[str, str]:
    where, allowed = home.fresh(job.start), job.allowed[home.name]
    child = forked(partial(job.call, where), said)
    time.sleep(share * job.seconds[home.name])
    if way == "kill":
        os.kill(child, signal.SIGKILL)
    elif isinstance(home, Server):
        home.terminate()
    code, words = ended(child), said.read_text()
    if code is None:
        return "hang", f"longer than {PATIENCE_S:g} s"
    if "Traceback" in words or code not in (0, 1, -signal.SIGKILL):
        return "traceback", words
    if code == 1 and not words.startswith("Error: "):
        return "silent", words
    found = content(where)
    if found not in allowed or flawed(where):
        return "half-written", flawed(where) or ", ".join(
            name for name in found if all(found[name] != one.get(name) for one in allowed)
        )
    if code == 0 and found != allowed[-1]:
        return "lost", "said to be done, and is not"
    if code == 1 and found == allowed[-1] != allowed[0]:
        return "differs", f"is done, and was said not to be: {words}"
    again = ended(forked(partial(job.call, where), said))
    if again != 0 or content(where) != allowed[-1]:
        return "lost", f"given again: {again}, {said.read_text()}"
    return (
        ("refused", words)
        if code == 1
        else ("answered", "as before" if found == allowed[0] else "as after")
    )


def jobs(folder: Path) -> list[Job]:
    """Return all that is ended; the study files that they need are written to the folder."""
    own, renewed = folder / "own", folder / "renewed"
    for place, title in ((own, "First"), (renewed, "Second")):
        place.mkdir()
        for number in range(25):
            text = good(f"own{number}", **{"A study of mine": f"{title} {number}"})
            write(place / f"own{number}.yaml", text)
    more = folder / "more"
    more.mkdir()
    for number in range(25):
        write(more / f"more{number}.yaml", good(f"more{number}"))
    return [
        Job("first load", "empty", load),
        Job("load", "old", load),
        Job("add", "loaded", partial(add, more)),
        Job("replace", "loaded", partial(add, renewed)),
        Job("remove", "loaded", remove),
        Job("run", "loaded", record, (begin,)),
        Job("export", "loaded", partial(write_out, folder / "out")),
    ]


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """End jobs at random moments, on both databases where a server is at hand."""
    chance, everything = random.Random(seed), jobs(folder)
    server = os.environ.get("MEDTL_META_TEST_POSTGRES")
    homes: list[Files | Server] = [Files(folder), *([Server(server)] if server else [])]
    out, said = folder / "out", folder / "said"
    try:
        for home in homes:
            _made_ready(home, folder / "own")
        write_out(out, homes[0].fresh("loaded"))
        whole = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        while True:
            home, job = chance.choice(homes), chance.choice(everything)
            way, share = chance.choice(home.ways), chance.uniform(0, 1.1)
            if home.name not in job.allowed:
                _learn(home, job, said)
            shutil.rmtree(out, ignore_errors=True)
            kind, seen = _attempt(home, job, way, share, said)
            if kind in ("answered", "refused") and (half := _half_exported(out, whole)):
                kind, seen = "half-written", half
            tried = f"{way} {job.name} on {home.name} at {share:.3f} of its time"
            yield Outcome(kind, tried, seen)
    finally:
        for home in homes:
            home.close()
