"""Joining the predictions of folds to models, and checking that they belong to the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from db.errors import ReplicationError, UsageError
from replicate.evaluation.intervals import Floats, Integers, areas_of
from replicate.evaluation.metrics import decisions
from replicate.evaluation.predictions import Predictions
from replicate.evaluation.thresholds import Threshold, choose, note_of
from replicate.images.image_set import ImageSet
from replicate.notes import Note


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """The pooled predictions of one seed and repeat.

    `places` count into the tested images; `folds` say which fold tested each, from 0; `called` is
    the class that each image is called.
    """

    seed: int
    probabilities: Floats
    places: Integers
    folds: Integers
    called: Integers


@dataclass(frozen=True, eq=False)
class Tested:
    """The tested images: their classes, the unit (group or image) of each, and the models.

    `called` has what each fold's images are called, by the fold's `thresholds` where there are any.
    """

    labels: Integers
    units: Integers
    grouped: bool
    classes: tuple[str, ...]
    positive: int | None
    models: tuple[Model, ...]
    called: tuple[Integers, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    @cached_property
    def areas(self) -> tuple[tuple[Floats, Floats], ...]:
        """Of each model, the areas of its classes and the influences of its images on them."""
        return tuple(
            areas_of(model.probabilities, self.labels[model.places], self.k)
            for model in self.models
        )

    @property
    def count(self) -> int:
        """Return the number of units."""
        return int(self.units.max()) + 1

    @property
    def k(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def units_with(self, label: int) -> int:
        """Return in how many units a class occurs."""
        return int(np.unique(self.units[self.labels == label]).size)

    def units_without(self, label: int) -> int:
        """Return in how many units another class occurs: one unit may hold both."""
        return int(np.unique(self.units[self.labels != label]).size)

    @property
    def unit(self) -> str:
        """Return what is resampled, as a word."""
        return "groups" if self.grouped else "images"

    @property
    def folded(self) -> bool:
        """Tell whether folds with models of their own are pooled."""
        return any(model.folds.max() > 0 for model in self.models)

    @property
    def beside(self) -> str:
        """Return in words whose variance is added to that of the units."""
        several = len(self.models) > 1
        names = [name for name, are in (("models", several), ("folds", self.folded)) if are]
        return f", variance of {' and '.join(names)} added" if names else ""


def gathered(
    predictions: Sequence[Predictions],
    images: ImageSet,
    positive: str | None,
    threshold: str | None = None,
) -> tuple[Tested, list[Note]]:
    """Return the tested images with their models, and what must be said of them.

    Raises
    ------
    UsageError, ReplicationError
        As :func:`replicate.evaluation.evaluate.evaluate`.
    """
    if not predictions:
        raise ReplicationError("There are no predictions to evaluate.", "Run the replication.")
    k = len(images.classes)
    for one in predictions:
        _check(one, images)
    notes: list[Note] = []
    place: int | None = None
    if positive is not None and positive not in images.classes:
        raise UsageError(
            f"positive: {images.name} has no class {positive!r}.",
            f"It has {', '.join(images.classes)}.",
        )
    if k == 2:
        place = 1 if positive is None else images.classes.index(positive)
        if positive is None:
            notes.append(Note("positive not named", {"positive": images.classes[1]}))
    else:
        notes.append(Note("means over classes"))
    found: tuple[Threshold, ...] = ()
    if threshold is not None:
        found = choose(threshold, predictions, images, positive)
        notes.append(note_of(threshold, found, images.classes[place or 0]))
    called = [
        decisions(one.probabilities)
        if place is None or not found
        else np.where(one.probabilities[:, place] >= found[number].value, place, 1 - place)
        for number, one in enumerate(predictions)
    ]
    tested = np.unique(np.concatenate([one.indices for one in predictions]))
    models = []
    for seed, repeat in dict.fromkeys((one.seed, one.repeat) for one in predictions):
        own = [
            number
            for number, one in enumerate(predictions)
            if (one.seed, one.repeat) == (seed, repeat)
        ]
        parts = [predictions[number] for number in own]
        indices = np.concatenate([one.indices for one in parts])
        if np.unique(indices).size != indices.size:
            raise ReplicationError(
                f"Seed {seed}, repeat {repeat}: an image is tested twice.",
                "The folds of a repeat must not overlap.",
            )
        models.append(
            Model(
                seed,
                np.concatenate([one.probabilities for one in parts]),
                np.searchsorted(tested, indices),
                np.repeat(np.arange(len(parts)), [one.indices.size for one in parts]),
                np.concatenate([called[number] for number in own]),
            )
        )
    units = np.arange(tested.size)
    if images.groups is not None:
        names = [images.groups[i] or f"\0{i}" for i in tested.tolist()]
        units = np.unique(names, return_inverse=True)[1].astype(np.int64)
        notes.append(Note("groups resampled", {"groups": int(units.max()) + 1}))
    return Tested(
        images.labels[tested],
        units,
        images.groups is not None,
        images.classes,
        place,
        tuple(models),
        tuple(called),
        found,
    ), notes


def _check(one: Predictions, images: ImageSet) -> None:
    where = f"Predictions of seed {one.seed}, repeat {one.repeat}, fold {one.fold}"
    hint = "They belong to another set of images, or the run is damaged: run it again."
    shape = (one.labels.size, len(images.classes))
    if one.labels.size == 0:
        raise ReplicationError(f"{where}: no image was tested.", "Use a larger test part.")
    if one.probabilities.shape != shape or one.indices.shape != one.labels.shape:
        raise ReplicationError(f"{where}: {one.probabilities.shape} instead of {shape}.", hint)
    if one.indices.min() < 0 or one.indices.max() >= len(images):
        raise ReplicationError(f"{where}: an image that {images.name} does not have.", hint)
    if not np.array_equal(images.labels[one.indices], one.labels):
        raise ReplicationError(f"{where}: other classes than those of {images.name}.", hint)
    sums = one.probabilities.sum(axis=1)
    if not (np.all(one.probabilities >= 0) and np.allclose(sums, 1.0, atol=1e-3)):
        raise ReplicationError(
            f"{where}: no probabilities (negative, not finite, or not summing to 1).",
            "Training diverged: lower the learning rate.",
        )
