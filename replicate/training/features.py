"""Features of the frozen part of a backbone: each image goes through it once, for all that follows.

The rows are pooled features where everything is frozen, and the activations at the boundary where
the blocks behind it are trained. They are kept by what they depend on - images, preprocessing,
weights, boundary, precision, kind of device - so that every head, fold, epoch and later run reads
them from the disk.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from replicate.images.image_set import ImageSet
from replicate.images.prepare import decoders
from replicate.networks.folding import folded
from replicate.networks.network import Backbone
from replicate.progress import Progress, Report, silent
from replicate.spec import Preprocessing
from replicate.training.compute import Compute, is_out_of_memory
from replicate.training.device_jpegs import device_decoder, wanted
from replicate.training.device_memory import images_a_pass, mover
from replicate.training.pixels import Indices, ahead, decoder
from replicate.training.store import Entry, Kept, Table

#: Part of every key: raised when the way from pixels to features changes.
VERSION = 2
#: Images in one forward pass. Fixed, so that features do not depend on a run's batch size; small,
#: so that what a pass holds stays in the processor's own memory and many passes fit beside another.
BATCH = 16
_CHUNK_BYTES = 64 * 2**20

#: What makes of a batch the pixels of its images, in memory or on the device.
_Pixels = NDArray[np.uint8] | Tensor
_Decode = Callable[[Indices], _Pixels]


class Normalise(nn.Module):
    """From bytes as they are decoded to what the network wants to see.

    Takes uint8, shape (n, size, size, 3); gives float32, shape (n, 3, size, size), channels last
    in memory - which decoded images already are, so that nothing is moved.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: Backbone, preprocessing: Preprocessing) -> None:
        super().__init__()
        half = (0.5, 0.5, 0.5)
        own = preprocessing.normalise == "backbone"
        mean = torch.tensor(backbone.expects.mean if own else half).reshape(1, 3, 1, 1)
        deviation = torch.tensor(backbone.expects.deviation if own else half).reshape(1, 3, 1, 1)
        self.register_buffer("scale", 1.0 / (255.0 * deviation))
        self.register_buffer("shift", -mean / deviation)

    def forward(self, pixels: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Normalise; `change` gets and returns values from 0 to 1 before that."""
        images = pixels.permute(0, 3, 1, 2).float()
        if change is None:
            return torch.addcmul(self.shift, images, self.scale)
        return torch.addcmul(self.shift, change(images / 255.0), self.scale * 255.0)


def extract(
    backbone: Backbone,
    images: ImageSet,
    *,
    boundary: int | None,
    preprocessing: Preprocessing,
    compute: Compute,
    cache: Path,
    report: Report = silent,
) -> Kept:
    """Run every image through the blocks in front of a boundary, or read what that gave before.

    The blocks are put in evaluation mode, and stay in it; the passes go through a copy in which
    BatchNorm is folded into convolutions. On the CPU each pass runs on one thread, as many beside
    each other as torch has threads: the bits are the same on any number of them, and no thread
    waits for another in the middle of a layer, which on a busy machine takes most of the time.

    Parameters
    ----------
    boundary
        Number of leading blocks; None takes the whole backbone and pools.
    cache
        Folder of caches (`replicate.places.cache_folder`).

    Returns
    -------
    Kept
        float32, shape (n, width), or (n, channels, height, width) at a boundary.

    Raises
    ------
    ImagesError
        An image that cannot be read.
    ReplicationError
        No space on the disk, or not enough memory for a single image.
    """
    front: nn.Module = backbone if boundary is None else backbone.before(boundary)
    front.eval()
    front.to(compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalise = Normalise(backbone, preprocessing).to(compute.device)
    shape: tuple[int, ...] = (backbone.width,)
    if boundary is not None:
        shape = _row_shape(front, normalise, preprocessing.size, compute)
    row_bytes = 4 * int(np.prod(shape))
    each = images_a_pass(compute, preprocessing.size, BATCH)
    chunk = each * max(1, min(32, _CHUNK_BYTES // (each * row_bytes)))
    table = Table(len(images), shape, "float32", chunk)
    decode: _Decode = decoder(images, preprocessing)
    jpegs = wanted(images, preprocessing, compute)
    if jpegs:
        decode = device_decoder(images, preprocessing, compute.device)
    recipe: dict[str, Any] = {
        "kind": "features",
        "version": VERSION,
        "decoders": decoders(),
        "content": images.content,
        "preprocessing": preprocessing.model_dump(mode="json"),
        "backbone": backbone.name,
        "state": state_hash(front),
        "normalisation": [normalise.scale.flatten().tolist(), normalise.shift.flatten().tolist()],
        "boundary": "pooled" if boundary is None else boundary,
        **_arithmetic(compute, each),
        **({"jpegs": version("torchvision")} if jpegs else {}),
        "torch": torch.__version__,
    }

    def produce(start: int) -> Generator[NDArray[np.float32], None, None]:
        rest = np.arange(start, table.count, dtype=np.int64)
        batches = np.split(rest, range(each, len(rest), each))
        # On the device: rows are copied back a chunk at a time, so that no pass waits for a copy.
        rows = torch.empty((min(chunk, len(rest)), *shape), device=compute.device)
        filled = 0
        for made in _passes(front, normalise, decode, batches, preprocessing.size, compute, report):
            rows[filled : filled + len(made)] = made
            filled += len(made)
            start += len(made)
            report(Progress("features", start, table.count, "images"))
            if filled == chunk or start == table.count:
                yield rows[:filled].cpu().numpy()
                filled = 0

    entry = Entry(cache / "features", recipe, table)
    return entry.obtain(produce, "features", report)


def _arithmetic(compute: Compute, each: int) -> dict[str, Any]:
    """Return what of the device decides bits: a part of the key."""
    found: dict[str, Any] = {"precision": compute.precision, "device": compute.kind}
    if compute.kind == "cuda":
        half = str(compute.half) if compute.precision == "amp" else None
        found |= {"pass": each, "half": half, "loose": compute.loose}
    return found


def state_hash(module: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers, names and forms included."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        # Contiguous: the same weights have the same hash in every memory format.
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _passes(
    front: nn.Module,
    normalise: Normalise,
    decode: _Decode,
    batches: Sequence[Indices],
    size: int,
    compute: Compute,
    report: Report,
) -> Generator[Tensor, None, None]:
    """Yield what the frozen blocks make of each batch, in order."""
    lanes, count = torch.get_num_threads(), int(batches[-1][-1]) + 1
    with compute.one_thread() if compute.kind == "cpu" else nullcontext():
        front = without_batchnorm(front, normalise, size, compute)
        run = _Run(front, normalise, compute, report, count, len(batches[0]))
        if compute.kind == "cpu":
            # Each thread has a setting of its own of how many help it.
            one = partial(torch.set_num_threads, 1)
            yield from ahead(lambda batch: run(decode(batch)), batches, lanes, begin=one)
        else:
            yield from map(run, ahead(decode, batches, compute.workers))


def without_batchnorm(
    front: nn.Module, normalise: Normalise, size: int, compute: Compute
) -> nn.Module:
    """Return frozen blocks with BatchNorm folded into convolutions, as far as it can be."""
    noise = torch.randint(256, (1, size, size, 3), generator=torch.Generator().manual_seed(0))
    return folded(front, normalise(noise.to(compute.device, torch.uint8)))


def _row_shape(
    front: nn.Module, normalise: Normalise, size: int, compute: Compute
) -> tuple[int, ...]:
    blank = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=compute.device)
    with torch.inference_mode(), compute.autocast():
        return tuple(front(normalise(blank)).shape[1:])


@dataclass(eq=False, slots=True)
class _Run:
    """A forward pass, of any number of threads at a time.

    Where memory runs out the passes take turns, which changes no bit; where it runs out even so
    the batch is halved. Both stay so.
    """

    front: nn.Module
    normalise: Normalise
    compute: Compute
    report: Report
    total: int
    most: int
    short: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)
    move: Callable[[NDArray[Any]], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.move = mover(self.compute)

    def __call__(self, pixels: _Pixels) -> Tensor:
        parts: list[Tensor] = []
        start = 0
        while start < len(pixels):
            alone, part = self.short, pixels[start : start + self.most]
            try:
                with self.turn if alone else nullcontext():
                    parts.append(self._forward(part))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or (alone and len(part) == 1):
                    raise
                self._spare(len(part), alone)
                continue
            start += len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _spare(self, tried: int, alone: bool) -> None:
        self.short = True
        if self.compute.kind == "cuda":
            torch.cuda.empty_cache()
        if not alone:
            return
        fewer = (tried + 1) // 2
        if fewer < self.most:
            self.most = fewer
            words = f"memory is short: {self.most} images at a time from here on"
            self.report(Progress("features", 0, self.total, "images", words))

    def _forward(self, pixels: _Pixels) -> Tensor:
        moved = pixels if isinstance(pixels, Tensor) else self.move(pixels)
        with torch.inference_mode(), self.compute.autocast():
            found: Tensor = self.front(self.normalise(moved)).float()
        return found
