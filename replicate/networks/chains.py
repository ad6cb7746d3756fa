"""Networks taken apart into chains: the same modules, run one after the other.

Each function takes a network as its library builds it and returns named blocks that share its
modules. Running them in order is what the network does up to its last feature map; a block is the
smallest unit behind which the network can be cut (a residual block, a dense layer, an Inception
module, a convolution with its activation and pooling).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Blocks = list[tuple[str, nn.Module]]


class Recentre(nn.Module):
    """Turn channels normalised for ImageNet into values around 0 with deviation 0.5.

    torchvision's GoogLeNet and Inception v3 carry weights that were trained so, and do this inside
    the network (`transform_input`).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        deviation = (0.229, 0.224, 0.225)
        mean = (0.485, 0.456, 0.406)
        scale = [d / 0.5 for d in deviation]
        shift = [(m - 0.5) / 0.5 for m in mean]
        shape = (1, 3, 1, 1)
        self.register_buffer("scale", torch.tensor(scale).reshape(shape), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).reshape(shape), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the images rescaled."""
        return images * self.scale + self.shift


class Grow(nn.Module):
    """One layer of a dense block: its new maps behind all those before them."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, channels + growth, h, w)."""
        return torch.cat([maps, self.layer(maps)], dim=1)


def _in_a_row(*modules: nn.Module) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _units(features: Iterable[nn.Module], kinds: tuple[type[nn.Module], ...]) -> Blocks:
    """Divide a sequence in front of each module of some kinds; name the units by their place."""
    units: list[tuple[str, list[nn.Module]]] = []
    for place, module in enumerate(features):
        if isinstance(module, kinds) or not units:
            units.append((f"features_{place}", []))
        units[-1][1].append(module)
    return [(name, _in_a_row(*unit)) for name, unit in units]


def _children(network: nn.Module, parent: str, prefix: str) -> Blocks:
    """Take the children of a part, each as a block of its own."""
    children = network.get_submodule(parent).named_children()
    return [(f"{prefix}_{name}", block) for name, block in children]


def plain(network: nn.Module) -> Blocks:
    """AlexNet, VGG: a convolution with its activation, and the pooling behind it."""
    return _units(network.get_submodule("features").children(), (nn.Conv2d,))


def squeezenet(network: nn.Module) -> Blocks:
    """SqueezeNet: the stem, then each Fire module with the pooling behind it."""
    from torchvision.models.squeezenet import Fire

    return _units(network.get_submodule("features").children(), (nn.Conv2d, Fire))


def _with_pooling(network: nn.Module) -> Blocks:
    """Take all parts in front of the global pooling; other pooling joins the part before it."""
    blocks: Blocks = []
    for name, module in network.named_children():
        if name in ("avgpool", "global_pool"):
            break
        if "pool" in name:
            first, before = blocks.pop()
            blocks.append((first, _in_a_row(before, module)))
        else:
            blocks.append((name, module))
    return blocks


def inception(network: nn.Module) -> Blocks:
    """GoogLeNet, Inception v3: stem convolutions, then each Inception module."""
    (first, stem), *rest = _with_pooling(network)
    return [(first, nn.Sequential(Recentre(), stem)), *rest]


def resnet(network: nn.Module) -> Blocks:
    """ResNet, ResNeXt: the stem, then each residual block."""
    stem = _in_a_row(*(network.get_submodule(name) for name in ("conv1", "bn1", "relu", "maxpool")))
    blocks: Blocks = [("stem", stem)]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        blocks += _children(network, stage, stage)
    return blocks


def densenet(network: nn.Module) -> Blocks:
    """DenseNet: the stem, each dense layer, each transition.

    The last normalisation and the activation that the network applies behind it are part of the
    last layer's block: alone they would be a block without any convolution.
    """
    features = dict(network.get_submodule("features").named_children())
    stem = _in_a_row(*(features.pop(name) for name in ("conv0", "norm0", "relu0", "pool0")))
    end = (features.pop("norm5"), nn.ReLU())
    blocks: Blocks = [("stem", stem)]
    for name, module in features.items():
        if name.startswith("denseblock"):
            layers = _children(module, "", name)
            blocks += [(layer, Grow(growing)) for layer, growing in layers]
        else:
            blocks.append((name, module))
    name, last = blocks.pop()
    return [*blocks, (name, _in_a_row(last, *end))]


