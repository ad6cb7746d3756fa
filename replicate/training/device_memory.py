"""What lies in a CUDA device's memory, and the way of arrays there.

On the CPU none of this is needed: an array is used where it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replicate.training.compute import Compute

Array = NDArray[Any]
#: Share of the free memory that rows may take for good: what is left is for the network.
_KEPT = 0.4
#: Images in a pass are a power of two from `_LEAST` to `_MOST`; one is reckoned to need so many
#: times the bytes of its float32 pixels, at most this share of the device's memory together.
_LEAST, _MOST, _TIMES, _SHARE = 16, 512, 60, 0.25


class Event(Protocol):
    """What tells when a copy has ended: :class:`torch.cuda.Event`."""

    def record(self) -> None:
        """Begin to watch what was asked of the device until now."""

    def synchronize(self) -> None:
        """Wait until that has been done."""


def pinned(count: int) -> Tensor:
    """Return so many bytes of memory that a device can read by itself."""
    return torch.empty(count, dtype=torch.uint8, pin_memory=True)


@dataclass(eq=False, slots=True)
class Staging:
    """Two pinned buffers in turn, through which arrays go to a device without being waited for.

    Pinning memory takes longer than the copy: the buffers are made once, and grow where an array
    is larger. One is filled while the device may still read the other.

    Parameters
    ----------
    device
        Where arrays go.
    allocate, event
        Make a buffer of so many bytes, and what tells when a copy has ended.
    """

    device: str
    allocate: Callable[[int], Tensor] = pinned
    event: Callable[[], Event] = torch.cuda.Event
    _buffers: list[Tensor | None] = field(default_factory=lambda: [None, None])
    _read: list[Event | None] = field(default_factory=lambda: [None, None])
    _turn: int = 0

    def __call__(self, values: Array) -> Tensor:
        """Return the values on the device, in memory of their own."""
        turn, self._turn = self._turn, 1 - self._turn
        read, buffer = self._read[turn], self._buffers[turn]
        if read is not None:
            read.synchronize()
        if buffer is None or buffer.numel() < values.nbytes:
            buffer = self._buffers[turn] = self.allocate(values.nbytes)
        dtype = torch.from_numpy(np.empty(0, values.dtype)).dtype
        place = buffer[: values.nbytes].view(dtype).reshape(values.shape)
        np.copyto(place.numpy(), values)
        moved = place.to(self.device, non_blocking=True, copy=True)
        self._read[turn] = event = self.event()
        event.record()
        return moved


def mover(compute: Compute) -> Callable[[Array], Tensor]:
    """Return what brings arrays to a device: through buffers of its own to CUDA."""
    return Staging(compute.device) if compute.kind == "cuda" else compute.to_device


def resident(rows: Array, compute: Compute) -> Tensor | None:
    """Return rows that stay on a CUDA device, where they fit beside the network; else None."""
    if compute.kind != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(compute.device)
    return compute.to_device(rows) if fits(rows.nbytes, free) else None


def fits(size: int, free: int) -> bool:
    """Tell whether so many bytes leave enough of the free memory for the network."""
    return size <= _KEPT * free


def images_a_pass(compute: Compute, size: int, usual: int) -> int:
    """Return how many images go through a network at a time.

    Hangs on the device's memory as a whole and not on what is free of it: results may depend on it
    in their last bits, and would else change with what others do.

    Parameters
    ----------
    size
        Side of the input in pixels.
    usual
        What is returned on the CPU.
    """
    if compute.kind != "cuda":
        return usual
    return passes_of(torch.cuda.get_device_properties(compute.device).total_memory, size)


def passes_of(memory: int, size: int) -> int:
    """Return how many images of a size a device with so much memory takes at a time."""
    room = _SHARE * memory / (size * size * 3 * 4 * _TIMES)
    count = _LEAST
    while count < _MOST and 2 * count <= room:
        count *= 2
    return count
