"""The package as a notebook uses it: few names, no torch, and examples that run."""

from __future__ import annotations

import doctest
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import replicate
from db.database import open_database
from replicate.images.opening import open_images
from replicate.training.compute import Compute


def test_every_name_is_there_and_none_is_that_of_a_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(replicate.__path__)}
    assert not modules & set(replicate.__all__)
    for name in replicate.__all__:
        assert callable(getattr(replicate, name)), name
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = replicate.magic


def test_importing_loads_no_torch() -> None:
    code = (
        "import sys, replicate; from replicate import specify, read_setup, open_images, Spec; "
        "specify(read_setup('minaee2020')); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_run() -> None:
    found = doctest.testmod(replicate)
    assert found.attempted > 5
    assert not found.failed


def test_a_contest_is_one_call(tmp_path: Path) -> None:
    images = open_images("phantom:xray?n=60&size=32&signal=3")
    seen: list[str] = []
    with open_database(tmp_path / "own.sqlite") as database:
        rows, summary = replicate.hold_contest(
            [images],
            replicate.Design(
                backbones=["LeNet5"],
                tl_types=["random"],
                seeds=[0],
                settings={
                    "preprocessing.size": 32,
                    "training.epochs": 1,
                    "split.kind": "hold-out",
                    "data.max_images": 40,
                },
            ),
            compute=Compute("cpu", workers=1, threads=1),
            database=database,
            runs=tmp_path / "runs",
            cache=tmp_path / "cache",
            each=lambda row: seen.append(row["tl_type"]),
        )
    (row,) = rows
    assert row["error"] is None
    assert seen == ["random initialisation"]
    # Of the sample that is run on, not of the whole set.
    assert row["n_images"] == 40
    assert row["n_groups"] is None or row["n_groups"] <= 40
    assert row["features_seconds"] > 0
    assert summary.phantom
