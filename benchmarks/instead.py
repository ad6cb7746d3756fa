"""What one would write instead of `medtl-meta replicate run`: each a whole process of its own.

    python benchmarks/instead.py WAY --images FOLDER --weights FILE [--cache FOLDER]

Written as people write them, at their best where they are written by hand (images decoded by
threads, channels last, one fused optimiser step), and with what they leave out: no patients, no
leakage, no intervals, no ledger. `whole_processes.py` runs them beside ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

WIDTH = 1280
MEAN = torch.tensor((0.485, 0.456, 0.406)).reshape(1, 3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).reshape(1, 3, 1, 1)


def files_of(folder: Path) -> tuple[list[Path], np.ndarray, int]:
    """Return all images with the numbers of their classes, which are folders."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [(path, i) for i, one in enumerate(classes) for path in sorted(one.iterdir())]
    return [path for path, _ in files], np.array([i for _, i in files]), len(classes)


def decode(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def decode_all(files: list[Path], size: int) -> np.ndarray:
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return np.stack(list(pool.map(partial(decode, size=size), files)))


def normalised(pixels: np.ndarray) -> Tensor:
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0 - MEAN) / DEVIATION


def blocks_of(weights: Path) -> nn.Sequential:
    """Return MobileNetV2's features; the file's tensors stand in the network's order."""
    features = mobilenet_v2(weights=None).features
    state = torch.load(weights, weights_only=True)
    own = features.state_dict()
    features.load_state_dict(dict(zip(own, state.values(), strict=False)))
    return features.to(memory_format=torch.channels_last)


class Classifier(nn.Module):
    """Blocks, their average, and a linear head."""

    def __init__(self, blocks: nn.Module, classes: int) -> None:
        super().__init__()
        self.blocks, self.head = blocks, nn.Linear(WIDTH, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.blocks(images).mean((2, 3)))


