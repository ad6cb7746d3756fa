"""Questions to the replications: which runs there are, one in full, and what they replicated.

Every value here is of a run. Runs of phantoms (made images) are flagged, and :func:`replicated`
leaves them out unless they are asked for: they check the pipeline and are evidence of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from db.database import Database
from db.errors import NotFoundError
from db.reader import BY_CODE, Row
from db.replications import RUN_FIELDS, Run, RunValue, read_runs
from db.vocabulary import METRICS, RUN_STATES, RUN_TL_TYPES, SYNONYMS, Lexicon, fold
from db.wording import extent_words
from metaanalysis.query.study import find_study

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


def run_tl_types() -> Lexicon:
    """Return the TL types of runs with the words that people use for them."""
    known = {w: t for w, t in SYNONYMS["tl_type"].items() if t in RUN_TL_TYPES}
    return Lexicon("TL type", RUN_TL_TYPES, {**known, "recommended": "recommended protocol"})


def find_runs(
    database: Database,
    *,
    study: str | None = None,
    setup: str | None = None,
    state: str | None = None,
    backbone: str | None = None,
    tl_type: str | None = None,
    phantom: bool | None = None,
    limit: int | None = None,
) -> list[Run]:
    """Return the runs that match, newest first.

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
    asked = {
        "study_key": None if study is None else _study_key(database, study),
        "state": None if state is None else Lexicon("state", RUN_STATES).resolve(state),
        "tl_type": None if tl_type is None else run_tl_types().resolve(tl_type),
    }
    conditions = ["1 = 1", *(f"{name} = :{name}" for name, word in asked.items() if word)]
    found = database.rows(
        "SELECT id, setup, phantom, backbone, backbone_reported FROM run "
        f"WHERE {' AND '.join(conditions)} ORDER BY created_at DESC, id {BY_CODE}",
        {name: word for name, word in asked.items() if word},
    )
    kept = [
        row["id"]
        for row in found
        if (phantom is None or bool(row["phantom"]) == phantom)
        and (setup is None or (row["setup"] and fold(setup) == fold(row["setup"])))
        and (
            backbone is None
            or fold(backbone)
            in map(fold, filter(None, (row["backbone"], row["backbone_reported"])))
        )
    ][:limit]
    read = read_runs(database, kept)
    return [read[one] for one in kept]


def runs(database: Database, **filters: Any) -> list[Row]:
    """Return the runs that match, newest first, as rows with :data:`RUN_COLUMNS`.

    Parameters
    ----------
    **filters
        As of :func:`find_runs`, with what is raised.
    """
    return [summary(run) for run in find_runs(database, **filters)]


def find_run(database: Database, prefix: str) -> str:
    """Return the id of the run whose id begins so.

    Raises
    ------
    NotFoundError
        No run, or more than one; names those that there are.
    """
    wanted = prefix.strip().lower()
    ids = sorted(str(row["id"]) for row in database.rows("SELECT id FROM run"))
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
    return fitting[0]


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
    found = find_run(database, prefix)
    run = read_runs(database, [found])[found]
    metrics = database.rows(
        "SELECT metric, value, ci_low, ci_high, n, method, split, seed, repeat, fold, class_label "
        "FROM run_metric WHERE run_id = :id ORDER BY id",
        {"id": found},
    )
    row = {name: getattr(run, name) for name in (*RUN_FIELDS, "kind")}
    return {"run": row, "settings": [asdict(line) for line in run.ledger], "metrics": metrics}


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
    rows = []
    for run in read_runs(database, run_ids).values():
        if run.state != "finished" or (run.phantom and not phantom):
            continue
        for value in in_order(run):
            seeds, sd = run.seeds(value.metric)
            own = {"run": run.id, "study": run.study_key, "seeds": seeds, "sd": sd}
            rows.append(
                {
                    name: own[name]
                    if name in own
                    else getattr(value if hasattr(value, name) else run, name)
                    for name in REPLICATED_COLUMNS
                }
            )
    return rows


def in_order(run: Run) -> list[RunValue]:
    """Return the values of a run over all seeds and folds, in the vocabulary's order."""
    order = {metric: place for place, metric in enumerate(METRICS)}
    return sorted(run.pooled.values(), key=lambda value: order.get(value.metric, len(order)))


def _study_key(database: Database, name: str) -> str:
    try:
        return find_study(database, name)
    except NotFoundError:
        key = name.strip().lower()
        if not database.rows("SELECT id FROM run WHERE study_key = :key", {"key": key}):
            raise
        return key


def _split(split: Any) -> str | None:
    """Return how the images were divided, in words: patients apart, or image by image."""
    if not isinstance(split, dict) or not split.get("kind"):
        return None
    kind = str(split["kind"])
    whole = kind in ("official", "external") or not split.get("by")
    return kind if whole else f"{kind} by {split['by']}"


def _unfrozen(spec: Row) -> str | None:
    """Return how much of the backbone was trained, in words; None for nothing."""
    transfer = spec.get("transfer")
    extent = transfer.get("unfreezing") if isinstance(transfer, dict) else None
    return extent_words(extent.get("kind"), extent.get("amount")) if extent else None


def summary(run: Run) -> Row:
    """Return a run in short, with :data:`RUN_COLUMNS`."""
    spec = run.spec if isinstance(run.spec, dict) else {}
    about = {
        "study": run.study_key,
        "unfrozen": _unfrozen(spec),
        "split": _split(spec.get("split")),
        "seeds": len(spec.get("seeds") or ()) or None,
        **{m: run.pooled[m].value if m in run.pooled else None for m in ("accuracy", "AUC")},
    }
    return {name: about[name] if name in about else getattr(run, name) for name in RUN_COLUMNS}
