"""What state a database is in, told without loading SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import DatabaseError
from db.reader import Reader

#: The newest revision in ``db/migrations/versions`` (a test holds the two together).
SCHEMA_HEAD = "0002"

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
        The database is of something else, or of a newer release.
    """
    tables = reader.tables()
    if VERSION_TABLE not in tables:
        if theirs := tables if own_file else tables & TABLES.keys():
            named = ", ".join(sorted(theirs)[:3])
            raise DatabaseError(
                f"{place}: holds tables of something else ({named}).",
                "Name another database with --db or MEDTL_META_DB; nothing was written to this "
                "one.",
            )
        return State()
    revisions = reader.rows(f"SELECT version_num FROM {VERSION_TABLE}")
    revision = str(revisions[0]["version_num"]) if revisions else None
    if revision is not None and revision > SCHEMA_HEAD:
        raise DatabaseError(
            f"{place}: was made by a newer medtl-meta (tables {revision}, known {SCHEMA_HEAD}).",
            "Run: pip install --upgrade medtl-meta",
        )
    if revision != SCHEMA_HEAD:
        return State(revision)
    missing = sorted(TABLES.keys() - tables)
    if missing:
        raise DatabaseError(
            f"{place}: is damaged, it lacks {', '.join(missing)}.",
            "Export what is yours from a copy of it, then make a new one: move the file away, or "
            "name another database with --db.",
        )
    found = {row["name"]: row["value"] for row in reader.rows("SELECT name, value FROM load_state")}
    return State(revision, found.get("data_hash"), found.get("package_version"))
