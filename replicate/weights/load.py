"""Put weights into a backbone: every tensor by its name and shape, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from db.errors import WeightsError
from replicate.networks.backbones import build, build_network, library_names, take_apart
from replicate.networks.builders import Builder
from replicate.networks.network import Backbone, Input
from replicate.weights.files import WeightFile
from replicate.weights.places import Look
from replicate.weights.reading import read_tensors

#: BatchNorm's count of batches, which old files lack; it plays no part at a fixed momentum.
COUNTER = "num_batches_tracked"

#: How many names an error lists.
SHOWN = 3

#: Names that torchvision's DenseNet files have kept from before dots were forbidden in them.
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")

#: Beginnings that wrappers put in front of a network's own names.
_WRAPPED = ("module.", "model.", "backbone.")


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
        state, faults = _by_order(_classifier_last(tensors, entry), own, len(network.state_dict()))
    else:
        state, faults = _by_name(tensors, own, names)
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise WeightsError(
            f"{found.path}: not the weights of {builder.name}: {'; '.join(faults[:SHOWN])}{more}.",
            f"Give a file saved from {builder.library}'s {builder.builder}, whole or its features.",
        )
    _see_numbers(found.path, state, names)
    with torch.no_grad():
        for name, tensor in own.items():
            # Copied in place: layout and type stay those of the network.
            tensor.copy_(state[name])
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


def _see_numbers(path: Path, state: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
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


def _by_order(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], whole: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Assign tensors by their place; the file holds the whole network or its features.

    Builders put the classifier last, so the features come first in both. Returns the tensors by
    the chain's names, and what does not fit.
    """
    if len(tensors) not in (len(own), whole):
        return {}, [f"{len(tensors)} tensors instead of {len(own)} or {whole}"]
    state = dict(zip(own, tensors.values(), strict=False))
    return state, [
        f"{name} has shape {tuple(tensor.shape)}, not {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if tensor.shape != own[name].shape
    ]


def _by_name(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], names: Mapping[str, str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Assign tensors by the library's names, however they were wrapped."""
    given = _best_naming(tensors, names)
    state: dict[str, Tensor] = {}
    faults: list[str] = []
    for name, library_name in names.items():
        tensor = given.get(library_name)
        if tensor is None and name.endswith(COUNTER):
            tensor = torch.zeros_like(own[name])
        if tensor is None:
            faults.append(f"{library_name} is missing")
        elif tensor.shape != own[name].shape:
            shape = tuple(tensor.shape)
            faults.append(f"{library_name} has shape {shape}, not {tuple(own[name].shape)}")
        else:
            state[name] = tensor
    # A deeper network of the same family holds all names of a shallower one and more of them.
    parts = {library_name.split(".")[0] for library_name in names.values()}
    wanted = set(names.values())
    faults += [
        f"{name} is one too many"
        for name in given
        if name.split(".")[0] in parts and name not in wanted and not name.endswith(COUNTER)
    ]
    return state, faults


def _best_naming(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the tensors renamed in the way that meets most of the library's names."""
    wanted = set(names.values())
    plain = {_OLD_DENSENET.sub(r"\1\2", _unwrapped(name)): value for name, value in tensors.items()}
    namings: list[Callable[[str], str]] = [
        lambda name: name,
        lambda name: f"features.{name}",
        lambda name: names.get(name, name),
        lambda name: names.get(f"blocks.{name}", name),
    ]
    return max(
        ({naming(name): value for name, value in plain.items()} for naming in namings),
        key=lambda renamed: len(wanted & renamed.keys()),
    )


def _unwrapped(name: str) -> str:
    for beginning in _WRAPPED:
        name = name.removeprefix(beginning)
    return name
