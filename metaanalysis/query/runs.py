"""Questions to the replications: which runs there are, one in full, and what they replicated.

Every value here is of a run. Runs of phantoms (made images) are flagged, and :func:`replicated`
leaves them out unless they are asked for: they check the pipeline and are evidence of nothing.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from db.database import Database
from db.errors import NotFoundError
from db.reader import Row
from db.vocabulary import METRICS, SYNONYMS, Lexicon, fold
from db.wording import extent_words
from metaanalysis.filters import Parameters
from metaanalysis.query.study import find_study

#: As in ``db/tables.py``, which takes SQLAlchemy to import (a test holds them together).
RUN_STATES = ("planned", "running", "finished", "failed", "interrupted")
RUN_TL_TYPES = (
    "feature extractor",
    "feature extractor hybrid",
    "fine-tuning",
    "fine-tuning from scratch",
    "random initialisation",
    "recommended protocol",
)

#: Columns of :func:`runs`: `kind` is ``replicated`` or ``phantom`` (made images);
#: `unfrozen` says how much of the backbone was trained, such as ``last 2 blocks``;
#: `assumed_settings` counts those of the ledger that the paper does not give.
RUN_COLUMNS = (
    "id",
    "kind",
    "study",
    "setup",
    "state",
    "fidelity",
    "dataset",
    "backbone",
    "backbone_reported",
    "tl_type",
    "unfrozen",
    "split",
    "seeds",
    "accuracy",
    "AUC",
    "reported_settings",
    "assumed_settings",
    "created_at",
    "finished_at",
    "error",
)

#: Columns of :func:`replicated`.
REPLICATED_COLUMNS = (
    "run",
    "kind",
    "study",
    "ref",
    "setup",
    "fidelity",
    "dataset",
    "backbone",
    "backbone_reported",
    "tl_type",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "method",
    "seeds",
    "sd",
    "split",
)

_JSON = ("spec", "environment", "leakage", "outcome")


def run_tl_types() -> Lexicon:
    """Return the TL types of runs with the words that people use for them."""
    known = {w: t for w, t in SYNONYMS["tl_type"].items() if t in RUN_TL_TYPES}
    return Lexicon("TL type", RUN_TL_TYPES, {**known, "recommended": "recommended protocol"})


def runs(
    database: Database,
    *,
    study: str | None = None,
    setup: str | None = None,
    state: str | None = None,
    backbone: str | None = None,
    tl_type: str | None = None,
    phantom: bool | None = None,
    limit: int | None = None,
) -> list[Row]:
    """Return the runs that match, newest first, with :data:`RUN_COLUMNS`.

    Parameters
    ----------
    study
        Key, reference number or DOI; a study that was removed is found by its key.
    setup, backbone
        A name in any spelling; `backbone` is what was run, or what that stands in for.
    state, tl_type
        A term.
    phantom
        True: runs of made images only; False: of real ones only.

    Raises
    ------
    UnknownTermError
        No such state or TL type.
    """
    parameters = Parameters()
    conditions = ["1 = 1"]
    if study is not None:
        conditions.append(f"r.study_key = {parameters.add(_study_key(database, study))}")
    if state is not None:
        known = Lexicon("state", RUN_STATES)
        conditions.append(f"r.state = {parameters.add(known.resolve(state))}")
    if tl_type is not None:
        conditions.append(f"r.tl_type = {parameters.add(run_tl_types().resolve(tl_type))}")
    found = database.rows(
        f"SELECT r.* FROM run r WHERE {' AND '.join(conditions)} ORDER BY r.created_at DESC, r.id",
        parameters.values,
    )
    kept = [
        row
        for row in map(_decoded, found)
        if (phantom is None or row["phantom"] == phantom)
        and (setup is None or (row["setup"] and fold(setup) == fold(row["setup"])))
        and (backbone is None or fold(backbone) in _folded(row))
    ]
    kept = kept[:limit]
    marks = _marks(database, [row["id"] for row in kept])
    values = _pooled(database, [row["id"] for row in kept])
    return [_summary(row, marks[row["id"]], values[row["id"]]) for row in kept]


def find_run(database: Database, prefix: str) -> Row:
    """Return the ``run`` row whose id begins so, its JSON decoded.

    Raises
    ------
    NotFoundError
        No run, or more than one; names those that there are.
    """
    wanted = prefix.strip().lower()
    ids = [row["id"] for row in database.rows("SELECT id FROM run ORDER BY id")]
    fitting = [one for one in ids if wanted and one.lower().startswith(wanted)]
    if wanted in ids:
        fitting = [wanted]
    if not fitting:
        raise NotFoundError(f"no run {prefix!r}.", "medtl-meta replicate runs lists them.")
    if len(fitting) > 1:
        shown = ", ".join(fitting[:6]) + (", ..." if len(fitting) > 6 else "")
        raise NotFoundError(
            f"{prefix!r} is the beginning of {len(fitting)} runs.", f"Give more of it: {shown}."
        )
    return _decoded(database.rows("SELECT * FROM run WHERE id = :id", {"id": fitting[0]})[0])


def run_details(database: Database, prefix: str) -> dict[str, Any]:
    """Return everything of one run.

    Returns
    -------
    dict
        ``run`` (its row, with ``kind``), ``settings`` (the ledger: name, value, mark, reason) and
        ``metrics`` (all rows: pooled, by seed, by fold, by class).

    Raises
    ------
    NotFoundError
        No run of which the id begins so, or more than one.
    """
    row = find_run(database, prefix)
    mine = {"id": row["id"]}
    settings = database.rows(
        "SELECT name, value, mark, reason FROM run_setting WHERE run_id = :id ORDER BY name", mine
    )
    for setting in settings:
        setting["value"] = _json(setting["value"])
    metrics = database.rows(
        "SELECT metric, value, ci_low, ci_high, n, method, split, seed, repeat, fold, class_label "
        "FROM run_metric WHERE run_id = :id ORDER BY id",
        mine,
    )
    return {"run": {**row, "kind": _kind(row)}, "settings": settings, "metrics": metrics}


def replicated(
    database: Database, run_ids: Sequence[str] | None = None, *, phantom: bool = False
) -> list[Row]:
    """Return what finished runs replicated, one row a run and metric.

    Parameters
    ----------
    run_ids
        Whole ids; None takes all.
    phantom
        Whether to take runs of made images too; their `kind` is ``phantom``, not ``replicated``.

    Returns
    -------
    list of dict
        With :data:`REPLICATED_COLUMNS`: values over all seeds and folds with their interval;
        `seeds` how many there are, `sd` the standard deviation between them (None for one).
    """
    found = [
        _decoded(row)
        for row in database.rows(
            "SELECT r.*, s.ref FROM run r LEFT JOIN study s ON s.key = r.study_key "
            "WHERE r.state = 'finished' ORDER BY r.study_key, r.created_at, r.id"
        )
    ]
    chosen = [
        row
        for row in found
        if (run_ids is None or row["id"] in run_ids) and (phantom or not row["phantom"])
    ]
    values = _pooled(database, [row["id"] for row in chosen])
    order = {metric: place for place, metric in enumerate(METRICS)}
    rows = []
    for run in chosen:
        of_run = sorted(values[run["id"]], key=lambda v: order.get(v["metric"], len(order)))
        about = {
            "run": run["id"],
            "kind": _kind(run),
            "study": run["study_key"],
            **{
                name: run[name]
                for name in (
                    "ref", "setup", "fidelity", "dataset", "backbone", "backbone_reported",
                    "tl_type",
                )
            },
        }  # fmt: skip
        rows += [{name: {**about, **v}[name] for name in REPLICATED_COLUMNS} for v in of_run]
    return rows


def values_by_class(
    database: Database, run_ids: Sequence[str]
) -> dict[str, dict[tuple[str, str], Row]]:
    """Return each run's values of one class against the others, by metric and class.

    Over all seeds and folds; rows have value, ci_low, ci_high, n and method.
    """
    sql = (
        "SELECT run_id, metric, class_label, value, ci_low, ci_high, n, method FROM run_metric "
        "WHERE class_label IS NOT NULL AND seed IS NULL AND repeat IS NULL AND fold IS NULL "
        "AND run_id"
    )
    found: dict[str, dict[tuple[str, str], Row]] = defaultdict(dict)
    for row in _of_runs(database, sql, run_ids, "ORDER BY id"):
        found[row["run_id"]][row["metric"], row["class_label"]] = row
    return dict(found)


def _study_key(database: Database, name: str) -> str:
    try:
        return str(find_study(database, name)["key"])
    except NotFoundError:
        known = database.rows(
            "SELECT study_key FROM run WHERE study_key = :key", {"key": name.strip().lower()}
        )
        if not known:
            raise
        return name.strip().lower()


def _kind(row: Row) -> str:
    return "phantom" if row["phantom"] else "replicated"


def _folded(row: Row) -> set[str]:
    return {fold(name) for name in (row["backbone"], row["backbone_reported"]) if name}


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _decoded(row: Row) -> Row:
    """Return a row of ``run`` that is the same whatever database it comes from."""
    times = {name: _time(row[name]) for name in ("created_at", "finished_at")}
    return {
        **row,
        **{name: _json(row[name]) for name in _JSON},
        **times,
        "phantom": bool(row["phantom"]),
    }


def _time(value: Any) -> str | None:
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")


#: Runs asked for in one query: within the limits of both databases.
_CHUNK = 5_000


def _of_runs(database: Database, sql: str, ids: Sequence[str], rest: str) -> Iterable[Row]:
    for start in range(0, len(ids), _CHUNK):
        parameters = Parameters()
        listed = ", ".join(parameters.add(one) for one in ids[start : start + _CHUNK])
        yield from database.rows(f"{sql} IN ({listed}) {rest}", parameters.values)


def _marks(database: Database, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"reported": 0, "assumed": 0})
    sql = "SELECT run_id, mark, COUNT(*) AS n FROM run_setting WHERE run_id"
    for row in _of_runs(database, sql, ids, "GROUP BY run_id, mark"):
        counts[row["run_id"]][row["mark"]] = int(row["n"])
    return counts


def _pooled(database: Database, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return the values over all seeds and folds of each run, with the spread between seeds."""
    sql = (
        "SELECT run_id, metric, value, ci_low, ci_high, n, method, split, seed, repeat, fold "
        "FROM run_metric WHERE class_label IS NULL AND run_id"
    )
    pooled: dict[str, list[Row]] = defaultdict(list)
    seeds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _of_runs(database, sql, ids, "ORDER BY id"):
        if row["fold"] is not None or row["repeat"] is not None:
            continue
        if row["seed"] is None:
            pooled[row["run_id"]].append(row)
        else:
            seeds[row["run_id"], row["metric"]].append(row["value"])
    for run_id, rows in pooled.items():
        for row in rows:
            found = seeds.get((run_id, row["metric"]), [])
            row["seeds"] = len(found) or None
            row["sd"] = statistics.stdev(found) if len(found) > 1 else None
    return pooled


