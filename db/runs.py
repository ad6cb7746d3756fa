"""Writing replications: a run begins, and it is finished or has failed; each is one transaction.

A run is named by the hash of its specification. The same run may therefore begin again (it
resumes), but what is finished stays as it is: another outcome of the same run is kept beside it.
Loading and refreshing the packaged data touches no run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.database import Database
from db.errors import NotFoundError, ReplicationError
from db.replications import RUN_FIELDS, Run, RunValue
from db.tables import table
from db.vocabulary import METRICS, fold

run, run_metric, run_setting = map(table, ("run", "run_metric", "run_setting"))
study = table("study")

Failure = Literal["failed", "interrupted"]
Finish = Literal["written", "known", "other"]


def begin_run(database: Database, begun: Run) -> str:
    """Write that a run begins, or begins again after it failed or was interrupted.

    Returns
    -------
    str
        The state that the run was in before: ``new``, one of the states of an unfinished run, or
        ``finished``, in which case nothing was written.

    Raises
    ------
    ReplicationError
        Another specification has this name.
    DatabaseError
        Nothing was written.
    """
    values = {name: plain(getattr(begun, name)) for name in RUN_FIELDS}
    values |= {"state": "running", "created_at": datetime.now(UTC)}
    with database.writing() as connection:
        own = select(study.c.id).where(study.c.key == begun.study_key)
        values["study_id"] = connection.execute(own).scalar()
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        # Two processes that begin the same run at once: one inserts, the other sees its row.
        inserted = dialect.insert(run).values(values).on_conflict_do_nothing()
        if connection.execute(inserted.returning(run.c.id)).first() is not None:
            _write_ledger(connection, begun)
            return "new"
        found = connection.execute(
            select(run.c.state, run.c.spec).where(run.c.id == begun.id).with_for_update()
        ).one()
        if found.spec != values["spec"]:
            raise ReplicationError(
                f"run {begun.id}: the database holds another specification of this name.",
                "The run was made by another release; delete it, or use another database (--db).",
            )
        if found.state != "finished":
            del values["created_at"]
            connection.execute(update(run).where(run.c.id == begun.id).values(values))
            _write_ledger(connection, begun)
        return str(found.state)


def finish_run(
    database: Database,
    run_id: str,
    *,
    metrics: Sequence[RunValue],
    outcome: Mapping[str, Any],
    environment: Mapping[str, Any] | None = None,
    leakage: Mapping[str, Any] | None = None,
    data_hash: str | None = None,
) -> Finish:
    """Write the outcome of a run and that it is finished.

    Parameters
    ----------
    metrics
        An undefined value (the AUC of a fold with one class) is not written; where one of all
        seeds, folds and classes is, its name is kept in the outcome under ``undefined``.
    outcome
        Whatever is no metric, as JSON: ``classes``, ``positive``, ``confusion``, ``baseline`` (by
        metric, or the share of the largest class), ``seconds``, ``images_per_second``,
        ``peak_memory_bytes``, ``trained_parameters``, ``parameters``, ``frozen``, ``verdicts``.
    environment, leakage, data_hash
        As of :class:`db.replications.Run`; None keeps what was written when the run began.

    Returns
    -------
    str
        ``known`` where the run was finished before with the same metrics: nothing was written.
        ``other`` where it was with others: the first stay, and these are kept beside them, in the
        outcome under ``reruns``. Rounding differs between machines, threads and releases.

    Raises
    ------
    NotFoundError
        The run never began.
    """
    rows = [_stored(row) for row in metrics]
    known = [row for row in rows if row["value"] is not None]
    pooled = ("seed", "repeat", "fold", "class_label")
    undefined = [
        row["metric"]
        for row in rows
        if row["value"] is None and all(row[name] is None for name in pooled)
    ]
    content = {**plain(outcome), **({"undefined": undefined} if undefined else {})}
    with database.writing() as connection:
        state = _state(connection, run_id)
        if state == "finished":
            before, now = _metrics(connection, run_id), [_comparable(row) for row in known]
            if before == now:
                return "known"
            _keep_rerun(connection, run_id, before, now, plain(environment))
            return "other"
        connection.execute(delete(run_metric).where(run_metric.c.run_id == run_id))
        if known:
            connection.execute(insert(run_metric), [{"run_id": run_id, **row} for row in known])
        values = {
            "state": "finished",
            "finished_at": datetime.now(UTC),
            "error": None,
            "outcome": content,
        }
        given = {"environment": environment, "leakage": leakage, "data_hash": data_hash}
        values |= {name: plain(value) for name, value in given.items() if value is not None}
        connection.execute(update(run).where(run.c.id == run_id).values(values))
    return "written"


def _keep_rerun(
    connection: Connection,
    run_id: str,
    before: Sequence[tuple[Any, ...]],
    now: Sequence[tuple[Any, ...]],
    environment: Any,
) -> None:
    """Keep other results of a finished run beside the first: the values over all, in pairs."""
    first, second = ({row[:5]: row[-1] for row in rows} for rows in (before, now))
    values = [
        {"metric": key[0], "first": first.get(key), "value": second.get(key)}
        for key in dict.fromkeys([*first, *second])
        if not any(part is not None for part in key[1:])
    ]
    different = sum(first.get(key) != second.get(key) for key in first.keys() | second.keys())
    told = {"environment": environment, "values": values, "different": different}
    held = connection.execute(select(run.c.outcome).where(run.c.id == run_id)).scalar()
    content = dict(held or {})
    reruns = content.get("reruns", [])
    if any(told == {name: one[name] for name in told} for one in reruns):
        return
    told["at"] = datetime.now(UTC).isoformat()
    content["reruns"] = [*reruns, told]
    connection.execute(update(run).where(run.c.id == run_id).values(outcome=content))


def fail_run(database: Database, run_id: str, state: Failure, error: str) -> bool:
    """Write that a run has failed or was interrupted; a finished one stays finished.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    NotFoundError
        The run never began.
    """
    with database.writing() as connection:
        if _state(connection, run_id) == "finished":
            return False
        values = {"state": state, "error": error, "finished_at": datetime.now(UTC)}
        connection.execute(update(run).where(run.c.id == run_id).values(values))
    return True


def keep_verdicts(database: Database, run_id: str, verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Keep, in the outcome of a finished run, the verdicts as they were found at the time.

    They are a record only: a comparison is made anew whenever it is asked for, since what the
    literature reports may be mended.

    Raises
    ------
    NotFoundError
        There is no such run.
    ReplicationError
        It is not finished.
    """
    with database.writing() as connection:
        if _state(connection, run_id) != "finished":
            raise ReplicationError(f"run {run_id}: is not finished and has no verdicts.")
        found = connection.execute(select(run.c.outcome).where(run.c.id == run_id)).scalar()
        content = {**(found or {}), "verdicts": plain(list(verdicts))}
        connection.execute(update(run).where(run.c.id == run_id).values(outcome=content))


