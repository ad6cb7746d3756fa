"""Runs in the database: written once, never mixed, never lost by what happens to the studies."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, text

from db.database import Database, open_database
from db.engine import make_engine
from db.errors import DatabaseError, NotFoundError, ReplicationError
from db.export import export
from db.location import locate
from db.packaged import PackagedData
from db.prepare import prepare, upgrade
from db.replications import Run, RunValue, Setting
from db.runs import (
    begin_run,
    delete_run,
    fail_run,
    finish_run,
    keep_verdicts,
    plain,
)
from db.state import SCHEMA_HEAD, VERSION_TABLE
from db.tables import table
from db.user import add_studies, remove_study
from db.vocabulary import CONTROL, RUN_TL_TYPES
from metaanalysis import query as reader
from replicate.terms import TL_TYPES
from tests.study_files import write

RECORD = Run(
    id="0123456789ab",
    spec={"seeds": [0, 1], "data": {"name": "test set", "phantom": True}},
    phantom=True,
    study_key="karri2017",
    setup="karri2017",
    dataset="test set",
    backbone="MobileNetV2",
    backbone_reported="GoogLeNet",
    tl_type="fine-tuning",
    fidelity="proxy",
    ledger=(
        Setting("network.name", "MobileNetV2", "assumed", "stands in"),
        Setting("training.epochs", 20, "reported", "abstract"),
    ),
    environment={"python": "3.11"},
    data_hash="ff",
)
METRICS = (
    RunValue("accuracy", 0.9, 0.85, 0.94, 200, "wilson"),
    RunValue("auc", np.float64(0.95), 0.9, 0.98, np.int64(200), "bootstrap"),  # type: ignore[arg-type]
    RunValue("sensitivity", float("nan"), n=0, method="no such image"),
    RunValue("accuracy", 0.89, seed=0, n=200),
    RunValue("accuracy", 0.91, seed=1, n=200),
    RunValue("auc", float("nan"), seed=1, repeat=0, fold=3, n=4),
    RunValue("sensitivity", 0.8, n=20, class_label="AMD"),
)
OUTCOME = {
    "classes": ("AMD", "normal"),
    "confusion": np.array([[90, 10], [10, 90]]),
    "baseline": {"accuracy": np.float32(0.5), "lost": float("nan")},
}


@pytest.fixture
def own(where: str) -> Iterator[Database]:
    with open_database(where) as database:
        yield database


def state(database: Database, run_id: str = RECORD.id) -> dict[str, object]:
    return database.rows("SELECT * FROM run WHERE id = :id", {"id": run_id})[0]


def counted(database: Database) -> tuple[int, ...]:
    return tuple(
        database.rows(f"SELECT COUNT(*) AS n FROM {name}")[0]["n"]
        for name in ("run", "run_setting", "run_metric")
    )


def test_a_run_begins_and_is_finished(own: Database) -> None:
    assert begin_run(own, RECORD) == "new"
    assert state(own)["state"] == "running"
    assert state(own)["finished_at"] is None
    assert finish_run(own, RECORD.id, metrics=METRICS, outcome=OUTCOME) == "written"
    found = reader.run_details(own, RECORD.id)
    run = found["run"]
    assert (run["state"], run["kind"], run["fidelity"]) == ("finished", "phantom", "proxy")
    assert (run["backbone"], run["backbone_reported"]) == ("MobileNetV2", "GoogLeNet")
    assert run["finished_at"] >= run["created_at"]
    assert run["created_at"].endswith("+00:00")
    assert run["outcome"] == {
        "classes": ["AMD", "normal"],
        "confusion": [[90, 10], [10, 90]],
        "baseline": {"accuracy": 0.5, "lost": None},
        "undefined": ["sensitivity"],
    }
    assert [(s["name"], s["value"], s["mark"]) for s in found["settings"]] == [
        ("network.name", "MobileNetV2", "assumed"),
        ("training.epochs", 20, "reported"),
    ]
    assert [(m["metric"], m["value"]) for m in found["metrics"]] == [
        ("accuracy", 0.9), ("AUC", 0.95), ("accuracy", 0.89), ("accuracy", 0.91),
        ("sensitivity", 0.8),
    ]  # fmt: skip
    assert found["metrics"][1]["method"] == "bootstrap"


def test_what_is_finished_stays(own: Database) -> None:
    begin_run(own, RECORD)
    finish_run(own, RECORD.id, metrics=METRICS, outcome=OUTCOME)
    before = state(own), counted(own)
    assert begin_run(own, RECORD) == "finished"
    assert finish_run(own, RECORD.id, metrics=METRICS, outcome={"seconds": 3}) == "known"
    assert not fail_run(own, RECORD.id, "interrupted", "too late")
    assert (state(own), counted(own)) == before


def test_other_results_of_a_finished_run_are_kept_beside_the_first(own: Database) -> None:
    begin_run(own, RECORD)
    finish_run(own, RECORD.id, metrics=METRICS, outcome=OUTCOME, environment={"cpu": "a"})
    before = reader.run_details(own, RECORD.id)
    first = before["metrics"][0]["value"]
    other = (replace(METRICS[0], value=0.5), *METRICS[1:])
    for cpu, several in (("b", 1), ("b", 1), ("c", 2)):  # the same rerun counts once
        words = {"outcome": {}, "environment": {"cpu": cpu}}
        assert finish_run(own, RECORD.id, metrics=other, **words) == "other"
        assert len(reader.run_details(own, RECORD.id)["run"]["outcome"]["reruns"]) == several
    found = reader.run_details(own, RECORD.id)
    kept = found["run"]["outcome"].pop("reruns")
    assert found == before
    assert kept[0]["different"] == 1
    assert kept[0]["environment"] == {"cpu": "b"}
    assert kept[0]["values"] == [
        {"metric": "accuracy", "first": first, "value": 0.5},
        {"metric": "AUC", "first": 0.95, "value": 0.95},
    ]
    fewer = finish_run(own, RECORD.id, metrics=METRICS[:1], outcome={})
    assert fewer == "other"
    assert reader.run_details(own, RECORD.id)["run"]["outcome"]["reruns"][2]["different"] == 4


def test_verdicts_are_kept_beside_the_outcome(own: Database) -> None:
    begin_run(own, RECORD)
    with pytest.raises(ReplicationError, match="not finished"):
        keep_verdicts(own, RECORD.id, [])
    finish_run(own, RECORD.id, metrics=METRICS, outcome=OUTCOME)
    for word in ("lower", "consistent"):
        keep_verdicts(own, RECORD.id, [{"metric": "accuracy", "verdict": word}])
    outcome = reader.run_details(own, RECORD.id)["run"]["outcome"]
    assert outcome["verdicts"] == [{"metric": "accuracy", "verdict": "consistent"}]
    assert outcome["classes"] == ["AMD", "normal"]
    assert finish_run(own, RECORD.id, metrics=METRICS, outcome={}) == "known"


def test_what_failed_begins_again(own: Database) -> None:
    begin_run(own, RECORD)
    assert fail_run(own, RECORD.id, "interrupted", "Ctrl-C in epoch 3")
    assert (state(own)["state"], state(own)["error"]) == ("interrupted", "Ctrl-C in epoch 3")
    begun = state(own)["created_at"]
    shorter = replace(RECORD, ledger=RECORD.ledger[:1])
    assert begin_run(own, shorter) == "interrupted"
    now = state(own)
    assert (now["state"], now["error"], now["finished_at"]) == ("running", None, None)
    assert now["created_at"] == begun
    assert counted(own) == (1, 1, 0)
    assert begin_run(own, RECORD) == "running"  # of a process that was killed


def test_two_specifications_of_one_name(own: Database) -> None:
    begin_run(own, RECORD)
    with pytest.raises(ReplicationError, match="another specification"):
        begin_run(own, replace(RECORD, spec={"seeds": [7]}))
    assert counted(own) == (1, 2, 0)


def test_two_that_begin_the_same_run_at_once(where: str) -> None:
    open_database(where).close()

    def begin(_: int) -> str:
        with open_database(where) as database:
            return begin_run(database, RECORD)

    with ThreadPoolExecutor(4) as pool:
        states = sorted(pool.map(begin, range(4)))
    assert states == ["new", "running", "running", "running"]
    with open_database(where) as database:
        assert counted(database) == (1, 2, 0)


def test_a_fault_in_the_middle_leaves_the_run_as_it_was(own: Database) -> None:
    begin_run(own, RECORD)
    with pytest.raises(DatabaseError, match="not JSON"):
        finish_run(own, RECORD.id, metrics=METRICS, outcome={"what": object()})
    assert state(own)["state"] == "running"
    assert counted(own)[2] == 0
    with pytest.raises(DatabaseError, match="ck_run_fidelity"):
        begin_run(own, replace(RECORD, id="b", fidelity="nearly"))
    with pytest.raises(DatabaseError, match="ck_run_tl_type"):
        begin_run(own, replace(RECORD, id="b", tl_type="fine-tuning (extent unreported)"))
    assert counted(own)[0] == 1


def test_what_never_began(own: Database) -> None:
    for attempt in (
        lambda: finish_run(own, "x", metrics=(), outcome={}),
        lambda: fail_run(own, "x", "failed", ""),
        lambda: delete_run(own, "x"),
    ):
        with pytest.raises(NotFoundError, match="no run 'x'"):
            attempt()


def test_deleting(own: Database) -> None:
    for run_id in (RECORD.id, "b"):
        begin_run(own, replace(RECORD, id=run_id))
        finish_run(own, run_id, metrics=METRICS, outcome=OUTCOME)
    delete_run(own, RECORD.id)
    assert counted(own) == (1, 2, 5)


def test_runs_outlive_a_refresh_and_their_study(
    where: str, tmp_path: Path, packaged: PackagedData
) -> None:
    with open_database(where) as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml")])
        for run_id, key in (("a", "karri2017"), ("b", "mine2026"), ("c", "nobody2020")):
            begin_run(database, replace(RECORD, id=run_id, study_key=key, phantom=False))
            finish_run(database, run_id, metrics=METRICS, outcome=OUTCOME)
        before = reader.replicated(database)
        remove_study(database, "mine2026")
    assert prepare(locate(where), packaged, force=True) is not None
    with open_database(where) as database:
        ids = {row["id"]: row["study_id"] for row in database.rows("SELECT id, study_id FROM run")}
        assert ids["a"] is not None
        assert ids["b"] is None
        assert ids["c"] is None
        assert [(r["run"], r["study"], r["value"]) for r in reader.replicated(database)] == [
            (r["run"], r["study"], r["value"]) for r in before
        ]
        # A study that is gone is still found by the key that its runs keep.
        assert [row["id"] for row in reader.runs(database, study="mine2026")] == ["b"]


def test_a_database_of_the_first_release_is_migrated_with_its_runs(where: str) -> None:
    engine = make_engine(locate(where), foreign_keys=False)
    with engine.begin() as connection:
        upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO run (id, study_key, state, created_at, spec) "
                "VALUES ('old', 'karri2017', 'finished', '2026-01-01 00:00:00.000000', '{}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO run_setting (run_id, name, value, mark) "
                "VALUES ('old', 'a', '1', 'assumed')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO run_metric (run_id, metric, value, seed) "
                "VALUES ('old', 'accuracy', 0.5, NULL)"
            )
        )
    with open_database(where) as database:
        revision = database.rows(f"SELECT version_num FROM {VERSION_TABLE}")
        assert revision == [{"version_num": SCHEMA_HEAD}]
        assert counted(database) == (1, 1, 1)
        found = reader.run_details(database, "old")
        assert (found["run"]["kind"], found["run"]["outcome"]) == ("replicated", None)
        assert found["metrics"][0]["repeat"] is None
        begin_run(database, RECORD)
        finish_run(database, RECORD.id, metrics=METRICS, outcome=OUTCOME)
        delete_run(database, "old")
        assert counted(database) == (1, 2, 5)
        # The tables made anew still refer to each other.
        with pytest.raises(DatabaseError), database.writing() as connection:
            connection.execute(
                insert(table("run_metric")).values(run_id="nobody", metric="accuracy", value=1)
            )


def test_an_export_holds_the_runs_and_is_the_same_on_either_database(
    own: Database, tmp_path: Path
) -> None:
    begin_run(own, RECORD)
    finish_run(own, RECORD.id, metrics=METRICS, outcome=OUTCOME)
    with own.writing() as connection:
        times = "created_at = '2026-01-01 10:00:00.5', finished_at = '2026-01-01 11:00:00.25'"
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET TIME ZONE 'UTC'"))
        connection.execute(text(f"UPDATE run SET {times}"))
    export(own, tmp_path / "out", ("csv", "sqlite"))
    with (tmp_path / "out" / "csv" / "run.csv").open() as file:
        row = next(iter(csv.DictReader(file)))
    assert row["id"] == RECORD.id
    assert row["phantom"] == "1"
    assert row["fidelity"] == "proxy"
    assert row["outcome"].startswith('{"classes": ["AMD"')
    if own.location.path is None:
        assert row["created_at"] == "2026-01-01 10:00:00.500000"
    with open_database(tmp_path / "out" / "medtl-meta.sqlite") as copy:
        theirs, ours = (reader.run_details(one, RECORD.id) for one in (copy, own))
        for found in (theirs, ours):
            found["run"].pop("study_id")
        assert theirs == ours


def test_the_words_are_those_of_a_spec() -> None:
    assert set(RUN_TL_TYPES) == {*TL_TYPES, CONTROL}


def test_plain() -> None:
    found = plain({1: (np.float32(0.5), np.arange(2)), "a": float("inf"), "b": [None, True]})
    assert found == {"1": [0.5, [0, 1]], "a": None, "b": [None, True]}