def _split(split: Any) -> str | None:
    """Return how the images were divided, in words: patients apart, or image by image."""
    if not isinstance(split, dict) or not split.get("kind"):
        return None
    kind = str(split["kind"])
    return kind if kind == "official" or not split.get("by") else f"{kind} by {split['by']}"


def _unfrozen(spec: Row) -> str | None:
    """Return how much of the backbone was trained, in words; None for nothing."""
    transfer = spec.get("transfer")
    extent = transfer.get("unfreezing") if isinstance(transfer, dict) else None
    return extent_words(extent.get("kind"), extent.get("amount")) if extent else None


def _summary(row: Row, marks: dict[str, int], values: Sequence[Row]) -> Row:
    by_metric = {value["metric"]: value["value"] for value in values}
    spec = row["spec"] if isinstance(row["spec"], dict) else {}
    about = {
        **row,
        "kind": _kind(row),
        "study": row["study_key"],
        "unfrozen": _unfrozen(spec),
        "split": _split(spec.get("split")),
        "seeds": len(spec.get("seeds") or ()) or None,
        "accuracy": by_metric.get("accuracy"),
        "AUC": by_metric.get("AUC"),
        "reported_settings": marks["reported"],
        "assumed_settings": marks["assumed"],
    }
    return {name: about[name] for name in RUN_COLUMNS}
