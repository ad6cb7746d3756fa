"""One phase of training by gradients: what feeds it, its epochs, and what it ends with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from db.errors import ReplicationError
from replicate.networks.freezing import Frozen
from replicate.spec import Augmentation
from replicate.training.augmentation import augmented
from replicate.training.compute import Compute
from replicate.training.device_memory import mover, resident
from replicate.training.features import Normalise
from replicate.training.job import Job
from replicate.training.optimisation import make_optimiser, rate_factor, set_rates
from replicate.training.seeds import batches, shuffled

Indices = NDArray[np.int64]
#: Images in one forward pass where nothing is trained.
_EVALUATED = 64


@dataclass(frozen=True, eq=False, slots=True)
class Feed:
    """Gives a phase its inputs: cached rows, or images through the frozen front.

    Parameters
    ----------
    rows
        Cached features or activations; decoded images where `normalise` is given.
    normalise
        From decoded images to the network's input; None where rows are features.
    front
        Frozen blocks that images pass without gradients.
    augmentation
        Changes of training images, where there are any; only with `normalise`.
    kept
        The rows on a CUDA device, where they fit.
    move
        What brings a batch of them there, where they do not.
    """

    rows: NDArray[Any]
    compute: Compute
    normalise: Normalise | None = None
    front: nn.Module | None = None
    augmentation: Augmentation | None = None
    kept: Tensor | None = field(init=False)
    move: Callable[[NDArray[Any]], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        # Frozen: these follow from the others.
        object.__setattr__(self, "kept", resident(self.rows, self.compute))
        object.__setattr__(self, "move", mover(self.compute))

    def __call__(self, indices: Indices, generator: torch.Generator | None = None) -> Tensor:
        """Return the inputs of a batch; a generator says that it is for training."""
        if self.kept is None:
            values = self.move(self.rows[indices])
        else:
            values = self.kept[torch.from_numpy(indices).to(self.kept.device)]
        if self.normalise is None:
            return values
        change: Callable[[Tensor], Tensor] | None = None
        if generator is not None and self.augmentation is not None and self.augmentation.active:
            change = partial(augmented, settings=self.augmentation, generator=generator)
        with torch.no_grad():
            inputs = self.normalise(values, change)
            if self.front is not None:
                with self.compute.autocast():
                    inputs = self.front(inputs)
        return inputs


@dataclass(eq=False, slots=True)
class State:
    """How far training has come; a checkpoint is this and nothing else."""

    phase: int = 0
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    model: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    images: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values and tensors."""
        return {name: getattr(self, name) for name in self.__slots__}

    def next_phase(self) -> None:
        """Forget what belongs to the phase that has ended."""
        self.phase, self.epoch = self.phase + 1, 0
        self.best_epoch, self.best_loss, self.best = -1, math.inf, {}
        self.optimiser, self.scaler = {}, {}


