"""One study in full, each value with its evidence."""

from __future__ import annotations

import json
import re
from typing import Any

from db.database import Database
from db.errors import NotFoundError
from db.reader import Row
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


def find_study(database: Database, name: str) -> Row:
    """Return the ``study`` row for a key, a reference number, a DOI or a PubMed number.

    Raises
    ------
    NotFoundError
        No such study; names the nearest keys.
    """
    wanted = name.strip()
    bare = wanted.removeprefix("[").removesuffix("]").removeprefix("ref ").strip()
    if bare.isdigit():
        found = database.rows("SELECT * FROM study WHERE ref = :ref", {"ref": int(bare)})
    elif (doi := _bare_doi(wanted)).startswith("10."):
        found = database.rows("SELECT * FROM study WHERE LOWER(doi) = :doi", {"doi": doi})
    else:
        found = database.rows("SELECT * FROM study WHERE key = :key", {"key": wanted.lower()})
    if bare.isdigit() and not found:
        found = database.rows("SELECT * FROM study WHERE pmid = :pmid", {"pmid": bare})
    if found:
        return found[0]
    if bare.isdigit():
        hint = f"Curated are the review's references {curated_references(database)}."
    else:
        keys = Lexicon("key", (row["key"] for row in database.rows("SELECT key FROM study")))
        near = keys.nearest(wanted)
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        hint = hint or "medtl-meta query --text WORD finds studies by title or author."
    raise NotFoundError(f"no study {name!r}.", hint)


def study_in_full(database: Database, name: str) -> dict[str, Any]:
    """Return everything that is known of one study, each value with basis and source.

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
    study = find_study(database, name)
    mine = {"id": study.pop("id")}
    del study["search_text"]  # the notes once more, for searching only
    for name_ in ("tl_seen", "retracted"):
        study[name_] = bool(study[name_])

    def of(table: str, columns: str) -> list[Row]:
        sql = f"SELECT {columns} FROM {table} WHERE study_id = :id ORDER BY id"
        return database.rows(sql, mine)

    values: dict[str, dict[str, Any]] = {}
    for row in of("evidence", "field, value, basis, source, note"):
        value = None if row["value"] is None else json.loads(row["value"])
        values[row["field"]] = {
            "value": value,
            "basis": row["basis"],
            "source": row["source"],
            "note": row["note"],
            "confirmed_by": [],
            "disagreements": [],
        }
    for row in of("confirmation", "field, source"):
        values[row["field"]]["confirmed_by"].append(row["source"])
    others = []
    for row in of("disagreement", "field, other_value, source, note"):
        other = None if row["other_value"] is None else json.loads(row["other_value"])
        entry = {"value": other, "source": row["source"], "note": row["note"]}
        if row["field"] in values:
            values[row["field"]]["disagreements"].append(entry)
        else:
            others.append({"field": row["field"], **entry})
    metrics = of(
        "reported_metric",
        "metric, value, ci_low, ci_high, sd, headline, backbone, tl_type, task, split, n, "
        "basis, source",
    )
    datasets = of("study_dataset", "name, public, url, dataset, basis, source")
    for row in metrics:
        row["headline"] = bool(row["headline"])
    for row in datasets:
        row["public"] = None if row["public"] is None else bool(row["public"])
    return {
        "study": study,
        "values": values,
        "metrics": metrics,
        "datasets": datasets,
        "disagreements": others,
    }
