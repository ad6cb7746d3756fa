"""Digests of files are those of their content, whatever is remembered of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import replicate.digests
from replicate.digests import file_digests
from replicate.images.folders import open_folder
from replicate.places import cache_folder


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files that were not changed just now."""
    paths = [tmp_path / f"ü {number}\n" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (number * 1000))
    return paths


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the files that are read; what is old enough to be remembered is all."""
    seen: list[int] = []
    whole = hashlib.file_digest

    def counted(*words: object) -> object:
        seen.append(1)
        return whole(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    monkeypatch.setattr(replicate.digests, "RECENT", 0)
    return seen


def right(paths: list[Path]) -> bool:
    digest = file_digests(paths)
    return [digest(path) for path in paths] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    ]


def test_a_file_is_read_once(files: list[Path], opened: list[int]) -> None:
    time.sleep(0.05)
    assert right([*files, files[0]])
    assert right(files)
    assert len(opened) == 5


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1] + b"x")


def same_size_and_time(path: Path) -> None:
    """Another content, with the size and the time of before."""
    found = path.stat()
    time.sleep(0.05)
    path.write_bytes(b"z" * found.st_size)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replaced(path: Path) -> None:
    found, other = path.stat(), path.with_name("other")
    other.write_bytes(b"y" * found.st_size)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [rewritten, same_size_and_time, replaced])
def test_a_changed_file_is_read_again(
    files: list[Path], opened: list[int], change: Callable[[Path], None]
) -> None:
    time.sleep(0.05)
    assert right(files)
    change(files[2])
    before = len(opened)
    assert right(files)
    assert len(opened) == before + 1


def test_what_was_changed_just_now_is_not_remembered(files: list[Path]) -> None:
    assert right(files)
    for _ in range(20):  # faster than the clock of a file system ticks
        files[1].write_bytes(os.urandom(1000))
        assert right(files)


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a": 3}', b'{"a": [[1], 2]}', b"\xff"])
def test_a_damaged_table_is_made_anew(files: list[Path], opened: list[int], damage: bytes) -> None:
    time.sleep(0.05)
    assert right(files)
    (table,) = (cache_folder() / "digests").iterdir()
    table.write_bytes(damage)
    assert right(files)
    assert len(opened) == 10
    assert right(files)
    assert len(opened) == 10


def test_a_cache_that_cannot_be_written_changes_nothing(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "file" / "cache"))
    assert right(files)


def test_a_file_that_has_gone_is_told_in_its_turn(files: list[Path]) -> None:
    files[1].unlink()
    digest = file_digests(files)
    assert digest(files[0]) == hashlib.sha256(b"").hexdigest()
    with pytest.raises(FileNotFoundError):
        digest(files[1])


def test_a_set_is_known_by_its_files(tmp_path: Path, picture: Callable[..., Path]) -> None:
    for number in range(6):
        picture(tmp_path / "set" / "ab"[number % 2] / f"{number}.png", seed=number)
    first = open_folder(tmp_path / "set").content
    assert open_folder(tmp_path / "set").content == first
    picture(tmp_path / "set" / "a" / "0.png", seed=9)
    assert open_folder(tmp_path / "set").content != first
