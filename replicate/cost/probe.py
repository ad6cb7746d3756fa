"""A short measurement of one backbone on this machine: what an estimate rests on.

Weights are random, as time does not depend on them. A result is kept, so that planning the same
network twice measures once.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from db.files import replace_file
from replicate.networks.backbones import build
from replicate.networks.builders import Builder, check_size
from replicate.networks.freezing import freeze
from replicate.places import cache_folder
from replicate.spec import Spec
from replicate.training.compute import Compute, choose

#: Each part is measured for so many seconds at least, and three times.
LEAST = 0.5
#: The fewest images of a step; the most are those of the spec, as a large batch is quicker.
FEWEST = 2
#: Seconds that a forward pass may take: it keeps the largest networks to a few images.
LONGEST = 0.5
#: Once a part has been measured for so many seconds, two times are enough.
ENOUGH = 2.0
#: Seconds below which a call is uneven on any machine.
TINY = 0.005
VERSION = 3


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
    unrest
        How many times longer than the shortest the usual call took, at the worst: above 1.5 the
        machine had other things to do.
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
    unrest: float


def probe(builder: Builder, spec: Spec, device: str = "auto", cache: Path | None = None) -> Probe:
    """Measure a backbone as a spec would use it, or read what was measured before.

    Raises
    ------
    UsageError
        Images too small for the network, or more unfrozen than there is.
    """
    compute = choose(device)
    key: dict[str, Any] = {
        "version": VERSION,
        "network": builder.name,
        "size": spec.preprocessing.size,
        "unfreezing": spec.transfer.unfreezing.model_dump(),
        "batchnorm": spec.transfer.batchnorm,
        "batch": spec.training.batch_size,
        "device": compute.device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = (cache or cache_folder()) / "probes" / f"{name}.json"
    known = _read(path)
    if known is not None:
        return known
    check_size(builder, spec.preprocessing.size)
    found = _measure(builder, spec, compute)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(found)).encode())
    return found


def _read(path: Path) -> Probe | None:
    """Return a kept measurement; a file that is none is measured anew."""
    try:
        return Probe(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _measure(builder: Builder, spec: Spec, compute: Compute) -> Probe:
    device = compute.device
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = build(builder).to(device)
        frozen = freeze(backbone, spec.transfer.unfreezing, spec.transfer.batchnorm)
        front, tail = backbone.before(frozen.boundary), backbone.behind(frozen.boundary)
        head = nn.Linear(backbone.width, 2).to(device)
        size = spec.preprocessing.size
        frozen.modes(False)
        images = torch.randn(FEWEST, 3, size, size, device=device)
        clock = _Clock(compute)
        with torch.inference_mode():
            fitting = int(LONGEST * FEWEST / clock.seconds(lambda: backbone(images)))
        count = max(FEWEST, min(fitting, spec.training.batch_size))
        images = torch.randn(count, 3, size, size, device=device)
        with torch.no_grad():
            boundary = front(images)
            features = backbone(images)
            leading = clock.seconds(lambda: front(images)) if frozen.boundary else 0.0
            judged = clock.seconds(lambda: tail(boundary)) if frozen.trained else 0.0
        # Where something is trained, the two parts are the whole, which need not be run once more.
        with torch.no_grad():
            whole = leading + judged or clock.seconds(lambda: backbone(images))

        def step(part: nn.Module, given: Tensor) -> None:
            head(part(given)).square().mean().backward()

        frozen.modes(True)
        trained, held = 0.0, 0
        if frozen.trained:
            held = _held(tail, boundary)
            trained = clock.seconds(lambda: step(tail, boundary))
        # As a run does it: threads that meet after every layer of a small head only wait.
        with compute.one_thread():
            on_features = clock.seconds(lambda: step(nn.Identity(), features))
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
            trained_parameters=sum(p.numel() for p in backbone.parameters() if p.requires_grad),
            device=device,
            threads=torch.get_num_threads(),
            unrest=clock.unrest,
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


class _Clock:
    """Measures calls, and remembers how uneven they were."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.unrest = 1.0

    def seconds(self, run: Callable[[], object]) -> float:
        """Return the shortest time of a call: what else the machine does only makes it longer.

        The first call, which allocates, does not count.
        """
        times: list[float] = []
        self._timed(run)
        while not self._measured(times):
            times.append(self._timed(run))
        if min(times) > TINY:
            self.unrest = max(self.unrest, statistics.median(times) / min(times))
        return min(times)

    def _measured(self, times: list[float]) -> bool:
        spent = sum(times)
        if len(times) < 3:
            return len(times) == 2 and spent > ENOUGH
        return spent >= LEAST or len(times) >= 50

    def _timed(self, run: Callable[[], object]) -> float:
        begun = time.perf_counter()
        run()
        self._compute.wait()
        return time.perf_counter() - begun
