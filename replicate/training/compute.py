"""What a replication computes on: device, precision, threads, and the guards around them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from db.errors import ReplicationError, UsageError
from db.wording import whole_number

DEVICES = ("auto", "cuda", "mps", "cpu")
Precision = Literal["float32", "amp"]
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
#: Decoding threads beyond these gain nothing: the model is what is waited for.
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how it is computed; nothing in here is meant to change a result.

    Parameters
    ----------
    device
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    precision
        ``float32``, or ``amp``: bfloat16 on a CPU and where CUDA has it, else float16 with scaled
        gradients. A run takes it from its spec, as it does change results.
    workers
        Threads that decode images ahead of the model; 0 decodes in between.
    deterministic
        Only algorithms that give the same bits each time. Else cuDNN tries which are quickest, CUDA
        multiplies in TF32, and JPEG files are decoded on the device
        (:mod:`replicate.training.device_jpegs`).
    threads
        Threads of one operation on the CPU; None leaves torch's setting.
    """

    device: str
    precision: Precision = "float32"
    workers: int = 2
    deterministic: bool = True
    threads: int | None = None

    @property
    def kind(self) -> str:
        """The device without its number."""
        return self.device.partition(":")[0]

    def with_precision(self, precision: Precision) -> Compute:
        """Return the same place with another precision."""
        return replace(self, precision=precision)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which a forward pass runs."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.kind, dtype=self.half)

    @property
    def half(self) -> torch.dtype:
        """What ``amp`` computes in; gradients in bfloat16 need no scaling."""
        if self.kind == "cpu" or (self.kind == "cuda" and torch.cuda.is_bf16_supported()):
            return torch.bfloat16
        return torch.float16

    @property
    def loose(self) -> bool:
        """Whether numbers may differ from those of a deterministic run by more than their order."""
        return self.kind == "cuda" and not self.deterministic

    def scaler(self) -> torch.amp.GradScaler:
        """Return a scaler of gradients; it does nothing where float16 is not at work."""
        scales = self.kind == "cuda" and self.precision == "amp" and self.half == torch.float16
        return torch.amp.GradScaler("cuda", enabled=scales)

    def to_device(self, values: NDArray[np.generic]) -> Tensor:
        """Bring an array to the device; `device_memory.mover` does it for one after another."""
        # A read-only memory map makes torch warn: it gets a writable array or a copy.
        writable = values if values.flags.writeable else values.copy()
        tensor = torch.from_numpy(np.ascontiguousarray(writable))
        return tensor.to(self.device)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold torch to these settings, and put everything back as it was afterwards.

        The random numbers that torch draws inside do not move the caller's generators.

        Raises
        ------
        ReplicationError
            Out of memory, or an operation that has no deterministic form on this device.
        """
        devices = [torch.device(self.device)] if self.kind == "cuda" else []
        with ExitStack() as back:
            if self.threads is not None:
                back.enter_context(_threads(self.threads))
            if self.deterministic:
                _make_deterministic(back)
            elif self.kind == "cuda":
                _make_quick(back)
            with torch.random.fork_rng(devices=devices), _worded_faults():
                yield

    def one_thread(self) -> AbstractContextManager[None]:
        """Compute small steps on one thread of the CPU.

        Threads that meet after every layer of a small head gain nothing on a quiet machine, and on
        a busy one each meeting waits for the scheduler: measured fifty times slower.
        """
        return _threads(1)

    def seed(self, seed: int) -> None:
        """Seed torch's global generators, as far as this device draws from them.

        `torch.manual_seed` would also prepare those of devices that are not used, which takes
        longer than a step of a small head.
        """
        if self.kind == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def wait(self) -> None:
        """Wait until the device has finished: for clocks, that must not stop before it."""
        if self.kind == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.kind == "mps":
            torch.mps.synchronize()

    def peak_memory(self) -> int | None:
        """Return the largest memory so far in bytes: of the device on CUDA, else of the process.

        None where the system does not say.
        """
        if self.kind == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def _threads(count: int) -> Iterator[None]:
    was = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(was)


def _make_deterministic(back: ExitStack) -> None:
    """Let torch take only algorithms that give the same bits; `back` puts its settings back."""
    # Read by cuBLAS when it starts: too late to matter if CUDA has already computed.
    if _CUBLAS not in os.environ:
        os.environ[_CUBLAS] = ":4096:8"
        back.callback(os.environ.pop, _CUBLAS, None)
    # Not `use_deterministic_algorithms`, which imports torch's compiler for seconds.
    back.callback(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
    torch.set_deterministic_debug_mode("error")
    for place, name, value in (
        # Filling memory that is about to be written protects from reading it uninitialised, which
        # is not what this is about, and costs time.
        (torch.utils.deterministic, "fill_uninitialized_memory", False),
        (torch.backends.cudnn, "benchmark", False),
        (torch.backends.cudnn, "deterministic", True),
    ):
        back.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, value)


def _make_quick(back: ExitStack) -> None:
    """Let CUDA take whatever is quickest; `back` puts torch's settings back."""
    for place, name in (
        (torch.backends.cudnn, "benchmark"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_tf32"),
    ):
        back.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, True)


def available() -> list[str]:
    """Return the kinds of devices that this machine has, the fastest first."""
    found = [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())]
    return [name for name, there in found if there] + ["cpu"]


def choose(
    device: str = "auto",
    amp: bool = False,
    deterministic: bool = True,
    workers: int | None = None,
    threads: int | None = None,
) -> Compute:
    """Choose where to compute.

    Parameters
    ----------
    device
        ``auto`` takes the fastest kind that is there; ``cuda:1`` names one of several.
    workers
        Decoding threads; None takes one for each core, up to 8.

    Raises
    ------
    UsageError
        An unknown device, or one that this machine does not have.
    """
    word = device.strip().lower()
    kind, _, number = word.partition(":")
    if kind not in DEVICES or (number and (kind != "cuda" or whole_number(number) is None)):
        raise UsageError(f"--device: no such device {device!r}.", f"Known: {', '.join(DEVICES)}.")
    there = available()
    if kind == "auto":
        word = kind = there[0]
    missing = kind not in there or (number and int(number) >= torch.cuda.device_count())
    if missing:
        raise UsageError(
            f"--device: {word} is asked for, but torch finds none on this machine.",
            f"It finds {', '.join(there)}; --device auto takes the fastest.",
        )
    if workers is not None and workers < 0:
        raise UsageError(f"--workers: {workers} threads cannot be started.", "Give 0 or more.")
    if workers is None:
        workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    return Compute(word, "amp" if amp else "float32", workers, deterministic, threads)


#: What oneDNN says on the CPU when the room for a layer cannot be had.
_ONEDNN = "could not create a primitive"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on the device or on the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("not enough memory", "can't allocate memory", "out of memory", _ONEDNN)
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


@contextmanager
def _worded_faults() -> Iterator[None]:
    """Turn what torch says of memory, determinism and BatchNorm into words for a person."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise ReplicationError(
                "The memory is not enough for this batch of images.",
                "Take a smaller --batch-size or --size, or another device.",
            ) from error
        if "does not have a deterministic implementation" in str(error):
            raise ReplicationError(
                f"This device cannot compute the network deterministically: {error}",
                "Run with --fast, or on the CPU.",
            ) from error
        if "Expected more than 1 value per channel" in str(error):
            raise ReplicationError(
                "BatchNorm in training mode cannot normalise a batch of one image.",
                "Take a --batch-size of 2 or more.",
            ) from error
        raise
