"""A user's studies that stand in the way of packaged ones: set aside or renamed, never lost.

The same paper (by DOI, by reference number, or by key and title) is not counted twice: the packaged
study takes its place, the user's is kept as a study file in the table ``set_aside``, and its runs
go on as runs of the packaged one. Another paper that only has the same key gets another key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from db import __version__
from db.export import record_of
from db.literature import read_studies
from db.reader import ConnectionReader, Rows
from db.records import StudyRecord
from db.tables import table
from db.vocabulary import fold

run, set_aside, study = map(table, ("run", "set_aside", "study"))


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a user's study: `why` it made way, and the key that is its now.

    `why` is ``doi``, ``ref`` or ``key`` for the same paper, whose packaged study has the key `to`;
    ``renamed`` for another paper, which goes on under the key `to`.
    """

    key: str
    why: str
    to: str

    def __str__(self) -> str:
        if self.why == "renamed":
            return f"{self.key}: a packaged study needs this key, yours is now {self.to}"
        same = {"doi": "DOI", "ref": "reference number", "key": "key and title"}[self.why]
        return (
            f"{self.key}: yours was set aside for the packaged study {self.to} of the same {same} "
            f"(medtl-meta db set-aside {self.key} shows it)"
        )


Taken = dict[str, dict[Any, StudyRecord]]


def _taken(records: Iterable[StudyRecord]) -> Taken:
    taken: Taken = {"doi": {}, "ref": {}, "key": {}}
    for record in records:
        doi = record.citation.doi
        for name, value in (("doi", doi and doi.lower()), ("ref", record.ref), ("key", record.key)):
            if value is not None:
                taken[name][value] = record
    return taken


def _in_the_way(connection: Connection, taken: Taken) -> list[Row[Any]]:
    clash = or_(
        func.lower(study.c.doi).in_(taken["doi"]),
        study.c.ref.in_(taken["ref"]),
        study.c.key.in_(taken["key"]),
    )
    columns = (study.c.id, study.c.key, study.c.doi, study.c.ref, study.c.title)
    own = select(*columns).where(study.c.origin == "user").where(clash).order_by(study.c.id)
    return list(connection.execute(own))


def _same_paper(row: Row[Any], taken: Taken) -> tuple[str, StudyRecord] | None:
    """Return the packaged study of the same paper, and what the two have in common."""
    for name, value in (("doi", row.doi and row.doi.lower()), ("ref", row.ref)):
        if value is not None and value in taken[name]:
            return name, taken[name][value]
    record = taken["key"][row.key]
    return ("key", record) if fold(row.title) == fold(record.citation.title) else None


def _free_key(connection: Connection, key: str, taken: Mapping[str, object]) -> str:
    number = 1
    while True:
        free = f"{key}-own" if number == 1 else f"{key}-own-{number}"
        used = select(study.c.id).where(study.c.key == free)
        if free not in taken and connection.execute(used).first() is None:
            return free
        number += 1


def make_way(
    connection: Connection,
    records: Iterable[StudyRecord],
    delete: Callable[[Connection, list[int]], None],
) -> Iterator[Moved]:
    """Free keys, DOIs and reference numbers of packaged studies where a user's study has them.

    Parameters
    ----------
    connection
        Inside a transaction, with the newest tables.
    records
        The packaged studies that are about to be written.
    delete
        Deletes studies by id; a run of one stays, without its study.
    """
    taken = _taken(records)
    database = Rows(ConnectionReader(connection, "the database"))
    for row in _in_the_way(connection, taken):
        same = _same_paper(row, taken)
        if same is None:
            to, why = _free_key(connection, row.key, taken["key"]), "renamed"
            connection.execute(update(study).where(study.c.id == row.id).values(key=to))
        else:
            why, to = same[0], same[1].key
            kept = {"key": row.key, "taken_by": to, "why": why, "release": __version__}
            record = record_of(read_studies(database, [row.key])[row.key])
            connection.execute(insert(set_aside).values(**kept, record=record))
        # Also runs that were of it before its id changed: what names them is the key.
        connection.execute(update(run).where(run.c.study_id == row.id).values(study_key=to))
        if same is not None:
            delete(connection, [row.id])
        yield Moved(row.key, why, to)


def find_runs_again(connection: Connection) -> None:
    """Let runs that lost their study refer to the study of their key, if there is one."""
    own = select(study.c.id).where(study.c.key == run.c.study_key).scalar_subquery()
    connection.execute(update(run).where(run.c.study_id.is_(None)).values(study_id=own))
