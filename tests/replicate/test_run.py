"""Whole runs, from the command line too: finished once, resumed exactly, told in words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.database import open_database
from db.errors import ImagesError, ReplicationError, UsageError
from metaanalysis.query.runs import runs as listed
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.progress import Progress
from replicate.run import replicate
from replicate.setup.specify import specify_free
from replicate.spec import Ledger, Spec
from replicate.terms import CONTROL
from replicate.training.compute import Compute
from tests.replicate import processes

ROOT = Path(__file__).parents[2]
RUN = "import sys; sys.argv[0] = 'medtl-meta'; from medtl_meta.cli import main; main()"
IMAGES = "phantom:xray?n=80&size=32&signal=3"
SPEC: dict[str, Any] = {
    "data": {"name": "phantom"},
    "network": {"name": "LeNet5", "weights": "random"},
    "transfer": {"tl_type": "random initialisation", "unfreezing": {"kind": "all"}},
    "preprocessing": {"size": 32},
    "training": {"epochs": 2},
    "split": {"kind": "k-fold", "folds": 2},
    "seeds": [0, 1],
}


CONTROL_OF: dict[str, Any] = {
    "network.name": "LeNet5",
    "transfer.tl_type": CONTROL,
    "preprocessing.size": 32,
    "training.epochs": 2,
}


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return open_images(IMAGES)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Any]:
    return {
        "compute": Compute("cpu", workers=1, threads=1),
        "runs": tmp_path / "runs",
        "cache": tmp_path / "cache",
    }


def test_a_run_is_finished_once_and_read_again(images: ImageSet, folders: dict[str, Any]) -> None:
    spec = Spec.model_validate(SPEC)
    first = replicate(spec, images, **folders)
    assert len(first.fitted) == 4
    assert {(p.seed, p.fold) for p in first.predictions} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for seed in (0, 1):
        tested = np.concatenate([p.indices for p in first.predictions if p.seed == seed])
        assert sorted(tested.tolist()) == list(range(len(images)))
    phases: list[str] = []
    again = replicate(spec, images, **folders, progress=lambda p: phases.append(p.phase))
    assert again.id == first.id
    assert not any(phase.startswith("training") for phase in phases)
    assert again.to_dict()["metrics"] == first.to_dict()["metrics"]
    assert again.timing == first.timing
    assert first.earlier is not None
    assert not first.earlier.sentence
    assert again.earlier is not None
    assert again.earlier.sentence.startswith("Finished on ")
    assert again.earlier.sentence.endswith("; shown again, nothing was run.")
    (folder,) = (folders["runs"] / first.id).glob("seed-1/fold-0-1")
    shutil.rmtree(folder)
    messages: list[str] = []
    replicate(spec, images, **folders, progress=lambda p: messages.append(p.message))
    assert "Resumed: 3 of 4 models were done." in messages


@pytest.mark.parametrize("head", ["linear", "lda"])
def test_frozen_random_weights_are_said_to_be_a_control(
    head: str, images: ImageSet, folders: dict[str, Any]
) -> None:
    chosen = {**CONTROL_OF, "transfer.head.kind": head, "seeds": [0, 1]}
    specified = specify_free(images, overrides=chosen)
    with open_database(folders["runs"].parent / "mine.sqlite") as database:
        result = replicate(
            specified.spec, images, ledger=specified.ledger, database=database, **folders
        )
        (row,) = listed(database)
    assert (row["tl_type"], row["state"]) == (CONTROL, "finished")
    assert all(CONTROL in [note.code for note in one.notes] for one in result.fitted)
    # Each seed draws a network of its own, of which nothing is trained.
    assert len({one.proof.frozen_parameters for one in result.fitted}) == 1
    assert all(one.proof.state == "unchanged" and not one.proof.trained for one in result.fitted)
    first, second = (one.predictions.probabilities for one in result.fitted)
    assert not np.allclose(first, second)


def test_what_is_found_becomes_part_of_the_name(images: ImageSet, folders: dict[str, Any]) -> None:
    spec = Spec.model_validate({**SPEC, "split": {"kind": "hold-out"}, "seeds": [0]})
    result = replicate(spec, images, **folders)
    assert result.spec.data.content == images.content
    assert result.id != spec.id
    lines = {line.name: line for line in result.ledger.lines}
    assert lines["data.content"].value == images.content
    other = open_images(IMAGES + "&seed=1")
    assert replicate(spec, other, **folders).id != result.id
    with pytest.raises(ReplicationError, match="other images"):
        replicate(result.spec, other, **folders)


def test_rows_hold_what_the_result_holds(
    images: ImageSet, folders: dict[str, Any], where: str
) -> None:
    with open_database(where) as database:
        result = replicate(Spec.model_validate(SPEC), images, database=database, **folders)
        (row,) = listed(database)
        assert row["id"] == result.id
        assert row["state"] == "finished"
        stored = database.rows(
            "SELECT value, ci_low, ci_high FROM run_metric WHERE metric = 'accuracy' "
            "AND seed IS NULL AND fold IS NULL AND class_label IS NULL"
        )
        value = result.evaluation.pooled("accuracy")
        assert [tuple(found.values()) for found in stored] == [
            (value.value, value.ci_low, value.ci_high)
        ]
        settings = database.rows("SELECT name, mark FROM run_setting")
        assert {found["name"] for found in settings} == {line.name for line in result.ledger.lines}
        (outcome,) = database.rows("SELECT outcome, environment, leakage FROM run")
        assert json.loads(outcome["outcome"])["trained_parameters"] == (
            result.fitted[0].trained_parameters
        )
        assert "torch" in outcome["environment"]
        assert result.comparison is not None
        assert {value.verdict.verdict for value in result.comparison.values} == {"not comparable"}


def test_a_rerun_that_differs_is_told_with_both_results(
    images: ImageSet,
    folders: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    spec = Spec.model_validate({**SPEC, "seeds": [0]})
    with open_database(str(tmp_path / "own.sqlite")) as database:
        first = replicate(spec, images, database=database, **folders)
        assert first.reruns == ()
        # Another machine: the same settings, and other bits.
        monkeypatch.setattr("replicate.training.loop.rate_factor", lambda *_: 0.01)
        words = {**folders, "runs": tmp_path / "elsewhere"}
        words["compute"] = replace(folders["compute"], threads=2)
        again = replicate(spec, images, database=database, **words)
        assert again.evaluation.metrics != first.evaluation.metrics
        (told,) = again.reruns
        assert told["apart"] == {"torch.threads": [1, 2]}
        assert told["different"] > 0
        pooled = {v["metric"]: (v["first"], v["value"]) for v in told["values"]}
        for place, result in enumerate((first, again)):
            value = result.evaluation.pooled("auc").value
            assert pooled["AUC"][place] == pytest.approx(value, abs=1e-8)
        assert [row["state"] for row in listed(database)] == ["finished"]
        (stored,) = database.rows(
            "SELECT value FROM run_metric WHERE metric = 'AUC' "
            "AND seed IS NULL AND fold IS NULL AND class_label IS NULL"
        )
        assert stored["value"] == first.evaluation.pooled("auc").value
        # A third one that is as the first finds it, and what differed.
        assert [*replicate(spec, images, database=database, **folders).reruns] == [told]
        assert len(replicate(spec, images, database=database, **words).reruns) == 1


def test_a_stop_by_hand_and_a_fault_are_written_down(
    images: ImageSet, folders: dict[str, Any], where: str
) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase.startswith("training"):
            raise KeyboardInterrupt

    spec = Spec.model_validate(SPEC)
    with open_database(where) as database:
        with pytest.raises(KeyboardInterrupt):
            replicate(spec, images, database=database, progress=stop, **folders)
        assert [row["state"] for row in listed(database)] == ["interrupted"]
        replicate(spec, images, database=database, **folders)
        assert [row["state"] for row in listed(database)] == ["finished"]
        few = images.subset(range(0, 80, 40))
        with pytest.raises(ImagesError, match="fold"):
            replicate(spec, few, database=database, **folders)
        assert sorted(row["state"] for row in listed(database)) == ["failed", "finished"]


def test_a_ledger_of_other_settings_is_refused(images: ImageSet, folders: dict[str, Any]) -> None:
    spec = Spec.model_validate(SPEC)
    other = Spec.model_validate({**SPEC, "training": {"epochs": 3}})
    with pytest.raises(UsageError, match=r"training\.epochs"):
        replicate(spec, images, ledger=Ledger.of(other, "chosen", str), **folders)


def test_a_run_says_where_it_was_computed_and_not_where_it_is_read(
    images: ImageSet, folders: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import replicate.run as module

    spec = Spec.model_validate({**SPEC, "seeds": [0]})
    machines = iter(("first", "second", "third"))
    monkeypatch.setattr(module, "environment", lambda compute: {"cpu": next(machines)})

    def stop(progress: Progress) -> None:
        if (progress.phase, progress.model) == ("training", "model 2 of 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replicate(spec, images, progress=stop, **folders)
    both = [{"cpu": "first"}, {"cpu": "second"}]
    expected = {"cpu": "first", "sittings": both}
    assert replicate(spec, images, **folders).environment == expected
    assert replicate(spec, images, **folders).environment == expected


def test_what_must_be_known_of_the_models_is_in_the_result(
    images: ImageSet, folders: dict[str, Any]
) -> None:
    free = specify_free(
        images,
        overrides={
            "network.name": "LeNet5",
            "network.weights": "random",
            "preprocessing.size": 32,
            "training.epochs": 1,
        },
    )
    result = replicate(free.spec, images, ledger=free.ledger, **folders)
    assert result.to_dict()["run"]["notes"] == []
    from replicate.notes import Note

    notes = (Note("no class weights"), Note("not converged", {"head": "lda"}))
    told = replace(result, fitted=tuple(replace(one, notes=notes) for one in result.fitted))
    assert told.outcome()["notes"] == told.to_dict()["run"]["notes"] == [str(one) for one in notes]
    codes = [{"code": "no class weights"}, {"code": "not converged", "head": "lda"}]
    assert told.outcome()["codes"]["notes"] == told.to_dict()["codes"]["notes"] == codes


def places(folder: Path) -> dict[str, str]:
    return {
        "MEDTL_META_DB": str(folder / "medtl-meta.sqlite"),
        "MEDTL_META_RUNS": str(folder / "runs"),
        "MEDTL_META_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }


def command(folder: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-c", RUN, "replicate", *words], os.environ | places(folder)


WORDS = (
    "run", "--images", IMAGES, "--backbone", "LeNet5", "--tl", "random initialisation",
    "--weights", "random", "--size", "32", "--epochs", "6", "--folds", "2", "--seeds", "0,1",
    "--split", "group", "--augment", "flips", "--format", "json",
)  # fmt: skip


def started(folder: Path) -> ForkServerProcess:
    folder.mkdir(exist_ok=True)
    given = (("replicate", *WORDS), places(folder), folder / "stdout")
    process = processes.SERVER.Process(target=processes.command, args=given)
    process.start()
    return process


def outcome(folder: Path) -> dict[str, Any]:
    process = started(folder)
    process.join()
    assert process.exitcode == 0
    found: dict[str, Any] = json.loads((folder / "stdout").read_text())
    return found


def some(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(folder.glob(pattern))


def test_a_killed_command_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    whole = outcome(tmp_path / "whole")
    killed = tmp_path / "killed"
    for pattern in ("runs/*/seed-0/fold-0-0/*", "runs/*/seed-0/fold-0-1/*", "runs/*/seed-1/*/*"):
        process, there = started(killed), some(killed, pattern)
        limit = time.monotonic() + 120
        while not there() and process.is_alive() and time.monotonic() < limit:
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, pattern
    resumed = outcome(killed)
    assert resumed["run"]["id"] == whole["run"]["id"]
    for part in ("spec", "ledger", "leakage", "metrics", "per_class", "confusion", "baseline"):
        assert resumed[part] == whole[part], part
    with open_database(killed / "medtl-meta.sqlite") as database:
        assert [row["state"] for row in listed(database)] == ["finished"]


def test_the_json_holds_what_others_build_on(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    assert {"run", "spec", "ledger", "leakage", "metrics", "baseline", "timing", "verdicts"} <= set(
        found
    )
    for name in ("accuracy", "auc", "sensitivity", "specificity"):
        value = found["metrics"][name]
        assert 0 <= value["ci_low"] <= value["value"] <= value["ci_high"] <= 1
    assert found["run"]["kind"] == "phantom"
    assert {line["mark"] for line in found["ledger"]} == {"assumed"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run",), 2, "Give a setup, or images"),
        (("run", "minaee2021"), 1, "minaee2020"),
        (("run", "--images", "nowhere/"), 1, "nowhere"),
        (("run", "--images", "phantom", "--backbone", "ResNet51"), 2, "ResNet50"),
        (("run", "--images", "phantom", "--tl", "feature extractr"), 2, "feature extractor"),
        (("run", "--images", "phantom", "--device", "tpu"), 2, "cuda, mps, cpu"),
        (("run", "--images", "phantom", "--weights", "gone.pth"), 1, "gone.pth"),
        (("run", "--images", "phantom", "--backbone", "VGG16", "--no-download"), 1, "vgg16-397923af.pth"),
        (("run", "minaee2020"), 2, "No images are given"),
    ],
)  # fmt: skip
def test_faults_of_a_call_are_told(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    line, environment = command(tmp_path, *words)
    done = subprocess.run(
        line, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code
