"""The networks of the review's Table 1, layer by layer, as arithmetic.

Written from the papers and from torchvision's definitions, apart from ``data/networks.yaml``, so
that the two check each other. A layer is ``(name, parameters)``.
"""

from __future__ import annotations

from dataclasses import dataclass


def conv(
    inputs: int, outputs: int, size: int, *, groups: int = 1, bias: bool = True, norm: bool = False
) -> int:
    """Parameters of a convolution; `norm` adds the scale and shift of a batch normalisation."""
    weights = (inputs // groups) * outputs * size * size
    return weights + (outputs if bias else 0) + (2 * outputs if norm else 0)


def dense(inputs: int, outputs: int) -> int:
    """Parameters of a fully connected layer."""
    return inputs * outputs + outputs


@dataclass(frozen=True)
class Network:
    """Convolutional part, hidden fully connected layers, and the number of classes' layer."""

    convolutional: int
    hidden: int
    features: int | None
    classes: int
    layers: int

    @property
    def parameters(self) -> int:
        last = 0 if self.features is None else dense(self.features, self.classes)
        return self.convolutional + self.hidden + last


def lenet5(published: bool) -> Network:
    """LeCun et al. 1998: pooling with weights, 60 of 96 connections in C3, a fixed output layer."""
    hidden = dense(400, 120) + dense(120, 84)
    if not published:
        return Network(conv(1, 6, 5) + conv(6, 16, 5), hidden, 84, 10, 2)
    c1, s2, c3, s4 = conv(1, 6, 5), 2 * 6, 60 * 25 + 16, 2 * 16
    return Network(c1 + s2 + c3 + s4, hidden, None, 10, 2)


def alexnet(widths: tuple[int, ...], groups: tuple[int, ...]) -> Network:
    sizes, total, inputs = (11, 5, 3, 3, 3), 0, 3
    for width, size, group in zip(widths, sizes, groups, strict=True):
        total += conv(inputs, width, size, groups=group)
        inputs = width
    hidden = dense(inputs * 6 * 6, 4096) + dense(4096, 4096)
    return Network(total, hidden, 4096, 1000, len(widths))


def vgg16() -> Network:
    total, inputs, layers = 0, 3, 0
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            total += conv(inputs, width, 3)
            inputs, layers = width, layers + 1
    return Network(total, dense(512 * 7 * 7, 4096) + dense(4096, 4096), 4096, 1000, layers)


#: Szegedy et al. 2014, Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTIONS = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def googlenet(torchvision: bool) -> Network:
    """Torchvision has batch normalisation, and 3x3 where the paper has 5x5 (its issue 906)."""
    kind = {"bias": False, "norm": True} if torchvision else {}
    wide = 3 if torchvision else 5
    total = conv(3, 64, 7, **kind) + conv(64, 64, 1, **kind) + conv(64, 192, 3, **kind)
    layers, inputs = 3, 192
    for one, reduce3, three, reduce5, five, pool in INCEPTIONS:
        total += conv(inputs, one, 1, **kind)
        total += conv(inputs, reduce3, 1, **kind) + conv(reduce3, three, 3, **kind)
        total += conv(inputs, reduce5, 1, **kind) + conv(reduce5, five, wide, **kind)
        total += conv(inputs, pool, 1, **kind)
        inputs, layers = one + three + five + pool, layers + 6
    return Network(total, 0, inputs, 1000, layers)


def resnet50() -> Network:
    kind = {"bias": False, "norm": True}
    total, layers, inputs = conv(3, 64, 7, **kind), 1, 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            total += conv(inputs, width, 1, **kind) + conv(width, width, 3, **kind)
            total += conv(width, 4 * width, 1, **kind)
            layers += 3
            if block == 0:
                total += conv(inputs, 4 * width, 1, **kind)
                layers += 1
            inputs = 4 * width
    return Network(total, 0, inputs, 1000, layers)


NETWORKS = {
    "LeNet5, paper": lenet5(published=True),
    "LeNet5, full connections": lenet5(published=False),
    "AlexNet, torchvision": alexnet((64, 192, 384, 256, 256), (1, 1, 1, 1, 1)),
    "AlexNet, paper": alexnet((96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
    "AlexNet, without groups": alexnet((96, 256, 384, 384, 256), (1, 1, 1, 1, 1)),
    "VGG16, torchvision": vgg16(),
    "GoogLeNet, torchvision": googlenet(torchvision=True),
    "GoogLeNet, paper": googlenet(torchvision=False),
    "ResNet50, torchvision": resnet50(),
}
