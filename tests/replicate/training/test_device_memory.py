"""What a CUDA device needs, as far as it can be held without one: buffers, sizes, equal batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from replicate.training import loop
from replicate.training.compute import Compute
from replicate.training.device_memory import Staging, fits, passes_of
from replicate.training.loop import Feed


class Copying:
    """A device that reads a buffer only when somebody waits for it, as a slow one would."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.waited = 0

    def allocate(self, count: int) -> Tensor:
        self.made.append(count)
        return torch.empty(count, dtype=torch.uint8)

    def event(self) -> Copying:
        return self

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        self.waited += 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_arrays_come_through_two_buffers_that_are_made_once(dtype: Any) -> None:
    device = Copying()
    staging = Staging("cpu", device.allocate, device.event)
    arrays = [np.random.default_rng(i).integers(0, 99, (4, 3)).astype(dtype) for i in range(8)]
    arrays.append(arrays[0][:1])
    moved = [staging(array) for array in arrays]
    for array, tensor in zip(arrays, moved, strict=True):
        assert tensor.numpy().dtype == array.dtype
        assert (tensor.numpy() == array).all(), "later arrays do not reach into earlier ones"
    assert device.made == [arrays[0].nbytes] * 2
    assert device.waited == len(arrays) - 2, "a buffer is waited for before it is filled again"
    assert (staging(np.arange(100)).numpy() == np.arange(100)).all(), "a larger one makes it grow"
    assert device.made[2:] == [800]


def test_read_only_and_scattered_rows_are_moved() -> None:
    device = Copying()
    staging = Staging("cpu", device.allocate, device.event)
    rows = np.arange(24.0).reshape(4, 6)
    rows.flags.writeable = False
    assert (staging(rows[:, ::2]).numpy() == rows[:, ::2]).all()


def test_rows_stay_on_the_device_only_beside_the_network() -> None:
    assert fits(10, 100)
    assert not fits(50, 100)
    assert not fits(1, 0)


def test_a_pass_is_as_large_as_the_device() -> None:
    gib = 2**30
    counts = [passes_of(memory * gib, 224) for memory in (2, 8, 24, 80, 139)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 512
    assert passes_of(gib // 64, 1024) == 16, "never none"
    assert passes_of(24 * gib, 1024) < passes_of(24 * gib, 64)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_kept_rows_give_the_same_batches(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    rows = np.random.default_rng(0).integers(0, 255, (30, 4, 4, 3)).astype(kind)
    plain = Feed(rows, Compute("cpu"))
    monkeypatch.setattr(loop, "resident", lambda rows, compute: torch.from_numpy(rows.copy()))
    kept = Feed(rows, Compute("cpu"))
    assert kept.kept is not None
    for batch in (np.array([3, 1, 2]), np.arange(30), np.array([7, 7])):
        assert torch.equal(plain(batch), kept(batch))
