"""BatchNorm folded into the convolution in front of it: one pass over the maps less for each pair.

A BatchNorm in evaluation mode multiplies and shifts each channel by constants, which a convolution
can do with its own weights (Jacob et al. 2018, CVPR, 2704). Only what is frozen is folded, and a
copy of it: the network itself keeps its weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Largest difference, as a share of the largest value, that rounding explains. Pairs that are none
#: (a convolution whose maps are used elsewhere, too) give differences of the values' own size.
TOLERANCE = 1e-3

#: Names of a convolution and of the BatchNorm that alone gets what it gives.
Pair = tuple[str, str]


def folded(module: nn.Module, probe: Tensor) -> nn.Module:
    """Return a copy in evaluation mode with BatchNorm folded, or the module where none can be.

    Parameters
    ----------
    module
        In evaluation mode.
    probe
        An input: one pass of it shows which BatchNorm follows which convolution, and another that
        the copy computes the same.
    """
    with torch.no_grad():
        pairs, expected = _pairs(module, probe)
        if not pairs:
            return module
        other = copy.deepcopy(module)
        for convolution, normalisation in pairs:
            _fold(other, convolution, normalisation)
        found = other(probe)
    most = TOLERANCE * float(expected.abs().max())
    return other if float((found - expected).abs().max()) <= most else module


def _pairs(module: nn.Module, probe: Tensor) -> tuple[list[Pair], Tensor]:
    """Run a module once; a pair is where a BatchNorm gets the very tensor of a convolution."""
    # Held, all of them: another tensor would take the place in memory of one that is let go, and
    # be taken for it.
    given: list[tuple[str, Tensor]] = []
    got: list[tuple[str, Tensor]] = []

    def gives(name: str, _: nn.Module, __: object, output: Tensor) -> None:
        given.append((name, output))

    def gets(name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        got.append((name, inputs[0]))

    hooks = []
    for name, one in module.named_modules():
        if isinstance(one, nn.Conv2d):
            hooks.append(one.register_forward_hook(partial(gives, name)))
        elif isinstance(one, nn.BatchNorm2d) and one.running_mean is not None:
            hooks.append(one.register_forward_pre_hook(partial(gets, name)))
    try:
        expected = module(probe)
    finally:
        for hook in hooks:
            hook.remove()
    makers = {id(output): name for name, output in given}
    pairs = [(makers[id(tensor)], name) for name, tensor in got if id(tensor) in makers]
    return list(_once(pairs, [name for name, _ in given])), expected


def _once(pairs: list[Pair], ran: list[str]) -> Iterator[Pair]:
    """Yield the pairs of which each module takes part once."""
    for convolution, normalisation in pairs:
        alone = sum(name == normalisation or maker == convolution for maker, name in pairs) == 1
        if alone and ran.count(convolution) == 1:
            yield convolution, normalisation


def _fold(module: nn.Module, convolution: str, normalisation: str) -> None:
    first, second = module.get_submodule(convolution), module.get_submodule(normalisation)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.BatchNorm2d)
    _put(module, convolution, fuse_conv_bn_eval(first, second))
    # timm's BatchNorm has the activation behind it inside.
    _put(module, normalisation, getattr(second, "act", nn.Identity()))


def _put(module: nn.Module, name: str, other: nn.Module) -> None:
    path, _, own = name.rpartition(".")
    setattr(module.get_submodule(path), own, other)
