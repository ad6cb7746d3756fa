"""What a fold keeps on disk: a checkpoint while it is trained, its result and its model after.

All appear whole or not at all, and say which spec, seed, fold and images they belong to.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from db.errors import ReplicationError
from db.files import replace_file
from replicate.training.job import Job

#: Raised when training changes so that an older checkpoint would not go on as it began.
VERSION = 4
CHECKPOINT = "checkpoint.pt"
RESULT = "fold.npz"
MODEL = "model.safetensors"
_ARRAYS = ("probabilities", "labels", "indices", "val_probabilities", "val_indices")
_BROKEN = (
    *(RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError),
    *(pickle.UnpicklingError, zipfile.BadZipFile),
)


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


@dataclass(frozen=True, slots=True)
class FoldFiles:
    """The files of one fold in its folder.

    What is there may be of another spec, seed, fold or image set, or not be readable; what is to be
    written may not fit on the disk: all raise ReplicationError and leave an old file alone.

    Parameters
    ----------
    folder
        Where they lie.
    identity
        What they must agree with, from :func:`identity`.
    """

    folder: Path
    identity: Mapping[str, str]

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write the state of training; the checkpoint before it stays until this one is on disk."""
        stream = io.BytesIO()
        torch.save({"identity": dict(self.identity), **state}, stream)
        self._write(CHECKPOINT, stream)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the state of training; None without a checkpoint."""
        with self._readable(CHECKPOINT) as path:
            if not path.is_file():
                return None
            state: dict[str, Any] = dict(torch.load(path, map_location="cpu", weights_only=True))
            found = dict(state["identity"])
        self._check(path, found)
        return state

    def save_result(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Write a finished fold; its checkpoint is of no more use and is removed."""
        text = json.dumps({"identity": dict(self.identity), "facts": facts})
        kept: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        stream = io.BytesIO()
        np.savez(stream, record=np.frombuffer(text.encode(), dtype=np.uint8), **kept)
        self._write(RESULT, stream)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def load_result(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return arrays and facts of a finished fold; None where it is not finished."""
        with self._readable(RESULT) as path:
            if not path.is_file():
                return None
            with np.load(path, allow_pickle=False) as stored:
                record = json.loads(stored["record"].tobytes())
                found, facts = record["identity"], record["facts"]
                # Before the arrays: those of another version are others, and not damaged.
                self._check(path, found)
                arrays = {name: stored[name] for name in _ARRAYS}
        return arrays, facts

    def save_model(self, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
        """Write what training made of a model; `told` is what must be known to use it."""
        from safetensors.torch import save

        metadata = {"identity": json.dumps(dict(self.identity)), **told}
        self._write(MODEL, io.BytesIO(save(dict(tensors), metadata)))

    def _check(self, path: Path, found: Mapping[str, Any]) -> None:
        other = [name for name, value in self.identity.items() if found.get(name) != value]
        if other:
            raise ReplicationError(
                f"{path}: belongs to another run ({', '.join(other)} differ).",
                "Give this run a folder of its own, or delete that file to begin anew.",
            )

    @contextmanager
    def _readable(self, name: str) -> Iterator[Path]:
        """Turn what torch and numpy raise on bytes that are no file of ours into words."""
        path = self.folder / name
        try:
            yield path
        except _BROKEN as error:
            raise ReplicationError(
                f"{path}: cannot be read; it is damaged or not a file of medtl-meta.",
                "Delete it: the fold is then trained anew.",
            ) from error

    def _write(self, name: str, content: io.BytesIO) -> None:
        """Replace a file once the new content is on the disk: power may fail, not only we."""
        target = self.folder / name
        try:
            replace_file(target, content.getvalue())
        except OSError as error:
            raise ReplicationError(
                f"{target}: cannot be written: {error.strerror or error}.",
                "Make room, or set MEDTL_META_RUNS to another folder.",
            ) from error
