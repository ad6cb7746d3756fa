"""From records to rows in the tables: the packaged data, and the user's own studies.

The caller holds one transaction; a fault or a kill leaves the database as it was. Packaged studies
are refreshed in place (their ``id`` stays, so runs keep pointing at them); what the user added or
ran is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db import __version__
from db.aside import Moved, find_runs_again, make_way
from db.errors import DataFileError, Problem
from db.packaged import PackagedData
from db.reader import chunks
from db.records import SecondCodingRecord, SecondValues, StudyRecord
from db.rows import SEARCHED, Row, StudyRows, search_text, study_rows
from db.tables import ORIGINS, metadata, table
from db.vocabulary import fold
from db.wording import plural

dataset, run, study, study_dataset = map(table, ("dataset", "run", "study", "study_dataset"))

#: Studies written at a time: what bounds the memory of a large load.
CHUNK = 1000

#: Tables that hold rows of a study.
CHILDREN = tuple(
    name for name, one in metadata.tables.items() if "study_id" in one.columns and name != "run"
)


@dataclass(slots=True)
class LoadReport:
    """What a load did."""

    added: int = 0
    refreshed: int = 0
    removed: int = 0
    #: Packaged studies among those that were to be loaded as the user's own.
    spared: int = 0
    #: The user's studies that made way for packaged ones.
    moved: list[Moved] = field(default_factory=list)
    #: The copy of the database from before its tables were changed.
    kept: Path | None = None

    def __str__(self) -> str:
        told = [f"{self.added} added, {self.refreshed} refreshed, {self.removed} removed"]
        told += [str(one) for one in self.moved]
        if self.kept:
            told.append(f"a copy from before is kept as {self.kept}")
        if self.spared:
            told.append(f"{plural(self.spared, 'packaged study')} left as they are")
        return "; ".join(told)


def _write(connection: Connection, name: str, rows: list[Row]) -> None:
    if rows:
        connection.execute(insert(table(name)), rows)


def _write_plain(connection: Connection, name: str, rows: list[Row]) -> None:
    """Write rows of plain values, all with the same columns, past SQLAlchemy's work a value.

    A study has twenty rows of children; for a large load that work is half of the writing.
    """
    columns = list(rows[0])
    statement = insert(table(name)).compile(dialect=connection.dialect, column_keys=columns)
    order = statement.positiontup
    values = rows if order is None else [tuple(row[c] for c in order) for row in rows]
    connection.exec_driver_sql(str(statement), values)


def _write_children(connection: Connection, studies: Iterable[tuple[int, StudyRows]]) -> None:
    gathered: dict[str, list[Row]] = {}
    for study_id, rows in studies:
        for name, children in rows.children.items():
            gathered.setdefault(name, []).extend({"study_id": study_id, **row} for row in children)
    for name, children in gathered.items():
        if children:
            _write_plain(connection, name, children)


def _delete_children(connection: Connection, ids: Iterable[int]) -> None:
    for chunk in chunks(ids, 500):
        for name in CHILDREN:
            connection.execute(delete(table(name)).where(table(name).c.study_id.in_(chunk)))


def delete_studies(connection: Connection, ids: list[int]) -> None:
    """Delete studies with all their rows; a run of one stays, without its study."""
    _delete_children(connection, ids)
    for chunk in chunks(ids, 500):
        connection.execute(update(run).where(run.c.study_id.in_(chunk)).values(study_id=None))
        connection.execute(delete(study).where(study.c.id.in_(chunk)))


def _upsert(connection: Connection, name: str, rows: list[Row], key: str = "name") -> None:
    """Insert rows, or refresh those whose key exists: what refers to them stays."""
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        new = dialect.insert(table(name))
        renewed = {column: new.excluded[column] for column in rows[0] if column != key}
        connection.execute(new.on_conflict_do_update(index_elements=[key], set_=renewed), rows)


def _write_studies(
    connection: Connection, rows: list[StudyRows], existing: Mapping[str, int]
) -> dict[str, int]:
    """Write one chunk of studies with their children; return the ids by key."""
    keys = [r.study["key"] for r in rows]
    _delete_children(connection, [existing[key] for key in keys if key in existing])
    _upsert(connection, "study", [r.study for r in rows], "key")
    ids = _ids(connection, study.c.key.in_(keys))
    _write_children(connection, ((ids[r.study["key"]], r) for r in rows))
    return ids


def _ids(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    found = connection.execute(select(study.c.key, study.c.id).where(which))
    return {row.key: row.id for row in found}


def _of_both(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Return the ids by key of the packaged studies, and of the user's own."""
    packaged, own = (_ids(connection, study.c.origin == origin) for origin in ORIGINS)
    return packaged, own


