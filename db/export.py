"""Exports that are the same to the byte for the same content, whatever the database.

Rows come out in the order of reference number and key, with ids that follow that order; nothing of
when or how they were loaded shows.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.errors import DatabaseError
from db.files import replace_file
from db.literature import REPORTED_FIELDS, Study, read_studies
from db.reader import Row
from db.records import Citation
from db.sqlitefile import APPLICATION_ID
from db.state import SCHEMA_HEAD, TABLES, VERSION_TABLE

if TYPE_CHECKING:
    from db.database import Database

FORMATS = ("csv", "json", "bibtex", "ris", "sqlite")
#: Fields of a data set in the order of the study files.
_DATA = ("name", "public", "url", "dataset", "basis", "source")


def _content(database: Database) -> dict[str, list[Row]]:
    """Read all tables, with ids renumbered in the order of the rows.

    Sorting is done here: the order of text in SQL differs between databases and their locales.
    """
    tables = {name: database.rows(f"SELECT * FROM {name}") for name in TABLES}
    _sort(tables["study"], TABLES["study"])
    number = {row["id"]: place for place, row in enumerate(tables["study"], start=1)}
    for name, rows in tables.items():
        for row in rows:
            if row.get("study_id") is not None:
                row["study_id"] = number[row["study_id"]]
        owner = ("study_id",) if rows and "study_id" in rows[0] and name != "run" else ()
        _sort(rows, (*owner, *TABLES[name]))
        for place, row in enumerate(rows, start=1):
            if name not in ("run", "review_claim") and "id" in row:
                row["id"] = place
    return tables


def _sort(rows: list[Row], columns: tuple[str, ...]) -> None:
    rows.sort(key=lambda row: [(row[column] is None, row[column]) for column in columns])


def to_csv(tables: Mapping[str, list[Row]]) -> dict[str, bytes]:
    """Return one CSV a table that has rows; a study's children carry its key."""
    keys = {row["id"]: row["key"] for row in tables["study"]}
    files = {}
    for name, rows in tables.items():
        if not rows:
            continue
        child = "study_id" in rows[0]
        columns = [
            c for c in rows[0] if c not in ("id", "study_id") or (c == "id" and name == "run")
        ]
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["study_key", *columns] if child and name != "run" else columns)
        for row in rows:
            values = [_plain(name, c, row[c]) for c in columns]
            writer.writerow([keys[row["study_id"]], *values] if child and name != "run" else values)
        files[f"csv/{name}.csv"] = buffer.getvalue().encode()
    return files


#: Booleans are 0 and 1 in one database and true and false in the other.
BOOLEANS = {
    "run": ("phantom",),
    "study": ("tl_seen", "retracted"),
    "study_dataset": ("public",),
    "reported_metric": ("headline",),
}


def _plain(table: str, column: str, value: Any) -> Any:
    if column in BOOLEANS.get(table, ()) and value is not None:
        return int(value)
    if isinstance(value, datetime):  # of PostgreSQL; SQLite keeps such text, in UTC
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


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


def to_json(studies: Iterable[Study]) -> dict[str, bytes]:
    """Return studies as JSON lines in the form of the study files."""
    lines = [json.dumps(record_of(study), ensure_ascii=False) for study in studies]
    return {"studies.jsonl": ("\n".join(lines) + "\n").encode()}


_INITIALS = re.compile(r"^(?P<last>.+?)(?: (?P<initials>[A-Z]{1,4}(?:-[A-Z])?))?$")


def authors_of(text: str) -> tuple[list[tuple[str, str]], bool]:
    """Split ``Karri SPK, Chatterjee J, et al`` into names; tell whether there are more."""
    names, more = [], False
    for part in (part.strip() for part in text.split(",")):
        if part.rstrip(".").lower() in ("et al", "and others"):
            more = True
        elif part:
            found = _INITIALS.match(part)
            last, initials = (found["last"], found["initials"] or "") if found else (part, "")
            names.append((last, " ".join(f"{letter}." for letter in initials if letter.isalpha())))
    return names, more


def issue_of(volume: str | None) -> tuple[str | None, str | None]:
    """Split ``15(3 Pt B)`` into volume and issue."""
    found = re.fullmatch(r"([^()]+)\((.+)\)", volume or "")
    return (found[1].strip(), found[2]) if found else (volume, None)


