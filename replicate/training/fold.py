"""Train and test one fold: the four TL types, random initialisation, the recommended protocol.

Everything frozen is computed once and cached (`replicate.training.features`); what is trained goes
through one plain loop (`replicate.training.loop`); a fold that was cut off goes on from its
checkpoint and ends with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from db.errors import ReplicationError
from db.files import sweep
from replicate.evaluation.predictions import Predictions
from replicate.lock import locked
from replicate.networks.freezing import Frozen, freeze
from replicate.networks.network import Backbone
from replicate.networks.proof import Proof, prove, snapshot
from replicate.notes import Note
from replicate.progress import Progress
from replicate.spec import Unfreezing
from replicate.terms import CONTROL
from replicate.training import checkpoint
from replicate.training.features import Normalise, extract, without_batchnorm
from replicate.training.heads import torch_head
from replicate.training.job import Job
from replicate.training.keeping import LAYERS, Made, learnt
from replicate.training.loop import Feed, Phase, State
from replicate.training.pixels import decoded

NOTHING = Unfreezing(kind="none")
#: Activations larger than this many times the network's input are not cached: reading them from
#: the disk in each epoch would take the time that computing them does.
LARGEST_ACTIVATIONS = 4
#: Seconds of work that a kill may cost; a checkpoint after every short epoch would cost more.
CHECKPOINT_SECONDS = 2.0


@dataclass(frozen=True, eq=False, slots=True)
class Fitted:
    """What came of one fold.

    Parameters
    ----------
    predictions
        For the fold's test images.
    history
        One dict for each epoch: phase, epoch, loss, accuracy, val_loss, val_accuracy,
        learning_rate, seconds.
    trained_parameters, parameters
        Trained by gradients, and all of backbone and head; a hybrid's classifier has none.
    proof
        That what was frozen did not change.
    seconds
        ``features`` (or decoding), ``training``, ``testing``, ``total``. Of a fold cut off before,
        training counts its epochs in all sittings, the others are of the last one.
    images_per_second
        Through the network: while features were computed, else in training; None where all came
        from the cache.
    peak_memory_bytes
        Of the device on CUDA, else of this process so far; None where it is not known.
    notes
        What a reader of the result should know.
    features_cost
        Seconds that features (or decoding) took when they were computed, by this fold or by
        whoever left them in the cache; None where that is not known.
    environment
        In what it was computed, as the caller of :func:`fit` told it then; None if nobody did.
    """

    predictions: Predictions
    history: list[dict[str, Any]]
    trained_parameters: int
    parameters: int
    proof: Proof
    seconds: dict[str, float]
    images_per_second: float | None
    peak_memory_bytes: int | None
    notes: tuple[Note, ...] = ()
    features_cost: float | None = None
    environment: Mapping[str, Any] | None = None


def fit(
    job: Job,
    *,
    network: Callable[[], Backbone],
    folder: Path,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    environment: Mapping[str, Any] | None = None,
    keep: bool = True,
) -> Fitted:
    """Train on a fold's training images and predict its test images.

    A fold that `folder` holds the result of is read, not trained.

    Parameters
    ----------
    network
        Returns a backbone with its start weights. Random ones come from torch's global generator,
        which is seeded here for seed, repeat and fold. It has to be another object each time where
        anything of it is trained, or BatchNorm is not frozen; one that is frozen may be shared.
    folder
        Checkpoint and result of this fold and seed; one process at a time may use it.
    checkpoint_seconds
        Least time between two checkpoints.
    environment
        Versions and machine, JSON-able: kept with the fold, since a later sitting can have others.
    keep
        Whether the model is kept too: what of it is not in its start weights. A head takes
        kilobytes, a network all of whose layers were trained four bytes a parameter.

    Raises
    ------
    UsageError
        Settings that contradict each other.
    ReplicationError
        A class without training images, a folder that belongs to another run or is in use, no
        space, not enough memory, a loss that is no number.
    ImagesError
        An image that cannot be read.
    """
    job.check()
    job = replace(job, compute=job.compute.with_precision(job.spec.training.precision))
    with locked(folder), job.compute.session():
        sweep(folder, checkpoint.CHECKPOINT, checkpoint.RESULT, checkpoint.MODEL)
        files = checkpoint.FoldFiles(folder, checkpoint.identity(job))
        finished = files.load_result()
        if finished is None:
            work = _Work(job, network)
            if job.spec.transfer.hybrid:
                arrays, facts = work.hybrid()
            else:
                arrays, facts = work.gradients(files, checkpoint_seconds)
            facts["environment"] = None if environment is None else dict(environment)
            if keep:
                files.save_model(*work.model())
            files.save_result(arrays, facts)
            finished = arrays, facts
    return _fitted(*finished, job)


class _Work:
    """A job at work."""

    def __init__(self, job: Job, make: Callable[[], Backbone]) -> None:
        self.job, self.spec, self.images, self.compute = job, job.spec, job.images, job.compute
        self.begun = time.perf_counter()
        self.computed, self.extracting = 0, 0.0
        self.costs: list[float | None] = []
        self.compute.seed(job.derived("network"))
        if self.compute.kind == "cuda":
            torch.cuda.reset_peak_memory_stats(self.compute.device)
        self.backbone = make()
        self.backbone.to(self.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.before = self.after = snapshot(self.backbone)
        self.made: Made

    def hybrid(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Fit a classifier on cached features."""
        transfer = self.spec.transfer
        frozen = freeze(self.backbone, NOTHING, transfer.batchnorm)
        features = self._cached(None)
        # Imported here, and not on the classifier's time: scikit-learn takes seconds.
        from replicate.training.hybrids import classify

        begun = time.perf_counter()
        found = classify(
            transfer.head,
            features,
            self.images.labels,
            self.job.fold,
            classes=len(self.images.classes),
            balanced=self.spec.training.class_weights == "balanced",
            seed=self.job.derived("hybrid") % 2**32,
        )
        seconds = time.perf_counter() - begun
        line = {
            "phase": "hybrid",
            "epoch": 1,
            "loss": None,
            "accuracy": found.train_accuracy,
            "val_loss": None,
            "val_accuracy": found.val_accuracy,
            "learning_rate": None,
            "seconds": seconds,
        }
        facts = self._facts(frozen, [line], len(self.job.fold.train))
        facts["notes"] += [asdict(note) for note in found.notes]
        self.made = Made.of_arrays(found.kind, found.arrays)
        return self._arrays(found.probabilities, found.val_probabilities), facts

    def gradients(
        self, files: checkpoint.FoldFiles, checkpoint_seconds: float
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Train through the phases, from a checkpoint where there is one."""
        report, epochs = self.job.report, self.spec.training.epochs
        stored = files.load_checkpoint()
        state = State()
        if stored is not None:
            state = State(**{name: stored[name] for name in State.__slots__})
            words = f"goes on behind epoch {len(state.history)}"
            report(Progress("training", len(state.history), epochs, "epochs", words))
        self.compute.seed(self.job.derived("head"))
        classes = len(self.images.classes)
        head = torch_head(self.spec.transfer.head, self.backbone.width, classes)
        head.to(self.compute.device)
        saved = [time.monotonic()]

        def after_epoch(state: State) -> None:
            report(Progress("training", len(state.history), epochs, "epochs"))
            if time.monotonic() - saved[0] >= checkpoint_seconds:
                files.save_checkpoint(phase.snapshot(state).to_dict())
                saved[0] = time.monotonic()

        phases = self._phases()
        for number, (name, unfreezing, most) in enumerate(phases):
            frozen = freeze(self.backbone, unfreezing, self.spec.transfer.batchnorm)
            if number < state.phase:
                continue
            phase = self._phase(name, most, frozen, head)
            phase.resume(state)
            with phase.threads():
                phase.run(state, after_epoch)
            self.compute.wait()
            state.model = {}
            if number + 1 < len(phases):
                # What is frozen now may be trained later, and could then hide that it moved.
                self._proven(frozen)
                state.next_phase()
        begun = time.perf_counter()
        with phase.threads():
            phase.recalibrate()
            tested, validated = (
                torch.softmax(phase.logits(part).double().cpu(), 1).numpy()
                for part in (self.job.fold.test, self.job.fold.val)
            )
        testing = time.perf_counter() - begun
        facts = self._facts(frozen, state.history, state.images, head, testing=testing)
        self.made = Made(LAYERS, head.state_dict())
        return self._arrays(tested, validated), facts

    def model(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the fitted model as it is kept."""
        drawn = self.spec.network.weights == "random"
        return learnt(self.backbone, self.made, None if drawn else self.before, self.after)

    def _phases(self) -> list[tuple[str, Unfreezing, int]]:
        """Return name, unfreezing and epochs of each phase."""
        settings, unfreezing = self.spec.training, self.spec.transfer.unfreezing
        if not settings.head_epochs or unfreezing.kind == "none":
            return [("training", unfreezing, settings.epochs)]
        phases = [
            ("head", NOTHING, settings.head_epochs),
            ("unfrozen", unfreezing, settings.epochs - settings.head_epochs),
        ]
        return [phase for phase in phases if phase[2]]

    def _phase(self, name: str, epochs: int, frozen: Frozen, head: nn.Module) -> Phase:
        """Choose where a phase gets its inputs from, and put it together."""
        backbone, boundary = self.backbone, frozen.boundary
        cacheable = not self.spec.augmentation.active and frozen.cacheable
        whole = boundary == len(backbone.blocks)
        tail: nn.Module = nn.Identity() if whole and cacheable else backbone.behind(boundary)
        if cacheable and whole:
            feed = Feed(self._cached(None), self.compute)
        elif cacheable and boundary and self._worth_caching(boundary):
            feed = Feed(self._cached(boundary), self.compute)
        else:
            begun = time.perf_counter()
            settings, job = self.spec.preprocessing, self.job
            found = decoded(job.images, settings, job.cache, job.compute.workers, job.report)
            self.extracting += time.perf_counter() - begun
            self.costs.append(found.cost)
            normalise = Normalise(backbone, settings).to(self.compute.device)
            front: nn.Module | None = backbone.before(boundary) if boundary else None
            if front is not None and frozen.cacheable:
                front = without_batchnorm(front, normalise, settings.size, self.compute)
            feed = Feed(found.rows, self.compute, normalise, front, self.spec.augmentation)
        return Phase(self.job, name, epochs, frozen, head, tail, feed)

    def _cached(self, boundary: int | None) -> NDArray[np.float32]:
        begun = time.perf_counter()
        found = extract(
            self.backbone,
            self.images,
            boundary=boundary,
            preprocessing=self.spec.preprocessing,
            compute=self.compute,
            cache=self.job.cache,
            report=self.job.report,
        )
        self.computed += found.computed
        self.extracting += time.perf_counter() - begun
        self.costs.append(found.cost)
        return found.rows

    def _worth_caching(self, boundary: int) -> bool:
        size = self.spec.preprocessing.size
        front = self.backbone.before(boundary).eval()
        with torch.no_grad():
            blank = torch.zeros((1, 3, size, size), device=self.compute.device)
            return bool(front(blank).numel() <= LARGEST_ACTIVATIONS * blank.numel())

    def _arrays(
        self, probabilities: NDArray[np.float64], of_val: NDArray[np.float64]
    ) -> dict[str, NDArray[Any]]:
        test = np.asarray(self.job.fold.test, dtype=np.int64)
        return {
            "probabilities": probabilities,
            "labels": self.images.labels[test],
            "indices": test,
            "val_probabilities": of_val,
            "val_indices": np.asarray(self.job.fold.val, dtype=np.int64),
        }

    def _facts(
        self,
        frozen: Frozen,
        history: list[dict[str, Any]],
        trained_images: int,
        head: nn.Module | None = None,
        **seconds: float,
    ) -> dict[str, Any]:
        """Return all of `Fitted` but the predictions, frozen parts proven to be as before."""
        proof = self._proven(frozen)
        seconds = {"training": sum(line["seconds"] for line in history), **seconds}
        whole = [*self.backbone.parameters(), *(head.parameters() if head else ())]
        speed = None
        if self.computed:
            speed = self.computed / max(self.extracting, 1e-9)
        elif any(p.requires_grad for p in self.backbone.parameters()):
            speed = trained_images / max(seconds["training"], 1e-9)
        return {
            "history": history,
            "trained_parameters": sum(p.numel() for p in whole if p.requires_grad),
            "parameters": sum(p.numel() for p in whole),
            "proof": asdict(proof),
            "seconds": {
                "features": self.extracting,
                **seconds,
                "total": time.perf_counter() - self.begun,
            },
            "images_per_second": speed,
            "peak_memory_bytes": self.compute.peak_memory(),
            "notes": [asdict(note) for note in (*self.backbone.notes, *self._control())],
            "features_cost": None if None in self.costs else sum(c or 0.0 for c in self.costs),
        }

    def _control(self) -> list[Note]:
        return [Note(CONTROL)] if self.spec.transfer.tl_type == CONTROL else []

    def _proven(self, frozen: Frozen) -> Proof:
        """Return the proof that frozen parts are as they were at the start.

        Raises
        ------
        ReplicationError
            They are not, although the BatchNorm policy says that they should.
        """
        self.after = snapshot(self.backbone)
        proof = prove(self.before, self.after, frozen)
        if not proof.holds and self.spec.transfer.batchnorm != "none":
            raise ReplicationError(
                f"Frozen layers changed in training: {proof.sentence}",
                "The result would not be what it says; please report this.",
            )
        return proof


def _fitted(arrays: dict[str, NDArray[Any]], facts: dict[str, Any], job: Job) -> Fitted:
    fold = job.fold
    # JSON has no tuples: the names come back as lists.
    proof: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in facts["proof"].items()
    }
    notes = [
        Note("kept", {"text": note}) if isinstance(note, str) else Note(**note)
        for note in facts["notes"]
    ]
    return Fitted(
        Predictions(**arrays, seed=job.seed, repeat=fold.repeat, fold=fold.number),
        **{**facts, "proof": Proof(**proof), "notes": tuple(notes)},
    )
