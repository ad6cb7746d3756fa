"""A plan from words, what it says of itself, and a run that is shown instead of being run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from db.database import Database, open_database
from db.errors import NotFoundError, UnknownTermError, UsageError
from metaanalysis.query import run_details
from replicate.images.opening import open_images
from replicate.planning import Plan, make_plan
from replicate.record import read_record, record_of_rows, with_origins
from replicate.training.compute import Compute

WORDS: dict[str, Any] = {
    "backbone": "lenet",
    "weights": "random",
    "size": 32,
    "epochs": 1,
    "folds": 2,
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(images="phantom:oct?n=60&size=32", **WORDS)


@pytest.fixture(scope="module")
def folders(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of a run that is finished, and its database."""
    place = tmp_path_factory.mktemp("planned")
    found = {name: place / name for name in ("runs", "cache")}
    with open_database(place / "db.sqlite") as database:
        plan.run(compute=Compute("cpu", workers=1, threads=1), database=database, **found)
    return {**found, "db": place / "db.sqlite"}


def test_words_become_settings_that_the_caller_chose(plan: Plan) -> None:
    spec = plan.specified.spec
    assert (spec.network.name, spec.split.folds, spec.training.epochs) == ("LeNet5", 2, 1)
    chosen = {line.name for line in plan.specified.ledger.lines if line.chosen}
    assert {"network.name", "training.epochs", "split.folds"} <= chosen
    implied = [line.name for line in plan.specified.ledger.lines if line.implied]
    assert implied == ["transfer.tl_type"]
    found = plan.estimated(measure=False).to_dict()
    assert found["estimate"]["images"] == 60
    assert found["fidelity"] is None
    assert {line["origin"] for line in found["ledger"]} == {"chosen", "house", "found"}


def test_a_plan_knows_what_it_lacks(database: Database) -> None:
    own = make_plan("deepak2019", epochs=3)
    assert own.waits_for_images
    assert not own.from_record
    note = own.to_dict()["fidelity"]
    assert [one["path"] for one in note["scaled"]] == ["training.epochs"]
    with pytest.raises(UsageError, match="cannot be fetched by name"):
        own.run()
    of_record = make_plan("sun2019", opening=lambda: open_database(database.location.path))
    assert of_record.from_record
    assert of_record.specified.missing


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, UsageError),
        ({"images": "phantom:oct?n=60", "source": "busi"}, UsageError),
        ({"name": "byra2019", "magic": 1}, UnknownTermError),
    ],
)
def test_what_does_not_go_together(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_plan(**arguments)


def test_an_unknown_study(database: Database) -> None:
    with pytest.raises(NotFoundError):
        make_plan("nobody2099", opening=lambda: open_database(database.location.path))


def test_a_finished_run_is_found_by_its_images_and_settings(
    plan: Plan, folders: dict[str, Path], tmp_path: Path
) -> None:
    runs = folders["runs"]
    with open_database(folders["db"]) as database:
        finished = plan.finished(database, runs)
        assert finished is not None
        assert finished.record["run"]["kind"] == "phantom"
        other = make_plan(images="phantom:oct?n=60&size=32&seed=1", **WORDS)
        assert other.finished(database, runs) is None
        longer = make_plan(images="phantom:oct?n=60&size=32", **{**WORDS, "epochs": 2})
        assert longer.finished(database, runs) is None
    with open_database(tmp_path / "other.sqlite") as unaware:
        assert plan.finished(unaware, runs) is None, "its rows are still to be written"
    assert plan.finished(None, runs) is not None
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    model = next(copy.glob("*/seed-0/fold-0-1/fold.npz"))
    model.unlink()
    assert plan.finished(None, copy) is None
    assert plan.finished(None, tmp_path / "none") is None


def test_rows_and_file_hold_one_record(folders: dict[str, Path]) -> None:
    (folder,) = folders["runs"].iterdir()
    finished = read_record(folder)
    assert finished is not None
    kept = finished.record
    with open_database(folders["db"]) as database:
        found = run_details(database, folder.name)
    record = json.loads(json.dumps(record_of_rows(found)))
    parts = ("spec", "leakage", "metrics", "per_class", "per_seed", "confusion", "baseline")
    for part in (*parts, "positive", "remarks", "timing"):
        assert record[part] == kept[part], part
    assert {name: record["run"][name] for name in kept["run"]} == kept["run"]
    by_name = {line["name"]: line for line in kept["ledger"]}
    assert {line["name"]: line for line in record["ledger"]} == by_name
    assert "origins" not in with_origins(found)["run"]["outcome"]


def test_images_that_are_opened_already_are_taken() -> None:
    images = open_images("phantom:oct?n=60&size=32")
    assert make_plan(images=images, **WORDS).images is images
