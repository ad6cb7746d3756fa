"""Prove on a machine with a GPU what cannot be proven without one, in at most eight minutes.

    python benchmarks/gpu_check.py [--device cuda] [--out gpu_check.csv] [--minutes 8]

Three questions, one table:

- *agreement*: does CUDA give what the CPU gives? Features of three networks; of every TL type one
  model, trained on both with the same seed: losses, probabilities, accuracy. Twice on the device:
  the same bits.
- *speed*: images a second of decoding JPEG files, beside Pillow in threads; of extraction and of
  training all layers, beside a loop written out by hand at its best (images on the device, channels
  last, bfloat16, TF32, cuDNN's benchmark, the best of several batch sizes), which has nothing to
  decode, to check and to keep.
- *memory*: the most that the device held in each.

A part that does not fit into the time that is left is listed as not run. Made images throughout:
nothing here is medical evidence. ``--small`` runs all of it in seconds, on the CPU too.

A bare machine needs torch, torchvision, NumPy, pandas, Pillow and scikit-learn, and a folder of
wheels for the rest. Make it where there is a network, for the other machine's Python::

    python -m pip download --only-binary :all: --python-version 3.12 -d wheels \
        pydantic PyYAML filelock

and there, in a clone of this repository::

    python -m pip install --no-index --find-links wheels pydantic PyYAML filelock
    PYTHONPATH=. python benchmarks/gpu_check.py
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.opening import open_images
from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.spec import Preprocessing, Spec
from replicate.splits.splits import make_folds
from replicate.training.compute import Compute, choose
from replicate.training.device_jpegs import device_decoder, works
from replicate.training.features import Normalise, extract
from replicate.training.fold import Fitted, fit
from replicate.training.job import Job
from replicate.training.pixels import ahead, stream

#: The unit of what is 1 or 0.
YES = "yes or no"
#: What may differ between devices that add in another order, as shares of the largest value.
FEATURES, LOSS, PROBABILITY = 1e-4, 0.05, 0.1
#: Levels of 255 by which decoders of JPEG may differ on average.
LEVELS = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was measured beside what, and whether that is as it should be."""

    part: str
    what: str
    value: float | None
    beside: float | None
    unit: str
    limit: str = ""
    holds: bool | None = None
    note: str = ""


def told(part: str, what: str, yes: bool) -> Line:
    """Return the line of a question that must be answered with yes."""
    return Line(part, what, float(yes), None, YES, "yes", yes)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is computed: at length, or in seconds."""

    networks: tuple[str, ...]
    images: int
    size: int
    epochs: int
    speed_network: str
    speed_images: int
    speed_size: int
    batches: tuple[int, ...]
    steps: int


LONG = Sizes(("MobileNetV2", "ResNet50", "DenseNet121"), 240, 128, 6,
             "ResNet50", 8192, 224, (64, 128, 256, 512), 20)  # fmt: skip
SMALL = Sizes(("ResNet18",), 24, 32, 2, "ResNet18", 16, 32, (8,), 1)

METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("feature extractor", {"kind": "none"}),
    ("feature extractor hybrid", {"kind": "none"}),
    ("fine-tuning", {"kind": "blocks", "amount": 2}),
    ("fine-tuning from scratch", {"kind": "all"}),
    ("random initialisation", {"kind": "all"}),
    ("recommended protocol", {"kind": "blocks", "amount": 2}),
)


def specification(tl_type: str, unfreezing: dict[str, Any], sizes: Sizes, **more: Any) -> Spec:
    """Return the spec of one TL type; `more` are settings of the training."""
    training: dict[str, Any] = {"epochs": sizes.epochs, "batch_size": 16, **more}
    if tl_type == "recommended protocol":
        training |= {"head_epochs": 1, "backbone_lr": 1e-4}
    hybrid = tl_type == "feature extractor hybrid"
    return Spec.model_validate(
        {
            "data": {"name": "made images", "phantom": True},
            "network": {
                "name": sizes.networks[0],
                "weights": "random" if tl_type == "random initialisation" else "pretrained",
            },
            "transfer": {
                "tl_type": tl_type,
                "unfreezing": unfreezing,
                "head": {"kind": "logistic" if hybrid else "linear"},
            },
            "preprocessing": {"size": sizes.size},
            "training": training,
            "split": {"kind": "hold-out", "test": 0.3, "validation": 0.1},
        }
    )


def made(name: str) -> Backbone:
    """Return a network with the same random weights each time; agreement needs no others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(find_builder(name)).eval()


