"""Whether all of a database is as it should be: each fault told, nothing changed.

In the order of asking: is the file sound, do its rows refer to rows that exist, does each value fit
its column, are the packaged rows those of the packaged data, do the user's pass the rules.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from db import __version__
from db.datafolder import data_hash
from db.errors import DatabaseError
from db.location import Location, locate
from db.reader import Reader, Rows, open_reader
from db.state import SCHEMA_HEAD, TABLES, State, state_of
from db.wording import plural

#: Faults of one kind that are told one by one.
TOLD = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: a code, the table or study it is in, and what was found there.

    `code` is ``damaged``, ``reference``, ``value``, ``older``, ``packaged`` or ``rule``.
    """

    code: str
    place: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found}"


def verify(location: Location) -> list[Fault]:
    """Return all faults of a database that exists; the first :data:`TOLD` of each kind.

    Raises
    ------
    DatabaseError
        It cannot be read at all, or is not one of ours, or of a newer release.
    """
    if location.path is not None and not location.path.is_file():
        raise DatabaseError(f"{location}: no such file.", "Name the database with --db.")
    with closing(open_reader(location)) as reader:
        state = state_of(reader, str(location), own_file=location.path is not None)
        if state.revision != SCHEMA_HEAD:
            text = (
                f"tables {state.revision or 'none'}; the next command brings them to {SCHEMA_HEAD}"
            )
            return [
                *damage(reader, own_file=location.path is not None),
                Fault("older", "tables", text),
            ]
        found = list(content_faults(reader, own_file=location.path is not None))
        if not found:  # what follows reads rows as if they were right
            found += _packaged_faults(reader, state)
            found += _rule_faults(reader)
    return found


def damage(reader: Reader, *, own_file: bool) -> Iterator[Fault]:
    """Yield what SQLite finds broken in its file, and rows that refer to none."""
    if not own_file:
        return
    for row in reader.rows(f"PRAGMA integrity_check({TOLD})"):
        text = " ".join(str(next(iter(row.values()))).split())
        if text != "ok":
            yield Fault("damaged", "file", text)
    for row in reader.rows("PRAGMA foreign_key_check")[:TOLD]:
        text = f"row {row['rowid']} refers to a row of {row['parent']} that is gone"
        yield Fault("reference", str(row["table"]), text)


def content_faults(reader: Reader, *, own_file: bool) -> Iterator[Fault]:
    """Yield what is damaged, refers to nothing or does not fit its column."""
    broken = False
    for fault in damage(reader, own_file=own_file):
        broken = True
        yield fault
    if not broken:
        yield from (_misfits_of_a_file(reader) if own_file else _broken_json(reader))


def _misfits_of_a_file(reader: Reader) -> Iterator[Fault]:
    """Yield columns that hold what is not of their type: SQLite takes anything anywhere."""
    from sqlalchemy import Boolean, DateTime, Float, Integer

    from db.tables import JsonText, metadata

    def misfit(table: str, name: str, kind: Any) -> str:
        if isinstance(kind, JsonText):
            of_a_run = f"json_type({name}) <> 'object'" if table == "run" else "0"
            return (  # CASE: these functions fail on what is no JSON
                f"CASE WHEN typeof({name}) <> 'text' THEN 1 WHEN NOT json_valid({name}) THEN 1 "
                f"ELSE {of_a_run} END"
            )
        if isinstance(kind, Boolean):
            return f"{name} NOT IN (0, 1)"
        if isinstance(kind, Integer):
            return f"typeof({name}) <> 'integer'"
        if isinstance(kind, Float):
            return f"typeof({name}) NOT IN ('real', 'integer') OR abs({name}) > 1.7e308"
        if isinstance(kind, DateTime):
            return f"typeof({name}) <> 'text' OR datetime({name}) IS NULL"
        return f"typeof({name}) <> 'text'"

    for name in TABLES:
        table = metadata.tables[name]
        tests = {c.name: misfit(name, f'"{c.name}"', c.type) for c in table.columns}
        counts = ", ".join(
            f'COALESCE(SUM("{column}" IS NOT NULL AND ({test})), 0) AS "{column}"'
            for column, test in tests.items()
        )
        for column, count in reader.rows(f"SELECT {counts} FROM {name}")[0].items():
            if count:
                text = f"{count} of its values in {column} are not of that column's type"
                yield Fault("value", name, text)