def stages(network: nn.Module) -> Blocks:
    """MobileNetV2, EfficientNet (torchvision): each block of each stage of ``features``."""
    blocks: Blocks = []
    for name, stage in network.get_submodule("features").named_children():
        first = next(iter(stage.children()))
        if isinstance(stage, nn.Sequential) and not isinstance(first, nn.Conv2d):
            blocks += _children(stage, "", f"features_{name}")
        else:
            blocks.append((f"features_{name}", stage))
    return blocks


def efficientnet(network: nn.Module) -> Blocks:
    """EfficientNet, its lite form and MobileNetV1 as timm builds them."""
    blocks: Blocks = [
        ("stem", _in_a_row(network.get_submodule("conv_stem"), network.get_submodule("bn1")))
    ]
    for stage, module in network.get_submodule("blocks").named_children():
        blocks += _children(module, "", f"blocks_{stage}")
    last = [network.get_submodule(name) for name in ("conv_head", "bn2")]
    if not all(isinstance(module, nn.Identity) for module in last):
        blocks.append(("head", _in_a_row(*last)))
    return blocks


def xception(network: nn.Module) -> Blocks:
    """Xception: the convolutions at both ends, each with its activation, and twelve blocks."""

    def unit(number: int) -> tuple[str, nn.Module]:
        parts = (f"{kind}{number}" for kind in ("conv", "bn", "act"))
        return f"conv{number}", _in_a_row(*(network.get_submodule(part) for part in parts))

    middle = [(f"block{n}", network.get_submodule(f"block{n}")) for n in range(1, 13)]
    return [unit(1), unit(2), *middle, unit(3), unit(4)]


def inception_v4(network: nn.Module) -> Blocks:
    """Inception v4: each part of ``features``."""
    return _children(network, "features", "features")


def inception_resnet_v2(network: nn.Module) -> Blocks:
    """Inception-ResNet v2: stem, reductions, and each residual Inception module."""
    blocks: Blocks = []
    for name, module in _with_pooling(network):
        if name.startswith("repeat"):
            blocks += _children(module, "", name)
        else:
            blocks.append((name, module))
    return blocks


def resnet_v2(network: nn.Module) -> Blocks:
    """ResNet v2 as timm builds it: stem, residual blocks, the last with its normalisation."""
    blocks: Blocks = [("stem", network.get_submodule("stem"))]
    for stage, module in network.get_submodule("stages").named_children():
        blocks += _children(module, "blocks", f"stages_{stage}")
    last, residual = blocks.pop()
    return [*blocks, (last, _in_a_row(residual, network.get_submodule("norm")))]


def darknet(network: nn.Module) -> Blocks:
    """DarkNet as timm builds it: the stem, each stage's reduction and residual blocks."""
    blocks: Blocks = [("stem", network.get_submodule("stem"))]
    for stage, module in network.get_submodule("stages").named_children():
        blocks.append((f"stages_{stage}_down", module.get_submodule("conv_down")))
        blocks += _children(module, "blocks", f"stages_{stage}")
    return blocks


def lenet(network: nn.Module) -> Blocks:
    """LeNet-5: each convolution with its activation and averaging."""
    squash, subsample = network.get_submodule("squash"), network.get_submodule("subsample")
    return [
        ("c1", nn.Sequential(network.get_submodule("c1"), squash, subsample)),
        ("c3", nn.Sequential(network.get_submodule("c3"), squash, subsample)),
        ("c5", nn.Sequential(network.get_submodule("c5"), squash)),
    ]


#: How the networks whose builder begins so are taken apart; the longest beginning counts.
CHAINS: dict[str, Callable[[nn.Module], Blocks]] = {
    "alexnet": plain,
    "vgg": plain,
    "squeezenet": squeezenet,
    "googlenet": inception,
    "inception_v3": inception,
    "inception_v4": inception_v4,
    "inception_resnet_v2": inception_resnet_v2,
    "resnet": resnet,
    "resnext": resnet,
    "resnetv2": resnet_v2,
    "densenet": densenet,
    "mobilenet_v2": stages,
    "efficientnet_b": stages,
    "tf_efficientnet": efficientnet,
    "mobilenetv1": efficientnet,
    "legacy_xception": xception,
    "darknet": darknet,
    "lenet5": lenet,
}


def chain_of(builder: str) -> Callable[[nn.Module], Blocks]:
    """Return the function that takes apart what `builder` builds."""
    beginning = max((key for key in CHAINS if builder.startswith(key)), key=len)
    return CHAINS[beginning]
