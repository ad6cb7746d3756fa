"""A disk that is full, or a quota: each command that writes says so, and leaves what was there."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.database import Database
from tests.fuzz.kills import content
from tests.study_files import good, write

#: What is written to, and the command; each file of it is whole afterwards, or as it was.
COMMANDS = {
    "first load": "db load",
    "load": "db load",
    "add": "db load {own}",
    "export": "db export --out {disk}/out",
    "figures": "figures --out {disk}/out --format csv,svg",
}
REPLICATE = (
    "replicate run treder2018 --images phantom:oct?n=24 --backbone mobilenet_v2 --weights random "
    "--tl random_initialisation --epochs 1 --size 32"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3000k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=False)


def _run(
    words: str, disk: Path, where: Path, *, limit: Callable[[], None] | None = None, **places: Path
) -> subprocess.CompletedProcess[str]:
    told = [part.replace("_i", " i").format(disk=disk, **places) for part in words.split()]
    return subprocess.run(
        [sys.executable, "-m", "medtl_meta", "--db", str(where), *told],
        capture_output=True, text=True, check=False, preexec_fn=limit, timeout=300,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip


def _own(folder: Path) -> Path:
    """Study files that come to some megabytes in the database."""
    folder.mkdir()
    for number in range(60):
        long = "A long title " * 1500
        write(folder / f"own{number}.yaml", good(f"own{number}", **{"A study of mine": long}))
    return folder


def _old(where: Path) -> None:
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("UPDATE load_state SET value = 'old' WHERE name = 'data_hash'")
        connection.execute("UPDATE study SET title = 'Old'")


def _says_so(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr, done.stderr
    told = done.stderr.casefold()
    assert "no space left" in told or "too large" in told or "full" in told or "quota" in told, (
        done.stderr
    )


def _fill(disk: Path, leave: int) -> None:
    """Write until so many bytes are left."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(b"x" * max(free - leave, 0))


def _prepared(name: str, place: Path, database: Database) -> Path:
    where = place / "x.sqlite"
    if name != "first load":
        assert database.location.path is not None
        shutil.copy(database.location.path, where)
    if name == "load":
        _old(where)
    return where


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(name: str, disk: Path, tmp_path: Path, database: Database) -> None:
    on_disk = name in ("first load", "load", "add")
    where = _prepared(name, disk if on_disk else tmp_path, database)
    _fill(disk, {"add": 400_000, "export": 300_000, "figures": 100_000}.get(name, 60_000))
    before = content(str(where))
    done = _run(COMMANDS[name], disk, where, own=_own(tmp_path / "own"))
    _says_so(done)
    assert content(str(where)) == before
    left = {path.name for path in disk.rglob("*") if path.is_file()}
    assert not [one for one in left if one.startswith(".")]
    (disk / "filler").unlink()
    if name in ("first load", "load"):  # the same command, given again, comes to its end
        assert _run(COMMANDS[name], disk, where).returncode == 0
    if name == "export":  # what came before the disk was full is whole
        assert _run("db export --out {tmp}/whole", disk, where, tmp=tmp_path).returncode == 0
        for path in (disk / "out").rglob("*.*"):
            whole = tmp_path / "whole" / path.relative_to(disk / "out")
            assert path.read_bytes() == whole.read_bytes(), path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_quota(name: str, tmp_path: Path, database: Database) -> None:
    """No file may grow beyond a size: what a quota does, without the rights to mount a disk."""
    where = _prepared(name, tmp_path, database)
    before = content(str(where))
    size = where.stat().st_size if name == "add" else 40_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = _run(COMMANDS[name], tmp_path, where, limit=limit, own=_own(tmp_path / "own"))
    _says_so(done)
    assert content(str(where)) == before
    assert not list(tmp_path.rglob("out/**/.*"))


@pytest.mark.parametrize("what", ["MEDTL_META_CACHE", "MEDTL_META_RUNS", "database"])
def test_a_replication_on_a_full_disk(
    what: str, disk: Path, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MEDTL_META_RUNS", str(tmp_path / "runs"))
    where = _prepared("run", disk if what == "database" else tmp_path, database)
    if what != "database":
        monkeypatch.setenv(what, str(disk / "mine"))
    before = content(str(where))
    # A run's own files are small; decoded images are not.
    _fill(disk, {"database": 0, "MEDTL_META_RUNS": 0, "MEDTL_META_CACHE": 40_000}[what])
    _says_so(_run(REPLICATE, disk, where))
    (disk / "filler").unlink()
    if what == "database":
        assert content(str(where)) == before
        return
    after = content(str(where))
    assert {name: after[name] for name in after if not name.startswith("run")} == {
        name: before[name] for name in before if not name.startswith("run")
    }
    assert "'failed'" in after["run"][0]