def fitted(spec: Spec, images: ImageSet, compute: Compute, sizes: Sizes, scratch: Path) -> Fitted:
    """Train one model in a folder of its own, with a cache of its own."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        fold = next(iter(make_folds(images, spec.split, 0)))
        job = Job(spec, images, fold, 0, compute, Path(name) / "cache")
        return fit(job, network=partial(made, sizes.networks[0]), folder=Path(name) / "fold")


def features(
    network: Backbone, images: ImageSet, size: int, compute: Compute, scratch: Path
) -> NDArray[np.float32]:
    """Extract pooled features into a cache of their own."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        found = extract(network, images, boundary=None, preprocessing=Preprocessing(size=size),
                        compute=compute, cache=Path(name))  # fmt: skip
        return np.array(found.rows)


def agreement_of_features(device: str, sizes: Sizes, scratch: Path) -> Iterator[Line]:
    """Yield how far features on the device are from those on the CPU, and from themselves."""
    images = open_images(f"phantom:xray?n={sizes.images}&size={sizes.size}")
    for name in sizes.networks:
        here, there, again = (
            features(made(name), images, sizes.size, choose(place), scratch)
            for place in ("cpu", device, device)
        )
        far = float(np.abs(here - there).max() / np.abs(here).max())
        yield Line("features", f"{name}: largest difference to the CPU", far, None,
                   "of the largest value", f"at most {FEATURES:g}", far <= FEATURES)  # fmt: skip
        yield told("features", f"{name}: the same bits twice", bool((there == again).all()))


def agreement_of_training(
    tl_type: str, unfreezing: dict[str, Any], device: str, sizes: Sizes, scratch: Path
) -> Iterator[Line]:
    """Yield how far one TL type's model on the device is from that on the CPU, and from itself."""
    images = open_images(f"phantom:xray?n={sizes.images}&size={sizes.size}")
    spec = specification(tl_type, unfreezing, sizes)
    here, there, again = (
        fitted(spec, images, choose(place), sizes, scratch) for place in ("cpu", device, device)
    )
    first, second = here.predictions.probabilities, there.predictions.probabilities
    far = float(np.abs(first - second).max())
    # What learns through many layers departs step by step: told, and held to its first epoch.
    learns = unfreezing["kind"] != "none"
    yield Line("training", f"{tl_type}: largest difference of a probability", far, None, "",
               "told" if learns else f"at most {PROBABILITY:g}",
               None if learns else far <= PROBABILITY)  # fmt: skip
    losses = [one.history[0]["loss"] for one in (here, there)]
    if None not in losses:
        apart = abs(losses[0] - losses[1]) / max(losses[0], 1e-9)
        yield Line("training", f"{tl_type}: loss of the first epoch", losses[1], losses[0], "",
                   f"within {LOSS:.0%}", apart <= LOSS)  # fmt: skip
    right = [float((one.predictions.probabilities.argmax(1) == one.predictions.labels).mean())
             for one in (there, here)]  # fmt: skip
    yield Line("training", f"{tl_type}: accuracy", right[0], right[1], "", "told")
    same = bool((second == again.predictions.probabilities).all())
    yield told("training", f"{tl_type}: the same bits twice", same)
    yield told("training", f"{tl_type}: frozen parts unmoved", there.proof.holds)


def noise(sizes: Sizes) -> ImageSet:
    """Return images in memory: what is measured is the network and not the disk."""
    random = np.random.default_rng(0)
    shape = (sizes.speed_images, sizes.speed_size, sizes.speed_size, 3)
    pixels = random.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(sizes.speed_images, dtype=np.int64) % 2
    return of_arrays("noise", pixels, labels, ("one", "two"))


