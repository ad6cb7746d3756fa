"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def sweep(folder: Path, *names: str) -> None:
    """Delete what a process that was killed while it wrote these files has left of them.

    Call it only where no other process can be writing them: under a lock on the folder.
    """
    for name in names:
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def replace_file(target: Path, content: bytes) -> None:
    """Write a file by an atomic rename; a reader sees the old content or the new, never half.

    Raises
    ------
    OSError
        The folder cannot be written to; the old file, if any, is untouched.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
