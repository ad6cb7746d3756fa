"""What a database is made of, told without SQLAlchemy: whether it is ours, whole and harmless.

A file may come from a stranger, from a newer release or from a broken disk. What is not as the
migrations make it is told in words before a row of it is read, and nothing in it is run: no view,
no trigger, no function in a constraint.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from db.errors import DatabaseError, ForeignDatabaseError
from db.reader import Reader
from db.sqlitefile import APPLICATION_ID

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

ANOTHER = "Name another database with --db or MEDTL_META_DB; nothing was written to this one."
REPAIR = "medtl-meta db repair makes a new one with what is yours; the old one is kept beside it."

#: Hash of all columns of the newest tables, by database (a test holds them to the migrations).
SHAPES = {
    "sqlite": "260c9a4a298ccf55",
    "postgresql": "e1ea18c5f68baf8f",
}

_COLUMNS = {
    "sqlite": (
        'SELECT m.name AS tab, c.name AS col, c.type AS type, c."notnull" AS must, c.hidden '
        "FROM sqlite_master m, pragma_table_xinfo(m.name) c WHERE m.type = 'table'"
    ),
    "postgresql": (
        "SELECT t.relname AS tab, c.attname AS col, format_type(c.atttypid, c.atttypmod) AS type, "
        "CAST(c.attnotnull AS int) AS must, 0 AS hidden "
        "FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid "
        "JOIN pg_namespace n ON n.oid = t.relnamespace "
        "WHERE n.nspname = current_schema() AND t.relkind = 'r' AND c.attnum > 0 "
        "AND NOT c.attisdropped"
    ),
}

Column = tuple[str, str, str, int, int]


def columns(reader: Reader, kind: str, tables: Iterable[str]) -> set[Column]:
    """Return table, name, type, whether a value must be there, and whether it is computed."""
    wanted = set(tables)
    return {
        (str(row["tab"]), str(row["col"]), str(row["type"]), int(row["must"]), int(row["hidden"]))
        for row in reader.rows(_COLUMNS[kind])
        if row["tab"] in wanted
    }


def fingerprint(found: set[Column]) -> str:
    """Return a hash that is the same for the same columns, in whatever order."""
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()[:16]


def check_columns(reader: Reader, place: str, tables: Iterable[str], *, own_file: bool) -> None:
    """Refuse tables that have other columns than the migrations give them.

    Raises
    ------
    DatabaseError
        Names what differs.
    """
    kind = "sqlite" if own_file else "postgresql"
    found = columns(reader, kind, tables)
    if fingerprint(found) != SHAPES[kind]:
        raise DatabaseError(f"{place}: its tables were altered: {_altered(found, kind)}.", REPAIR)


#: How PostgreSQL calls the types of the tables.
_NAMES = {
    "VARCHAR": "character varying",
    "FLOAT": "double precision",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}


def expected(kind: str) -> set[Column]:
    """Return the columns as ``db/tables.py`` has them; it loads SQLModel."""
    from sqlalchemy.dialects import postgresql, sqlite

    from db.tables import metadata

    made: dict[str, Callable[[], Dialect]]
    made = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}
    dialect = made[kind]()
    found = set()
    for table in metadata.sorted_tables:
        for column in table.columns:
            type_ = column.type.compile(dialect=dialect)
            if kind == "postgresql":
                type_ = _NAMES.get(type_, type_.lower())
            found.add((table.name, column.name, type_, int(not column.nullable), 0))
    return found


def _altered(found: set[Column], kind: str) -> str:
    wanted = expected(kind)
    there, due = ({column[:2] for column in columns} for columns in (found, wanted))
    told = [f"{table} lacks {column}" for table, column in sorted(due - there)]
    told += [f"{table} has {column} besides" for table, column in sorted(there - due)]
    changed = sorted(column[:2] for column in wanted - found if column[:2] in there)
    told += [f"{table}.{column} is of another type" for table, column in changed]
    return "; ".join(told[:5]) + ("; and more" if len(told) > 5 else "")


_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?P<a>[^\"]*)\"|`(?P<b>[^`]*)`|\[(?P<c>[^\]]*)\]"
    r"|(?P<remark>--|/\*)|(?P<word>\w+)|(?P<other>\S)"
)
#: What may stand before a bracket in a definition: anything else is a call, or computes a value.
_HARMLESS = (
    *("CHECK", "IN", "KEY", "UNIQUE", "AND", "OR", "NOT"),
    *("VARCHAR", "CHAR", "CHARACTER", "VARYING", "FLOAT", "DECIMAL", "NUMERIC"),
)
_NAMED_AFTER = ("TABLE", "REFERENCES", "ON")


def computes(sql: str) -> bool:
    """Tell whether the definition of a table or an index holds what is run when it is used."""
    before, last = "", ""
    for found in _TOKEN.finditer(sql):
        if found["remark"]:
            return True
        other = found["other"]
        named = last.upper() in _HARMLESS or before.upper() in _NAMED_AFTER
        if other == "(" and re.fullmatch(r"\w+", last) and not named:
            return True
        names = (found[group] for group in ("a", "b", "c", "word"))
        token = next((name for name in names if name is not None), other or "''")
        before, last = last, token
    return False


def foreign_parts(reader: Reader) -> Iterator[str]:
    """Yield what stands in a file that no release of ours puts there and that could run."""
    for row in reader.rows("SELECT type, name, sql FROM sqlite_master"):
        kind, sql = row["type"], str(row["sql"] or "")
        if kind not in ("table", "index"):
            yield f"the {kind} {row['name']}"
        elif re.match(r"\s*CREATE\s+VIRTUAL", sql, re.IGNORECASE):
            yield f"the virtual table {row['name']}"
        elif computes(sql):
            yield f"a computed part of the {kind} {row['name']}"


def check_file(reader: Reader, place: str, head: str) -> None:
    """Refuse an SQLite file of another program, of a newer release, or with parts that could run.

    Raises
    ------
    DatabaseError
        Nothing of it was read but its header and its definitions.
    """
    application = reader.rows("PRAGMA application_id")[0]["application_id"]
    if application not in (0, APPLICATION_ID):
        raise ForeignDatabaseError(
            f"{place}: is a file of another program (application id {application:#x}).", ANOTHER
        )
    version = reader.rows("PRAGMA user_version")[0]["user_version"]
    if application and version > int(head):
        raise newer(place, f"{version:04}", head)
    if parts := list(foreign_parts(reader)):
        raise DatabaseError(
            f"{place}: holds what no release of medtl-meta puts there and what could run: "
            f"{', '.join(parts[:3])}{' and more' if len(parts) > 3 else ''}.",
            f"It was not read. If the file is yours: {REPAIR}",
        )


def newer(place: str, found: str, head: str) -> DatabaseError:
    """Return the error for a database of a newer release."""
    return ForeignDatabaseError(
        f"{place}: was made by a newer medtl-meta (tables {found}, known {head}).",
        "Run: pip install --upgrade medtl-meta",
    )


#: Files up to this size are checked in full before they are written to (0.3 s), larger ones
#: without the comparison of indexes with their tables (2 s for 50,000 studies, for 3.5).
FULL_CHECK_BYTES = 32 << 20


def check_sound(reader: Reader, place: str, size: int) -> None:
    """Refuse to write into an SQLite file that is damaged.

    Raises
    ------
    DatabaseError
        Says what SQLite found first.
    """
    pragma = "integrity_check" if size <= FULL_CHECK_BYTES else "quick_check"
    found = next(iter(reader.rows(f"PRAGMA {pragma}(1)")[0].values()))
    if found != "ok":
        raise DatabaseError(f"{place}: is damaged ({' '.join(str(found).split())}).", REPAIR)