class ByHand:
    """The loop that somebody writes who wants nothing but speed."""

    def __init__(self, images: ImageSet, device: str, sizes: Sizes) -> None:
        self.device, self.sizes, self.cuda = device, sizes, device.startswith("cuda")
        most = max(sizes.batches)
        pixels = np.stack([images.read(i) for i in range(min(most, len(images)))])
        self.pixels = torch.from_numpy(pixels).to(device)
        self.labels = torch.from_numpy(images.labels[: len(pixels)]).to(device)
        self.backbone = made(sizes.speed_network)
        self.backbone.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalise = Normalise(self.backbone, Preprocessing(size=sizes.speed_size)).to(device)
        self.head = nn.Linear(self.backbone.width, 2).to(device)
        self.optimiser = torch.optim.Adam(
            [*self.backbone.parameters(), *self.head.parameters()], lr=1e-3, fused=self.cuda
        )

    def extract(self, batch: int) -> None:
        """Run one batch through the network."""
        with torch.inference_mode(), self._cast():
            self.backbone(self.normalise(self.pixels[:batch])).float()

    def train(self, batch: int) -> None:
        """Take one step on one batch."""
        with self._cast():
            logits = self.head(self.backbone(self.normalise(self.pixels[:batch])))
            loss = functional.cross_entropy(logits.float(), self.labels[:batch])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def best(self, step: Callable[[int], None], training: bool) -> float:
        """Return the images a second of the best batch size."""
        self.backbone.train(training)
        return max(self._rate(step, batch) for batch in self.sizes.batches)

    def _rate(self, step: Callable[[int], None], batch: int) -> float:
        batch = min(batch, len(self.pixels))
        for _ in range(min(3, self.sizes.steps)):
            step(batch)
        self._wait()
        begun = time.perf_counter()
        for _ in range(self.sizes.steps):
            step(batch)
        self._wait()
        return batch * self.sizes.steps / (time.perf_counter() - begun)

    def _cast(self) -> torch.autocast:
        return torch.autocast(self.device.partition(":")[0], dtype=torch.bfloat16)

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize(self.device)


def peak(device: str) -> float | None:
    """Return the most memory that the device held since the last call, in MiB, and begin anew."""
    if not device.startswith("cuda"):
        return None
    found = torch.cuda.max_memory_allocated(device) / 2**20
    torch.cuda.reset_peak_memory_stats(device)
    return found


#: How we compute, as the command line's options: what results are made with, and the quickest.
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("as results are made (float32, deterministic)", {}),
    ("--amp --fast", {"amp": True, "deterministic": False}),
)


def speed_of_extraction(device: str, sizes: Sizes, scratch: Path) -> Iterator[Line]:
    """Yield images a second of extraction, with hashing and writing, beside the loop by hand."""
    images, hand = noise(sizes), ByHand(noise(sizes), device, sizes)
    _ = images.content  # hashing the images is not the device's
    best = hand.best(hand.extract, False)
    del hand
    peak(device)
    for words, way in WAYS:
        network, compute = made(sizes.speed_network), choose(device, **way)
        features(
            network, images.subset(range(min(32, len(images)))), sizes.speed_size, compute, scratch
        )
        begun = time.perf_counter()
        features(network, images, sizes.speed_size, compute, scratch)
        rate = len(images) / (time.perf_counter() - begun)
        yield Line("speed", f"extraction, {words}", rate, best, "images/s", "told",
                   note="beside: by hand, bfloat16, one batch again and again")  # fmt: skip
        yield Line("memory", f"extraction, {words}", peak(device), None, "MiB", "told")


def speed_of_training(device: str, sizes: Sizes, scratch: Path) -> Iterator[Line]:
    """Yield images a second of training all layers, beside the loop by hand."""
    images, hand = noise(sizes), ByHand(noise(sizes), device, sizes)
    best = hand.best(hand.train, True)
    del hand
    peak(device)
    longer = Sizes(**{**asdict(sizes), "networks": (sizes.speed_network,),
                      "size": sizes.speed_size, "epochs": 1})  # fmt: skip
    batch = min(128, max(sizes.batches))
    for words, way in WAYS:
        precision = "amp" if way.get("amp") else "float32"
        spec = specification("fine-tuning from scratch", {"kind": "all"}, longer,
                             batch_size=batch, precision=precision)  # fmt: skip
        one = fitted(spec, images, choose(device, **way), longer, scratch)
        yield Line("speed", f"training all layers, {words}", one.images_per_second, best,
                   "images/s", "told", note=f"batches of {batch}; beside: by hand")  # fmt: skip
        yield Line("memory", f"training all layers, {words}", peak(device), None, "MiB", "told")


