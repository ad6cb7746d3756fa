"""Fixtures of the replicator's tests: real images where they are at hand, small ones everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may use, or fill, the caches of whoever runs the tests."""
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute on one thread, where torch is at hand.

    On small networks more threads gain nothing, and on a busy machine they wait for each other:
    measured, fifteen times as long.
    """
    torch = sys.modules.get("torch")  # of the modules that test without it none may load it
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of real image sets; skips where there is none."""
    folder = Path(os.environ.get("MEDTL_META_IMAGES") or ROOT.parent / "shared" / "images")
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set MEDTL_META_IMAGES")
    return folder


@pytest.fixture
def picture() -> Callable[..., Path]:
    """Return what writes a small picture with content of its own to a path."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (24, 20)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
