"""Files of a fold: damaged, foreign or hostile ones are refused, and a folder in use is left."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from db.errors import ReplicationError
from replicate.training.checkpoint import FoldFiles
from replicate.training.compute import Compute
from replicate.training.fold import fit
from replicate.training.job import Job
from tests.replicate.toy import pretrained, toy_fold, toy_images, toy_spec

WHO = {"spec": "a", "seed": "1"}


class Hostile:
    """Writes a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "executed")


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    assert FoldFiles(tmp_path, WHO).load_checkpoint() is None
    FoldFiles(tmp_path, WHO).save_checkpoint({"model": {"w": torch.ones(2)}, "epoch": 3})
    found = FoldFiles(tmp_path, WHO).load_checkpoint()
    assert found is not None
    assert found["epoch"] == 3
    assert found["model"]["w"].tolist() == [1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    FoldFiles(tmp_path, WHO).save_checkpoint({})
    with pytest.raises(ReplicationError, match=r"another run \(spec, seed differ\)"):
        FoldFiles(tmp_path, {"spec": "b", "seed": "2"}).load_checkpoint()


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_cut_off_checkpoint_is_refused(tmp_path: Path, kept: int) -> None:
    FoldFiles(tmp_path, WHO).save_checkpoint({"model": {"w": torch.ones(200)}})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ReplicationError, match="damaged") as caught:
        FoldFiles(tmp_path, WHO).load_checkpoint()
    assert "Delete it" in caught.value.hint


@pytest.mark.parametrize("name", ["checkpoint.pt", "fold.npz"])
def test_a_strangers_pickle_is_not_executed(tmp_path: Path, name: str) -> None:
    target = tmp_path / "executed"
    hostile = Hostile(target)
    if name == "checkpoint.pt":
        torch.save({"identity": WHO, "model": hostile}, tmp_path / name)
        read = FoldFiles.load_checkpoint
    else:
        things = np.array([hostile], dtype=object)
        np.savez(
            tmp_path / name, probabilities=things, labels=things, indices=things, record=things
        )
        read = FoldFiles.load_result  # type: ignore[assignment]
    with pytest.raises(ReplicationError, match="cannot be read"):
        read(FoldFiles(tmp_path, WHO))
    assert not target.exists()
    pickle.loads(pickle.dumps(hostile))  # it would have worked
    assert target.exists()


def test_a_folder_that_is_in_use(tmp_path: Path) -> None:
    images = toy_images()
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(ReplicationError, match="another process is at this run"),
    ):
        fit(
            Job(toy_spec(), images, toy_fold(images), 0, Compute("cpu"), tmp_path / "cache"),
            network=pretrained(),
            folder=tmp_path,
        )


def test_a_result_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").mkdir()
    with pytest.raises(ReplicationError, match="cannot be written") as caught:
        FoldFiles(tmp_path, WHO).save_checkpoint({})
    assert "MEDTL_META_RUNS" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