def _replace(connection: Connection, name: str, rows: list[Row]) -> None:
    connection.execute(delete(table(name)))
    _write(connection, name, rows)


def _load_backbones(connection: Connection, data: PackagedData) -> None:
    rows = [backbone.model_dump(exclude={"synonyms"}) for backbone in data.backbones]
    _upsert(connection, "backbone", rows)
    synonyms = {
        fold(word): {"folded": fold(word), "word": word, "backbone": backbone.name}
        for backbone in data.backbones
        for word in (*backbone.synonyms, backbone.name)
    }
    _replace(connection, "backbone_synonym", list(synonyms.values()))


def _load_datasets(connection: Connection, data: PackagedData) -> None:
    rows = [{"origin": "packaged", **record.model_dump()} for record in data.datasets]
    _upsert(connection, "dataset", rows)
    packaged = select(dataset.c.name).where(dataset.c.origin == "packaged")
    gone = set(connection.execute(packaged).scalars()) - {row["name"] for row in rows}
    for name in gone:
        used = update(study_dataset).where(study_dataset.c.dataset == name)
        connection.execute(used.values(dataset=None))
        connection.execute(delete(dataset).where(dataset.c.name == name))


def _load_review(connection: Connection, data: PackagedData) -> None:
    facts = [
        {"name": f"{section}.{name}", "place": content["place"], "value": value}
        for section, content in data.review.facts.items()
        for name, value in content.items()
        if name != "place"
    ]
    review = data.review
    facts += [
        {"name": f"review.{name}", "place": "title page", "value": getattr(review, name)}
        for name in ("citation", "doi", "licence")
    ]
    _replace(connection, "review_fact", facts)
    _replace(connection, "review_claim", [claim.model_dump() for claim in review.claims])


def _coding_rows(
    second: SecondCodingRecord, studies: Mapping[str, StudyRecord], ids: Mapping[str, int]
) -> Iterator[Row]:
    """Yield what each of the two coders read, the first one before any adjudication."""
    for coded in second.codings:
        if coded.key not in ids:
            continue
        record, base = studies[coded.key], {"study_id": ids[coded.key]}
        for name in SecondValues.model_fields:
            value = getattr(record.values, name)
            first, note = None, None
            if value is not None:
                note = value.adjudicated
                first = value.value if note is None else value.first_coding
            place = {**base, "field": name, "adjudication": note}
            for coder, read in ((1, first), (2, getattr(coded.values, name))):
                if read is not None:
                    yield {**place, "coder": coder, "value": read}
        headlines = {m.metric: m.value for m in record.metrics if m.headline}
        for coder, found in ((1, headlines), (2, coded.headlines)):
            for metric, read in found.items():
                place = {**base, "field": f"headline {metric}", "adjudication": None}
                yield {**place, "coder": coder, "value": read}


def _refold(connection: Connection) -> None:
    """Fold the text of the user's studies anew: an earlier release may have done it otherwise."""
    columns = (study.c.id, study.c.search_text, *(study.c[name] for name in SEARCHED))
    last = 0
    while found := connection.execute(
        select(*columns)
        .where((study.c.origin == "user") & (study.c.id > last))
        .order_by(study.c.id)
        .limit(CHUNK)
    ).all():
        last = found[-1].id
        for row in found:
            folded = search_text(dict(row._mapping))
            if folded != row.search_text:
                changed = update(study).where(study.c.id == row.id)
                connection.execute(changed.values(search_text=folded))


def load_packaged(connection: Connection, data: PackagedData) -> LoadReport:
    """Make the packaged part of the database equal to the packaged data.

    Parameters
    ----------
    connection
        Inside a transaction, with the tables in place.
    data
        The checked files.
    """
    report = LoadReport()
    _load_backbones(connection, data)
    _load_datasets(connection, data)
    _load_review(connection, data)
    report.moved = list(make_way(connection, data.studies, delete_studies))
    mine, _ = _of_both(connection)
    records = {record.key: record for record in data.studies}
    rows = [study_rows(record, "packaged") for record in records.values()]
    gone = [study_id for key, study_id in mine.items() if key not in records]
    delete_studies(connection, gone)
    # A reference number may move from one key to another; free them all before they are set.
    connection.execute(update(study).where(study.c.origin == "packaged").values(ref=None))
    ids = _write_studies(connection, rows, mine)
    _write(connection, "coding", list(_coding_rows(data.second_coding, records, ids)))
    _refold(connection)
    find_runs_again(connection)
    report.added = len(records) - len(mine.keys() & records.keys())
    report.refreshed = len(mine.keys() & records.keys())
    report.removed = len(gone)
    state = {"data_hash": data.hash, "package_version": __version__}
    _replace(connection, "load_state", [{"name": n, "value": v} for n, v in state.items()])
    return report


