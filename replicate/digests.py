"""The SHA-256 of files, read again only where a file is another than when it was last read.

What names a file's content for the system stands in for it: size, time of change, place on the
disk. A table of each list of files is kept in the folder of caches.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from db.files import replace_file
from replicate.environment import usable_cores
from replicate.places import cache_folder

#: Part of every table's name: raised when what is kept changes.
VERSION = 1
#: Nanoseconds in which a file may change without another time: coarse clocks of file systems.
RECENT = 3 * 10**9

#: Size, times of change of content and of its record, place on the disk.
Stamp = list[int]
Known = dict[str, tuple[Stamp, str]]


def file_digests(paths: Sequence[Path]) -> Callable[[Path], str]:
    """Return what says the SHA-256 of each of these files, hexadecimal.

    They are read when the first is asked for, several at a time; a file that cannot be read raises
    its OSError when it is asked for.
    """
    found: dict[Path, str | OSError] = {}

    def digest(path: Path) -> str:
        if not found:
            found.update(_all(list(dict.fromkeys(paths))))
        said = found[path]
        if isinstance(said, OSError):
            raise said
        return said

    return digest


def _all(paths: list[Path]) -> Iterator[tuple[Path, str | OSError]]:
    places = [str(path.absolute()) for path in paths]
    name = hashlib.sha256("\0".join([str(VERSION), *places]).encode(errors="surrogateescape"))
    table = cache_folder() / "digests" / f"{name.hexdigest()[:40]}.json"
    before = _read(table)
    now: Known = {}

    def one(place: str) -> str | OSError:
        try:
            stamp, at = _stamp(place), time.time_ns()
            known = before.get(place)
            if known is not None and known[0] == stamp:
                now[place] = known
                return known[1]
            with open(place, "rb") as stream:  # noqa: PTH123 - a name as the system has it
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            # What was changed just now may change once more within the clock's tick.
            if max(stamp[1:3]) < at - RECENT and _stamp(place) == stamp:
                now[place] = (stamp, digest)
        except OSError as error:
            return error
        return digest

    with ThreadPoolExecutor(min(4, usable_cores())) as pool:
        # To look at the time of a file is quicker than to hand it to a thread.
        said = map(one, places) if before else pool.map(one, places)
        yield from zip(paths, said, strict=True)
    if now != before:
        # A cache that cannot be written costs time, and nothing else.
        with suppress(OSError):
            table.parent.mkdir(parents=True, exist_ok=True)
            replace_file(table, json.dumps(now).encode())


def _stamp(place: str) -> Stamp:
    found = os.stat(place)  # noqa: PTH116 - a name as the system has it
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _read(table: Path) -> Known:
    """Return a table; an empty one where there is none, or none that can be read."""
    try:
        kept = json.loads(table.read_bytes())
        return {
            str(place): ([int(part) for part in stamp], str(digest))
            for place, (stamp, digest) in kept.items()
            if len(digest) == 64
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
