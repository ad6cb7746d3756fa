"""What state a database is in, told without loading SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import DatabaseError
from db.reader import Reader
from db.shape import ANOTHER, REPAIR, check_columns, check_file, newer

#: The newest revision in ``db/migrations/versions`` (a test holds the two together).
SCHEMA_HEAD = "0004"

#: Not Alembic's default name: other software may keep its own in the same server database.
VERSION_TABLE = "medtl_meta_version"

#: The tables of `SCHEMA_HEAD` (a test holds them to ``db/tables.py``), each after those that it
#: refers to; what an export sorts each by (after the study, where its rows belong to one).
TABLES = {
    "backbone": ("name",),
    "backbone_synonym": ("folded",),
    "dataset": ("name",),
    "study": ("ref", "key"),
    "study_backbone": ("position",),
    "study_tl_type": ("position",),
    "study_dataset": ("position",),
    "reported_metric": ("position",),
    "evidence": ("field",),
    "confirmation": ("field", "id"),
    "disagreement": ("field", "id"),
    "coding": ("field", "coder"),
    "review_fact": ("name",),
    "review_claim": ("id",),
    "run": ("id",),
    "run_setting": ("run_id", "name"),
    "run_metric": ("run_id", "id"),
    "set_aside": ("key", "id"),
    "load_state": ("name",),
}


@dataclass(frozen=True, slots=True)
class State:
    """Revision of the tables, hash of the loaded data, release that loaded them; or None."""

    revision: str | None = None
    data_hash: str | None = None
    release: str | None = None


def state_of(reader: Reader, place: str, *, own_file: bool) -> State:
    """Read the state of a database.

    Parameters
    ----------
    reader
        An open reader.
    place
        What to call the database in messages.
    own_file
        True for SQLite, where any table of others makes the file a foreign one.

    Raises
    ------
    DatabaseError
        The database is of something else, of a newer release, altered or damaged.
    """
    if own_file:
        check_file(reader, place, SCHEMA_HEAD)
    tables = reader.tables()
    if VERSION_TABLE not in tables:
        if theirs := tables if own_file else tables & TABLES.keys():
            named = ", ".join(sorted(theirs)[:3])
            raise DatabaseError(f"{place}: holds tables of something else ({named}).", ANOTHER)
        return State()
    revisions = reader.rows(f"SELECT * FROM {VERSION_TABLE}")
    revision = str(revisions[0].get("version_num")) if revisions else None
    if len(revisions) != 1 or revision is None or not (revision.isascii() and revision.isdigit()):
        raise DatabaseError(f"{place}: does not tell the version of its tables.", REPAIR)
    if revision > SCHEMA_HEAD:
        raise newer(place, revision, SCHEMA_HEAD)
    if revision != SCHEMA_HEAD:
        return State(revision)
    if missing := sorted(TABLES.keys() - tables):
        raise DatabaseError(f"{place}: is damaged, it lacks {', '.join(missing)}.", REPAIR)
    check_columns(reader, place, TABLES, own_file=own_file)
    found = {row["name"]: row["value"] for row in reader.rows("SELECT name, value FROM load_state")}
    return State(revision, found.get("data_hash"), found.get("package_version"))
