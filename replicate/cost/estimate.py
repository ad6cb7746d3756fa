"""What a replication will cost on this machine, before anything runs: an estimate, and said to be.

Counts of passes follow from the spec; what one pass costs is measured
(:mod:`replicate.cost.probe`). Where nothing changes an image from epoch to epoch, the frozen part
is passed once an image.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.errors import ImagesError
from db.wording import duration, plural, size
from replicate.images.image_set import ImageSet
from replicate.networks.builders import Builder
from replicate.notes import Note
from replicate.spec import Spec
from replicate.terms import CONTROL

if TYPE_CHECKING:
    from replicate.cost.probe import Probe

#: Shares of an official split whose parts are not at hand.
OFFICIAL = (0.7, 0.1, 0.2)
#: What the process takes before any network is built, in bytes: torch, scikit-learn and the rest,
#: as measured on Linux.
BASE_MEMORY = 800_000_000
#: A backward pass holds gradients of activations beside the activations themselves.
BACKWARD = 1.4
#: Bytes a trained parameter takes beside its value: its gradient and what the optimiser keeps.
KEPT: Mapping[str, int] = {"adam": 12, "adamw": 12, "sgd": 8, "rmsprop": 12}
#: Images that are passed at a time while features are extracted.
EXTRACTED = 32
#: How many times longer than the quickest passes would make it a run may take even on a quiet
#: machine: reading, evaluation and checkpoints are not measured.
MARGIN = 1.5
#: Unrest above which the machine is said to be busy.
BUSY = 1.5
#: Images that are decoded to see how long one takes.
DECODED = 8


@dataclass(frozen=True, slots=True)
class Passes:
    """How often images go through which part, over all folds and seeds.

    Attributes
    ----------
    models
        Networks that are trained: folds x repeats x seeds.
    train, validation, test
        Images of one model.
    whole, leading, trained, judged
        Images through the whole backbone, the part in front of the boundary, a training step behind
        it, a forward pass behind it.
    head
        Images through a training step of the head on cached features.
    """

    models: int
    train: int
    validation: int
    test: int
    whole: int
    leading: int
    trained: int
    judged: int
    head: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """About what a run takes.

    Attributes
    ----------
    images
        Number of images that it was made for.
    passes
        How often they are passed.
    decoding, extracting, training
        Seconds; None where nothing was measured.
    memory, disk
        Bytes: at the most in use, and of the cache.
    device
        What was measured.
    unrest
        How many times longer than the quickest call the usual one took while it was measured; 1
        where nothing was.
    notes
        What it does not count, or had to assume.
    """

    images: int
    passes: Passes
    decoding: float | None
    extracting: float | None
    training: float | None
    memory: int | None
    disk: int | None
    device: str | None
    notes: tuple[Note, ...]
    unrest: float = 1.0

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes in words."""
        return tuple(map(str, self.notes))

    @property
    def seconds(self) -> float | None:
        """All of the time that could be estimated."""
        known = [
            part for part in (self.decoding, self.extracting, self.training) if part is not None
        ]
        return sum(known) if self.extracting is not None else None

    @property
    def longest(self) -> float | None:
        """What it may well take: `seconds` are those of a machine that does nothing else."""
        return None if self.seconds is None else self.seconds * max(MARGIN, self.unrest)

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        models = plural(self.passes.models, "model")
        text = f"Estimate for {self.images:,} images and {models}: "
        if self.seconds is None:
            return f"{text}no time was measured."
        text += f"{span(self.seconds, self.longest or self.seconds)} on {self.device}"
        known = ((name, getattr(self, name)) for name in ("decoding", "extracting", "training"))
        parts = [f"{name} {duration(value)}" for name, value in known if value]
        if parts:
            text += f" ({', '.join(parts)})"
        if self.memory is not None and self.disk is not None:
            text += f", about {size(self.memory)} of memory and {size(self.disk)} of cache"
        return f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers, with the sum of the seconds."""
        numbers = asdict(self)
        del numbers["notes"]
        unrest = numbers.pop("unrest")
        return {
            **numbers,
            "remarks": list(self.remarks),
            "unrest": unrest,
            "seconds": self.seconds,
            "longest": self.longest,
            "remark_codes": [note.to_dict() for note in self.notes],
        }


def estimate(
    spec: Spec,
    builder: Builder,
    *,
    images: ImageSet | None = None,
    count: int | None = None,
    measure: bool = True,
    device: str = "auto",
    cache: Path | None = None,
) -> Estimate | None:
    """Estimate time, memory and cache of a run.

    Parameters
    ----------
    spec, builder
        What is run, and the network that is built for it.
    images
        The set with the spec's classes, where it is at hand.
    count
        Number of images, where it is not; without either there is no estimate, and None.
    measure
        Whether the network is timed, which takes some seconds the first time.

    Raises
    ------
    UsageError
        Images too small for the network, or more unfrozen than there is.
    """
    total = len(images) if images is not None else count
    if total is None:
        return None
    if spec.data.max_images is not None:
        total = min(total, spec.data.max_images)
    notes = []
    if images is None:
        notes.append(Note("count of the public set"))
    if spec.split.kind == "official" and (images is None or images.parts is None):
        train, validation, test = (round(100 * share) for share in OFFICIAL)
        shares = {"train": train, "validation": validation, "test": test}
        notes.append(Note("official parts assumed", shares))
    passes = count_passes(spec, total, _shares(spec, images))
    decoding = _decoding(spec, images, total)
    if decoding is None:
        notes.append(Note("decoding not counted"))
    if spec.transfer.hybrid:
        notes.append(Note("classifier not counted", {"head": spec.transfer.head.kind}))
    if measure and find_spec("torch") is None:
        measure = False
        notes.append(Note("no torch"))
    if not measure:
        return Estimate(total, passes, decoding, None, None, None, None, None, tuple(notes))
    from replicate.cost.probe import probe

    cost = probe(builder, spec, device, cache)
    if cost.unrest > BUSY:
        notes.append(Note("busy machine"))
    extracting = passes.whole * cost.whole + passes.leading * cost.leading
    training = passes.trained * cost.trained + passes.judged * cost.judged + passes.head * cost.head
    return Estimate(
        images=total,
        passes=passes,
        decoding=decoding,
        extracting=extracting,
        training=training,
        memory=_memory(spec, cost),
        disk=_disk(spec, cost, total),
        device=f"{cost.device} with {plural(cost.threads, 'thread')}",
        notes=tuple(notes),
        unrest=cost.unrest,
    )


def caches(spec: Spec) -> bool:
    """Tell whether what leaves the frozen part is the same in every epoch."""
    return not spec.augmentation.active and spec.transfer.batchnorm != "none"


def count_passes(spec: Spec, total: int, shares: tuple[float, float, float]) -> Passes:
    """Count passes.

    Parameters
    ----------
    total
        Number of images.
    shares
        Of training, validation and test, of one model.
    """
    split = spec.split
    rounds = split.folds * split.repeats if split.kind == "k-fold" else split.repeats
    models = len(spec.seeds) * (1 if split.kind in ("official", "external") else rounds)
    train, validation, test = (round(share * total) for share in shares)
    extent, epochs = spec.transfer.unfreezing.kind, spec.training.epochs
    head_epochs = epochs if extent == "none" else spec.training.head_epochs
    tail_epochs = 0 if extent == "none" else epochs - head_epochs
    cached = caches(spec)
    hybrid = spec.transfer.hybrid
    whole = leading = 0
    if hybrid or (head_epochs and cached):
        # Each model draws its own random network.
        whole = models * total if spec.transfer.tl_type == CONTROL else total
    elif head_epochs:
        whole = models * (head_epochs * (train + validation) + (0 if tail_epochs else test))
    if tail_epochs and extent != "all":
        seen = tail_epochs * (train + validation) + test
        leading = total if cached else models * seen
    return Passes(
        models=models,
        train=train,
        validation=validation,
        test=test,
        whole=whole,
        leading=leading,
        trained=models * tail_epochs * train,
        judged=models * (tail_epochs * validation + test) if tail_epochs else 0,
        head=0 if hybrid else models * head_epochs * train,
    )


def _shares(spec: Spec, images: ImageSet | None) -> tuple[float, float, float]:
    split = spec.split
    match split.kind:
        case "official":
            if images is None or images.parts is None:
                return OFFICIAL
            n = max(len(images), 1)
            train, validation, test = (images.parts.count(p) / n for p in ("train", "val", "test"))
            return train, validation, test
        case "external":
            assert images is not None
            assert images.parts is not None
            test = images.parts.count("test") / max(len(images), 1)
            return (1 - test) * (1 - split.validation), (1 - test) * split.validation, test
        case "k-fold":
            rest = 1 - 1 / split.folds
            return rest * (1 - split.validation), rest * split.validation, 1 / split.folds
        case _:
            return 1 - split.test - split.validation, split.validation, split.test


def _decoding(spec: Spec, images: ImageSet | None, total: int) -> float | None:
    """Return seconds for decoding all images once; None where there are none to try."""
    if images is None or not len(images):
        return None
    from replicate.images.prepare import prepared

    places = range(0, len(images), max(1, len(images) // DECODED))
    times = []
    try:
        for place in places:
            begun = time.perf_counter()
            prepared(images.read(place), spec.preprocessing)
            times.append(time.perf_counter() - begun)
    except ImagesError:
        return None  # the run names the image; an estimate need not
    return statistics.median(times) * total


def _memory(spec: Spec, cost: Probe) -> int:
    """Return the process's peak: base, parameters, what the optimiser keeps, activations."""
    kept = cost.trained_parameters * KEPT[spec.training.optimiser]
    pixels = 3 * spec.preprocessing.size**2 * 4
    # Frozen layers hold two maps at a time; the largest is taken for sixteen times the image.
    passing = EXTRACTED * pixels * 32
    stepping = BACKWARD * spec.training.batch_size * (cost.held_bytes + cost.boundary_bytes)
    return BASE_MEMORY + 4 * cost.parameters + kept + max(passing, round(stepping))


def _disk(spec: Spec, cost: Probe, total: int) -> int:
    """Return the bytes of what is kept: features, activations at the boundary, decoded images."""
    extent = spec.transfer.unfreezing.kind
    needed = 0
    if caches(spec) and (extent == "none" or spec.training.head_epochs):
        needed += 4 * cost.width * total
    if extent not in ("none", "all") and caches(spec):
        needed += cost.boundary_bytes * total
    if extent == "all" or not caches(spec):
        needed += 3 * spec.preprocessing.size**2 * total
    return needed


def span(short: float, long: float) -> str:
    """Return two times as a range, with one unit where they share it."""
    first, last = duration(short), duration(long)
    if first == last:
        return first
    number, _, unit = first.partition(" ")
    shared = last.partition(" ")[2]
    return f"{number if unit == shared else first} to {last}"