def delete_run(database: Database, run_id: str) -> None:
    """Delete a run with its ledger and its metrics.

    Raises
    ------
    NotFoundError
        There is none.
    """
    with database.writing() as connection:
        _state(connection, run_id)
        for mine in (run_metric, run_setting):
            connection.execute(delete(mine).where(mine.c.run_id == run_id))
        connection.execute(delete(run).where(run.c.id == run_id))


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numpy's scalars and arrays as numbers, NaN as null."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def metric_name(name: str) -> str:
    """Return a metric by the vocabulary's name (``auc`` is ``AUC``); others stay as they are."""
    return next((term for term in METRICS if fold(term) == fold(name)), name)


def _stored(row: RunValue) -> dict[str, Any]:
    values = {name: plain(value) for name, value in asdict(row).items()}
    return {**values, "metric": metric_name(row.metric)}


def _comparable(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        *(row[name] for name in ("metric", "seed", "repeat", "fold", "class_label", "n")),
        round(row["value"], 9),
    )


def _metrics(connection: Connection, run_id: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        select(run_metric).where(run_metric.c.run_id == run_id).order_by(run_metric.c.id)
    ).mappings()
    return [_comparable(dict(row)) for row in rows]


def _state(connection: Connection, run_id: str) -> str:
    state = connection.execute(
        select(run.c.state).where(run.c.id == run_id).with_for_update()
    ).scalar()
    if state is None:
        raise NotFoundError(f"no run {run_id!r}.", "medtl-meta replicate runs lists them.")
    return str(state)


def _write_ledger(connection: Connection, begun: Run) -> None:
    connection.execute(delete(run_setting).where(run_setting.c.run_id == begun.id))
    rows = [
        {**asdict(line), "value": plain(line.value), "run_id": begun.id} for line in begun.ledger
    ]
    if rows:
        connection.execute(insert(run_setting), rows)
