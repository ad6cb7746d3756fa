"""Networks taken apart into chains: the same modules, run one after the other.

Each function takes a network as its library builds it and returns named blocks that share its
modules; for many a list of names is enough (:func:`by_names`). Running them in order is what the
network does up to its last feature map; a block is the smallest unit behind which the network can
be cut (a residual block, a dense layer, an Inception module, a convolution with its activation and
pooling).
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

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


def _joined_to_last(blocks: Blocks, *modules: nn.Module) -> Blocks:
    name, last = blocks[-1]
    return [*blocks[:-1], (name, _in_a_row(last, *modules))]


def _children(module: nn.Module, prefix: str) -> Blocks:
    """Take the children of a part, each as a block of its own."""
    return [(f"{prefix}_{name}", block) for name, block in module.named_children()]


def by_names(*lines: str) -> Callable[[nn.Module], Blocks]:
    """Return what takes a network apart by the names of its modules.

    Parameters
    ----------
    lines
        A block's name and the modules that it runs in a row, or a pattern (``layer?.*``) of
        modules that are each a block. A block that does nothing is left out.
    """

    def chain(network: nn.Module) -> Blocks:
        blocks: Blocks = []
        for name, *parts in map(str.split, lines):
            modules = [network.get_submodule(part) for part in parts]
            if not parts:
                blocks += [
                    (path.replace(".", "_"), module)
                    for path, module in network.named_modules()
                    if fnmatchcase(path, name) and path.count(".") == name.count(".")
                ]
            elif not all(isinstance(module, nn.Identity) for module in modules):
                blocks.append((name, _in_a_row(*modules)))
        return blocks

    return chain


def plain(network: nn.Module) -> Blocks:
    """AlexNet, VGG, SqueezeNet: a convolution or Fire module, and what follows up to the next."""
    from torchvision.models.squeezenet import Fire

    blocks: Blocks = []
    for name, module in network.get_submodule("features").named_children():
        if isinstance(module, (nn.Conv2d, Fire)) or not blocks:
            blocks.append((f"features_{name}", nn.Sequential()))
        blocks[-1] = (blocks[-1][0], nn.Sequential(*blocks[-1][1].children(), module))
    return [(name, _in_a_row(*unit.children())) for name, unit in blocks]


def inception_resnet(network: nn.Module) -> Blocks:
    """Inception-ResNet v2: all in front of the global pooling; other pooling joins what it pools.

    Stem, reductions, and each residual Inception module.
    """
    blocks: Blocks = []
    for name, module in network.named_children():
        if name in ("avgpool", "global_pool"):
            break
        if "pool" in name:
            blocks = _joined_to_last(blocks, module)
        elif name.startswith("repeat"):
            blocks += _children(module, name)
        else:
            blocks.append((name, module))
    return blocks


def inception(network: nn.Module) -> Blocks:
    """GoogLeNet, Inception v3: stem convolutions, then each Inception module."""
    (first, stem), *rest = inception_resnet(network)
    return [(first, nn.Sequential(Recentre(), stem)), *rest]


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
            blocks += [(layer, Grow(growing)) for layer, growing in _children(module, name)]
        else:
            blocks.append((name, module))
    return _joined_to_last(blocks, *end)


def residual(network: nn.Module) -> Blocks:
    """ResNet v2, DarkNet (timm): the stem, each stage's reduction and residual blocks.

    Where the network ends with a normalisation, that is part of the last block.
    """
    blocks: Blocks = [("stem", network.get_submodule("stem"))]
    for stage, module in network.get_submodule("stages").named_children():
        if hasattr(module, "conv_down"):
            blocks.append((f"stages_{stage}_down", module.get_submodule("conv_down")))
        blocks += _children(module.get_submodule("blocks"), f"stages_{stage}")
    if hasattr(network, "norm"):
        return _joined_to_last(blocks, network.get_submodule("norm"))
    return blocks


resnet = by_names("stem conv1 bn1 relu maxpool", "layer?.*")
#: EfficientNet, its lite form and MobileNetV1 as timm builds them; not all have a head.
efficientnet = by_names("stem conv_stem bn1", "blocks.*.*", "head conv_head bn2")
xception = by_names(
    "conv1 conv1 bn1 act1", "conv2 conv2 bn2 act2", "block*",
    "conv3 conv3 bn3 act3", "conv4 conv4 bn4 act4",
)  # fmt: skip

#: How the networks whose builder begins so are taken apart; the longest beginning counts.
CHAINS: dict[str, Callable[[nn.Module], Blocks]] = {
    "alexnet": plain,
    "vgg": plain,
    "squeezenet": plain,
    "googlenet": inception,
    "inception_v3": inception,
    "inception_v4": by_names("features.*"),
    "inception_resnet_v2": inception_resnet,
    "resnet": resnet,
    "resnext": resnet,
    "resnetv2": residual,
    "densenet": densenet,
    "mobilenet_v2": by_names("features.*"),
    "efficientnet_b": by_names("features.0", "features.[1-7].*", "features.8"),
    "tf_efficientnet": efficientnet,
    "mobilenetv1": efficientnet,
    "legacy_xception": xception,
    "darknet": residual,
    "lenet5": by_names("c1 c1 squash subsample", "c3 c3 squash subsample", "c5 c5 squash"),
}


def chain_of(builder: str) -> Callable[[nn.Module], Blocks]:
    """Return the function that takes apart what `builder` builds."""
    beginning = max((key for key in CHAINS if builder.startswith(key)), key=len)
    return CHAINS[beginning]
