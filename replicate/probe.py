"""A short measurement of one backbone on this machine: what an estimate rests on.

Weights are random, as time does not depend on them. A result is kept, so that planning the same
network twice measures once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from db.files import replace_file
from replicate.backbones import build
from replicate.builders import Builder, check_size
from replicate.freezing import freeze
from replicate.places import cache_folder
from replicate.spec import Spec, Unfreezing

#: Each part is measured for so many seconds at least, and three times.
LEAST = 0.3
#: The fewest images of a step; the most are those of the spec, as a large batch is quicker.
FEWEST = 2
#: Seconds that a forward pass may take: it keeps the largest networks to a few images.
LONGEST = 1.0
#: A call that takes longer is not repeated.
SLOW = 0.8
VERSION = 2


@dataclass(frozen=True, slots=True)
class Probe:
    """What one image costs.

    Attributes
    ----------
    leading, whole
        Seconds of a forward pass up to the frozen boundary, and through the whole backbone.
    trained, judged
        Seconds of a training step, and of a forward pass, behind the boundary.
    head
        Seconds of a training step of a linear head on cached features.
    boundary_bytes, width
        Size of what stands at the boundary, and number of pooled features.
    held_bytes
        Activations that a training step holds, for one image.
    parameters, trained_parameters
        Of the backbone.
    device, threads
        What it was measured on.
    """

    leading: float
    whole: float
    trained: float
    judged: float
    head: float
    boundary_bytes: int
    width: int
    held_bytes: int
    parameters: int
    trained_parameters: int
    device: str
    threads: int


def best_device() -> str:
    """Return the fastest kind of device that is there."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def probe(builder: Builder, spec: Spec, device: str = "auto", cache: Path | None = None) -> Probe:
    """Measure a backbone as a spec would use it, or read what was measured before.

    Raises
    ------
    UsageError
        Images too small for the network, or more unfrozen than there is.
    """
    device = best_device() if device == "auto" else device
    key: dict[str, Any] = {
        "version": VERSION,
        "network": builder.name,
        "size": spec.preprocessing.size,
        "unfreezing": spec.transfer.unfreezing.model_dump(),
        "batchnorm": spec.transfer.batchnorm,
        "batch": spec.training.batch_size,
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = (cache or cache_folder()) / "probes" / f"{name}.json"
    known = _read(path)
    if known is not None:
        return known
    check_size(builder, spec.preprocessing.size)
    found = _measure(builder, spec.transfer.unfreezing, spec, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(found)).encode())
    return found


def _read(path: Path) -> Probe | None:
    """Return a kept measurement; a file that is none is measured anew."""
    try:
        return Probe(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _measure(builder: Builder, unfreezing: Unfreezing, spec: Spec, device: str) -> Probe:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = build(builder).to(device)
        frozen = freeze(backbone, unfreezing, spec.transfer.batchnorm)
        front, tail = backbone.before(frozen.boundary), backbone.behind(frozen.boundary)
        head = nn.Linear(backbone.width, 2).to(device)
        size = spec.preprocessing.size
        frozen.modes(False)
        images = torch.randn(FEWEST, 3, size, size, device=device)
        with torch.inference_mode():
            backbone(images)  # the first pass allocates
            begun = time.perf_counter()
            backbone(images)
            _wait(device)
        fitting = int(LONGEST * FEWEST / (time.perf_counter() - begun))
        count = max(FEWEST, min(fitting, spec.training.batch_size))
        images = torch.randn(count, 3, size, size, device=device)
        with torch.no_grad():
            boundary = front(images)
            features = backbone(images)
            leading = _seconds(lambda: front(images), device) if frozen.boundary else 0.0
            judged = _seconds(lambda: tail(boundary), device) if frozen.trained else 0.0
        # Where something is trained, the two parts are the whole, which need not be run once more.
        with torch.no_grad():
            whole = leading + judged or _seconds(lambda: backbone(images), device)

        def step(part: nn.Module, given: Tensor) -> Callable[[], None]:
            def run() -> None:
                loss = head(part(given)).square().mean()
                loss.backward()

            return run

        frozen.modes(True)
        trained, held = 0.0, 0
        if frozen.trained:
            held = _held(tail, boundary)
            trained = _seconds(step(tail, boundary), device)
        on_features = _seconds(step(nn.Identity(), features), device)
        return Probe(
            leading=leading / count,
            whole=whole / count,
            trained=trained / count,
            judged=judged / count,
            head=on_features / count,
            boundary_bytes=4 * boundary[0].numel(),
            width=backbone.width,
            held_bytes=held // count,
            parameters=sum(p.numel() for p in backbone.parameters()),
            trained_parameters=frozen.trained_parameters,
            device=device,
            threads=torch.get_num_threads(),
        )


def _held(tail: nn.Module, given: Tensor) -> int:
    """Return the bytes of all that autograd saves in one forward pass."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        tail(given)
    for parameter in tail.parameters():  # weights are saved too, but not once for each image
        seen.pop(parameter.untyped_storage().data_ptr(), None)
    return sum(seen.values())


def _seconds(run: Callable[[], object], device: str) -> float:
    """Return the shortest time of a call: what else the machine does only makes it longer.

    The first call counts only where it is too slow to repeat.
    """
    times: list[float] = []
    begun = time.perf_counter()
    run()
    _wait(device)
    first = time.perf_counter() - begun
    if first > SLOW:
        return first
    while len(times) < 3 or (sum(times) < LEAST and len(times) < 50):
        begun = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - begun)
    return min(times)


def _wait(device: str) -> None:
    """Wait until the device is done: a clock must not stop before it."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
