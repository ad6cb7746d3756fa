"""What the checks of the review work from: the rows of the database, read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.database import Database
from db.literature import Study, read_studies
from db.reader import Row
from metaanalysis import query
from metaanalysis.audit.finding import Say, on_review


@dataclass(frozen=True)
class Material:
    """Everything that a check of the review may look at.

    Attributes
    ----------
    database
        For checks that set the review against its own recomputed figures.
    reviewed
        The studies of the review, without the user's own.
    facts, places
        What the review prints, by section and name, and where.
    claims
        Its statements: id, claim, refs.
    backbones
        Rows of the backbones, by name.
    coverage
        How much of the reviewed literature is curated.
    """

    database: Database
    reviewed: tuple[Study, ...]
    facts: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, str]
    claims: tuple[Row, ...]
    backbones: Mapping[str, Row]
    coverage: query.Coverage

    def cited(self, refs: Sequence[int]) -> list[Study]:
        """Return the studies with these numbers in the review's reference list."""
        by_ref = {study.ref: study for study in self.reviewed}
        return [by_ref[ref] for ref in refs if ref in by_ref]

    def on(self, check: str, what: str, place: str | None = None) -> Say:
        """Return what words findings of a check on the review; `place` is where in it they stand.

        A section of the review stands for its place.
        """
        where = self.places.get(place, place) if place else None
        return on_review(self.facts["review"]["doi"], check, what, where)


def gather(database: Database) -> Material:
    """Read everything that the checks work from."""
    facts: dict[str, dict[str, Any]] = defaultdict(dict)
    places = {}
    for row in query.printed(database):
        facts[row["section"]][row["name"]] = row["value"]
        places[row["section"]] = row["place"]
    return Material(
        database,
        tuple(read_studies(database, query.packaged_keys(database)).values()),
        dict(facts),
        places,
        tuple(query.review_claims(database)),
        {row["name"]: row for row in query.backbones(database)},
        query.coverage(database),
    )
