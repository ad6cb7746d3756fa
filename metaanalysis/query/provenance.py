"""Where values were read, and which sources give others: what a check must name."""

from __future__ import annotations

import json

from db.database import Database
from db.reader import Row


def printed(database: Database) -> list[Row]:
    """Return everything that the review prints: section, name, place in the review, value."""
    rows = database.rows("SELECT name, place, value FROM review_fact ORDER BY name")
    result = []
    for row in rows:
        section, _, name = row["name"].partition(".")
        value = None if row["value"] is None else json.loads(row["value"])
        result.append({"section": section, "name": name, "place": row["place"], "value": value})
    return result


def evidence(database: Database) -> list[Row]:
    """Return where each curated value was read: key, field, basis, source."""
    return database.rows(
        "SELECT s.key, e.field, e.basis, e.source FROM evidence e "
        "JOIN study s ON s.id = e.study_id ORDER BY s.key, e.field"
    )


def disagreements(database: Database) -> list[Row]:
    """Return the sources that give another value: key, field, ours, theirs, source, note."""
    rows = database.rows(
        "SELECT s.key, d.field, e.value AS ours, d.other_value AS theirs, d.source, d.note "
        "FROM disagreement d JOIN study s ON s.id = d.study_id "
        "LEFT JOIN evidence e ON e.study_id = d.study_id AND e.field = d.field "
        "ORDER BY s.key, d.id"
    )
    for row in rows:
        for side in ("ours", "theirs"):
            row[side] = None if row[side] is None else json.loads(row[side])
    return rows
