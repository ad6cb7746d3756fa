"""Writing files so that they appear whole or not at all, and stay when the power fails."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

#: Opens a file that is written beside its target.
Opener = Callable[[Path], IO[bytes]]


def advice(error: Exception) -> str:
    """Return what to do where ``--out`` cannot be written to."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "is full" in str(error):
        return "Free some space there, or name another folder with --out."
    return "Name a folder that you may write to with --out."


def sweep(folder: Path, *names: str) -> None:
    """Delete what a process that was killed while it wrote these files has left of them.

    Call it only where no other process can be writing them: under a lock on the folder.
    """
    for name in names:
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Let a file, or the names in a folder, reach the disk: power may fail."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not of this kind of file system
            raise
    finally:
        os.close(handle)


@contextmanager
def appearing() -> Iterator[Opener]:
    """Yield what opens files that take their places when all of them are written.

    Each is written under a hidden name, which its stream bears, with the rights that the umask
    leaves. At the end all reach the disk before the first is renamed; where the block raises, the
    old files, if any, are untouched and nothing is left behind.

    Raises
    ------
    OSError
        A folder cannot be written to.
    """
    drafts: dict[Path, IO[bytes]] = {}

    def start(target: Path) -> IO[bytes]:
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        drafts[target] = draft.open("xb")
        return drafts[target]

    try:
        yield start
        for stream in drafts.values():
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
        for target, stream in drafts.items():
            Path(stream.name).replace(target)
        for folder in {target.parent for target in drafts}:
            sync(folder)
    except BaseException:
        for stream in drafts.values():
            with suppress(OSError):  # what could not be written is still in its buffer
                stream.close()
            Path(stream.name).unlink(missing_ok=True)
        raise


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Yield a stream whose content takes the target's place at the end; see :func:`appearing`."""
    with appearing() as start:
        yield start(target)


def replace_file(target: Path, content: bytes) -> None:
    """Write a file whole or not at all; see :func:`appearing`, also for what is raised."""
    with replacing(target) as stream:
        stream.write(content)