class _Others:
    """The studies that are there, packaged or the user's, as those that are loaded meet them."""

    def __init__(self, connection: Connection) -> None:
        self.packaged, self.mine = _of_both(connection)
        found = connection.execute(select(study.c.key, study.c.doi, study.c.ref, study.c.origin))
        self.dois: dict[str, str] = {}
        self.refs: dict[int, str] = {}
        for row in found:
            if row.doi is not None:
                self.dois[row.doi.lower()] = row.key
            if row.ref is not None and row.origin == "packaged":
                self.refs[row.ref] = row.key
        self.datasets = set(connection.execute(select(dataset.c.name)).scalars())
        self.seen: set[str] = set()

    def packaged_as(self, rows: StudyRows) -> tuple[str, str] | None:
        """Return the packaged study that this one is, and the field that shows it."""
        own = rows.study
        doi = self.dois.get((own["doi"] or "").lower())
        named = (("key", own["key"]), ("ref", self.refs.get(own["ref"])), ("citation.doi", doi))
        return next(((key, name) for name, key in named if key in self.packaged), None)

    def clashes(self, rows: StudyRows, *, replace: bool) -> Iterator[Problem]:
        """Yield what stands between a study of the user's and the database."""

        def problem(name: str, message: str) -> Problem:
            return Problem(rows.path or rows.study["key"], rows.line_of(name), name, message)

        key, doi, ref = (rows.study[name] for name in ("key", "doi", "ref"))
        if key in self.seen:
            yield problem("key", f"{key} stands twice in what is being loaded.")
        elif key in self.mine and not replace:
            yield problem("key", f"you have added {key} before; --replace renews it.")
        self.seen.add(key)
        if (packaged := self.packaged_as(rows)) is not None:
            owner, name = packaged
            if name == "key":
                yield problem(name, f"a packaged study has the key {key}; give yours another.")
            else:
                value = ref if name == "ref" else doi
                yield problem(name, f"{value} is that of the study {owner}: one study, one record.")
        elif doi is not None and (owner := self.dois.setdefault(doi.lower(), key)) != key:
            yield problem(
                "citation.doi", f"{doi} is that of the study {owner}: one study, one record."
            )
        if ref is not None and (packaged is None or packaged[1] != "ref"):
            yield problem("ref", NO_REF)
        for place, used in enumerate(rows.children.get("study_dataset", ())):
            if used["dataset"] is not None and used["dataset"] not in self.datasets:
                text = f"{used['dataset']!r} is not a name in datasets.yaml."
                yield problem(f"datasets.{place}.dataset", text)


#: The numbers of the reference list name the packaged studies: the rest cannot be told from it.
NO_REF = (
    "a number of the review's reference list belongs to the packaged studies; leave ref out and "
    "write inclusion: added."
)


def load_user_studies(
    connection: Connection,
    studies: Iterable[StudyRows],
    *,
    replace: bool,
    spare_packaged: bool = False,
) -> LoadReport:
    """Write the user's own studies, a chunk at a time.

    Parameters
    ----------
    connection
        Inside a transaction.
    studies
        Rows with the origin ``user``; consumed as a stream.
    replace
        True: a study of the user's with the same key is replaced. False: it is a fault.
    spare_packaged
        True: a study that is a packaged one by key, reference number or DOI is passed over and
        counted in the report (so that an export can be loaded elsewhere). False: it is a fault.

    Raises
    ------
    DataFileError
        Keys or DOIs that other studies have, reference numbers; nothing may be kept.
    """
    report = LoadReport()
    others = _Others(connection)
    problems: list[Problem] = []
    for chunk in chunks(studies, CHUNK):
        kept = []
        for rows in chunk:
            if spare_packaged and others.packaged_as(rows) is not None:
                report.spared += 1
                continue
            problems += others.clashes(rows, replace=replace)
            kept.append(rows)
        if problems:
            continue  # nothing is kept; go on only to find the other faults
        ids = _write_studies(connection, kept, others.mine)
        report.refreshed += len(ids.keys() & others.mine.keys())
        report.added += len(ids.keys() - others.mine.keys())
    if problems:
        raise DataFileError(problems)
    return report
