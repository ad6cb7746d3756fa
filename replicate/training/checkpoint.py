"""What a fold keeps on disk: a checkpoint while it is trained, and its result when it is done.

Both appear whole or not at all, and say which spec, seed, fold and images they belong to.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from db.errors import ReplicationError
from db.files import replace_file
from replicate.training.job import Job

#: Raised when training changes so that an older checkpoint would not go on as it began.
VERSION = 1
CHECKPOINT = "checkpoint.pt"
RESULT = "fold.npz"
_ARRAYS = ("probabilities", "labels", "indices")
_BROKEN = (RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError)


def identity(job: Job) -> dict[str, str]:
    """Return what a fold's files must agree with to be taken up."""
    fold, parts = job.fold, hashlib.sha256()
    for indices in (fold.train, fold.val, fold.test):
        parts.update(f"{len(indices)}|".encode() + np.asarray(indices, np.int64).tobytes())
    return {
        "version": str(VERSION),
        "spec": job.spec.id,
        "seed": str(job.seed),
        "fold": f"{fold.repeat}/{fold.number}",
        "images": job.images.content,
        "split": parts.hexdigest(),
    }


def save_checkpoint(folder: Path, who: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write the state of training; the checkpoint before it stays until this one is on disk.

    Raises
    ------
    ReplicationError
        It cannot be written; the old one is untouched.
    """
    stream = io.BytesIO()
    torch.save({"identity": dict(who), **state}, stream)
    _write(folder / CHECKPOINT, stream.getvalue())


def load_checkpoint(folder: Path, who: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the state of training; None without a checkpoint.

    Raises
    ------
    ReplicationError
        The checkpoint of another spec, seed, fold or image set; or one that cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    with _told(path):
        state: dict[str, Any] = dict(torch.load(path, map_location="cpu", weights_only=True))
        found = dict(state["identity"])
    _check(path, found, who)
    return state


def save_result(
    folder: Path,
    who: Mapping[str, str],
    arrays: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
) -> None:
    """Write a finished fold; its checkpoint is of no more use and is removed.

    Raises
    ------
    ReplicationError
        It cannot be written.
    """
    text = json.dumps({"identity": dict(who), "facts": facts})
    stream = io.BytesIO()
    np.savez(
        stream,
        record=np.frombuffer(text.encode(), dtype=np.uint8),
        probabilities=arrays["probabilities"],
        labels=arrays["labels"],
        indices=arrays["indices"],
    )
    _write(folder / RESULT, stream.getvalue())
    (folder / CHECKPOINT).unlink(missing_ok=True)


def load_result(
    folder: Path, who: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Return arrays and facts of a finished fold; None where it is not finished.

    Raises
    ------
    ReplicationError
        The result of another spec, seed, fold or image set; or one that cannot be read.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    with _told(path), np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in _ARRAYS}
        record = json.loads(stored["record"].tobytes())
        found, facts = record["identity"], record["facts"]
    _check(path, found, who)
    return arrays, facts


def _check(path: Path, found: Mapping[str, Any], who: Mapping[str, str]) -> None:
    other = [name for name, value in who.items() if found.get(name) != value]
    if other:
        raise ReplicationError(
            f"{path}: belongs to another run ({', '.join(other)} differ).",
            "Give this run a folder of its own, or delete that file to begin anew.",
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what torch and numpy raise on bytes that are no file of ours into words."""
    try:
        yield
    except (*_BROKEN, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ReplicationError(
            f"{path}: cannot be read; it is damaged or not a file of medtl-meta.",
            "Delete it: the fold is then trained anew.",
        ) from error


def _write(target: Path, content: bytes) -> None:
    """Replace a file once the new content has reached the disk: power may fail, not only we."""
    try:
        replace_file(target, content, durable=True)
    except OSError as error:
        raise ReplicationError(
            f"{target}: cannot be written: {error.strerror or error}.",
            "Make room, or set MEDTL_META_RUNS to another folder.",
        ) from error
