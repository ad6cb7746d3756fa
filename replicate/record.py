"""A run in the one form in which it is printed: of a result, of its file, of the database's rows.

A record is what :meth:`replicate.outcome.RunResult.to_dict` returns, which is what ``result.json``
holds. What a run does not have yet, as it is not finished, is missing there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from db.errors import ReplicationError
from db.files import replace_file
from replicate.environment import apart
from replicate.evaluation.grouping import grouped

#: The file in a run's folder that holds what it came to, and those of its models below it.
RESULT = "result.json"
MODELS = "seed-*/fold-*/fold.npz"
#: What an outcome has of a record's part ``run``.
OF_RUN = ("images", "weights", "parameters", "trained_parameters", "frozen", "notes")
#: What stands beside the seconds of each phase.
COSTS = ("features_cost", "images_per_second", "peak_memory_bytes")

Record = dict[str, Any]


class Finished(NamedTuple):
    """What a finished run came to, and when its last model was done."""

    record: Record
    at: datetime


def read_record(folder: Path) -> Finished | None:
    """Return what a finished run came to; None where something is left to run.

    It is finished where its result is there, and the model of each seed and fold with it.
    """
    try:
        record: Record = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        times = [path.stat().st_mtime for path in folder.glob(MODELS)]
    except (OSError, ValueError):
        return None
    if not times or len(times) != len(record["leakage"]["folds"]):
        return None
    return Finished(record, datetime.fromtimestamp(max(times), UTC))


def as_text(record: Record) -> str:
    """Return a record as JSON."""
    return json.dumps(record, indent=2, ensure_ascii=False)


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON to a file, whole or not at all.

    Raises
    ------
    ReplicationError
        It cannot be written.
    """
    try:
        replace_file(path.absolute(), as_text(record).encode())
    except OSError as error:
        raise ReplicationError(
            f"{path}: cannot be written ({error.strerror or error}).",
            "Make room or name another place; the same command then shows the result again.",
        ) from None


def shown_again(at: datetime) -> str:
    """Return what a reader should know of a run that was finished before."""
    return f"Finished on {at:%Y-%m-%d}; shown again, nothing was run."


def record_of_rows(found: Mapping[str, Any]) -> Record:
    """Return the record of a run out of the database.

    Parameters
    ----------
    found
        As of ``metaanalysis.query.run_details``.
    """
    run = found["run"]
    spec, outcome, leakage, environment = (
        run[part] if isinstance(run[part], dict) else {}
        for part in ("spec", "outcome", "leakage", "environment")
    )
    facts = ("id", "kind", "study_key", "setup", "fidelity", "state", "error", "dataset")
    more = ("backbone", "backbone_reported", "tl_type", "created_at", "finished_at")
    return {
        "run": {
            **{name: run.get(name) for name in (*facts, *more)},
            **{name: outcome.get(name) for name in OF_RUN},
            "study": run["study_key"],
            "frozen": outcome.get("frozen") or [],
            "notes": outcome.get("notes") or [],
            "environment": environment,
        },
        "spec": spec,
        "ledger": with_origins(found)["settings"],
        "leakage": {"shared": outcome.get("shared") or [], **leakage},
        **grouped(found["metrics"], outcome.get("spread") or {}),
        **{name: outcome.get(name) for name in ("confusion", "baseline", "positive")},
        "remarks": outcome.get("remarks") or [],
        "codes": outcome.get("codes"),
        "timing": {
            **(outcome.get("timing") or {}),
            **{name: outcome.get(name) for name in COSTS},
        },
        "verdicts": outcome.get("verdicts") or [],
        "reruns": reruns_of(run),
    }


def reruns_of(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return other results of a run, each with the surroundings in which it is not as the first.

    Parameters
    ----------
    run
        A run's row.
    """
    outcome, first = (run[part] or {} for part in ("outcome", "environment"))
    return [
        {"at": one["at"], "values": one["values"], "different": one["different"]}
        | {"apart": apart(first, one["environment"] or {})}
        for one in outcome.get("reruns", ())
    ]


def with_origins(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's rows with the origin of each setting beside its mark.

    A run keeps them with its outcome; of one that has none, or is of an earlier release, only the
    marks are known.
    """
    run = found["run"]
    if not isinstance(run["outcome"], dict):
        return dict(found)
    outcome = {**run["outcome"]}
    origins = outcome.pop("origins", {})
    settings = [{**row, **origins.get(row["name"], {})} for row in found["settings"]]
    return {**found, "run": {**run, "outcome": outcome}, "settings": settings}
