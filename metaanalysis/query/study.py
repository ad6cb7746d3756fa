"""One study by any of its names: as an object, and as the record that ``show`` prints."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from db.database import Database
from db.errors import NotFoundError
from db.literature import REPORTED_FIELDS, STUDY_FIELDS, Study, read_studies
from db.vocabulary import Lexicon


def curated_references(database: Database) -> str:
    """Return the reference numbers of the curated studies, as ranges: ``4, 26, 28-36, ...``."""
    found = database.rows("SELECT ref FROM study WHERE ref IS NOT NULL ORDER BY ref")
    ranges: list[list[int]] = []
    for ref in (row["ref"] for row in found):
        if ranges and ref == ranges[-1][1] + 1:
            ranges[-1][1] = ref
        else:
            ranges.append([ref, ref])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _bare_doi(text: str) -> str:
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", text.strip().lower())


def find_study(database: Database, name: str) -> str:
    """Return the key of a study, given that, a reference number, a DOI or a PubMed number.

    Raises
    ------
    NotFoundError
        No such study; names the nearest keys.
    """
    wanted = name.strip()
    bare = wanted.removeprefix("[").removesuffix("]").removeprefix("ref ").strip()
    doi = _bare_doi(wanted)
    conditions: dict[str, str | int] = {"key = :name": wanted.lower()}
    if bare.isdigit():
        conditions = {"ref = :name": int(bare), "pmid = :name": bare}
    elif doi.startswith("10."):
        conditions = {"LOWER(doi) = :name": doi}
    for condition, value in conditions.items():
        found = database.rows(f"SELECT key FROM study WHERE {condition}", {"name": value})
        if found:
            return str(found[0]["key"])
    if bare.isdigit():
        hint = f"Curated are the review's references {curated_references(database)}."
    elif taken := database.rows(
        "SELECT taken_by FROM set_aside WHERE key = :name", {"name": wanted.lower()}
    ):
        hint = (
            f"Yours was set aside for {taken[0]['taken_by']}, which is the same paper: "
            f"medtl-meta db set-aside {wanted.lower()} shows it."
        )
    else:
        keys = Lexicon("key", (row["key"] for row in database.rows("SELECT key FROM study")))
        near = keys.nearest(wanted)
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        hint = hint or "medtl-meta query --text WORD finds studies by title or author."
    raise NotFoundError(f"no study {name!r}.", hint)


def study_named(database: Database, name: str) -> Study:
    """Return a study; `name` and what is raised are as of :func:`find_study`."""
    key = find_study(database, name)
    return read_studies(database, [key])[key]


def study_in_full(database: Database, name: str) -> dict[str, Any]:
    """Return everything that is known of one study as plain data, each value with its evidence.

    Returns
    -------
    dict
        ``study`` (its row), ``values`` (one entry a field: value, basis, source, note,
        confirmed_by, disagreements), ``metrics``, ``datasets``, ``disagreements`` of other fields.

    Raises
    ------
    NotFoundError
        No such study.
    """
    study = study_named(database, name)
    beside: dict[str, list[dict[str, Any]]] = {name: [] for name in study.values}
    others = []
    for other in map(asdict, study.disagreements):
        if other["field"] in beside:
            beside[other.pop("field")].append(other)
        else:
            others.append(other)
    record = {
        "study": {name: getattr(study, name) for name in STUDY_FIELDS},
        "values": {
            name: {**asdict(entry), "disagreements": beside[name]}
            for name, entry in study.values.items()
        },
        "metrics": [
            {name: getattr(one, name) for name in REPORTED_FIELDS} for one in study.metrics
        ],
        "datasets": [asdict(used) for used in study.datasets],
        "disagreements": others,
    }
    # Tuples become lists, as in a file.
    return dict(json.loads(json.dumps(record)))
