"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def sweep(folder: Path, *names: str) -> None:
    """Delete what a process that was killed while it wrote these files has left of them.

    Call it only where no other process can be writing them: under a lock on the folder.
    """
    for name in names:
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


@contextmanager
def replacing(target: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Yield a stream whose content takes the target's place by an atomic rename at the end.

    A reader sees the old content or the new, never half; where the block raises, the old file, if
    any, is untouched and nothing is left behind.

    Parameters
    ----------
    durable
        Rename only when the content has reached the disk: power may fail, not only a process.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def replace_file(target: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file whole or not at all; see :func:`replacing`, also for what is raised."""
    with replacing(target, durable=durable) as stream:
        stream.write(content)
