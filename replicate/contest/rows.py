"""The results of a contest as a CSV: written whole after every cell, read again with its types."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from db.errors import MedtlError, ReplicationError
from db.files import advice, replace_file

#: Columns of the results, in order, with what they hold.
COLUMNS: Mapping[str, type] = {
    "dataset": str,
    "modality": str,
    "phantom": bool,
    "n_images": int,
    "n_classes": int,
    "n_groups": int,
    "backbone": str,
    "weights": str,
    "tl_type": str,
    "unfrozen": str,
    "seed": int,
    "accuracy": float,
    "accuracy_low": float,
    "accuracy_high": float,
    "balanced_accuracy": float,
    "auc": float,
    "auc_low": float,
    "auc_high": float,
    "baseline_accuracy": float,
    "one_class": str,
    "features_seconds": float,
    "train_seconds": float,
    "total_seconds": float,
    "images_per_second": float,
    "trained_parameters": int,
    "size": int,
    "epochs": int,
    "split": str,
    "run": str,
    "error": str,
    "version": str,
    "command": str,
}
#: Files of a contest's folder: its rows when all are there, those so far, its answer, its pairs.
RESULTS, PARTIAL, SUMMARY = "results.csv", "results.partial.csv", "summary.json"
COMPARISONS = "comparisons.csv"
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
        raise unwritable(folder, error) from None


def unwritable(path: Path, error: OSError) -> MedtlError:
    """Return the error of a folder that cannot be written to."""
    return MedtlError(
        f"{path}: cannot be written ({error.strerror or error}).",
        advice(error),
    )


def write(
    rows: Sequence[Mapping[str, Any]], path: Path, columns: Collection[str] = COLUMNS
) -> None:
    """Write the rows; the file appears whole or not at all.

    Raises
    ------
    MedtlError
        The folder cannot be written to.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(row.get(name)) for name in columns] for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue().encode())
    except OSError as error:
        raise unwritable(path, error) from None


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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReplicationError(
            f"{path}: cannot be read ({error}).", "Name a results.csv of a contest."
        ) from None
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise ReplicationError(
            f"{path}: has no column {missing[0]}.", "Name a results.csv of a contest."
        )
    return [_typed(row, path, number) for number, row in enumerate(reader, start=2)]


def _typed(row: Mapping[str, str | None], path: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        text = row.get(name)
        try:
            if not text:
                found[name] = None
            else:
                found[name] = text == "yes" if kind is bool else kind(text)
        except ValueError:
            raise ReplicationError(
                f"{path}, row {number}: {name} is {text!r}, no number.",
                "Mend the row or leave it out.",
            ) from None
    return found
