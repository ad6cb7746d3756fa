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
from db.reader import BY_CODE, Row


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


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the ledger: the path of a setting, what it is, and whether the paper says so."""

    name: str
    value: Any
    mark: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A replication, as it begins and as the database holds it, whichever database that is.

    Attributes
    ----------
    id
        Hash of the specification (``Spec.id``).
    study_key, ref
        The study, also one that was removed since, and its reference number.
    created_at, finished_at
        In UTC, as ISO 8601.
    spec
        The specification (``Spec.model_dump(mode="json")``).
    data_hash
        Hash of the images and labels.
    phantom
        Whether the images are made ones: such a run is evidence of nothing but the pipeline.
    backbone, backbone_reported
        What is run, and the study's own where it stands in for that.
    ledger
        All settings, each marked reported or assumed.
    values
        Over all folds: of all seeds and classes, by seed, and by class.
    """

    id: str
    study_id: int | None = None
    study_key: str | None = None
    setup: str | None = None
    state: str = "running"
    created_at: str | None = None
    finished_at: str | None = None
    spec: Any
    environment: Any = None
    data_hash: str | None = None
    error: str | None = None
    phantom: bool
    dataset: str | None = None
    backbone: str | None = None
    backbone_reported: str | None = None
    tl_type: str | None = None
    fidelity: str | None = None
    leakage: Any = None
    outcome: Any = None
    ref: int | None = None
    ledger: tuple[Setting, ...] = ()
    values: tuple[RunValue, ...] = ()

    @property
    def kind(self) -> str:
        """``phantom`` (made images) or ``replicated``."""
        return "phantom" if self.phantom else "replicated"

    @property
    def reported_settings(self) -> int:
        """How many settings of the ledger the paper gives."""
        return sum(setting.mark == "reported" for setting in self.ledger)

    @property
    def assumed_settings(self) -> int:
        """How many settings of the ledger the paper does not give."""
        return sum(setting.mark == "assumed" for setting in self.ledger)

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
    """Read runs in full, by id: those of one study together, the oldest first.

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
        "ORDER BY CASE WHEN r.study_key IS NULL THEN 0 ELSE 1 END, "
        f"r.study_key {BY_CODE}, r.created_at, r.id {BY_CODE}",
        "r.id",
        ids,
    )
    ledgers: dict[str, list[Setting]] = defaultdict(list)
    for row in database.rows_among(
        "SELECT run_id, name, value, mark, reason FROM run_setting WHERE {among} "
        f"ORDER BY name {BY_CODE}",
        "run_id",
        ids,
    ):
        ledgers[row.pop("run_id")].append(Setting(**{**row, "value": _decoded(row["value"])}))
    values: dict[str, list[RunValue]] = defaultdict(list)
    for row in database.rows_among(
        f"SELECT run_id, {', '.join(f.name for f in fields(RunValue))} FROM run_metric "
        "WHERE fold IS NULL AND repeat IS NULL AND {among} ORDER BY id",
        "run_id",
        ids,
    ):
        values[row.pop("run_id")].append(RunValue(**row))
    return {
        row["id"]: Run(
            **_comparable(row),
            ledger=tuple(ledgers[row["id"]]),
            values=tuple(values[row["id"]]),
        )
        for row in rows
    }


def _comparable(row: Row) -> Row:
    """Return a row of ``run`` that is the same whatever database it comes from."""
    read = {name: _decoded(row[name]) for name in ("spec", "environment", "leakage", "outcome")}
    times = {name: _time(row[name]) for name in ("created_at", "finished_at")}
    return {**row, **read, **times, "phantom": bool(row["phantom"])}


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _time(value: Any) -> str | None:
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")
