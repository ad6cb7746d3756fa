"""A content-addressed store of rows on disk: made once, resumed when cut off, checked when read.

Features and decoded images are both one row for each image, made by a long pass. An entry is a
folder named by the SHA-256 of its recipe (everything that decides the rows)::

    KEY/recipe.json    the recipe, for a reader
    KEY/rows.npy       the rows
    KEY/chunks.jsonl   one line for each chunk: rows, CRC-32 and the seconds that making it took,
                       written after the rows are on disk

While it is made it is called ``KEY.building``; the renaming at the end is what makes it whole. A
process that is killed leaves the chunks that it finished, and the next one goes on behind them. A
lock lets one process at a time make an entry; the others wait and then read it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import shutil
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from db.errors import ReplicationError
from replicate.progress import Progress, Report, silent

Array = NDArray[Any]
#: Makes the chunks from a row on: arrays of `Table.chunk` rows, the last one shorter.
Produce = Callable[[int], Generator[Array, None, None]]
#: Space that is left alone: a full disk breaks more than this run.
_SPARE = 64 * 2**20
_READ = 16 * 2**20
#: Entries that this process has checked, with size and time of the file as they were then.
_CHECKED: dict[Path, tuple[int, int] | None] = {}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HINT = "Set MEDTL_META_CACHE to a folder with more space, or take a smaller --size."


@dataclass(frozen=True, slots=True)
class Table:
    """The form of an entry: `count` rows of `shape`, written `chunk` rows at a time."""

    count: int
    shape: tuple[int, ...]
    dtype: str
    chunk: int

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def header(self) -> bytes:
        """The head of the .npy file, whose length depends on the form alone."""
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            stream,
            {
                "descr": np.lib.format.dtype_to_descr(np.dtype(self.dtype)),
                "fortran_order": False,
                "shape": (self.count, *self.shape),
            },
        )
        return stream.getvalue()

    @property
    def total_bytes(self) -> int:
        """Size of the .npy file."""
        return len(self.header) + self.count * self.row_bytes

    def chunk_rows(self, start: int) -> int:
        """Return the number of rows of the chunk that begins at a row."""
        return min(self.chunk, self.count - start)


class Kept(NamedTuple):
    """The rows of an entry.

    `rows` are read-only and memory-mapped; `computed` says how many had to be made, 0 where all
    came from the disk; `cost` is the seconds that making them took, now or whenever it was, whoever
    made them, None where that is not known.
    """

    rows: Array
    computed: int
    cost: float | None


class Entry:
    """One entry of the store, there or not.

    Parameters
    ----------
    folder
        Folder of the store.
    recipe
        Everything that decides the rows, as JSON can hold it.
    table
        The form of the rows.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], table: Table) -> None:
        self.table = table
        whole = {**recipe, "count": table.count, "shape": list(table.shape), "dtype": table.dtype}
        whole["chunk"] = table.chunk
        self.recipe = json.dumps(whole, sort_keys=True, indent=1)
        key = hashlib.sha256(self.recipe.encode()).hexdigest()[:40]
        self.path = folder / key
        self.building = folder / f"{key}.building"
        self.lock = folder / f".{key}.lock"

    def obtain(self, produce: Produce, what: str, report: Report = silent) -> Kept:
        """Return the rows, made where they are missing.

        Parameters
        ----------
        produce
            Called only where rows are missing.
        what
            Name of the rows in reports, such as ``features``.

        Raises
        ------
        ReplicationError
            No space for it (nothing of it stays on the disk), or a folder that cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            rows, computed = self._opened(what, report), 0
            if rows is None:
                with self._alone(what, report):
                    rows = self._opened(what, report, mend=True)
                    if rows is None:
                        computed = self._build(produce, what, report)
                        rows = self._mapped()
            return Kept(rows, computed, self._cost())
        except OSError as error:
            raise self._worded(error, what) from error

    def _cost(self) -> float | None:
        try:
            lines = (self.path / "chunks.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return None
        seconds = [json.loads(line).get("seconds") for line in lines]
        return None if None in seconds else float(sum(seconds))

    @contextmanager
    def _alone(self, what: str, report: Report) -> Iterator[None]:
        """Hold the lock of the entry; the system gives it back when a process is killed."""
        lock = FileLock(self.lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            words = f"another process is making the same {what}; waiting for it"
            report(Progress(what, 0, self.table.count, "images", words))
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _opened(self, what: str, report: Report, mend: bool = False) -> Array | None:
        """Return the rows of a whole entry; who holds the lock sets a damaged one aside."""
        if not self.path.is_dir():
            return None
        stamp = _stamp(self.path / "rows.npy")
        if stamp is not None and _CHECKED.get(self.path) == stamp:
            return self._mapped()
        sound = _sound_rows(self.path, self.table)
        if stamp and sound == self.table.count and stamp[0] == self.table.total_bytes:
            _CHECKED[self.path] = stamp
            return self._mapped()
        if mend:
            words = f"{self.path}: damaged; {sound} of {self.table.count} rows are sound"
            report(Progress(what, sound, self.table.count, "images", words))
            shutil.rmtree(self.building, ignore_errors=True)
            self.path.rename(self.building)
        return None

    def _mapped(self) -> Array:
        # As a plain array: numpy's own class for maps makes every batch taken from it slower.
        return np.asarray(np.load(self.path / "rows.npy", mmap_mode="r", allow_pickle=False))

    def _build(self, produce: Produce, what: str, report: Report) -> int:
        table = self.table
        done = _sound_rows(self.building, table) if self.building.is_dir() else 0
        self._check_space(done, what)
        if not done:
            shutil.rmtree(self.building, ignore_errors=True)
            self.building.mkdir()
            (self.building / "recipe.json").write_text(self.recipe)
        mode = "r+b" if done else "w+b"
        with (
            (self.building / "rows.npy").open(mode) as rows,
            (self.building / "chunks.jsonl").open(mode) as sums,
        ):
            _cut_behind(rows, sums, done, table)
            start = done
            if start < table.count:
                begun = time.perf_counter()
                with closing(produce(start)) as chunks:
                    for chunk in chunks:
                        taken = time.perf_counter() - begun
                        begun += taken
                        _append(rows, sums, chunk, table, start, taken)
                        start += len(chunk)
                        report(Progress(what, start, table.count, "images"))
            os.fsync(rows.fileno())
        if start != table.count:
            raise ValueError(f"{what}: {start} rows were produced instead of {table.count}")
        self.building.rename(self.path)
        _sync_folder(self.path.parent)
        # No second look at the sums: they are of the bytes that were just written.
        _CHECKED[self.path] = _stamp(self.path / "rows.npy")
        return table.count - done

    def _check_space(self, done: int, what: str) -> None:
        needed = self.table.total_bytes - done * self.table.row_bytes
        free = shutil.disk_usage(self.path.parent).free
        if needed + _SPARE > free:
            raise ReplicationError(
                f"{self.path.parent}: the {what} need {_size(needed)}, {_size(free)} are free.",
                _HINT,
            )

    def _worded(self, error: OSError, what: str) -> ReplicationError:
        if error.errno in _NO_SPACE:
            shutil.rmtree(self.building, ignore_errors=True)
            return ReplicationError(
                f"{self.path.parent}: no space was left while the {what} were written.", _HINT
            )
        return ReplicationError(
            f"{self.path.parent}: the {what} cannot be kept: {error.strerror or error}.",
            "Set MEDTL_META_CACHE to a folder that can be written to.",
        )


def _append(
    rows: IO[bytes], sums: IO[bytes], chunk: Array, table: Table, start: int, seconds: float
) -> None:
    """Write a chunk, then its line: a line is only there when its rows are."""
    expected = (table.chunk_rows(start), *table.shape)
    if chunk.shape != expected or chunk.dtype != np.dtype(table.dtype):
        raise ValueError(f"a chunk of {chunk.shape} {chunk.dtype}, expected {expected}")
    data = np.ascontiguousarray(chunk).data.cast("B")
    rows.write(data)
    rows.flush()
    os.fsync(rows.fileno())
    said = {"rows": len(chunk), "crc32": zlib.crc32(data), "seconds": round(seconds, 6)}
    line = json.dumps(said)
    sums.write(line.encode() + b"\n")
    sums.flush()
    os.fsync(sums.fileno())


def _cut_behind(rows: IO[bytes], sums: IO[bytes], done: int, table: Table) -> None:
    """Cut off what stands behind the sound rows, or begin the files."""
    if not done:
        rows.write(table.header)
        return
    rows.truncate(len(table.header) + done * table.row_bytes)
    rows.seek(0, os.SEEK_END)
    lines = sums.read().split(b"\n")[: -(-done // table.chunk)]
    sums.seek(0)
    sums.truncate()
    sums.write(b"\n".join(lines) + b"\n")


def _sound_rows(folder: Path, table: Table) -> int:
    """Count the leading rows whose chunks are what their sums say.

    Read in pieces, not mapped: the pages of a mapped file would count as this process's memory.
    """
    try:
        lines = (folder / "chunks.jsonl").read_bytes().splitlines()
        stream = (folder / "rows.npy").open("rb")
    except FileNotFoundError:
        return 0
    sound = 0
    with stream:
        if stream.read(len(table.header)) != table.header:
            return 0
        for line in lines:
            expected = table.chunk_rows(sound)
            try:
                said = json.loads(line)
            except ValueError:
                break
            if not expected or not isinstance(said, dict) or said.get("rows") != expected:
                break
            if _crc(stream, expected * table.row_bytes) != said.get("crc32"):
                break
            sound += expected
    return sound


def _crc(stream: IO[bytes], length: int) -> int | None:
    """Return the CRC-32 of the next bytes; None where the file ends before."""
    total = 0
    while length:
        piece = stream.read(min(length, _READ))
        if not piece:
            return None
        total = zlib.crc32(piece, total)
        length -= len(piece)
    return total


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    """Make a renaming last: the folder itself has to reach the disk (not possible on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
