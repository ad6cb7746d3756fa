"""Replications in memory: runs with what they replicated.

They are read once, in a number of queries that does not grow with the number of runs, and do not
change afterwards. ``db/runs.py`` writes them.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from db.database import Database
from db.reader import Row


@dataclass(frozen=True, slots=True)
class RunValue:
    """A replicated value; where seed, repeat, fold or class is None it is over all of them.

    `value` is NaN where it is undefined. `method` is that of the interval, `n` the number of test
    images behind the value.
    """

    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    method: str | None = None
    seed: int | None = None
    repeat: int | None = None
    fold: int | None = None
    class_label: str | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A replication as the database holds it; the same whatever database it comes from.

    Attributes
    ----------
    study_key, ref
        The study, also one that was removed since, and its reference number.
    created_at, finished_at
        In UTC, as ISO 8601.
    values
        Over all folds: of all seeds and classes, by seed, and by class.
    reported_settings, assumed_settings
        How many settings of the ledger the paper gives, and how many not.
    """

    id: str
    study_id: int | None
    study_key: str | None
    setup: str | None
    state: str
    created_at: str
    finished_at: str | None
    spec: Any
    environment: Any
    data_hash: str | None
    error: str | None
    phantom: bool
    dataset: str | None
    backbone: str | None
    backbone_reported: str | None
    tl_type: str | None
    fidelity: str | None
    leakage: Any
    outcome: Any
    ref: int | None = None
    values: tuple[RunValue, ...] = ()
    reported_settings: int = 0
    assumed_settings: int = 0

    @property
    def kind(self) -> str:
        """``phantom`` (made images) or ``replicated``."""
        return "phantom" if self.phantom else "replicated"

    @cached_property
    def pooled(self) -> dict[str, RunValue]:
        """Values over all seeds, folds and classes, by metric."""
        found = (v for v in self.values if v.seed is None and v.class_label is None)
        return {value.metric: value for value in found}

    @cached_property
    def by_class(self) -> dict[tuple[str, str], RunValue]:
        """Values of one class against the others over all seeds, by metric and class."""
        return {
            (value.metric, value.class_label): value
            for value in self.values
            if value.class_label is not None and value.seed is None
        }

    def seeds(self, metric: str) -> tuple[int | None, float | None]:
        """Return how many seeds a value is the mean of, and the standard deviation between them.

        None where it is not given by seed, and where there is but one.
        """
        found = [
            own.value
            for own in self.values
            if own.metric == metric and own.seed is not None and own.class_label is None
        ]
        return len(found) or None, statistics.stdev(found) if len(found) > 1 else None


#: Fields of a run that are columns of its own row.
RUN_FIELDS = tuple(f.name for f in fields(Run))[: [f.name for f in fields(Run)].index("ref")]


def read_runs(database: Database, ids: Collection[str] | None = None) -> dict[str, Run]:
    """Read runs with their values, by id: those of one study together, the oldest first.

    Parameters
    ----------
    database
        An open database.
    ids
        Which ones; None takes all.
    """
    rows = database.rows_among(
        f"SELECT {', '.join(f'r.{name}' for name in RUN_FIELDS)}, s.ref FROM run r "
        "LEFT JOIN study s ON s.key = r.study_key WHERE {among} "
        "ORDER BY r.study_key, r.created_at, r.id",
        "r.id",
        ids,
    )
    marks: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in database.rows_among(
        "SELECT run_id, mark, COUNT(*) AS n FROM run_setting WHERE {among} GROUP BY run_id, mark",
        "run_id",
        ids,
    ):
        marks[row["run_id"]][f"{row['mark']}_settings"] = int(row["n"])
    values: dict[str, list[RunValue]] = defaultdict(list)
    for row in database.rows_among(
        f"SELECT run_id, {', '.join(f.name for f in fields(RunValue))} FROM run_metric "
        "WHERE fold IS NULL AND repeat IS NULL AND {among} ORDER BY id",
        "run_id",
        ids,
    ):
        values[row.pop("run_id")].append(RunValue(**row))
    return {
        row["id"]: Run(**_comparable(row), values=tuple(values[row["id"]]), **marks[row["id"]])
        for row in rows
    }


def _comparable(row: Row) -> Row:
    """Return a row of ``run`` that is the same whatever database it comes from."""
    read = {
        name: None if row[name] is None else json.loads(row[name])
        for name in ("spec", "environment", "leakage", "outcome")
    }
    times = {name: _time(row[name]) for name in ("created_at", "finished_at")}
    return {**row, **read, **times, "phantom": bool(row["phantom"])}


def _time(value: Any) -> str | None:
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")
