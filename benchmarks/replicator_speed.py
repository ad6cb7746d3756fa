"""What the caches of the replicator save, and what the reader of images costs.

Whole processes first: our command beside what one would write instead (`whole_processes.py`,
`instead.py`), in pairs. Then parts, each against a loop written out by hand here, with the same
random numbers, so that results can be compared and not only times:

- extraction: features through `replicate.training.features` beside decoding and a forward pass in
  turn;
- cross-validation: 5 folds x 20 epochs x 3 heads (linear, MLP of 64, SVM) beside one bare pass of
  the backbone over the same decoded images, and beside the loop that sends each image through the
  frozen backbone in every epoch;
- memory: peak of a process that extracts and trains on so many simulated images, with a tiny
  network, so that what grows with their number would show.

Usage (``phantom`` needs no files; a folder of real images decodes as in real work)::

    python benchmarks/replicator_speed.py --images covid_ct --csv benchmarks/replicator_speed.csv
    python benchmarks/replicator_speed.py --csv benchmarks/replicator_speed.csv --table
"""

from __future__ import annotations

import argparse
import copy
import csv
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from whole_processes import Bench, Measure, chosen_images, measured, table

from db.errors import WeightsError
from replicate.images.image_set import ImageSet, Pixels, of_arrays
from replicate.images.opening import open_images
from replicate.images.prepare import prepared
from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone, Input
from replicate.spec import Preprocessing, Spec
from replicate.splits.splits import Fold, make_folds
from replicate.training.compute import Compute, choose
from replicate.training.features import BATCH, extract
from replicate.training.fold import Fitted, fit
from replicate.training.heads import torch_head
from replicate.training.hybrids import classify
from replicate.training.job import Job
from replicate.training.seeds import batches, derived, shuffled
from replicate.weights.load import load
from replicate.weights.places import find_weights

PARTS = ("whole processes", "extraction", "cross-validation", "memory")
HEADS = ("linear", "mlp", "svm")
SEED = 0


def specification(head: str, size: int, epochs: int) -> Spec:
    tl_type = "feature extractor hybrid" if head == "svm" else "feature extractor"
    return Spec.model_validate(
        {
            "data": {"name": "benchmark"},
            "network": {"name": "benchmark"},
            "transfer": {
                "tl_type": tl_type,
                "unfreezing": {"kind": "none"},
                "head": {"kind": head, "hidden": 64 if head == "mlp" else None},
            },
            "preprocessing": {"size": size},
            "training": {"epochs": epochs, "learning_rate": 1e-3},
            "split": {"kind": "k-fold", "folds": 5},
        }
    )


def backbone_of(name: str) -> tuple[Backbone, str]:
    """Return the network, pretrained where weights are at hand: speed does not depend on them."""
    builder = find_builder(name)
    try:
        found = find_weights(builder, download=False)
    except WeightsError:
        torch.manual_seed(SEED)
        return build(builder).eval(), "random weights"
    return load(builder, found).eval(), found.label


def as_decoded(images: ImageSet, size: int) -> ImageSet:
    """Return the same images, decoded and prepared, in memory."""
    pixels = np.stack(
        [prepared(images.read(i), Preprocessing(size=size)) for i in range(len(images))]
    )
    return of_arrays(images.name, pixels, images.labels, images.classes, groups=images.groups)


def normalised(pixels: np.ndarray, backbone: Backbone) -> Tensor:
    mean = torch.tensor(backbone.expects.mean).reshape(1, 3, 1, 1)
    deviation = torch.tensor(backbone.expects.deviation).reshape(1, 3, 1, 1)
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0 - mean) / deviation


def decode_and_forward(backbone: Backbone, images: ImageSet, size: int) -> np.ndarray:
    """By hand: decode a batch, run it, take the next."""
    found = []
    with torch.inference_mode():
        for batch in np.split(np.arange(len(images)), range(BATCH, len(images), BATCH)):
            pixels = np.stack(
                [prepared(images.read(int(i)), Preprocessing(size=size)) for i in batch]
            )
            found.append(backbone(normalised(pixels, backbone)).numpy())
    return np.concatenate(found)


def ours(
    images: ImageSet, folds: Sequence[Fold], heads: Sequence[str], backbone: Backbone,
    compute: Compute, options: argparse.Namespace,
) -> tuple[float, list[Fitted]]:  # fmt: skip
    def one(fold: Fold, head: str, scratch: Path) -> Fitted:
        spec = specification(head, options.size, options.epochs)
        return fit(
            Job(spec, images, fold, SEED, compute, scratch / "cache"),
            network=lambda: backbone,
            folder=scratch / f"{fold.number} {head}",
        )

    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        start = time.perf_counter()
        found = [one(fold, head, Path(name)) for fold in folds for head in heads]
        return time.perf_counter() - start, found


