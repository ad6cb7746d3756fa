"""TL types x backbones x seeds on several image sets, under conditions that are equal for all.

A cell is one run: one set, one backbone, one TL type, one seed. Cells of a set share its splits,
preprocessing and schedule; only what is compared differs. A finished cell is found again by the id
of its spec, so that a contest that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, ValidationError

from db import __version__
from db.errors import MedtlError, UsageError
from replicate.contest.rows import COLUMNS, PARTIAL, RESULTS, check_folder, write
from replicate.evaluation.values import Evaluation
from replicate.images.image_set import ImageSet
from replicate.images.task import task_images
from replicate.spec import (
    Augmentation,
    Data,
    Head,
    Ledger,
    LedgerLine,
    Network,
    Preprocessing,
    Settings,
    Spec,
    Split,
    TLType,
    Training,
    Transfer,
    Unfreezing,
    settings_of,
)
from replicate.terms import FEATURES, HYBRID, RANDOM, RECOMMENDED, SCRATCH


class Conditions(Settings):
    """What is equal for all cells.

    `partial` is what fine-tuning and the recommended protocol unfreeze; `hybrid` the head of
    feature extractor hybrids. In the recommended protocol half of the epochs train the head alone,
    unless `training` says how many, and unfrozen layers learn at `low_rate`. In random
    initialisation they learn at the rate of the head: nothing pretrained needs a lower one.
    """

    preprocessing: Preprocessing = Preprocessing()
    augmentation: Augmentation = Augmentation()
    training: Training = Training(backbone_lr=1e-4)
    split: Split = Split(kind="k-fold", folds=5)
    partial: Unfreezing = Unfreezing(kind="blocks", amount=2)
    hybrid: Head = Head(kind="svm")
    low_rate: Annotated[float, Field(gt=0)] = 1e-5
    batchnorm: Literal["frozen", "all", "none"] = "frozen"
    weights: str = "pretrained"
    max_images: int | None = None


def conditions_of(settings: Mapping[str, Any]) -> Conditions:
    """Return the house's conditions with settings changed.

    Parameters
    ----------
    settings
        Value by path in a spec (``training.epochs``). ``transfer.unfreezing`` is that of partial
        types, ``transfer.head`` that of hybrids.

    Raises
    ------
    UsageError
        A value that is not possible, or a setting that is compared and so cannot be equal for all.
    """
    parts = {"transfer.head": "hybrid", "transfer.unfreezing": "partial"}
    single = {
        "transfer.batchnorm": "batchnorm",
        "network.weights": "weights",
        "data.max_images": "max_images",
    }
    values = Conditions().model_dump()
    for path, value in settings.items():
        part, _, name = path.rpartition(".")
        if path in single:
            values[single[path]] = value
        elif parts.get(part, part) in values:
            values[parts.get(part, part)][name] = value
        else:
            raise UsageError(f"contest: {path} cannot be equal for all.", "Leave it out.")
    try:
        return Conditions.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(step) for step in first["loc"])
        raise UsageError(f"contest: {where}: {what}.", "Change that option.") from None


@dataclass(frozen=True, eq=False)
class Entrant:
    """One image set of a contest; `modality` is for the reader."""

    images: ImageSet
    modality: str | None = None


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of a contest."""

    entrant: Entrant
    network: Network
    tl_type: TLType
    seed: int
    spec: Spec

    @property
    def name(self) -> str:
        """Return the cell in words, for a progress line."""
        return f"{self.entrant.images.name}: {self.tl_type}, {self.network.name}, seed {self.seed}"


