"""Prove what a training changed: every parameter and buffer hashed before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from db.errors import ReplicationError
from replicate.networks.freezing import Frozen

#: Hashes of a module's parameters and buffers, by name.
Snapshot = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Proof:
    """What changed between two snapshots, against what was to stay.

    Attributes
    ----------
    frozen_parameters, fixed_buffers
        How many tensors were to stay as they were.
    changed_parameters, changed_buffers
        Names of those that did not.
    trained
        How many parameter tensors were to be trained.
    moved
        How many of them changed.
    """

    frozen_parameters: int
    fixed_buffers: int
    changed_parameters: tuple[str, ...]
    changed_buffers: tuple[str, ...]
    trained: int
    moved: int

    @property
    def holds(self) -> bool:
        """Whether everything frozen is bit for bit what it was."""
        return self.state != "changed"

    @property
    def state(self) -> Literal["nothing frozen", "unchanged", "changed"]:
        """The finding."""
        if self.changed_parameters or self.changed_buffers:
            return "changed"
        return "unchanged" if self.frozen_parameters or self.fixed_buffers else "nothing frozen"

    @property
    def sentence(self) -> str:
        """The finding in words."""
        moved = f"{self.moved} of {self.trained} trained parameter tensors changed"
        if self.state == "nothing frozen":
            return f"Nothing was frozen; {moved}."
        if self.state == "unchanged":
            return (
                f"Frozen means frozen: {self.frozen_parameters} parameter tensors and "
                f"{self.fixed_buffers} buffers are bit for bit what they were; {moved}."
            )
        parts = []
        for names, whole, kind in (
            (self.changed_parameters, self.frozen_parameters, "parameter tensors"),
            (self.changed_buffers, self.fixed_buffers, "buffers"),
        ):
            if names:
                parts.append(f"{len(names)} of {whole} {kind} (first {names[0]})")
        return f"What was to be frozen changed: {' and '.join(parts)}; {moved}."

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"state": self.state, **asdict(self)}


def snapshot(module: nn.Module) -> Snapshot:
    """Hash every parameter and buffer of a module, wherever they are kept."""
    tensors = chain(module.named_parameters(), module.named_buffers())
    return {name: _hash(tensor) for name, tensor in tensors}


def _hash(tensor: Tensor) -> str:
    # Seen as bytes: numpy does not know every type of torch (bfloat16).
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(flat.numpy().data, digest_size=16).hexdigest()


def prove(before: Snapshot, after: Snapshot, frozen: Frozen) -> Proof:
    """Compare two snapshots of a backbone with what was to be frozen between them.

    Raises
    ------
    ReplicationError
        The snapshots are not of this backbone.
    """
    known = {*frozen.trained, *frozen.frozen, *(n for n, _ in frozen.backbone.named_buffers())}
    if not known == before.keys() == after.keys():
        raise ReplicationError(
            f"{frozen.backbone.name}: a snapshot is of another network.",
            "Take both of the backbone alone, without its head.",
        )

    def changed(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if before[name] != after[name])

    return Proof(
        frozen_parameters=len(frozen.frozen),
        fixed_buffers=len(frozen.fixed_buffers),
        changed_parameters=changed(frozen.frozen),
        changed_buffers=changed(frozen.fixed_buffers),
        trained=len(frozen.trained),
        moved=len(changed(frozen.trained)),
    )
