"""TL types x backbones x seeds on several image sets, under conditions that are equal for all.

A cell is one run: one set, one backbone, one TL type, one seed. Cells of a set share its splits,
preprocessing and schedule; only what is compared differs. A finished cell is found again by the id
of its spec, so that a contest that was killed goes on where it stopped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from db import __version__
from db.errors import InUseError, MedtlError, UsageError
from replicate.contest.rows import COLUMNS, PARTIAL, RESULTS, check_folder, write
from replicate.images.image_set import COPIES, ImageSet
from replicate.images.task import task_images
from replicate.record import Record
from replicate.setup.defaults import BACKBONE_RATE, BY_TL_TYPE, LOW_RATE, VALIDATION
from replicate.spec import (
    Ledger,
    Network,
    Spec,
    Split,
    TLType,
    Training,
    nested,
)
from replicate.terms import HYBRID, RANDOM, RECOMMENDED

#: What is equal for all cells where nobody says otherwise, by path in a spec: partial TL types
#: unfreeze two blocks, feature extractor hybrids have a support vector machine.
HOUSE: Mapping[str, Any] = {
    "network.weights": "pretrained",
    "transfer.unfreezing.kind": "blocks",
    "transfer.unfreezing.amount": 2,
    "transfer.head.kind": "svm",
    "training.backbone_lr": BACKBONE_RATE,
    "split.kind": "k-fold",
    "split.folds": 5,
}
#: Seconds until it is asked again whether others are done with what alone is left.
_POLL = 2.0
_EXTENT, _HEAD = "transfer.unfreezing", "transfer.head."
#: Beginnings of the paths that can be equal for all.
_SHARED = (
    "data.max_images",
    "network.weights",
    "transfer.",
    "preprocessing.",
    "augmentation.",
    "training.",
    "split.",
)


@dataclass(frozen=True, eq=False)
class Entrant:
    """One image set of a contest; `modality` is for the reader."""

    images: ImageSet
    modality: str | None = None


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of a contest."""

    entrant: Entrant
    spec: Spec

    @property
    def name(self) -> str:
        """Return the cell in words, for a progress line."""
        spec, images = self.spec, self.entrant.images
        of = f"{spec.transfer.tl_type}, {spec.network.name}, seed {spec.seeds[0]}"
        return f"{images.name}: {of}"


#: Runs a spec on images, or finds it finished; returns its record (see `replicate.record`).
Run = Callable[[Spec, ImageSet, Ledger], Record]


