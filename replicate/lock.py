"""One process at a time in a folder; the lock goes with the process, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from db.errors import InUseError, ReplicationError
from replicate.places import RUNS


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; the folder is made if it does not exist.

    Raises
    ------
    InUseError
        Another process holds it.
    ReplicationError
        The folder cannot be written to.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:  # an OSError too, hence first
        raise InUseError(
            f"{folder}: another process is at this run.",
            "Wait for it, or stop it; what it has done so far is kept.",
        ) from None
    except OSError as error:
        raise ReplicationError(
            f"{folder}: the run's folder cannot be written to ({error.strerror or error}).",
            f"Make room, or set {RUNS} to a folder that can be written to.",
        ) from None
    try:
        yield
    finally:
        lock.release()