def through(front: nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        parts = (front(normalised(part)).numpy() for part in batches(pixels, 16))
        return np.concatenate(list(parts))


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def kept(options: argparse.Namespace, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what was saved before, else make and save it."""
    path: Path = options.cache / f"{name}.npy"
    if not path.exists():
        np.save(path, make())
    return np.load(path)


def parts_of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train and to test: a quarter, of each class."""
    order = np.random.default_rng(0).permutation(len(labels))
    test = np.concatenate(
        [one[: len(one) // 4] for one in (order[labels[order] == c] for c in np.unique(labels))]
    )
    return np.setdiff1d(order, test), test


def score(probabilities: np.ndarray, labels: np.ndarray) -> None:
    print(f"accuracy {np.mean(probabilities.argmax(1) == labels):.3f}")


def scikit(options: argparse.Namespace, model: str) -> None:
    """Features once by a plain loop, or as they were saved, and a pipeline of scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    files, labels, _ = files_of(options.images)

    def make() -> np.ndarray:
        front = nn.Sequential(blocks_of(options.weights), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return through(front.eval(), decode_all(files, options.size))

    features = kept(options, "features", make)
    train, test = parts_of(labels)
    last: Any = SVC() if model == "svm" else LogisticRegression(max_iter=2000)
    pipeline = make_pipeline(StandardScaler(), last).fit(features[train], labels[train])
    print(f"accuracy {pipeline.score(features[test], labels[test]):.3f}")


def fit(
    network: nn.Module, inputs: Callable[[np.ndarray], Tensor], labels: np.ndarray,
    options: argparse.Namespace, modes: Callable[[bool], object],
) -> None:  # fmt: skip
    """Train what has gradients with Adam, test it, and say how long training took."""
    train, test = parts_of(labels)
    targets = torch.from_numpy(labels)
    trained = [one for one in network.parameters() if one.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-3, fused=True)
    order = np.random.default_rng(1)
    begun = time.perf_counter()
    for _ in range(options.epochs):
        modes(True)
        for batch in batches(order.permutation(train), 32):
            loss = functional.cross_entropy(network(inputs(batch)), targets[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    print(f"training {time.perf_counter() - begun:.3f} s")
    modes(False)
    with torch.inference_mode():
        found = torch.cat([network(inputs(batch)) for batch in batches(test, 64)])
    score(found.numpy(), labels[test])


def two_blocks(options: argparse.Namespace) -> None:
    """Fine-tune the last two blocks by a loop on activations in front of them, saved before."""
    files, labels, classes = files_of(options.images)
    blocks = blocks_of(options.weights)
    front, tail = blocks[:-2].eval().requires_grad_(False), blocks[-2:]
    rows = kept(options, "boundary", lambda: through(front, decode_all(files, options.size)))
    activations = torch.from_numpy(rows).to(memory_format=torch.channels_last)
    network = Classifier(tail, classes)
    fit(network, lambda batch: activations[batch], labels, options, network.train)


def all_layers(options: argparse.Namespace) -> None:
    """Fine-tune everything by a loop on images that are decoded once."""
    files, labels, classes = files_of(options.images)
    pixels = kept(options, "pixels", lambda: decode_all(files, options.size))
    network = Classifier(blocks_of(options.weights), classes)
    fit(network, lambda batch: normalised(pixels[batch]), labels, options, network.train)


def tutorial(options: argparse.Namespace) -> None:
    """Train a head as tutorials do: every image read and sent through the network each epoch."""
    files, labels, classes = files_of(options.images)
    network = frozen(options, classes)

    def inputs(batch: np.ndarray) -> Tensor:
        return normalised(np.stack([decode(files[i], options.size) for i in batch]))

    fit(network, inputs, labels, options, lambda _: network.eval())


def frozen(options: argparse.Namespace, classes: int) -> Classifier:
    return Classifier(blocks_of(options.weights).requires_grad_(False), classes)


class Files(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Some of the images, read when they are asked for."""

    def __init__(self, options: argparse.Namespace, rows: np.ndarray) -> None:
        self.options, self.rows = options, rows.tolist()
        self.files, self.labels, self.classes = files_of(options.images)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        row = self.rows[place]
        pixels = decode(self.files[row], self.options.size)
        return normalised(pixels[None])[0], int(self.labels[row])


def lightning(options: argparse.Namespace) -> None:
    """Train a head with Lightning, everything else frozen."""
    from lightning import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self, network: Classifier) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            self.network.blocks.eval()
            return functional.cross_entropy(self.network(batch[0]), batch[1])

        def test_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
            hits = (self.network(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("accuracy", hits, on_epoch=True)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.network.head.parameters(), lr=1e-3)

    _, labels, classes = files_of(options.images)
    train, test = (Files(options, rows) for rows in parts_of(labels))
    trainer = Trainer(
        max_epochs=options.epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    module = Module(frozen(options, classes))
    loaders = torch.utils.data.DataLoader
    trainer.fit(module, loaders(train, 32, shuffle=True))
    trainer.test(module, loaders(test, 64))


def fastai(options: argparse.Namespace) -> None:
    """Train a head with fastai, everything else frozen."""
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.metrics import accuracy

    _, labels, classes = files_of(options.images)
    train, test = (Files(options, rows) for rows in parts_of(labels))
    loaders = DataLoaders.from_dsets(train, test, bs=32, num_workers=0, device="cpu")
    network = frozen(options, classes)
    learner = Learner(
        loaders, network, loss_func=nn.CrossEntropyLoss(), metrics=accuracy,
        splitter=lambda one: [list(one.blocks.parameters()), list(one.head.parameters())],
    )  # fmt: skip
    learner.freeze()
    learner.fit(options.epochs, 1e-3)


WAYS: dict[str, Callable[[argparse.Namespace], None]] = {
    "linear": partial(scikit, model="linear"),
    "svm": partial(scikit, model="svm"),
    "two blocks": two_blocks,
    "all layers": all_layers,
    "tutorial": tutorial,
    "lightning": lightning,
    "fastai": fastai,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    WAYS[options.way](options)


if __name__ == "__main__":
    main()
