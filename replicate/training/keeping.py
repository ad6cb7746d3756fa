"""What is kept of a fitted model, and the model whole again: start weights with what was learnt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from db.errors import ReplicationError
from replicate.networks.network import Backbone
from replicate.networks.proof import Snapshot
from replicate.training.features import state_hash
from replicate.weights.reading import read_described

BACKBONE, HEAD = "backbone.", "head."
#: The kind of a head that is layers; others are those of :mod:`replicate.training.classifiers`.
LAYERS = "layers"


class Made(NamedTuple):
    """What turns features into classes: its kind, and its tensors by name."""

    kind: str
    tensors: Mapping[str, Tensor]

    @classmethod
    def of_arrays(cls, kind: str, arrays: Mapping[str, NDArray[Any]]) -> Made:
        """Return a classifier of a hybrid."""
        plain = {name: np.ascontiguousarray(one) for name, one in arrays.items()}
        return cls(kind, {name: torch.from_numpy(one) for name, one in plain.items()})


def learnt(
    backbone: Backbone, made: Made, before: Snapshot | None, after: Snapshot
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a model that its start weights do not have, and what puts it together.

    Parameters
    ----------
    before, after
        Of the backbone, before and after training. None: the start weights are kept nowhere else,
        and all is returned.
    """
    state = backbone.state_dict()
    names = [name for name in state if before is None or before[name] != after[name]]
    return whole(state, made, names), {"head": made.kind, "state": state_hash(backbone)}


def whole(
    state: Mapping[str, Tensor], made: Made, names: list[str] | None = None
) -> dict[str, Tensor]:
    """Return the tensors of a model under the names that they have in a file."""
    tensors = {f"{BACKBONE}{name}": state[name] for name in (state if names is None else names)}
    tensors |= {f"{HEAD}{name}": one for name, one in made.tensors.items()}
    # Files know one layout and no sharing; copies of what is of another.
    return {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}


def put_together(path: Path, backbone: Backbone) -> Made:
    """Turn start weights into the fitted backbone, by what a fold kept; return its head.

    Raises
    ------
    ReplicationError
        It does not make the network that was fitted.
    WeightsError
        The file cannot be read.
    """
    tensors, told = read_described(path)
    state = backbone.state_dict()
    own = {name.removeprefix(BACKBONE): one for name, one in tensors.items() if _of(name, BACKBONE)}
    fits = all(name in state and state[name].shape == one.shape for name, one in own.items())
    if fits:
        with torch.no_grad():
            for name, one in own.items():
                state[name].copy_(one)
    if not fits or state_hash(backbone) != told.get("state"):
        raise ReplicationError(
            f"{path}: does not make the model that was fitted.",
            "Delete the run's folder and run it again.",
        )
    head = {name.removeprefix(HEAD): one for name, one in tensors.items() if _of(name, HEAD)}
    return Made(told.get("head", ""), head)


def _of(name: str, part: str) -> bool:
    return name.startswith(part)
