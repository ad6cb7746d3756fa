"""Studies and runs in memory are what files and runs say, read in few queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from db.database import Database
from db.errors import DatabaseError
from db.literature import Reported, read_studies
from db.packaged import PackagedData
from db.reader import ConnectionReader
from db.replications import read_runs
from tests.replicate.made_runs import KARRI, add, metrics


def test_a_study_reads_as_its_file(packaged: PackagedData, either: Database) -> None:
    stored = read_studies(either)
    assert set(stored) == {record.key for record in packaged.studies}
    for record in packaged.studies:
        study = stored[record.key]
        for name, value in record.values:
            if value is None:
                assert name not in study.values
                continue
            found = study.values[name]
            assert (found.value, found.basis, found.source) == (
                value.value,
                value.basis,
                value.source,
            )
            if name != "retracted":
                assert getattr(study, name) == value.value, (record.key, name)
        assert [one.position for one in study.metrics] == [
            place for place, _ in enumerate(record.metrics, start=1)
        ]
        for one, printed in zip(study.metrics, record.metrics, strict=True):
            own = printed.model_dump()
            assert {name: getattr(one, name) for name in own} == own
        assert [used.name for used in study.datasets] == [used.name for used in record.datasets]
        assert study.notes == {name: text for name, text in record.notes if text is not None}


def test_some_studies_in_the_order_of_the_review(database: Database) -> None:
    found = read_studies(database, ["karri2017", "gone2020", "byra2019"])
    assert list(found) == ["karri2017", "byra2019"]
    assert found["karri2017"] == read_studies(database)["karri2017"]
    assert read_studies(database, []) == {}


def test_the_number_of_queries_does_not_grow(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = database.rows
    monkeypatch.setattr(
        database, "rows", lambda sql, *more: (asked.append(sql), rows(sql, *more))[1]
    )
    read_studies(database, ["karri2017"])
    of_one = len(asked)
    read_studies(database)
    assert len(asked) - of_one == of_one <= 8


def test_what_a_setup_says_of_a_value_is_told_and_what_the_audit_finds_is_not() -> None:
    value = Reported("accuracy", 0.9, note="Of one fold.", impossible="No count gives it.")
    told = value.to_dict()
    assert told["note"] == "Of one fold."
    assert not {"impossible", "position", "family"} & told.keys()


def test_runs_with_their_values(own: Database) -> None:
    add(own, KARRI, metrics(0.95, sd=0.01))
    add(own, replace(KARRI, id="b1", phantom=True, study_key="gone2020"), metrics(0.9))
    found = read_runs(own)
    run = found[KARRI.id]
    assert (run.ref, run.kind, found["b1"].ref, found["b1"].kind) == (
        49,
        "replicated",
        None,
        "phantom",
    )
    assert (run.reported_settings, run.assumed_settings) == (1, 1)
    assert set(run.pooled) == {"accuracy", "AUC", "log_loss"}
    assert set(run.by_class) == {("sensitivity", "AMD")}
    seeds, sd = run.seeds("accuracy")
    assert (seeds, sd) == (3, pytest.approx(0.01))
    assert run.seeds("AUC") == (None, None)
    assert run.created_at.endswith("+00:00")


def test_rows_that_break_off_are_never_taken_for_all() -> None:
    """The connection is lost between two rows, and another could be had: words, not fewer rows."""

    class Result:
        def __enter__(self) -> Result:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def mappings(self) -> Iterator[dict[str, int]]:
            yield {"n": 1}
            raise OperationalError("SELECT", {}, Exception("gone"), connection_invalidated=True)

    class Lost:
        closed = False
        dialect = SimpleNamespace(name="postgresql")

        def execute(self, *_: object, **__: object) -> Result:
            return Result()

    lost: Any = Lost()
    reader = ConnectionReader(lost, "postgresql://host/db", renew=lambda: lost)
    with pytest.raises(DatabaseError, match="gone"):
        reader.rows("SELECT n")