def _broken_json(reader: Reader) -> Iterator[Fault]:
    """Yield columns of JSON on a server, where other types are kept by the server itself."""
    from db.tables import JsonText, metadata

    for name in TABLES:
        for column in metadata.tables[name].columns:
            if not isinstance(column.type, JsonText):
                continue
            sql = f"SELECT {column.name} AS value FROM {name} WHERE {column.name} IS NOT NULL"
            broken = sum(not _is_json(row["value"]) for row in reader.rows(sql))
            if broken:
                text = f"{broken} of its values in {column.name} are not JSON"
                yield Fault("value", name, text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


#: Tables that hold packaged rows alone, or which the packaged ones stand in with others.
_WHOLE = ("backbone_synonym", "review_fact", "review_claim")
_AMONG = ("backbone", "dataset")
_OF_STUDIES = tuple(
    name
    for name in TABLES
    if name.startswith(("study_", "reported_")) or name in ("evidence", "confirmation",
    "disagreement", "coding")
)  # fmt: skip


def _row(row: dict[str, Any], *without: str) -> tuple[Any, ...]:
    return tuple(sorted((name, value) for name, value in row.items() if name not in without))


def _content(reader: Reader) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the packaged rows of each table without ids, each with how often it is there."""
    packaged = "study WHERE origin = 'packaged'"
    found = {"study": Counter(_row(row, "id") for row in reader.rows(f"SELECT * FROM {packaged}"))}
    for name in _WHOLE + _AMONG:
        found[name] = Counter(_row(row) for row in reader.rows(f"SELECT * FROM {name}"))
    for name in _OF_STUDIES:
        rows = reader.rows(
            f"SELECT s.key AS study_key, c.* FROM {name} c JOIN study s ON s.id = c.study_id "
            "WHERE s.origin = 'packaged'"
        )
        found[name] = Counter(_row(row, "id", "study_id") for row in rows)
    return found


@cache
def _due(_: str) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the packaged rows as they must be: of a database that is made for the purpose."""
    from db.prepare import prepare

    with tempfile.TemporaryDirectory() as folder:
        fresh = locate(Path(folder) / "fresh.sqlite")
        prepare(fresh)
        with closing(open_reader(fresh)) as reader:
            return _content(reader)


def _packaged_faults(reader: Reader, state: State) -> Iterator[Fault]:
    """Yield what differs from the packaged data as a new database has them."""
    if state != State(SCHEMA_HEAD, data_hash(), __version__):
        text = f"loaded by release {state.release}; the next command refreshes it"
        yield Fault("older", "packaged data", text)
        return
    due, there = _due(data_hash()), _content(reader)
    for name, rows in due.items():
        lost, more = rows - there[name], there[name] - rows
        if name in _AMONG:  # what a release no longer has may still be in use
            more = Counter()
        if lost or more:
            keys = sorted({str(_named(row)) for row in (*lost, *more)})
            count = plural(max(lost.total(), more.total()), "packaged row")
            text = f"{count} lost, changed or put in (of {', '.join(keys[:5])})"
            yield Fault("packaged", name, text)


def _named(row: tuple[Any, ...]) -> Any:
    values = dict(row)
    return next(values[n] for n in ("study_key", "key", "name", "folded", "id") if n in values)


def _rule_faults(reader: Reader) -> Iterator[Fault]:
    """Yield each study of the user's that `db check` would not let in now."""
    from pydantic import ValidationError

    from db.export import record_of
    from db.literature import each_study
    from db.packaged import use_backbones
    from db.records import StudyRecord

    use_backbones()
    own = [row["key"] for row in reader.rows("SELECT key FROM study WHERE origin = 'user'")]
    told = 0
    for study in each_study(Rows(reader), own):
        try:
            StudyRecord.model_validate(record_of(study))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(step) for step in first["loc"])
            yield Fault("rule", study.key, f"{field}: {first['msg']}")
            told += 1
            if told == TOLD:
                return


def explained(location: Location, error: Exception) -> DatabaseError | None:
    """Return in words that it is the database's rows that an unexpected error came of, if so."""
    if not isinstance(
        error, (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
    ):
        return None
    try:
        with closing(open_reader(location)) as reader:
            own_file = location.path is not None
            state_of(reader, str(location), own_file=own_file)
            fault = next(content_faults(reader, own_file=own_file), None)
            fault = fault or next(
                _packaged_faults(reader, State(SCHEMA_HEAD, data_hash(), __version__)), None
            )
    except DatabaseError as found:
        return found
    if fault is None:
        return None
    return DatabaseError(
        f"{location}: holds what it should not: {fault}.",
        "medtl-meta db verify tells all; medtl-meta db repair makes a new one with what is yours.",
    )
