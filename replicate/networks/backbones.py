"""Build networks, as their library does it, and take them apart into chains."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from replicate.networks.builders import Builder
from replicate.networks.chains import chain_of
from replicate.networks.network import Backbone, Input

#: Settings without which a network is not the one of its paper, or carries parts for training.
SETTINGS: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": True},
    "inception_v3": {"transform_input": True, "aux_logits": False, "init_weights": True},
}


def build_network(builder: Builder) -> nn.Module:
    """Build the whole network with 1000 classes and random weights of its library's kind.

    Random numbers come from torch's global generator.
    """
    if builder.library == "medtl-meta":
        from replicate.networks.lenet import LeNet5

        return LeNet5()
    network: nn.Module
    if builder.library == "timm":
        import timm

        network = timm.create_model(builder.builder, pretrained=False)
    else:
        from torchvision import models

        settings = SETTINGS.get(builder.builder, {})
        network = models.get_model(builder.builder, weights=None, **settings)
    return network


def take_apart(builder: Builder, network: nn.Module) -> Backbone:
    """Return the network's feature extraction part as a chain that shares its modules."""
    blocks = nn.Sequential()
    for name, block in chain_of(builder.builder)(network):
        blocks.add_module(name, block)
    expects = Input(size=builder.size, mean=builder.mean, deviation=builder.deviation)
    return Backbone(builder.name, blocks, builder.width, expects)


def build(builder: Builder) -> Backbone:
    """Build a backbone with random weights, drawn from torch's global generator.

    The connected layers of AlexNet, VGG and LeNet-5 are not part of it: a backbone is the feature
    extraction part, pooled by its average.
    """
    return take_apart(builder, build_network(builder))


def library_names(backbone: Backbone, network: nn.Module) -> dict[str, str]:
    """Return the name that the library gives to each tensor of a chain's state.

    Parameters
    ----------
    backbone, network
        A chain and the network that it was taken from; they share their tensors.

    Returns
    -------
    dict of str to str
        Name in the chain -> name in the network, in the order of the chain's state.
    """
    names = {id(tensor): name for name, tensor in _state(network).items()}
    return {name: names[id(tensor)] for name, tensor in _state(backbone).items()}


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's state with the tensors themselves, which `state_dict` would detach."""
    return module.state_dict(keep_vars=True)
