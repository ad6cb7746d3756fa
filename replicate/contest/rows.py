"""The results of a contest as a CSV: written whole after every cell, read again with its types."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db.errors import MedtlError, ReplicationError
from db.files import replace_file
from replicate.contest.grid import COLUMNS

_WHOLE = ("n_images", "n_classes", "n_groups", "seed", "trained_parameters", "size", "epochs")
_REAL = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "balanced_accuracy",
    "auc",
    "auc_low",
    "auc_high",
    "baseline_accuracy",
    "features_seconds",
    "train_seconds",
    "total_seconds",
    "images_per_second",
)
_NEEDED = ("dataset", "backbone", "tl_type", "seed", "phantom")


def check_folder(folder: Path) -> None:
    """Make the folder, and see that it can be written to before anything is run.

    Raises
    ------
    MedtlError
        It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(path: Path, error: OSError) -> MedtlError:
    return MedtlError(
        f"{path}: cannot be written ({error.strerror or error}).",
        "Name a folder that you may write to with --out.",
    )


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows; the file appears whole or not at all.

    Raises
    ------
    MedtlError
        The folder cannot be written to.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_text(row.get(name)) for name in COLUMNS] for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue().encode())
    except OSError as error:
        raise _unwritable(path, error) from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read(path: Path) -> list[dict[str, Any]]:
    """Read rows as `write` wrote them; lines that begin with # are comments.

    Raises
    ------
    ReplicationError
        No such file, or one that holds no results of a contest; names line and column.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReplicationError(
            f"{path}: cannot be read ({error}).", "Name a results.csv of a contest."
        ) from None
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise ReplicationError(
            f"{path}: has no column {missing[0]}.", "Name a results.csv of a contest."
        )
    return [_typed(row, path, number) for number, row in enumerate(reader, start=2)]


def _typed(row: Mapping[str, str | None], path: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in COLUMNS:
        text = row.get(name) or ""
        try:
            if not text:
                found[name] = None
            elif name in _WHOLE:
                found[name] = int(text)
            elif name in _REAL:
                found[name] = float(text)
            else:
                found[name] = text == "yes" if name == "phantom" else text
        except ValueError:
            raise ReplicationError(
                f"{path}, row {number}: {name} is {text!r}, no number.",
                "Mend the row or leave it out.",
            ) from None
    return found
