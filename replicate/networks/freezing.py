"""Freeze a part of a backbone so that it stays as it is, to the last bit.

Frozen means two things: parameters without gradient, and modules in evaluation mode. Without the
second, BatchNorm goes on adapting its running statistics to the training images, and dropout goes
on dropping, in a part that is said to be fixed.

What is unfrozen is counted from the end of the chain. Modules are taken in the order in which
their library registers them, which is that of the computation except between parallel branches;
everything behind the first trained module is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from torch.nn.modules.batchnorm import _BatchNorm

from db.errors import UsageError
from replicate.networks.network import LAYERS, Backbone
from replicate.spec import Unfreezing

Policy = Literal["frozen", "all", "none"]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What of a backbone is trained and what is not.

    Attributes
    ----------
    backbone
        The backbone, its parameters marked.
    boundary
        Number of leading blocks without any trained parameter.
    trained, frozen
        Names of the backbone's parameters.
    fixed_buffers
        Names of the buffers that no training changes: those of frozen modules, and those of
        BatchNorm layers that the policy holds in evaluation mode. Where the policy is ``none`` they
        change all the same, which :func:`replicate.networks.proof.prove` finds.
    """

    backbone: Backbone = field(repr=False)
    boundary: int
    trained: tuple[str, ...]
    frozen: tuple[str, ...]
    fixed_buffers: tuple[str, ...]
    _moving: frozenset[str] = field(repr=False)

    @property
    def cacheable(self) -> bool:
        """Whether what leaves the frozen blocks is the same in every epoch, given the image."""
        return not any(name in self._moving for name in self._leading())

    def _leading(self) -> Iterable[str]:
        blocks = list(self.backbone.blocks.named_children())[: self.boundary]
        for block, module in blocks:
            for name, part in module.named_modules():
                if not list(part.children()) or isinstance(part, _BatchNorm):
                    yield f"blocks.{block}.{name}" if name else f"blocks.{block}"

    def modes(self, training: bool) -> None:
        """Put every module into training or evaluation mode; call it instead of `train`."""
        for name, module in self.backbone.named_modules():
            module.training = training and name in self._moving


def _moving(backbone: Backbone, trained: frozenset[str], policy: str) -> Iterable[str]:
    """Yield the names of the modules that belong into training mode while training.

    Those with trained parameters in them. Dropout and its like, which have none, go with what
    stands in front of them.
    """
    begun = False
    for name, module in backbone.named_modules():
        own = [f"{name}.{part}" for part, _ in module.named_parameters(recurse=False)]
        begun = begun or not trained.isdisjoint(own)
        if isinstance(module, _BatchNorm) and policy != "frozen":
            if policy == "none":
                yield name
            continue
        prefix = f"{name}." if name else ""
        inside = [f"{prefix}{part}" for part, _ in module.named_parameters()]
        if not trained.isdisjoint(inside) if inside else begun:
            yield name


def freeze(backbone: Backbone, unfreezing: Unfreezing, batchnorm: Policy = "frozen") -> Frozen:
    """Mark what is trained, counted from the end, and put the modules into training mode.

    Parameters
    ----------
    backbone
        Is changed: `requires_grad` of its parameters, and modes.
    unfreezing
        ``none``; the last so many ``blocks`` of the chain; the last so many ``layers`` with weights
        (convolutions); a ``ratio`` of those layers, rounded, at least one; ``all``. Normalisation
        goes with the layer that it follows.
    batchnorm
        ``frozen``: BatchNorm of frozen modules normalises by running statistics. ``all``: every
        one does. ``none``: none does, frozen or not.

    Raises
    ------
    UsageError
        There are not so many blocks or layers.
    """
    names = _trained_names(backbone, unfreezing)
    trained: list[str] = []
    frozen: list[str] = []
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(name in names)
        (trained if name in names else frozen).append(name)
    result = Frozen(
        backbone=backbone,
        boundary=_boundary(backbone, names),
        trained=tuple(trained),
        frozen=tuple(frozen),
        fixed_buffers=tuple(_fixed_buffers(backbone, names, batchnorm)),
        _moving=frozenset(_moving(backbone, names, batchnorm)),
    )
    result.modes(training=True)
    return result


def _trained_names(backbone: Backbone, unfreezing: Unfreezing) -> frozenset[str]:
    everything = frozenset(name for name, _ in backbone.named_parameters())
    if unfreezing.kind == "all":
        return everything
    if unfreezing.kind == "none" or unfreezing.amount is None:
        return frozenset()
    if unfreezing.kind == "blocks":
        count = _at_most(int(unfreezing.amount), len(backbone.blocks), "blocks", backbone.name)
        blocks = list(backbone.blocks.named_children())[-count:]
        return frozenset(
            f"blocks.{block}.{name}"
            for block, module in blocks
            for name, _ in module.named_parameters()
        )
    modules = list(backbone.named_modules())
    places = [place for place, (_, module) in enumerate(modules) if isinstance(module, LAYERS)]
    if unfreezing.kind == "ratio":
        # Half a layer counts as one: floor(x + 1/2), where round() would go to the even number.
        count = max(1, math.floor(unfreezing.amount * len(places) + 0.5))
    else:
        count = _at_most(int(unfreezing.amount), len(places), "layers", backbone.name)
    return frozenset(
        f"{prefix}.{name}"
        for prefix, module in modules[places[-count] :]
        for name, _ in module.named_parameters(recurse=False)
    )


def _at_most(asked: int, there: int, what: str, backbone: str) -> int:
    if asked > there:
        raise UsageError(
            f"{backbone} has {there} {what}; the last {asked} cannot be unfrozen.",
            f"Ask for at most {there}, or unfreeze all.",
        )
    return asked


def _boundary(backbone: Backbone, trained: frozenset[str]) -> int:
    for place, (block, module) in enumerate(backbone.blocks.named_children()):
        if any(f"blocks.{block}.{name}" in trained for name, _ in module.named_parameters()):
            return place
    return len(backbone.blocks)


def _fixed_buffers(backbone: Backbone, trained: frozenset[str], policy: str) -> Iterable[str]:
    for prefix, module in backbone.named_modules():
        own = {f"{prefix}.{name}" for name, _ in module.named_parameters(recurse=False)}
        held = isinstance(module, _BatchNorm) and policy == "all"
        if held or not own & trained:
            for name, _ in module.named_buffers(recurse=False):
                yield f"{prefix}.{name}"