class Outcome(Protocol):
    """What the contest takes of a finished run.

    `timing` holds seconds by part: ``features``, ``training``, ``total``; `features_cost` what the
    features would have cost without a cache.
    """

    @property
    def id(self) -> str:
        """Name of the run."""

    @property
    def evaluation(self) -> Evaluation:
        """Its metrics."""

    @property
    def timing(self) -> Mapping[str, Any]:
        """Its seconds, by part."""

    @property
    def features_cost(self) -> float | None:
        """Seconds that features took when they were computed; None if not known."""

    @property
    def images_per_second(self) -> float | None:
        """Throughput of the network."""

    @property
    def trained_parameters(self) -> int:
        """How many parameters were trained."""


Run = Callable[[Spec, ImageSet, Ledger], Outcome]


def cells(
    entrants: Sequence[Entrant],
    backbones: Sequence[Network],
    tl_types: Sequence[TLType],
    seeds: Sequence[int],
    conditions: Conditions,
) -> list[Cell]:
    """Return all runs of a contest, set by set, so that what is cached of a set is used at once.

    Raises
    ------
    UsageError
        Nothing to compare, a name given twice, phantom and real sets together, or conditions that
        do not fit one of the TL types.
    """
    for what, names in (
        ("image set", [one.images.name for one in entrants]),
        ("backbone", [one.name for one in backbones]),
        ("TL type", [str(word) for word in tl_types]),
        ("seed", [str(seed) for seed in seeds]),
    ):
        if not names:
            raise UsageError(f"contest: no {what} is given.", "Each of them needs at least one.")
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice:
            raise UsageError(f"contest: the {what} {twice[0]} is given twice.", "Name each once.")
    if len({one.images.phantom for one in entrants}) > 1:
        raise UsageError(
            "contest: phantom and real image sets together.",
            "Phantom images are no evidence on medicine: hold a contest of their own for them.",
        )
    return [
        Cell(
            entrant,
            network,
            tl_type,
            seed,
            spec_of(conditions, entrant, network, tl_type, seed),
        )
        for entrant in entrants
        for network in backbones
        for tl_type in tl_types
        for seed in seeds
    ]


def spec_of(
    conditions: Conditions, entrant: Entrant, network: Network, tl_type: TLType, seed: int
) -> Spec:
    """Return the spec of one cell.

    Raises
    ------
    UsageError
        The conditions do not fit the TL type.
    """
    images, random = entrant.images, tl_type == RANDOM
    if tl_type in (FEATURES, HYBRID):
        unfreezing = Unfreezing(kind="none")
    elif random or tl_type == SCRATCH:
        unfreezing = Unfreezing(kind="all")
    else:
        unfreezing = conditions.partial
    training = conditions.training
    changes: dict[str, Any] = {}
    if random:
        changes["backbone_lr"] = training.learning_rate
    elif unfreezing.kind == "none":
        changes["backbone_lr"] = None
    if tl_type == RECOMMENDED:
        changes["backbone_lr"] = conditions.low_rate
        changes["head_epochs"] = training.head_epochs or max(1, training.epochs // 2)
    else:
        changes["head_epochs"] = 0
    try:
        return Spec(
            data=Data(
                name=images.name,
                phantom=images.phantom,
                max_images=conditions.max_images,
            ),
            network=network.model_copy(
                update={"weights": "random" if random else conditions.weights}
                | ({"weights_hash": None} if random else {})
            ),
            transfer=Transfer(
                tl_type=tl_type,
                unfreezing=unfreezing,
                batchnorm=conditions.batchnorm,
                head=conditions.hybrid if tl_type == HYBRID else Head(),
            ),
            preprocessing=conditions.preprocessing,
            augmentation=conditions.augmentation,
            training=training.model_copy(update=changes),
            split=conditions.split,
            seeds=(seed,),
        )
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"contest: conditions and {tl_type} do not fit: {what}.",
            "Change the option, or leave this TL type out with --tl.",
        ) from None


