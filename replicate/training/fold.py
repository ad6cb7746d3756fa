"""Train and test one fold: the four TL types, random initialisation, the recommended protocol.

Everything frozen is computed once and cached (`replicate.training.features`); what is trained goes
through one plain loop (`replicate.training.loop`); a fold that was cut off goes on from its
checkpoint and ends with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from db.errors import ReplicationError
from db.files import sweep
from replicate.evaluation.predictions import Predictions
from replicate.images.image_set import ImageSet
from replicate.lock import locked
from replicate.networks.freezing import Frozen, freeze
from replicate.networks.network import Backbone
from replicate.networks.proof import Proof, prove, snapshot
from replicate.progress import Progress, Report, silent
from replicate.spec import Spec, Unfreezing
from replicate.splits.splits import Fold
from replicate.training import checkpoint
from replicate.training.compute import Compute
from replicate.training.features import Normalise, extract
from replicate.training.heads import torch_head
from replicate.training.loop import Feed, Phase, State
from replicate.training.pixels import decoded, decoding_cost
from replicate.training.preconditions import check_fold
from replicate.training.seeds import derived

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
    notes: tuple[str, ...] = ()
    features_cost: float | None = None
    environment: Mapping[str, Any] | None = None


def fit(
    spec: Spec,
    images: ImageSet,
    fold: Fold,
    seed: int,
    *,
    network: Callable[[], Backbone],
    compute: Compute,
    folder: Path,
    cache: Path,
    progress: Report | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    environment: Mapping[str, Any] | None = None,
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
    cache
        Features and decoded images, shared by all runs.
    checkpoint_seconds
        Least time between two checkpoints.
    environment
        Versions and machine, JSON-able: kept with the fold, since a later sitting can have others.

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
    report = progress or silent
    check_fold(spec, images, fold)
    compute = compute.with_precision(spec.training.precision)
    with locked(folder), compute.session():
        sweep(folder, checkpoint.CHECKPOINT, checkpoint.RESULT)
        who = checkpoint.identity(spec, images, fold, seed)
        finished = checkpoint.load_result(folder, who)
        if finished is None:
            run = _Run(spec, images, fold, seed, compute, cache, report)
            run.network(network)
            if spec.transfer.tl_type == "feature extractor hybrid":
                arrays, facts = run.hybrid()
            else:
                arrays, facts = run.gradients(folder, who, checkpoint_seconds)
            facts["environment"] = None if environment is None else dict(environment)
            checkpoint.save_result(folder, who, arrays, facts)
            finished = arrays, facts
    return _fitted(*finished, fold, seed)


class _Run:
    """One fold at work."""

    def __init__(
        self,
        spec: Spec,
        images: ImageSet,
        fold: Fold,
        seed: int,
        compute: Compute,
        cache: Path,
        report: Report,
    ) -> None:
        self.spec, self.images, self.fold, self.seed = spec, images, fold, seed
        self.compute, self.cache, self.report = compute, cache, report
        self.purpose = (fold.repeat, fold.number)
        self.begun = time.perf_counter()
        self.computed, self.extracting = 0, 0.0
        self.costs: list[float | None] = []

    def network(self, make: Callable[[], Backbone]) -> None:
        self.compute.seed(derived(self.seed, *self.purpose, "network"))
        if self.compute.kind == "cuda":
            torch.cuda.reset_peak_memory_stats(self.compute.device)
        self.backbone = make()
        self.backbone.to(self.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.before = snapshot(self.backbone)

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
            self.fold.train,
            self.fold.val,
            self.fold.test,
            classes=len(self.images.classes),
            balanced=self.spec.training.class_weights == "balanced",
            seed=derived(self.seed, *self.purpose, "hybrid") % 2**32,
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
        facts = self._facts(frozen, {"training": seconds}, len(self.fold.train))
        facts |= {"history": [line], "trained_parameters": 0, "notes": list(found.notes)}
        return self._arrays(found.probabilities), facts

    def gradients(
        self, folder: Path, who: dict[str, str], checkpoint_seconds: float
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Train through the phases, from a checkpoint where there is one."""
        stored = checkpoint.load_checkpoint(folder, who)
        state = State()
        if stored is not None:
            state = State(**{name: stored[name] for name in State.__slots__})
            words = f"goes on behind epoch {len(state.history)}"
            self.report(Progress("training", len(state.history), self._epochs, "epochs", words))
        self.compute.seed(derived(self.seed, *self.purpose, "head"))
        classes = len(self.images.classes)
        head = torch_head(self.spec.transfer.head, self.backbone.width, classes)
        head.to(self.compute.device)
        saved = [time.monotonic()]

        def after_epoch(state: State) -> None:
            self.report(Progress("training", len(state.history), self._epochs, "epochs"))
            if time.monotonic() - saved[0] >= checkpoint_seconds:
                checkpoint.save_checkpoint(folder, who, phase.snapshot(state).to_dict())
                saved[0] = time.monotonic()

        phases = self._phases()
        for number, (name, unfreezing, epochs) in enumerate(phases):
            frozen = freeze(self.backbone, unfreezing, self.spec.transfer.batchnorm)
            if number < state.phase:
                continue
            phase = self._phase(name, epochs, frozen, head)
            phase.resume(state)
            with phase.threads():
                phase.run(state, self.fold.train, self.fold.val, after_epoch)
            self.compute.wait()
            state.model = {}
            if number + 1 < len(phases):
                # What is frozen now may be trained later, and could then hide that it moved.
                self._proven(frozen)
                state.next_phase()
        begun = time.perf_counter()
        with phase.threads():
            logits = phase.logits(self.fold.test).double().cpu()
        testing = time.perf_counter() - begun
        training = sum(line["seconds"] for line in state.history)
        facts = self._facts(frozen, {"training": training, "testing": testing}, state.images)
        facts["history"] = state.history
        facts["trained_parameters"] = phase.trained_parameters
        facts["parameters"] += sum(p.numel() for p in head.parameters())
        return self._arrays(torch.softmax(logits, 1).numpy()), facts

    @property
    def _epochs(self) -> int:
        return self.spec.training.epochs

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
            settings = self.spec.preprocessing
            rows = decoded(self.images, settings, self.cache, self.compute.workers, self.report)
            self.extracting += time.perf_counter() - begun
            self.costs.append(decoding_cost(self.images, settings, self.cache))
            feed = Feed(
                rows,
                self.compute,
                Normalise(backbone, settings).to(self.compute.device),
                backbone.before(boundary) if boundary else None,
                self.spec.augmentation,
            )
        labels = torch.from_numpy(self.images.labels).to(self.compute.device)
        return Phase(
            name,
            epochs,
            backbone=backbone,
            head=head,
            tail=tail,
            frozen=frozen,
            feed=feed,
            labels=labels,
            class_weights=self._class_weights(),
            settings=self.spec.training,
            compute=self.compute,
            seed=self.seed,
            purpose=self.purpose,
        )

    def _cached(self, boundary: int | None) -> NDArray[np.float32]:
        found = extract(
            self.backbone,
            self.images,
            boundary=boundary,
            preprocessing=self.spec.preprocessing,
            compute=self.compute,
            cache=self.cache,
            report=self.report,
        )
        self.computed += found.computed
        self.extracting += found.seconds
        self.costs.append(found.cost)
        return found.rows

    def _worth_caching(self, boundary: int) -> bool:
        size = self.spec.preprocessing.size
        front = self.backbone.before(boundary).eval()
        with torch.no_grad():
            blank = torch.zeros((1, 3, size, size), device=self.compute.device)
            return bool(front(blank).numel() <= LARGEST_ACTIVATIONS * blank.numel())

    def _class_weights(self) -> Tensor | None:
        """Return n / (classes * n of the class): every class weighs the same in sum."""
        if self.spec.training.class_weights == "none":
            return None
        counts = np.bincount(self.images.labels[self.fold.train])
        weights = len(self.fold.train) / (len(counts) * counts)
        return torch.from_numpy(weights).float().to(self.compute.device)

    def _arrays(self, probabilities: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        test = np.asarray(self.fold.test, dtype=np.int64)
        return {
            "probabilities": probabilities,
            "labels": self.images.labels[test],
            "indices": test,
        }

    def _facts(
        self, frozen: Frozen, seconds: dict[str, float], trained_images: int
    ) -> dict[str, Any]:
        """Return what is reported beside predictions, frozen parts proven to be as before."""
        proof = self._proven(frozen)
        speed = None
        if self.computed:
            speed = self.computed / max(self.extracting, 1e-9)
        elif any(p.requires_grad for p in self.backbone.parameters()):
            speed = trained_images / max(seconds["training"], 1e-9)
        return {
            "parameters": sum(p.numel() for p in self.backbone.parameters()),
            "proof": asdict(proof),
            "seconds": {
                "features": self.extracting,
                **seconds,
                "total": time.perf_counter() - self.begun,
            },
            "images_per_second": speed,
            "peak_memory_bytes": self.compute.peak_memory(),
            "notes": [],
            "features_cost": None if None in self.costs else sum(c or 0.0 for c in self.costs),
        }

    def _proven(self, frozen: Frozen) -> Proof:
        """Return the proof that frozen parts are as they were at the start.

        Raises
        ------
        ReplicationError
            They are not, although the BatchNorm policy says that they should.
        """
        proof = prove(self.before, snapshot(self.backbone), frozen)
        if not proof.holds and self.spec.transfer.batchnorm != "none":
            raise ReplicationError(
                f"Frozen layers changed in training: {proof.sentence}",
                "The result would not be what it says; please report this.",
            )
        return proof


def _fitted(
    arrays: dict[str, NDArray[Any]], facts: dict[str, Any], fold: Fold, seed: int
) -> Fitted:
    predictions = Predictions(**arrays, seed=seed, repeat=fold.repeat, fold=fold.number)
    # JSON has no tuples: the names come back as lists.
    parts: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in facts["proof"].items()
    }
    return Fitted(
        predictions,
        facts["history"],
        facts["trained_parameters"],
        facts["parameters"],
        Proof(**parts),
        facts["seconds"],
        facts["images_per_second"],
        facts["peak_memory_bytes"],
        tuple(facts["notes"]),
        facts.get("features_cost"),
        facts.get("environment"),
    )