@dataclass(eq=False)
class Phase:
    """A phase at work.

    Parameters
    ----------
    job
        What is fitted, on what and where.
    name, epochs
        What it is called in the history, and how many passes it may take.
    frozen, head
        The network, and what of it is trained.
    tail
        What stands between the inputs of `feed` and the head.
    """

    job: Job
    name: str
    epochs: int
    frozen: Frozen
    head: nn.Module
    tail: nn.Module
    feed: Feed

    def __post_init__(self) -> None:
        self.settings, self.compute = self.job.spec.training, self.job.compute
        self.backbone = self.frozen.backbone
        self.labels = torch.from_numpy(self.job.images.labels).to(self.compute.device)
        self.class_weights = self._class_weights()
        trained = [p for p in self.backbone.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.settings, list(self.head.parameters()), trained)
        self.scaler = self.compute.scaler()

    def _class_weights(self) -> Tensor | None:
        """Return n / (classes * n of the class): every class weighs the same in sum."""
        if self.settings.class_weights == "none":
            return None
        train = self.job.fold.train
        counts = np.bincount(self.job.images.labels[train])
        weights = len(train) / (len(counts) * counts)
        return torch.from_numpy(weights).float().to(self.compute.device)

    def resume(self, state: State) -> None:
        """Take up where a checkpoint stopped."""
        if state.model:
            put_tensors(self.moving(), state.model)
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)
        if state.scaler:
            self.scaler.load_state_dict(state.scaler)

    def moving(self) -> dict[str, Tensor]:
        """Return all tensors that any phase may change: head, trained parameters, buffers."""
        found = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        found |= {
            f"backbone.{name}": value.detach()
            for name, value in self.backbone.named_parameters()
            if value.requires_grad
        }
        if not self._takes_part:
            return found
        return found | {f"backbone.{name}": value for name, value in self.backbone.named_buffers()}

    def run(self, state: State, after_epoch: Callable[[State], None]) -> None:
        """Train to the end of the phase, or until the validation loss has stopped falling.

        Raises
        ------
        ReplicationError
            The loss is no number any more.
        """
        patience = self.settings.patience
        while state.epoch < self.epochs and not (
            patience and state.epoch - 1 - state.best_epoch >= patience and state.best
        ):
            line = self._epoch(state.epoch)
            state.history.append(line)
            state.images += len(self.job.fold.train)
            if patience and line["val_loss"] < state.best_loss:
                state.best_epoch, state.best_loss = state.epoch, line["val_loss"]
                # Copies, which training does not reach.
                state.best = {name: value.clone() for name, value in self.moving().items()}
            state.epoch += 1
            after_epoch(state)
        if state.best:
            put_tensors(self.moving(), state.best)

    def snapshot(self, state: State) -> State:
        """Return the state with the tensors of this moment, for a checkpoint."""
        state.model = self.moving()
        state.optimiser = self.optimiser.state_dict()
        state.scaler = self.scaler.state_dict()
        return state

    def _epoch(self, epoch: int) -> dict[str, Any]:
        begun = time.perf_counter()
        train, val = self.job.fold.train, self.job.fold.val
        set_rates(self.optimiser, self.settings, rate_factor(self.settings, epoch, self.epochs))
        # Dropout draws from the global generators: seeded anew, so that an epoch is the same
        # whether the ones before it ran in this process or not.
        self.compute.seed(self.job.derived(self.name, epoch, "dropout"))
        generator = torch.Generator()
        generator.manual_seed(self.job.derived(self.name, epoch, "augmentation"))
        order = shuffled(train, self.job.derived(self.name, epoch, "order"))
        self._modes(True)
        loss_sum = torch.zeros((), device=self.compute.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.compute.device)
        for batch in batches(order, self.settings.batch_size):
            logits, labels = self._logits(batch, generator)
            loss = functional.cross_entropy(logits, labels, self.class_weights)
            self.optimiser.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimiser)
            self.scaler.update()
            loss_sum += loss.detach() * len(batch)
            correct += (logits.detach().argmax(1) == labels).sum()
        line: dict[str, Any] = {
            "phase": self.name,
            "epoch": epoch + 1,
            "loss": float(loss_sum) / len(train),
            "accuracy": int(correct) / len(train),
            "val_loss": None,
            "val_accuracy": None,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        if len(val):
            if self.settings.patience:
                self.recalibrate(epoch)  # training ends by what is measured here
            logits = self.logits(val)
            labels = self.labels[torch.from_numpy(val).to(self.labels.device)]
            line["val_loss"] = float(functional.cross_entropy(logits, labels, self.class_weights))
            line["val_accuracy"] = float((logits.argmax(1) == labels).float().mean())
        if not math.isfinite(line["loss"]) or not math.isfinite(line["val_loss"] or 0.0):
            which = "loss" if not math.isfinite(line["loss"]) else "loss on the validation images"
            raise ReplicationError(
                f"Training diverged: the {which} is no finite number after epoch {epoch + 1} of "
                f"phase {self.name!r}.",
                "Take a lower learning rate, or precision float32.",
            )
        line["seconds"] = time.perf_counter() - begun
        return line

    def recalibrate(self, *purpose: object) -> None:
        """Recompute on the training images the BatchNorm statistics that training has moved.

        The running averages are of the last steps; after few of them, or large ones, they are not
        those of any network that there is. As torch's ``update_bn``, of these layers alone: means
        over whole passes, without gradients, dropout or augmentation.
        """
        if not self._takes_part or self.job.spec.transfer.statistics != "recalibrated":
            return
        moved = self.frozen.renormalising()
        momenta = [layer.momentum for layer in moved]
        self._modes(False)
        for layer in moved:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        order = shuffled(self.job.fold.train, self.job.derived(self.name, *purpose, "statistics"))
        with torch.no_grad():
            for batch in batches(order, self.settings.batch_size) if moved else ():
                self._logits(batch, None)
        for layer, momentum in zip(moved, momenta, strict=True):
            layer.momentum = momentum

    def logits(self, indices: Indices) -> Tensor:
        """Return the logits of images that nothing is learnt from, in their order."""
        if not len(indices):
            return torch.empty((0, len(self.job.images.classes)))
        self._modes(False)
        with torch.no_grad():
            parts = [
                self._logits(indices[start : start + _EVALUATED], None)[0]
                for start in range(0, len(indices), _EVALUATED)
            ]
        return torch.cat(parts)

    def threads(self) -> AbstractContextManager[None]:
        """Return the context that suits the size of the steps."""
        return nullcontext() if self._takes_part else self.compute.one_thread()

    def _modes(self, training: bool) -> None:
        self.head.train(training)
        if self._takes_part:
            self.frozen.modes(training)

    @property
    def _takes_part(self) -> bool:
        """Whether anything passes the backbone in this phase; pooled features have done so."""
        return not isinstance(self.tail, nn.Identity)

    def _logits(self, batch: Indices, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        inputs = self.feed(batch, generator)
        with self.compute.autocast():
            logits = self.head(self.tail(inputs))
        return logits.float(), self.labels[torch.from_numpy(batch).to(self.labels.device)]


def put_tensors(targets: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Copy values into the tensors of the same names; those without a value stay as they are."""
    with torch.no_grad():
        for name, target in targets.items():
            if name in values:
                target.copy_(values[name])