def to_bibtex(studies: Iterable[Study]) -> dict[str, bytes]:
    """Return studies as BibTeX entries."""
    from pybtex.database import BibliographyData, Entry, Person

    entries = {}
    for study in studies:
        names, more = authors_of(study.authors)
        persons = [Person(last=last, first=first) for last, first in names]
        if more:
            persons.append(Person("others"))
        fields = {
            "title": f"{{{study.title}}}",  # braces: a style must not lower CNN to cnn
            "year": str(study.year),
            "journal": study.journal,
        }
        volume, issue = issue_of(study.volume)
        fields |= {"volume": volume, "number": issue}
        fields |= {name: getattr(study, name) for name in ("pages", "doi", "url", "pmid")}
        fields = {name: value for name, value in fields.items() if value}
        if "pages" in fields:
            fields["pages"] = re.sub(r"(?<=\d)-(?=\d)", "--", study.pages or "")
        if study.ref:
            fields["note"] = f"Reference {study.ref} of Kim et al. 2022"
        entries[study.key] = Entry("article", fields, {"author": persons})
    text = BibliographyData(entries).to_string("bibtex")
    return {"studies.bib": text.encode()}


def to_ris(studies: Iterable[Study]) -> dict[str, bytes]:
    """Return studies as RIS records."""
    import rispy

    class Writer(rispy.RisWriter):  # type: ignore[misc]
        def set_header(self, count: int) -> str:
            return ""  # a running number before each record is not part of the format

    records = []
    for study in studies:
        names, _ = authors_of(study.authors)
        first, _, last = (study.pages or "").partition("-")
        if first.isdigit() and last.isdigit() and len(last) < len(first):
            last = first[: len(first) - len(last)] + last  # 1257-65 is short for 1257-1265
        volume, issue = issue_of(study.volume)
        record = {
            "type_of_reference": "JOUR",
            "id": study.key,
            "authors": [
                f"{family}, {initials}" if initials else family for family, initials in names
            ],
            "title": study.title,
            "journal_name": study.journal,
            "year": str(study.year),
            "volume": volume,
            "number": issue,
            "start_page": first,
            "end_page": last,
            "doi": study.doi,
            "accession_number": study.pmid,
            "urls": [study.url] if study.url else None,
        }
        records.append({name: value for name, value in record.items() if value})
    return {"studies.ris": rispy.dumps(records, implementation=Writer).encode()}


def to_sqlite(tables: Mapping[str, list[Row]]) -> dict[str, bytes]:
    """Return the whole database as an SQLite file that medtl-meta can open."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    from db.tables import metadata

    dialect = sqlite.dialect()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.sqlite"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {int(SCHEMA_HEAD)}")
        connection.execute("BEGIN")
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
        connection.execute(
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        )
        connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES (?)", (SCHEMA_HEAD,))
        for name, rows in tables.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(
                    f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})",
                    [_plain(name, column, value) for column, value in row.items()],
                )
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        connection.close()
        return {"medtl-meta.sqlite": path.read_bytes()}


def export(database: Database, folder: Path, forms: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write the database in the formats asked for.

    Parameters
    ----------
    database
        An open database.
    folder
        Where to write; made if it does not exist.
    forms
        Out of :data:`FORMATS`.

    Returns
    -------
    list of Path
        The files written, each whole or not at all.

    Raises
    ------
    DatabaseError
        The folder cannot be made or written to.
    """
    tables = _content(database) if {"csv", "sqlite"} & set(forms) else {}
    studies = read_studies(database).values() if {"json", "bibtex", "ris"} & set(forms) else ()
    writers: dict[str, Callable[[], dict[str, bytes]]] = {
        "csv": lambda: to_csv(tables),
        "json": lambda: to_json(studies),
        "bibtex": lambda: to_bibtex(studies),
        "ris": lambda: to_ris(studies),
        "sqlite": lambda: to_sqlite(tables),
    }
    written = []
    try:
        for form in forms:
            for name, content in writers[form]().items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, content)
                written.append(target)
    except OSError as error:
        raise DatabaseError(
            f"{folder}: cannot be written ({error.strerror or error}).",
            "Name a folder that you may write to with --out.",
        ) from None
    return written