def speed_of_decoding(device: str, sizes: Sizes, scratch: Path) -> Iterator[Line]:
    """Yield images a second of JPEG files decoded and resized there, beside Pillow in threads."""
    yield told("decoding", "torchvision decodes JPEG files on the device", works(device))
    random, entries = np.random.default_rng(0), []
    for number in range(16):
        path = scratch / f"{number}.jpg"
        coarse = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        side = 3 * sizes.speed_size
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)
        entries.append(Entry(path.name, path, str(number % 2)))
    images = of_files("JPEG files", entries, "made")
    each = min(256, sizes.speed_images)
    count = max(1, sizes.speed_images // 4 // each)
    batches = [np.arange(each, dtype=np.int64) % len(images)] * count
    preprocessing, compute = Preprocessing(size=sizes.speed_size), choose(device)
    decode = device_decoder(images, preprocessing, device)
    there, here = (
        decode(batches[0][:16]).cpu().numpy(),
        next(stream(images, [batches[0][:16]], preprocessing, 0)),
    )
    far = float(np.abs(there.astype(float) - here).mean())
    yield Line("decoding", "mean difference to Pillow", far, None, "levels of 255",
               f"at most {LEVELS:g}", far <= LEVELS)  # fmt: skip
    rates = []
    for decoded in (
        ahead(decode, batches, compute.workers),
        stream(images, batches, preprocessing, compute.workers),
    ):
        begun = time.perf_counter()
        for _ in decoded:
            compute.wait()
        rates.append(each * count / (time.perf_counter() - begun))
    yield Line("speed", "decoding JPEG files on the device", rates[0], rates[1], "images/s", "told",
               note=f"beside: Pillow in {compute.workers} threads")  # fmt: skip


def surroundings(device: str) -> Iterator[Line]:
    """Yield on what it was measured."""
    words = [f"Python {platform.python_version()}", f"torch {torch.__version__}",
             f"torchvision {torchvision.__version__}"]  # fmt: skip
    if device.startswith("cuda"):
        words += [torch.cuda.get_device_name(device), f"CUDA {torch.version.cuda}",
                  f"bfloat16 {'yes' if torch.cuda.is_bf16_supported() else 'no'}"]  # fmt: skip
    yield Line("machine", ", ".join(words), None, None, "")


#: Which share of the time a part may take when it begins: what would not end in time is left out.
def parts(device: str, sizes: Sizes, scratch: Path) -> list[tuple[str, float, Any]]:
    """Return the parts in the order of their worth: name, least seconds left to begin, work."""
    enough = 0.0 if sizes is SMALL else 45.0
    listed: list[tuple[str, float, Any]] = [
        ("machine", 0.0, partial(surroundings, device)),
        ("features", enough, partial(agreement_of_features, device, sizes, scratch)),
        ("decoding", enough, partial(speed_of_decoding, device, sizes, scratch)),
        ("extraction", enough, partial(speed_of_extraction, device, sizes, scratch)),
        ("training", enough, partial(speed_of_training, device, sizes, scratch)),
    ]
    return listed + [
        (tl_type, enough,
         partial(agreement_of_training, tl_type, unfreezing, device, sizes, scratch))
        for tl_type, unfreezing in METHODS
    ]  # fmt: skip


def check(device: str, sizes: Sizes, seconds: float, scratch: Path) -> Iterator[Line]:
    """Yield the table's lines; a part that fails is a line that does not hold, and not the end."""
    end = time.monotonic() + seconds
    for name, least, work in parts(device, sizes, scratch):
        if end - time.monotonic() < least:
            yield Line(name, "not run: no time was left", None, None, "", holds=False)
            continue
        begun = time.monotonic()
        try:
            yield from work()
        except Exception as error:  # noqa: BLE001 - what it is, is what the table is for
            yield Line(name, "failed", None, None, "", holds=False,
                       note=f"{type(error).__name__}: {error}"[:300])  # fmt: skip
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def shown(line: Line) -> str:
    """Return a line for a reader."""
    mark = {True: "ok", False: "FAILS", None: ""}[line.holds]
    if line.unit == YES:
        return f"{mark:5} {line.part}: {line.what}: {'yes' if line.value else 'no'}"
    numbers = " beside ".join(f"{x:,.5g}" for x in (line.value, line.beside) if x is not None)
    more = f" ({line.note})" if line.note else ""
    limit = f" [{line.limit}]" if line.limit not in ("", "told") else ""
    return f"{mark:5} {line.part}: {line.what} {numbers} {line.unit}{limit}{more}".rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu_check.csv"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    choose(options.device)
    held = True
    with tempfile.TemporaryDirectory() as scratch, options.out.open("w", newline="") as stream:
        rows = csv.DictWriter(stream, [field.name for field in fields(Line)])
        rows.writeheader()
        sizes = SMALL if options.small else LONG
        # Half a minute less: the part that has begun must end, too.
        for line in check(options.device, sizes, 60 * options.minutes - 30, Path(scratch)):
            held &= line.holds is not False
            rows.writerow(asdict(line))
            stream.flush()
            print(shown(line), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