def cells(
    entrants: Sequence[Entrant],
    backbones: Sequence[Network],
    tl_types: Sequence[TLType],
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """Return all runs of a contest, set by set, so that what is cached of a set is used at once.

    Parameters
    ----------
    settings
        What is equal for all, by path in a spec, over :data:`HOUSE`. ``transfer.unfreezing`` is
        that of partial TL types, ``transfer.head`` that of feature extractor hybrids.

    Raises
    ------
    UsageError
        Nothing to compare, a name given twice, phantom and real sets together, or settings that
        cannot be equal for all or do not fit one of the TL types.
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
    settings = {**HOUSE, **(settings or {})}
    for path in settings:
        if not path.startswith(_SHARED) or path == "transfer.tl_type":
            raise UsageError(f"contest: {path} cannot be equal for all.", "Leave it out.")
    if len({one.images.phantom for one in entrants}) > 1:
        raise UsageError(
            "contest: phantom and real image sets together.",
            "Phantom images are no evidence on medicine: hold a contest of their own for them.",
        )
    return [
        Cell(entrant, spec_of(settings, entrant.images, network, tl_type, seed))
        for entrant in entrants
        for network in backbones
        for tl_type in tl_types
        for seed in seeds
    ]


def spec_of(
    settings: Mapping[str, Any], images: ImageSet, network: Network, tl_type: TLType, seed: int
) -> Spec:
    """Return the spec of one cell.

    In the recommended protocol half of the epochs train the head alone, unless `settings` say how
    many, and unfrozen layers learn at :data:`LOW_RATE`. In random initialisation they learn at the
    rate of the head: nothing pretrained needs a lower one.

    Raises
    ------
    UsageError
        The settings do not fit the TL type.
    """
    values = dict(settings)
    if tl_type != HYBRID:
        values = {path: value for path, value in values.items() if not path.startswith(_HEAD)}
    extent, _ = BY_TL_TYPE[tl_type][f"{_EXTENT}.kind"]
    if extent in ("none", "all"):
        values |= {f"{_EXTENT}.kind": extent, f"{_EXTENT}.amount": None}
    if extent == "none":
        values["training.backbone_lr"] = None
    whole = Training()
    epochs = values.get("training.epochs", whole.epochs)
    head_epochs = values.get("training.head_epochs", 0)
    values["training.head_epochs"] = 0
    if tl_type == RANDOM:
        values["training.backbone_lr"] = values.get("training.learning_rate", whole.learning_rate)
    elif tl_type == RECOMMENDED:
        values["training.backbone_lr"] = LOW_RATE
        values["training.head_epochs"] = head_epochs or max(1, epochs // 2)
    values |= {f"network.{name}": value for name, value in network if name != "weights"}
    if tl_type == RANDOM:
        values |= {"network.weights": "random", "network.weights_hash": None}
    # Nothing else is chosen on validation images: without patience all of them train.
    patience = values.get("training.patience")
    values.setdefault("split.validation", VALIDATION if patience else 0.0)
    values |= {"data.name": images.name, "data.phantom": images.phantom}
    values |= {"transfer.tl_type": tl_type, "seeds": (seed,)}
    try:
        return Spec.model_validate(nested(values))
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

    return Ledger.of(spec, "setup", reason)


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

    A cell that another process is at makes way for the others, and is waited for in the end: as
    many processes of the same contest as there are devices share the work, and each has all rows.
    """
    if folder is not None:
        check_folder(folder)
    made: dict[int, dict[str, Any]] = {}
    waiting = deque(enumerate(runs))
    passed = 0
    while waiting:
        place, cell = waiting.popleft()
        row = _row(cell, command)
        try:
            # Of what is run on, which can be a sample of the set.
            taken = task_images(cell.entrant.images, cell.spec.data)
            groups = len(set(taken.groups)) if taken.groups else None
            row |= {"n_images": len(taken), "n_groups": groups}
            outcome = run(cell.spec, cell.entrant.images, ledger_of(cell.spec))
        except InUseError:
            waiting.append((place, cell))
            passed += 1
            if passed >= len(waiting):  # nothing is left but what others are at
                time.sleep(_POLL)
            continue
        except MedtlError as error:
            row["error"] = error.message
        except MemoryError:
            row["error"] = "The memory of this machine does not suffice."
        else:
            row |= _found(outcome)
        passed = 0
        made[place] = row
        if folder is not None:
            write(_ordered(made), folder / PARTIAL)
        yield row
    if folder is not None:
        write(_ordered(made), folder / RESULTS)
        (folder / PARTIAL).unlink(missing_ok=True)


def _ordered(made: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
    return [made[place] for place in sorted(made)]


def _row(cell: Cell, command: str) -> dict[str, Any]:
    spec = cell.spec
    images = cell.entrant.images
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    return row | {
        "dataset": images.name,
        "modality": cell.entrant.modality,
        "phantom": images.phantom,
        "n_classes": len(images.classes),
        "backbone": spec.network.name,
        "weights": spec.network.weights,
        "tl_type": spec.transfer.tl_type,
        "unfrozen": spec.transfer.unfreezing.words,
        "seed": spec.seeds[0],
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
    by = COPIES if split.by == "group" and images.unit == COPIES else split.by
    return f"{words} by {by if images.groups else 'image'}"


def _found(record: Record) -> dict[str, Any]:
    metrics, timing = record["metrics"], record["timing"]
    cost = timing["features_cost"]
    said = (record.get("codes") or {}).get("remarks", ())
    return {
        "run": record["run"]["id"],
        **{f"accuracy{end}": metrics["accuracy"][name] for end, name in _ENDS.items()},
        **{f"auc{end}": metrics["auc"][name] for end, name in _ENDS.items()},
        "balanced_accuracy": metrics["balanced_accuracy"]["value"],
        "baseline_accuracy": record["baseline"]["accuracy"]["value"],
        "one_class": next(
            (one["called"] for one in said if one["code"] == "one class called"), None
        ),
        "features_seconds": timing.get("features") if cost is None else cost,
        "train_seconds": timing.get("training"),
        "total_seconds": timing.get("total"),
        "images_per_second": timing["images_per_second"],
        "trained_parameters": record["run"]["trained_parameters"],
    }


_ENDS = {"": "value", "_low": "ci_low", "_high": "ci_high"}
