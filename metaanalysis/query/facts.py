"""What the database holds beside the studies: the review's facts, backbones, data sets, codings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from db.database import Database
from db.errors import DatabaseError
from db.reader import BY_CODE, Row
from db.vocabulary import Lexicon


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the reviewed literature the database holds."""

    curated: int
    reviewed: int
    added: int

    def __str__(self) -> str:
        text = (
            f"{self.curated} of the review's {self.reviewed} studies are curated; "
            f"the other {self.reviewed - self.curated} cannot be identified from its text"
        )
        more = f"; {self.added} added beside them" if self.added else ""
        return f"{text}{more}."


def coverage(database: Database) -> Coverage:
    """Count the studies of the database against those of the review."""
    counted = database.rows(
        "SELECT SUM(CASE WHEN inclusion = 'added' THEN 0 ELSE 1 END) AS curated, "
        "COUNT(*) AS everything FROM study"
    )[0]
    total = database.rows("SELECT value FROM review_fact WHERE name = 'totals.included'")
    curated, reviewed = int(counted["curated"] or 0), json.loads(total[0]["value"])
    if not isinstance(reviewed, int):
        raise DatabaseError(
            f"{database.location}: is damaged, the review's total is {reviewed!r:.40}.",
            "medtl-meta db repair loads the packaged data anew.",
        )
    return Coverage(curated, reviewed, counted["everything"] - curated)


def packaged_keys(database: Database) -> list[str]:
    """Return the keys of the studies that come with the release, without the user's own."""
    rows = database.rows("SELECT key FROM study WHERE origin = 'packaged'")
    return [row["key"] for row in rows]


def backbone_names(database: Database) -> Lexicon:
    """Return the names of backbones with their synonyms."""
    rows = database.rows(
        f"SELECT word, backbone FROM backbone_synonym ORDER BY backbone {BY_CODE}, word {BY_CODE}"
    )
    return Lexicon(
        "backbone",
        dict.fromkeys(row["backbone"] for row in rows),
        {row["word"]: row["backbone"] for row in rows},
    )


def review_facts(database: Database, section: str) -> dict[str, Any]:
    """Return what the review prints in one section, such as ``figure_4b`` (reported values)."""
    rows = database.rows(
        f"SELECT name, value FROM review_fact WHERE name LIKE :section ORDER BY name {BY_CODE}",
        {"section": f"{section}.%"},
    )
    return {row["name"].removeprefix(f"{section}."): json.loads(row["value"]) for row in rows}


def printed(database: Database) -> list[Row]:
    """Return everything that the review prints: section, name, place in the review, value."""
    result = []
    for row in database.rows(f"SELECT name, place, value FROM review_fact ORDER BY name {BY_CODE}"):
        section, _, name = row["name"].partition(".")
        value = None if row["value"] is None else json.loads(row["value"])
        result.append({"section": section, "name": name, "place": row["place"], "value": value})
    return result


def backbones(database: Database) -> list[Row]:
    """Return all backbones with their groups."""
    return database.rows(f"SELECT * FROM backbone ORDER BY family {BY_CODE}, name {BY_CODE}")


def public_datasets(database: Database) -> list[Row]:
    """Return the public medical image data sets."""
    return database.rows(
        "SELECT * FROM dataset ORDER BY CASE WHEN modality IS NULL THEN 0 ELSE 1 END, "
        f"modality {BY_CODE}, name {BY_CODE}"
    )


def codings(database: Database) -> list[Row]:
    """Return what both coders read: key, field, coder, value, adjudication."""
    rows = database.rows(
        "SELECT s.key, s.ref, c.field, c.coder, c.value, c.adjudication FROM coding c "
        "JOIN study s ON s.id = c.study_id "
        f"ORDER BY CASE WHEN s.ref IS NULL THEN 0 ELSE 1 END, s.ref, s.key {BY_CODE}, "
        f"c.field {BY_CODE}, c.coder"
    )
    return [{**row, "value": json.loads(row["value"])} for row in rows]


def review_claims(database: Database) -> list[Row]:
    """Return the statements of the review, each with the references that it rests on."""
    rows = database.rows("SELECT id, claim, refs FROM review_claim ORDER BY id")
    return [{**row, "refs": json.loads(row["refs"])} for row in rows]


def contents(database: Database) -> list[Row]:
    """Return what the database holds, as rows of ``what`` and ``count``."""
    filled = ("modality", "subject", "n_classes", "n_images", "n_patients", "doi")
    reviewed = "study s WHERE s.inclusion <> 'added'"
    having = "study_id IN (SELECT s.id FROM study s WHERE s.inclusion <> 'added')"
    counts = {
        "curated studies": f"COUNT(*) FROM {reviewed}",
        **{f"... with known {name}": f"COUNT(s.{name}) FROM {reviewed}" for name in filled},
        **{
            f"... with {label}": f"COUNT(DISTINCT study_id) FROM {table} WHERE {having}"
            for label, table in (
                ("known backbones", "study_backbone"),
                ("known tl_types", "study_tl_type"),
                ("any reported metric", "reported_metric"),
            )
        },
        "studies added beside them": "COUNT(*) FROM study WHERE inclusion = 'added'",
        "reported values": "COUNT(*) FROM reported_metric",
        "evidence entries": "COUNT(*) FROM evidence",
        "confirmations by further sources": "COUNT(*) FROM confirmation",
        "disagreements between sources": "COUNT(*) FROM disagreement",
        "backbones": "COUNT(*) FROM backbone",
        "public data sets": "COUNT(*) FROM dataset",
        "review facts": "COUNT(*) FROM review_fact",
        "review claims": "COUNT(*) FROM review_claim",
        "replication runs": "COUNT(*) FROM run",
    }
    columns = ", ".join(f"(SELECT {sql}) AS c{n}" for n, sql in enumerate(counts.values()))
    found = database.rows(f"SELECT {columns}")[0]
    return [{"what": what, "count": found[f"c{n}"]} for n, what in enumerate(counts)]
