"""The front door: a dozen names, each of which does what its command does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import medtl_meta as mm
from db.database import Database
from db.errors import NotFoundError, StatisticsError, UnknownTermError, UsageError
from metaanalysis import query
from metaanalysis.analyses.analysis import Model

HEAVY = ("torch", "pandas", "altair", "sqlalchemy", "scipy", "numpy", "click")


def test_at_most_thirteen_names_and_all_are_there() -> None:
    assert len(mm.__all__) <= 13
    assert set(dir(mm)) == set(mm.__all__)
    assert all(callable(getattr(mm, name)) for name in mm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mm.nothing  # type: ignore[attr-defined]


def test_importing_loads_nothing_heavy() -> None:
    code = f"import sys, medtl_meta; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_runs_the_package_as_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medtl_meta", "--db", str(tmp_path / "own.sqlite"), "query",
         "--modality", "OCT", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {row["ref"] for row in json.loads(done.stdout)} == {49, 112, 113, 115, 116, 122}


def test_pooling_is_that_of_the_command(database: Database) -> None:
    found = mm.pool("accuracy", database=database)
    assert found.result.to_dict()["k"] == 16
    assert len(found.sample.left_out) == 39
    older = mm.pool("accuracy", database=database, year="<=2018", model=Model(method="REML"))
    assert 2 <= older.result.to_dict()["k"] < 16
    with pytest.raises(UsageError):
        mm.pool("accuracy", database=database, modality="OTC")
    with pytest.raises(StatisticsError):
        mm.pool("accuracy", database=database, modality="PET")


def test_a_study_in_full(database: Database) -> None:
    one = mm.study(49, database)
    assert (one.key, one.ref) == ("karri2017", 49)
    assert mm.study("karri2017", database) == one
    with pytest.raises(NotFoundError):
        mm.study("nobody2099", database)


def test_a_plan_a_run_and_its_comparison(
    own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTL_META_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    words = {
        "images": "phantom:oct?n=60&size=32&signal=3", "database": own, "backbone": "LeNet5",
        "weights": "random", "size": 32, "epochs": 1,
    }  # fmt: skip
    planned = mm.plan("karri2017", **words)
    assert planned.specified.spec.study == "karri2017"
    result = mm.replicate("karri2017", **words)
    assert [row["id"] for row in query.runs(own)] == [result.id]
    assert result.images.phantom
    (compared,) = mm.compare("karri2017", database=own)
    assert {value.verdict.verdict for value in compared.values} == {"not comparable"}
    # Of phantoms nothing is compared unless they are named.
    assert mm.compare(database=own) == []


def test_wrong_words_are_refused_before_anything_runs(database: Database) -> None:
    with pytest.raises(NotFoundError):
        mm.compare(49, database=database)
    with pytest.raises(UnknownTermError):
        mm.pool("accuracy", database=database, arms="zz")  # type: ignore[arg-type]
    images = "phantom:oct?n=30&size=32"
    with pytest.raises(UnknownTermError):
        mm.hold_contest(images, metric="zz")
    with pytest.raises(UnknownTermError):
        mm.hold_contest(images, foo=1)  # type: ignore[call-arg]
    with pytest.raises(UnknownTermError):
        mm.plan(images=images, backbone="LeNet5", weights="random", size=32).run(foo=1)  # type: ignore[call-arg]