def plain(
    images: ImageSet, fold: Fold, head_kind: str, backbone: Backbone, options: argparse.Namespace
) -> np.ndarray:
    """Run the loop of the tutorials: every image through the frozen network in every epoch."""
    spec = specification(head_kind, options.size, options.epochs)
    pixels = np.stack([images.read(i) for i in range(len(images))])
    labels = torch.from_numpy(images.labels)
    backbone.eval().requires_grad_(False)
    if head_kind == "svm":
        with torch.no_grad():
            features = [
                backbone(normalised(pixels[batch], backbone)).numpy()
                for batch in np.split(np.arange(len(images)), range(BATCH, len(images), BATCH))
            ]
        return classify(
            spec.transfer.head, np.concatenate(features), images.labels, fold,
            classes=len(images.classes), balanced=False,
            seed=derived(SEED, fold.repeat, fold.number, "hybrid") % 2**32,
        ).probabilities  # fmt: skip
    torch.manual_seed(derived(SEED, fold.repeat, fold.number, "head"))
    head = torch_head(spec.transfer.head, backbone.width, len(images.classes))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-3)
    for epoch in range(options.epochs):
        purpose = (fold.repeat, fold.number, "training", epoch, "order")
        for batch in batches(shuffled(fold.train, derived(SEED, *purpose)), 32):
            logits = head(backbone(normalised(pixels[batch], backbone)))
            loss = functional.cross_entropy(logits, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        predict(backbone, head, pixels, fold.val)
    return predict(backbone, head, pixels, fold.test)


def predict(
    backbone: Backbone, head: nn.Module, pixels: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    backbone.eval()
    with torch.no_grad():
        logits = [
            head(backbone(normalised(pixels[batch], backbone))) for batch in batches(indices, 64)
        ]
    return torch.softmax(torch.cat(logits).double(), 1).numpy()


def largest_difference(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


def measure_processes(options: argparse.Namespace) -> Iterator[Measure]:
    found = find_weights(find_builder("MobileNetV2"), download=False)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = Path(name)
        images = chosen_images(options.images, options.n, scratch / "images")
        bench = Bench(scratch, images, found.path, options.size, options.python)
        yield from measured(bench, options.pairs)


def measure_extraction(
    images: ImageSet, backbone: Backbone, compute: Compute, options: argparse.Namespace
) -> Iterator[Measure]:
    by_hand, of_ours, difference = [], [], 0.0
    for _ in range(options.repeats):
        with compute.one_thread():  # threads that wait for each other count as busy
            start = time.process_time()
            expected = decode_and_forward(backbone, images, options.size)
            by_hand.append(time.process_time() - start)
        with tempfile.TemporaryDirectory(dir=options.scratch) as name, compute.session():
            start = time.process_time()
            found = extract(
                copy.deepcopy(backbone), images, boundary=None,
                preprocessing=Preprocessing(size=options.size), compute=compute, cache=Path(name),
            )  # fmt: skip
            of_ours.append(time.process_time() - start)
            difference = largest_difference([found.rows], [expected])
    yield "by hand: decode + forward", len(images) / min(by_hand), "images/CPU s"
    yield "extraction", len(images) / min(of_ours), "images/CPU s"
    yield "extraction / by hand (target >= 1.0)", min(by_hand) / min(of_ours), "ratio"
    yield "largest difference of features", difference, ""


def measure_cross_validation(
    images: ImageSet, backbone: Backbone, compute: Compute, options: argparse.Namespace
) -> Iterator[Measure]:
    pixels = np.stack([images.read(i) for i in range(len(images))])
    passes = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        with torch.inference_mode():
            for batch in np.split(np.arange(len(images)), range(BATCH, len(images), BATCH)):
                backbone(normalised(pixels[batch], backbone))
        passes.append(time.perf_counter() - start)
    folds = make_folds(images, specification("linear", options.size, 1).split, SEED)
    whole = min(ours(images, folds, HEADS, backbone, compute, options)[0] for _ in range(2))
    yield "one bare pass over decoded images", min(passes), "s"
    yield f"5 folds x {options.epochs} epochs x 3 heads", whole, "s"
    yield "cross-validation / bare pass (target <= 1.3)", whole / min(passes), "ratio"
    few = images.subset(np.linspace(0, len(images) - 1, options.plain_n).astype(np.int64))
    folds = make_folds(few, specification("linear", options.size, 1).split, SEED)
    seconds, fitted = ours(few, folds, HEADS, backbone, compute, options)
    start = time.perf_counter()
    expected = [plain(few, fold, head, backbone, options) for fold in folds for head in HEADS]
    by_hand = time.perf_counter() - start
    found = [one.predictions.probabilities for one in fitted]
    yield f"the same, {len(few)} images", seconds, "s"
    yield f"plain loop, {len(few)} images", by_hand, "s"
    yield "plain loop / cross-validation (target >= 20)", by_hand / seconds, "ratio"
    difference = largest_difference(found, expected)
    yield "largest difference of predictions (target <= 1e-4)", difference, ""


def simulated(count: int) -> ImageSet:
    """Images drawn when asked for; a hundred thousand take no more memory than their names."""

    def read(index: int) -> Pixels:
        noise = np.random.default_rng(index).integers(0, 200, (32, 32), dtype=np.uint8)
        noise[:16] += np.uint8(index % 2 * 50)
        return noise

    return ImageSet(
        "simulated", ("a", "b"), np.arange(count, dtype=np.int64) % 2,
        tuple(f"{index:06d}" for index in range(count)), read, lambda i: f"simulated {i}",
        phantom=True,
    )  # fmt: skip


def extract_and_train(count: int, scratch: Path | None) -> None:
    """Run in a process of its own: extract, train a head for one epoch, print the peak."""
    torch.manual_seed(SEED)
    blocks = nn.Sequential(nn.Conv2d(3, 64, 3, stride=2), nn.ReLU())
    backbone = Backbone("tiny", blocks, 64, Input(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    images, compute = simulated(count), choose("cpu")
    order = np.random.default_rng(0).permutation(count).astype(np.int64)
    fold = Fold(0, 0, order[count // 5 :], order[:0], order[: count // 5])
    spec = specification("linear", 32, 1)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        cache = Path(name)
        job = Job(spec, images, fold, SEED, compute, cache)
        fitted = fit(job, network=lambda: backbone, folder=cache / "fold")
    print(fitted.peak_memory_bytes)


def measure_memory(options: argparse.Namespace) -> Iterator[Measure]:
    for count in options.memory:
        command = [sys.executable, __file__, "--only-memory-of", str(count)]
        if options.scratch:
            command += ["--scratch", str(options.scratch)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        yield f"peak memory, {count:,} simulated images", int(done.stdout) / 2**20, "MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="phantom", help="phantom, folder, .npz or manifest")
    parser.add_argument("--backbone", default="MobileNetV2", help="of the parts")
    parser.add_argument("--pairs", type=int, default=3, help="of whole processes")
    parser.add_argument("--python", default=sys.executable, help="one with Lightning and fastai")
    parser.add_argument("--table", action="store_true", help="print the tables of --csv, run none")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--n", type=int, default=300, help="images; evenly taken")
    parser.add_argument("--plain-n", type=int, default=24, help="images for the plain loops")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=2, help="the best of so many is taken")
    parser.add_argument("--memory", type=int, nargs="*", default=[1_000, 20_000])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument(
        "--scratch", type=Path, help="folder for caches; the system's temporary one"
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--only-memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_memory_of:
        extract_and_train(options.only_memory_of, options.scratch)
        return
    if options.table:
        with options.csv.open(newline="") as kept:
            print(table(list(csv.DictReader(kept))))
        return
    compute = choose(options.device)
    images = open_images(options.images, size=options.size)
    chosen = np.unique(np.linspace(0, len(images) - 1, options.n).astype(np.int64))
    images = images.subset(chosen)
    backbone, weights = backbone_of(options.backbone)
    decode_and_forward(backbone, images.subset(range(8)), options.size)  # warm up
    ready = as_decoded(images, options.size)
    context = {
        "images": f"{images.name}, {len(images)}",
        "backbone": f"{backbone.name}, {weights}",
        "size": options.size,
        "device": compute.device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(", ".join(f"{name}: {value}" for name, value in context.items()))
    rows = []
    parts = {
        "whole processes": measure_processes(options),
        "extraction": measure_extraction(images, backbone, compute, options),
        "cross-validation": measure_cross_validation(ready, backbone, compute, options),
        "memory": measure_memory(options),
    }
    for part in options.parts:
        for name, value, unit in parts[part]:
            rows.append({"part": part, "measure": name, "value": f"{value:.4g}", "unit": unit})
            print(f"{part:18}{name:55}{value:>12.4g} {unit}", flush=True)
    if options.csv:
        with options.csv.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [*rows[0], *context], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, **context} for row in rows)


if __name__ == "__main__":
    main()
