"""Small things that behave like the large ones: a network, a set of images, a spec, a fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from replicate.images.image_set import ImageSet, of_arrays
from replicate.networks.network import Backbone, Input
from replicate.spec import Spec
from replicate.splits.splits import Fold

SIZE = 16
EXPECTS = Input(SIZE, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def toy_backbone() -> Backbone:
    """Three blocks of convolution, BatchNorm and ReLU; start weights from the global generator."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    blocks = nn.Sequential(block(3, 8), block(8, 12), block(12, 16))
    return Backbone("toy", blocks, 16, EXPECTS)


def pretrained() -> Callable[[], Backbone]:
    """Return what makes the same backbone each time, with running statistics of its own."""

    def make() -> Backbone:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            backbone = toy_backbone().train()
            for _ in range(3):
                backbone(torch.randn(16, 3, SIZE, SIZE))
        return backbone

    return make


def toy_images(count: int = 60, classes: int = 3, size: int = 20, seed: int = 0) -> ImageSet:
    """Return noise in which each class has a channel of its own that is brighter."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % classes
    pixels = random.normal(110.0, 25.0, (count, size, size, 3))
    pixels[np.arange(count), :, :, labels % 3] += 50.0
    names = [f"class {number}" for number in range(classes)]
    return of_arrays("toy", np.clip(pixels, 0, 255).astype(np.uint8), labels, names)


def toy_fold(images: ImageSet, repeat: int = 0, number: int = 0, val: int = 9) -> Fold:
    """Return a fold whose test images are a third of the set."""
    order = np.random.default_rng(number).permutation(len(images)).astype(np.int64)
    third = len(images) // 3
    return Fold(repeat, number, order[third + val :], order[third : third + val], order[:third])


def toy_spec(tl_type: str = "feature extractor", **changes: Any) -> Spec:
    """Return a spec for the toys; `changes` are by part, such as ``training={"epochs": 3}``."""
    unfreezing: dict[str, Any] = {"kind": "none"}
    if tl_type in ("fine-tuning", "recommended protocol"):
        unfreezing = {"kind": "blocks", "amount": 1}
    elif tl_type in ("fine-tuning from scratch", "random initialisation"):
        unfreezing = {"kind": "all"}
    head = {"kind": "svm" if tl_type == "feature extractor hybrid" else "linear"}
    parts: dict[str, Any] = {
        "data": {"name": "toy"},
        "network": {
            "name": "toy",
            "weights": "random" if tl_type == "random initialisation" else "pretrained",
        },
        "transfer": {"tl_type": tl_type, "unfreezing": unfreezing, "head": head},
        "preprocessing": {"size": SIZE},
        "training": {"epochs": 4, "batch_size": 8, "learning_rate": 0.01},
    }
    if tl_type == "recommended protocol":
        parts["training"] |= {"head_epochs": 2, "backbone_lr": 0.001}
    for part, values in changes.items():
        merge = isinstance(values, dict) and part in parts
        parts[part] = {**parts[part], **values} if merge else values
    return Spec.model_validate(parts)
