"""A run that is killed in any phase, and started again, ends with the bits of one that was not."""

from __future__ import annotations

import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from replicate.progress import Progress
from replicate.training.compute import Compute
from replicate.training.fold import fit
from replicate.training.job import Job
from tests.replicate.processes import SERVER
from tests.replicate.toy import pretrained, toy_fold, toy_images, toy_spec


def one_fold(folder: Path, phase: str, count: int, tl_type: str) -> None:
    """Train a fold in a process of its own, which kills itself where it is told to."""
    torch.set_num_threads(1)
    written = 0
    replace, fsync = Path.replace, os.fsync

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(report: Progress) -> None:
        if report.phase == phase and report.done >= count and not report.message:
            stop()

    def stop_before_replacing(self: Path, target: Path) -> Path:
        nonlocal written
        written += phase == "replacing"
        if phase == "replacing" and written >= count:
            stop()
        return replace(self, target)

    def stop_while_writing(handle: int) -> None:
        nonlocal written
        written += phase == "writing"
        if phase == "writing" and written >= count:
            stop()
        fsync(handle)

    Path.replace = stop_before_replacing  # type: ignore[method-assign, assignment]
    os.fsync = stop_while_writing  # type: ignore[assignment]
    images = toy_images(600, size=16)
    settings = {"patience": 3, "epochs": 6, "batch_size": 64}
    if tl_type == "recommended protocol":
        settings["head_epochs"] = 3
    augmentation = {"rotation": 10} if tl_type == "fine-tuning from scratch" else {}
    head = {"head": {"kind": "linear", "dropout": 0.3}}
    spec = toy_spec(tl_type, training=settings, augmentation=augmentation, transfer=head)
    compute = Compute("cpu", workers=2)
    job = Job(spec, images, toy_fold(images), 3, compute, folder / "cache", progress)
    fit(job, network=pretrained(), folder=folder / tl_type, checkpoint_seconds=0.0)


def start(folder: Path, phase: str, count: int, tl_type: str) -> ForkServerProcess:
    process = SERVER.Process(target=one_fold, args=(folder, phase, count, tl_type))
    process.start()
    return process


def run(folder: Path, phase: str, count: int, tl_type: str) -> int | None:
    process = start(folder, phase, count, tl_type)
    process.join()
    return process.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for tl_type in ("recommended protocol", "fine-tuning from scratch"):
        assert run(folder, "never", 0, tl_type) == 0
    return folder


def arrays(folder: Path, tl_type: str) -> dict[str, bytes]:
    with np.load(folder / tl_type / "fold.npz", allow_pickle=False) as stored:
        return {name: stored[name].tobytes() for name in ("probabilities", "labels", "indices")}


@pytest.mark.parametrize(
    ("tl_type", "stops"),
    [
        # Features: in the first chunk, behind it, and before the entry is given its name; then in
        # the head's epochs, at the change of phases and behind it, and while a checkpoint and the
        # result are written. Each stop finds what the one before it left.
        (
            "recommended protocol",
            [("features", 200), ("features", 530), ("writing", 3), ("training", 1),
             ("replacing", 2), ("training", 4), ("writing", 2), ("training", 6), ("replacing", 1)],
        ),
        (
            "fine-tuning from scratch",
            [("decoded images", 256), ("training", 2), ("replacing", 2), ("training", 5)],
        ),
    ],
)  # fmt: skip
def test_killed_in_every_phase(
    tmp_path: Path, uninterrupted: Path, tl_type: str, stops: list[tuple[str, int]]
) -> None:
    for phase, count in stops:
        assert run(tmp_path, phase, count, tl_type) == -signal.SIGKILL, (phase, count)
        assert not (tmp_path / tl_type / "fold.npz").exists()
    assert run(tmp_path, "never", 0, tl_type) == 0
    assert arrays(tmp_path, tl_type) == arrays(uninterrupted, tl_type)
    left = [path.name for path in (tmp_path / "cache").rglob("*.building")]
    assert left == []
    assert not (tmp_path / tl_type / "checkpoint.pt").exists()


def test_keyboard_interrupt(tmp_path: Path) -> None:
    images = toy_images()
    spec = toy_spec("fine-tuning")

    def go(name: str, phase: str = "", count: int = 0) -> list[list[float]]:
        def progress(report: Progress) -> None:
            if report.phase == phase and report.done == count and not report.message:
                raise KeyboardInterrupt

        compute, cache = Compute("cpu", threads=1), tmp_path / f"cache {name}"
        job = Job(spec, images, toy_fold(images), 0, compute, cache, progress)
        fitted = fit(job, network=pretrained(), folder=tmp_path / name, checkpoint_seconds=0.0)
        found: list[list[float]] = fitted.predictions.probabilities.tolist()
        return found

    for phase, count in (("features", 32), ("training", 1), ("training", 3)):
        with pytest.raises(KeyboardInterrupt):
            go("cut", phase, count)
    assert go("cut") == go("whole")


def test_two_processes_make_the_same_features_at_once(tmp_path: Path) -> None:
    pair = [
        start(tmp_path, "never", 0, tl_type)
        for tl_type in ("feature extractor", "recommended protocol")
    ]
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]
    entries = [path for path in (tmp_path / "cache" / "features").iterdir() if path.is_dir()]
    assert len(entries) == 2  # pooled, shared by both, and the activations of the second
