"""Tensors of a file by the names of a network, however those who saved them had wrapped it.

A training script puts something in front of a network's own names (``module.encoder_q.``,
``model.backbone.``) or takes it apart (``nn.Sequential`` counts its children). Which it was is not
guessed from a list: it is what lets most of the network's names be found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

#: BatchNorm's count of batches, which old files lack; it plays no part at a fixed momentum.
COUNTER = "num_batches_tracked"

#: Of two networks in one file: the one that learns by gradients (MoCo; He et al. 2020, CVPR).
_LEARNS = "encoder_q"

#: Names that torchvision's DenseNet files have kept from before dots were forbidden in them.
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


@dataclass(frozen=True, slots=True)
class Placed:
    """Tensors of a file with their places in a network.

    Attributes
    ----------
    state
        Tensors by the chain's names.
    faults
        What does not fit, in words; empty where all of it does.
    left_out
        Names in the file that are no part of the feature extraction: the classifier's, and those
        of whatever else was saved with the network.
    """

    state: dict[str, Tensor]
    faults: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def by_name(
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    names: Mapping[str, str],
    network: nn.Module,
) -> Placed:
    """Find the tensors of a network's feature extraction part.

    Parameters
    ----------
    tensors
        The file's.
    own
        The chain's state.
    names
        The chain's names -> the library's.
    network
        As its library builds it.
    """
    plain = {_OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}
    ways = _ways(names, network)
    roots = _roots(plain, ways)
    if not roots:
        first = ", ".join(list(tensors)[:3])
        return Placed({}, (f"none of its names is one of the network's (it begins with {first})",))
    way, root = roots[0]
    if len(roots) > 1:
        under = " and ".join(repr(one) for _, one in roots[:2])
        return Placed({}, (f"it holds such a network more than once, under {under}",))
    called = ways[way]
    given = {name[len(root) :]: one for name, one in plain.items() if name.startswith(root)}
    state, faults = _assigned(given, own, called)
    # A deeper network of the same family holds all names of a shallower one and more of them.
    parts, wanted = {name.split(".")[0] for name in called.values()}, set(called.values())
    faults += [
        f"{root}{name} is one too many"
        for name in given
        if name.split(".")[0] in parts and name not in wanted and not name.endswith(COUNTER)
    ]
    if faults:
        faults.insert(0, f"{len(state):,} of {len(own):,} tensors are there")
    used = {f"{root}{name}" for name in wanted}
    others = (name for name in plain if name not in used and not name.endswith(COUNTER))
    return Placed(state, tuple(faults), tuple(others))


def _assigned(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], called: Mapping[str, str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors by the chain's names, and what is missing or of another shape."""
    state: dict[str, Tensor] = {}
    faults: list[str] = []
    for name, theirs in called.items():
        tensor = given.get(theirs)
        if tensor is None and name.endswith(COUNTER):
            tensor = torch.zeros_like(own[name])
        if tensor is None:
            faults.append(f"{theirs} is missing")
        elif tensor.shape != own[name].shape:
            shape = tuple(tensor.shape)
            faults.append(f"{theirs} has shape {shape}, not {tuple(own[name].shape)}")
        else:
            state[name] = tensor
    return state, faults


def _ways(names: Mapping[str, str], network: nn.Module) -> list[dict[str, str]]:
    """Return how a file can call the chain's tensors: by the chain's names, for each way."""
    children = {name: str(place) for place, (name, _) in enumerate(network.named_children())}

    def counted(name: str) -> str:
        first, _, rest = name.partition(".")
        return f"{children[first]}.{rest}"

    return [
        dict(names),
        {name: theirs.removeprefix("features.") for name, theirs in names.items()},
        {name: counted(theirs) for name, theirs in names.items()},
        {name: name.removeprefix("blocks.") for name in names},
    ]


def _roots(tensors: Mapping[str, Tensor], ways: list[dict[str, str]]) -> list[tuple[int, str]]:
    """Return the way and the beginning under which most names are found.

    There are several where the file holds several such networks and none is known to be meant.
    """
    wanted = [{name for name in way.values() if not name.endswith(COUNTER)} for way in ways]
    deepest = max(name.count(".") for names in wanted for name in names)
    counts: defaultdict[tuple[int, str], int] = defaultdict(int)
    for name in tensors:
        parts = name.rsplit(".", deepest + 1)
        for start in range(len(parts)):
            rest = ".".join(parts[start:])
            for way, names in enumerate(wanted):
                if rest in names:
                    counts[way, name[: len(name) - len(rest)]] += 1
    most = max(counts.values(), default=0)
    best = sorted(found for found, count in counts.items() if count == most)
    same = [found for found in best if found[0] == best[0][0]]
    if same and 2 * most < len(wanted[same[0][0]]):
        return same[:1]
    learning = [found for found in same if _LEARNS in found[1].split(".")]
    return learning if len(learning) == 1 else same