def ledger_of(spec: Spec) -> Ledger:
    """Return the ledger of a cell: no paper reports any of it."""
    compared = ("network.", "transfer.", "seeds")

    def reason(name: str) -> str:
        if name.startswith("data."):
            return "the image set that was given"
        if name.startswith(compared) or name in ("training.backbone_lr", "training.head_epochs"):
            return "contest: belongs to what is compared"
        return "contest: equal for all that is compared"

    return Ledger(
        lines=tuple(
            LedgerLine(name=name, value=value, origin="setup", reason=reason(name))
            for name, value in settings_of(spec).items()
        )
    )


def hold(
    runs: Sequence[Cell], run: Run, *, command: str = "", folder: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Run the cells one after the other and yield a row each, of the columns `COLUMNS`.

    Parameters
    ----------
    runs
        As `cells` returns them.
    run
        Runs a spec on images, or finds it finished.
    command
        What a reader would type to have it again; stands in every row.
    folder
        Where the rows are kept: those so far after every run, and all in the end.

    Raises
    ------
    MedtlError
        The folder cannot be written to, which is tried before anything is run.

    Notes
    -----
    A cell that fails for a reason that a person can mend, or for want of memory, has its reason in
    `error` and no values; the others go on. A defect of ours stops the contest.
    """
    if folder is not None:
        check_folder(folder)
    rows: list[dict[str, Any]] = []
    for cell in runs:
        row = _row(cell, command)
        try:
            row |= _counts(task_images(cell.entrant.images, cell.spec.data))
            outcome = run(cell.spec, cell.entrant.images, ledger_of(cell.spec))
        except MedtlError as error:
            row["error"] = error.message
        except MemoryError:
            row["error"] = "The memory of this machine does not suffice."
        else:
            row |= _found(outcome)
        rows.append(row)
        if folder is not None:
            write(rows, folder / PARTIAL)
        yield row
    if folder is not None:
        write(rows, folder / RESULTS)
        (folder / PARTIAL).unlink(missing_ok=True)


def _row(cell: Cell, command: str) -> dict[str, Any]:
    spec = cell.spec
    images = cell.entrant.images
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    return row | {
        "dataset": images.name,
        "modality": cell.entrant.modality,
        "phantom": images.phantom,
        "n_classes": len(images.classes),
        "backbone": cell.network.name,
        "weights": spec.network.weights,
        "tl_type": cell.tl_type,
        "unfrozen": spec.transfer.unfreezing.words,
        "seed": cell.seed,
        "size": spec.preprocessing.size,
        "epochs": spec.training.epochs,
        "split": _split_words(spec.split, images),
        "version": __version__,
        "command": command,
    }


def _split_words(split: Split, images: ImageSet) -> str:
    """Return how a set is divided, in words: without known groups each image is its own."""
    if split.kind == "official":
        return split.kind
    words = split.kind if split.kind != "k-fold" else f"{split.folds}-fold x {split.repeats}"
    return f"{words} by {split.by if images.groups else 'image'}"


def _counts(images: ImageSet) -> dict[str, Any]:
    """Return the size of what is run on, which can be a sample of the set."""
    return {
        "n_images": len(images),
        "n_groups": len(set(images.groups)) if images.groups else None,
    }


def _found(outcome: Outcome) -> dict[str, Any]:
    judged = outcome.evaluation
    accuracy, auc = judged.pooled("accuracy"), judged.pooled("auc")
    cost = outcome.features_cost
    return {
        "run": outcome.id,
        "accuracy": accuracy.value,
        "accuracy_low": accuracy.ci_low,
        "accuracy_high": accuracy.ci_high,
        "balanced_accuracy": judged.pooled("balanced_accuracy").value,
        "auc": auc.value,
        "auc_low": auc.ci_low,
        "auc_high": auc.ci_high,
        "baseline_accuracy": judged.baseline.accuracy.value,
        "features_seconds": outcome.timing.get("features") if cost is None else cost,
        "train_seconds": outcome.timing.get("training"),
        "total_seconds": outcome.timing.get("total"),
        "images_per_second": outcome.images_per_second,
        "trained_parameters": outcome.trained_parameters,
    }
