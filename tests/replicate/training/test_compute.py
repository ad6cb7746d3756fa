"""Devices, precision and torch's global settings."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from db.errors import ReplicationError, UsageError
from replicate.training.compute import Compute, available, choose, is_out_of_memory


def test_auto_takes_what_is_there() -> None:
    chosen = choose()
    assert chosen.device == available()[0]
    assert chosen.precision == "float32"
    assert 1 <= chosen.workers <= 8
    assert choose("CPU", amp=True, workers=0) == Compute("cpu", "amp", 0)


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there(device: str) -> None:
    if device.partition(":")[0] in available():
        pytest.skip(f"this machine has {device}")
    with pytest.raises(UsageError, match=f"{device} is asked for") as caught:
        choose(device)
    assert "cpu" in caught.value.hint


@pytest.mark.parametrize("device", ["gpu", "cpu:1", "cuda:x", ""])
def test_words_that_are_no_device(device: str) -> None:
    with pytest.raises(UsageError, match="no such device"):
        choose(device)


def test_workers_cannot_be_negative() -> None:
    with pytest.raises(UsageError, match="-1 threads"):
        choose("cpu", workers=-1)


def test_a_session_puts_everything_back() -> None:
    def state() -> tuple[object, ...]:
        return (
            torch.get_num_threads(),
            torch.get_deterministic_debug_mode(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
            os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            torch.get_rng_state().tolist(),
        )

    before = state()
    with Compute("cpu", threads=1).session():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 1
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"]
        torch.rand(5)
    assert state() == before
    with Compute("cpu", deterministic=False).session():
        assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), Compute("cpu").session():
        raise KeyError("a defect of ours passes through")
    assert state() == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory is not enough"),
        (torch.OutOfMemoryError("CUDA out of memory."), "memory is not enough"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "not enough"),
        (RuntimeError("x does not have a deterministic implementation"), "deterministically"),
        (ValueError("Expected more than 1 value per channel when training"), "batch of one"),
    ],
)
def test_faults_are_worded(error: Exception, words: str) -> None:
    with pytest.raises(ReplicationError, match=words), Compute("cpu").session():
        raise error


def test_real_memory_runs_out() -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_read_only_arrays_reach_the_device_unharmed() -> None:
    rows = np.arange(6.0)
    rows.flags.writeable = False
    tensor = Compute("cpu").to_device(rows)
    tensor += 1
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(os.name == "nt", reason="no getrusage")
def test_peak_memory_grows_by_what_is_held() -> None:
    before = Compute("cpu").peak_memory()
    assert before is not None
    held = np.ones(30_000_000)
    # An earlier peak may have been higher; it cannot be lower than what is held now.
    after = Compute("cpu").peak_memory()
    assert after is not None
    assert after >= max(before, held.nbytes)
