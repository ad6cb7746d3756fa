"""Put weights into a backbone: every tensor by its name and shape, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from db.errors import WeightsError
from replicate.networks.backbones import build, build_network, library_names, take_apart
from replicate.networks.builders import Builder
from replicate.networks.network import Backbone, Input
from replicate.notes import Note
from replicate.weights.files import WeightFile
from replicate.weights.naming import COUNTER, Placed, by_name
from replicate.weights.places import Look
from replicate.weights.reading import read_tensors

#: How many names an error lists.
SHOWN = 4


def load(builder: Builder, found: Look | None) -> Backbone:
    """Build a backbone with weights from a file; with None, with random ones.

    Random weights come from torch's global generator; loading leaves it as it was. The backbone
    expects its images as the weights were trained.

    Raises
    ------
    WeightsError
        The file cannot be read, holds more than tensors, or is that of another network.
    """
    if found is None:
        return build(builder)
    entry = found.entry if found.entry and found.entry.backbone == builder.name else None
    tensors = read_tensors(found.path)
    with torch.random.fork_rng(devices=[]):
        network = build_network(builder)
    backbone = take_apart(builder, network)
    own = backbone.state_dict()
    names = library_names(backbone, network)
    if entry is not None and entry.match == "order":
        placed = _by_order(_classifier_last(tensors, entry), own, len(network.state_dict()))
    else:
        placed = by_name(tensors, own, names, network)
    if placed.faults:
        left = len(placed.faults) - SHOWN
        said = "; ".join((*placed.faults[:SHOWN], *([f"and {left} more"] if left > 0 else ())))
        raise WeightsError(
            f"{found.path}: not the weights of {builder.name}: {said}.",
            f"Give a file saved from {builder.library}'s {builder.builder}, whole or its features.",
        )
    see_numbers(found.path, placed.state, names)
    with torch.no_grad():
        for name, tensor in own.items():
            # Copied in place: layout and type stay those of the network.
            tensor.copy_(placed.state[name])
    if entry is None and placed.left_out:
        values = {"count": len(placed.left_out), "first": list(placed.left_out[:SHOWN])}
        backbone.notes = (Note("tensors left out", values),)
    if entry is not None:
        if entry.channels == "BGR":
            _turn_channels(backbone)
        backbone.expects = Input(
            builder.size, entry.mean or builder.mean, entry.deviation or builder.deviation
        )
    return backbone


def _turn_channels(backbone: Backbone) -> None:
    """Let a network that was trained on blue, green and red take images as all others do.

    Exact: the first convolution adds up its channels, whichever comes first.
    """
    first = next(one for one in backbone.modules() if isinstance(one, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))


def see_numbers(path: Path, state: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Refuse tensors that no network computes with."""
    for name, tensor in state.items():
        counter = name.endswith(COUNTER)
        plain = tensor.layout == torch.strided and not tensor.is_quantized
        if not plain or not (counter or tensor.is_floating_point()):
            raise WeightsError(
                f"{path}: {names[name]} does not hold plain floating-point numbers "
                f"({tensor.dtype}).",
                "Save the network's state as it is trained: dense, in floating point.",
            )
        if not counter and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"{path}: {names[name]} holds values that are not finite.",
                "The file is broken, or of a training that failed; take another.",
            )


def _classifier_last(tensors: Mapping[str, Tensor], entry: WeightFile) -> Mapping[str, Tensor]:
    """Return the tensors of a file in the order of the computation."""
    if entry.classifier is None:
        return tensors
    return dict(sorted(tensors.items(), key=lambda one: one[0].startswith(f"{entry.classifier}.")))


def _by_order(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], whole: int) -> Placed:
    """Assign tensors by their place; the file holds the whole network or its features.

    Builders put the classifier last, so the features come first in both.
    """
    if len(tensors) not in (len(own), whole):
        return Placed({}, (f"{len(tensors)} tensors instead of {len(own)} or {whole}",))
    state = dict(zip(own, tensors.values(), strict=False))
    faults = (
        f"{name} has shape {tuple(tensor.shape)}, not {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if tensor.shape != own[name].shape
    )
    return Placed(state, tuple(faults))
