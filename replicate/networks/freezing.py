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

from torch import nn
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
    cacheable
        Whether what leaves these blocks is the same in every epoch, given the image.
    trained, frozen
        Names of the backbone's parameters.
    fixed_buffers
        Names of the buffers that no training changes: those of frozen modules, and those of
        BatchNorm layers that the policy holds in evaluation mode. Where the policy is ``none`` they
        change all the same, which :func:`replicate.networks.proof.prove` finds.
    """

    backbone: Backbone = field(repr=False)
    boundary: int
    cacheable: bool
    trained: tuple[str, ...]
    frozen: tuple[str, ...]
    fixed_buffers: tuple[str, ...]
    _moving: frozenset[nn.Module] = field(repr=False)

    def modes(self, training: bool) -> None:
        """Put every module into training or evaluation mode; call it instead of `train`."""
        for module in self.backbone.modules():
            module.training = training and module in self._moving

    def renormalising(self) -> list[_BatchNorm]:
        """Return the BatchNorm layers whose running statistics move while training."""
        return [
            module
            for module in self.backbone.modules()
            if isinstance(module, _BatchNorm)
            and module in self._moving
            and module.running_mean is not None
        ]


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
    unfrozen = list(_unfrozen(backbone, unfreezing))
    backbone.requires_grad_(False)
    for parameter in unfrozen:
        parameter.requires_grad_()
    blocks, named = list(backbone.blocks), list(backbone.named_parameters())
    boundary = next((i for i, block in enumerate(blocks) if _trains(block)), len(blocks))
    leading = backbone.before(boundary).modules()
    result = Frozen(
        backbone=backbone,
        boundary=boundary,
        cacheable=batchnorm != "none" or not any(isinstance(one, _BatchNorm) for one in leading),
        trained=tuple(name for name, parameter in named if parameter.requires_grad),
        frozen=tuple(name for name, parameter in named if not parameter.requires_grad),
        fixed_buffers=tuple(_fixed_buffers(backbone, batchnorm)),
        _moving=frozenset(_moving(backbone, batchnorm)),
    )
    result.modes(training=True)
    return result


def _trains(module: nn.Module, recurse: bool = True) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse))


def _unfrozen(backbone: Backbone, unfreezing: Unfreezing) -> Iterable[nn.Parameter]:
    if unfreezing.kind == "all":
        return backbone.parameters()
    if unfreezing.kind == "none" or unfreezing.amount is None:
        return ()
    if unfreezing.kind == "blocks":
        count = _at_most(int(unfreezing.amount), len(backbone.blocks), "blocks", backbone.name)
        return backbone.blocks[-count:].parameters()
    modules = list(backbone.modules())
    places = [place for place, module in enumerate(modules) if isinstance(module, LAYERS)]
    if unfreezing.kind == "ratio":
        # Half a layer counts as one: floor(x + 1/2), where round() would go to the even number.
        count = max(1, math.floor(unfreezing.amount * len(places) + 0.5))
    else:
        count = _at_most(int(unfreezing.amount), len(places), "layers", backbone.name)
    return (own for one in modules[places[-count] :] for own in one.parameters(recurse=False))


def _at_most(asked: int, there: int, what: str, backbone: str) -> int:
    if asked > there:
        raise UsageError(
            f"{backbone} has {there} {what}; the last {asked} cannot be unfrozen.",
            f"Ask for at most {there}, or unfreeze all.",
        )
    return asked


def _moving(backbone: Backbone, policy: str) -> Iterable[nn.Module]:
    """Yield the modules that belong into training mode while training.

    Those with trained parameters in them. Dropout and its like, which have none, go with what
    stands in front of them.
    """
    begun = False
    for module in backbone.modules():
        begun = begun or _trains(module, recurse=False)
        if isinstance(module, _BatchNorm) and policy != "frozen":
            if policy == "none":
                yield module
        elif _trains(module) or (begun and not any(True for _ in module.parameters())):
            yield module


def _fixed_buffers(backbone: Backbone, policy: str) -> Iterable[str]:
    for prefix, module in backbone.named_modules():
        held = isinstance(module, _BatchNorm) and policy == "all"
        if held or not _trains(module, recurse=False):
            for name, _ in module.named_buffers(recurse=False):
                yield f"{prefix}.{name}"
