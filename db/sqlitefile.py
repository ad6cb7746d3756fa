"""An SQLite file of ours: how it is opened so that nothing in it runs, and how it is copied."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from db.errors import DatabaseError
from db.files import sync

#: In the header of our files ("MdTL"), so that `file` and other programs can tell them.
APPLICATION_ID = 0x4D64_544C

#: For every connection: a stranger's file runs nothing, and a damaged page is noticed, not trusted.
GUARDS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
)


def address(path: Path, mode: str) -> str:
    """Return the URI of a file for sqlite3, to be opened in a mode (``ro``, ``rw``)."""
    return f"file:{quote(str(path))}?mode={mode}"


def free_name(path: Path, suffix: str) -> Path:
    """Return a name beside a file that no other has: with a suffix, and a number if need be."""
    place, number = path.with_name(f"{path.name}.{suffix}"), 1
    while place.exists():
        number += 1
        place = path.with_name(f"{path.name}.{suffix}-{number}")
    return place


def back_up(path: Path, suffix: str) -> Path:
    """Copy a database beside itself, whole and on the disk before this returns.

    Raises
    ------
    DatabaseError
        There is no copy.
    """
    target = free_name(path, suffix)
    part = free_name(path, f"{suffix}.part")
    try:
        with (
            closing(sqlite3.connect(address(path, "ro"), uri=True)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)
        shutil.copymode(path, part)
        sync(part)
        part.replace(target)
        sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise DatabaseError(
            f"{target}: this copy, to be kept before tables are changed, cannot be made ({error}).",
            "Nothing was changed. Free some space, or copy the database to another folder.",
        ) from None
    return target
