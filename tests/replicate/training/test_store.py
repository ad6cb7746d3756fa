"""Rows on disk: resumed, checked, shared between processes, and no debris where they do not fit."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from db.errors import ReplicationError
from replicate.progress import Progress
from replicate.training.store import _CHECKED, Entry, Table

ROOT = Path(__file__).parents[3]
TABLE = Table(10, (2, 3), "float32", 4)
ROWS = np.arange(60, dtype=np.float32).reshape(10, 2, 3)


class Producer:
    """Makes the rows, remembers where it was asked to begin, and may stop on the way."""

    def __init__(self, stop_at: int = 99) -> None:
        self.starts: list[int] = []
        self.stop_at = stop_at

    def __call__(self, start: int) -> Generator[NDArray[Any], None, None]:
        self.starts.append(start)
        for place in range(start, 10, 4):
            if place >= self.stop_at:
                raise KeyboardInterrupt
            yield ROWS[place : place + 4]


def entry(folder: Path, **recipe: Any) -> Entry:
    return Entry(folder / "store", {"kind": "test", **recipe}, TABLE)


def test_made_once_and_read_without_writing(tmp_path: Path) -> None:
    producer = Producer()
    rows, computed, _ = entry(tmp_path).obtain(producer, "rows")
    assert (rows == ROWS).all()
    assert computed == 10
    assert not rows.flags.writeable
    rows, computed, _ = entry(tmp_path).obtain(producer, "rows")
    assert (rows == ROWS).all()
    assert computed == 0
    assert producer.starts == [0]
    assert not list((tmp_path / "store").glob("*.building"))


def test_another_recipe_is_another_entry(tmp_path: Path) -> None:
    entry(tmp_path).obtain(Producer(), "rows")
    other = Producer()
    entry(tmp_path, boundary=3).obtain(other, "rows")
    assert other.starts == [0]


def test_goes_on_behind_whole_chunks(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        entry(tmp_path).obtain(Producer(stop_at=8), "rows")
    building = entry(tmp_path).building
    with (building / "rows.npy").open("ab") as stream:  # a chunk that was cut off while written
        stream.write(b"\x01" * 30)
    with (building / "chunks.jsonl").open("ab") as stream:
        stream.write(b'{"rows": 2, "cr')
    producer = Producer()
    rows, computed, _ = entry(tmp_path).obtain(producer, "rows")
    assert producer.starts == [8]
    assert computed == 2
    assert (rows == ROWS).all()
    lines = (entry(tmp_path).path / "chunks.jsonl").read_text().splitlines()
    assert [json.loads(line)["rows"] for line in lines] == [4, 4, 2]


@pytest.mark.parametrize(
    ("damage", "start"),
    [("first byte", 0), ("last byte", 8), ("cut", 8), ("header", 0), ("sums", 0), ("longer", 10)],
)
def test_a_damaged_entry_is_noticed_and_mended(tmp_path: Path, damage: str, start: int) -> None:
    entry(tmp_path).obtain(Producer(), "rows")
    path = entry(tmp_path).path
    content = bytearray((path / "rows.npy").read_bytes())
    if damage == "first byte":
        content[-240] ^= 1
    elif damage == "last byte":
        content[-1] ^= 1
    elif damage == "cut":
        del content[-5:]
    elif damage == "header":
        content[3] ^= 1
    elif damage == "longer":
        content += b"\0"
    (path / "rows.npy").write_bytes(content)
    if damage == "sums":
        (path / "chunks.jsonl").unlink()
    _CHECKED.clear()  # as another process would find it
    seen: list[Progress] = []
    producer = Producer()
    rows, computed, _ = entry(tmp_path).obtain(producer, "rows", seen.append)
    assert (rows == ROWS).all()
    assert computed == 10 - start
    assert producer.starts == ([start] if start < 10 else [])
    assert "damaged" in seen[0].message
    _CHECKED.clear()
    assert (entry(tmp_path).obtain(Producer(), "rows")[0] == ROWS).all()


def test_space_is_checked_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(ReplicationError, match="0 MB are free") as caught:
        entry(tmp_path).obtain(Producer(), "features")
    assert "MEDTL_META_CACHE" in caught.value.hint
    assert not list((tmp_path / "store").glob("*.building"))


def test_no_space_while_writing_leaves_no_debris(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from tests.replicate.training.test_store import Producer, entry
        from db.errors import ReplicationError
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        try:
            entry(Path(sys.argv[1])).obtain(Producer(), "rows")
        except ReplicationError as error:
            assert "no space" in error.message, error
            sys.exit(7)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 300
    assert [path.suffix for path in (tmp_path / "store").iterdir() if path.suffix != ".lock"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ReplicationError, match="cannot be kept"):
        entry(tmp_path).obtain(Producer(), "rows")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(ReplicationError, match="cannot be kept"):
        entry(tmp_path).obtain(Producer(), "rows")


def test_chunks_of_another_form_are_our_own_mistake(tmp_path: Path) -> None:
    def produce(start: int) -> Generator[NDArray[Any], None, None]:
        yield ROWS[:3]

    with pytest.raises(ValueError, match="chunk"):
        entry(tmp_path).obtain(produce, "rows")


def test_the_cost_of_an_entry_is_known_to_whoever_finds_it(tmp_path: Path) -> None:
    table = Table(6, (2,), "float32", 2)

    def slow(start: int) -> Generator[NDArray[np.float32], None, None]:
        for place in range(start, 6, 2):
            time.sleep(0.02)
            if place == 4 and start == 0:
                raise KeyboardInterrupt
            yield np.zeros((2, 2), dtype=np.float32)

    with pytest.raises(KeyboardInterrupt):
        Entry(tmp_path, {"name": "a"}, table).obtain(slow, "rows")
    Entry(tmp_path, {"name": "a"}, table).obtain(slow, "rows")
    # Two chunks before the interrupt and one after it.
    cost = Entry(tmp_path, {"name": "a"}, table).obtain(slow, "rows").cost
    assert cost is not None
    assert 0.06 <= cost < 1.0
