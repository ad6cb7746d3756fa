"""Exports that are the same to the byte for the same content, whatever the database.

An export is of one moment, whoever writes meanwhile; its files appear when all of them are written,
and memory does not grow with the number of studies.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.csvfiles import Formulas
from db.errors import DatabaseError
from db.export.references import bibtex, ris
from db.export.tables import Tables, write_csv, write_sqlite
from db.files import advice, appearing
from db.literature import REPORTED_FIELDS, Study, each_study
from db.records import Citation

if TYPE_CHECKING:
    from db.database import Database

FORMATS = ("csv", "json", "bibtex", "ris", "sqlite")
#: Fields of a data set in the order of the study files.
_DATA = ("name", "public", "url", "dataset", "basis", "source")


def _known(item: Any, *names: str) -> dict[str, Any]:
    """Return the fields that are known."""
    return {name: value for name in names if (value := getattr(item, name)) not in (None, ())}


def record_of(study: Study) -> dict[str, Any]:
    """Return a study in the form of a study file, so that it can be loaded elsewhere."""
    beside: dict[str, list[dict[str, Any]]] = {}
    for other in sorted(study.disagreements, key=lambda other: other.field):
        told = {"value": other.value, "source": other.source, **_known(other, "note")}
        beside.setdefault(other.field, []).append(told)
    values = {}
    for name, entry in sorted(study.values.items()):
        others = {"disagreements": beside.pop(name)} if name in beside else {}
        told = _known(entry, "basis", "source", "note", "confirmed_by")
        values[name] = {"value": entry.value, **told, **others}
    record = {
        "key": study.key,
        "ref": study.ref,
        "citation": _known(study, *Citation.model_fields),
        "curation": _known(study, "inclusion", "tl_seen"),
        "values": values,
        "other_disagreements": beside,
        "datasets": [_known(used, *_DATA) for used in study.datasets],
        "metrics": [_known(metric, *REPORTED_FIELDS) for metric in study.metrics],
        "notes": study.notes,
    }
    return {name: item for name, item in record.items() if item not in (None, {}, [])}


def json_line(study: Study) -> str:
    """Return a study as one line of JSON in the form of the study files."""
    return json.dumps(record_of(study), ensure_ascii=False) + "\n"


#: Formats with one entry a study: name of the file, and what writes an entry.
_ENTRIES: dict[str, tuple[str, Callable[[Study], str]]] = {
    "json": ("studies.jsonl", json_line),
    "bibtex": ("studies.bib", bibtex),
    "ris": ("studies.ris", ris),
}


def export(
    database: Database,
    folder: Path,
    forms: Sequence[str] = FORMATS,
    *,
    formulas: Formulas = "neutralise",
) -> list[Path]:
    """Write the database in the formats asked for.

    Parameters
    ----------
    database
        An open database.
    folder
        Where to write; made if it does not exist.
    forms
        Out of :data:`FORMATS`.
    formulas
        What is done with text in CSV that a spreadsheet would take for a formula; see
        :mod:`db.csvfiles`.

    Returns
    -------
    list of Path
        The files written, each whole or not at all, and none before all of them are.

    Raises
    ------
    DatabaseError
        The folder cannot be made or written to.
    """
    written: dict[str, list[Path]] = {form: [] for form in forms}
    try:
        with database.snapshot() as still, appearing() as start:
            folder.mkdir(parents=True, exist_ok=True)
            entries = []
            for form in (form for form in forms if form in _ENTRIES):
                name, entry = _ENTRIES[form]
                written[form] = [folder / name]
                entries.append((start(folder / name), entry))
            for study in each_study(still) if entries else ():
                for stream, entry in entries:
                    stream.write(entry(study).encode())
            tables = Tables(still) if {"csv", "sqlite"} & set(forms) else None
            if tables is not None and "csv" in forms:
                (folder / "csv").mkdir(exist_ok=True)
                written["csv"] = write_csv(tables, folder / "csv", start, formulas)
            if tables is not None and "sqlite" in forms:
                written["sqlite"] = [folder / "medtl-meta.sqlite"]
                write_sqlite(tables, start(folder / "medtl-meta.sqlite"))
    except (OSError, sqlite3.Error) as error:  # all reading is in words already
        reason = error.strerror if isinstance(error, OSError) else None
        raise DatabaseError(
            f"{folder}: cannot be written ({reason or error}).",
            advice(error),
        ) from None
    return [path for paths in written.values() for path in paths]
