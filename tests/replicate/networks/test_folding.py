"""Folding BatchNorm: the same function, wherever it may be done; nothing else is touched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.folding import folded
from replicate.training.features import state_hash


def settled(module: nn.Module) -> nn.Module:
    """Give each BatchNorm statistics and weights of its own, as training would."""
    with torch.no_grad():
        for one in module.modules():
            if isinstance(one, nn.BatchNorm2d):
                nn.init.uniform_(one.weight, 0.5, 1.5)
                nn.init.normal_(one.bias, 0.0, 0.1)
                assert one.running_mean is not None
                assert one.running_var is not None
                nn.init.normal_(one.running_mean, 0.0, 0.1)
                nn.init.uniform_(one.running_var, 0.5, 1.5)
    return module.eval()


def count(module: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in module.modules())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("MobileNetV2", 0), ("ResNet18", 0), ("EfficientNet-B0", 0), ("Inception v3", 0),
        ("GoogLeNet", 0), ("DenseNet121", 62), ("ResNeXt50", 0), ("MobileNetV1", 0),
        ("Xception", 0), ("EfficientNet-Lite0", 0), ("Inception-ResNet v2", 0),
    ],
)  # fmt: skip
def test_a_folded_network_computes_the_same(name: str, left: int) -> None:
    torch.manual_seed(1)
    network = settled(build(find_builder(name)))
    before, images = state_hash(network), torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        expected = network(images)
        other = folded(network, torch.randn(1, 3, 96, 96))
        found = other(images)
    assert count(other) == left < count(network)
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    assert state_hash(network) == before


class Shared(nn.Module):
    """A convolution whose maps are normalised, and used as they are, too."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.one(images)
        both: Tensor = self.two(maps) + maps
        return both


class Twice(Shared):
    """A convolution that runs twice, and its maps are normalised once."""

    def forward(self, images: Tensor) -> Tensor:
        both: Tensor = self.two(self.one(images)) + self.one(images)
        return both


@pytest.mark.parametrize("kind", [Shared, Twice])
def test_what_is_no_pair_is_not_folded(kind: type[nn.Module]) -> None:
    network = settled(kind())
    assert folded(network, torch.randn(1, 3, 9, 9)) is network


def test_a_network_without_batchnorm_is_not_copied() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    assert folded(network, torch.randn(1, 3, 9, 9)) is network


class Passing(nn.Module):
    """A BatchNorm whose input is let go at once: a later map can take its place in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.lone = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        scaled = images * 2.0
        maps = self.first(scaled)
        del scaled
        return self.two(self.one(self.lone(maps) + maps))


def test_a_map_is_not_taken_for_one_that_is_gone() -> None:
    torch.manual_seed(0)
    network, images = settled(Passing()), torch.randn(2, 3, 9, 9)
    kept: list[object] = []
    for _ in range(50):
        other = folded(network, images)
        assert count(other) == 1, "the one that has no convolution in front of it"
        kept.append(object())  # memory is not laid out the same each time
