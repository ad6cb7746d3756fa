"""Predictions of a model on images of any kind, by image name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.csvfiles import Formulas, as_csv
from db.errors import UsageError, WeightsError
from replicate.images.image_set import ImageSet
from replicate.images.reading import USUAL, Reading
from replicate.images.unsorted import open_unsorted
from replicate.models.card import Card
from replicate.models.files import MODEL, probability_column, write
from replicate.models.model import Model
from replicate.places import cache_folder
from replicate.progress import Report, silent
from replicate.training.compute import Compute, choose


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of images.

    Attributes
    ----------
    card
        That of the model.
    images
        Those that it saw.
    called
        The class of each.
    probabilities
        Of all classes of the card, shape (n, classes).
    """

    card: Card
    images: ImageSet
    called: tuple[str, ...]
    probabilities: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Predicted({len(self.images):,} images by {self.card.network})"

    @property
    def columns(self) -> list[str]:
        """The columns of the rows."""
        return ["image", "predicted", *map(probability_column, self.card.classes)]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an image: its name, the class that is called, all probabilities."""
        return [
            dict(zip(self.columns, (name, label, *shares), strict=True))
            for name, label, shares in zip(
                self.images.ids, self.called, self.probabilities.tolist(), strict=True
            )
        ]

    def save(self, path: Path, formulas: Formulas = "neutralise") -> None:
        """Write the rows as CSV, whole or not at all; raises MedtlError where that fails."""
        write(path, as_csv(self.columns, self.rows(), formulas))


def predict_images(
    model: Path | str,
    images: Path | str | ImageSet,
    *,
    reading: Reading = USUAL,
    compute: Compute | None = None,
    cache: Path | None = None,
    progress: Report = silent,
) -> Predicted:
    """Let a model predict images.

    Parameters
    ----------
    model
        Its folder or file, of those that ``replicate run --out DIR`` writes.
    images
        A set, or where it is (see :func:`replicate.images.unsorted.open_unsorted`).
    reading
        How images are read; a window goes before the one that the model was trained with.
    compute, cache, progress
        As of :class:`replicate.run.Running`.

    Raises
    ------
    UsageError, WeightsError
        No such file, or it is no model; nothing in it is executed.
    ImagesError
        Images that cannot be had or read.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        path = path / MODEL
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file.",
            "Give a folder of models/ in what replicate run --out DIR wrote.",
        )
    trained = Model.load(path)
    card = trained.card
    if not isinstance(images, ImageSet):
        reading = replace(reading, window=reading.window or card.window)
        size, ranges = card.preprocessing.size, card.ranges
        images = open_unsorted(images, size=size, reading=reading, ranges=ranges)
    found = trained.probabilities(
        images, compute=compute or choose(), cache=cache or cache_folder(), report=progress
    )
    return Predicted(card, images, tuple(trained.called(found)), found)


def check_target(out: Path) -> None:
    """Refuse a file that could not be written to; raises UsageError."""
    if out.is_dir():
        raise UsageError(f"--out {out}: is a folder.", "Name a file, such as predictions.csv.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder for it.", "Make it first.")
