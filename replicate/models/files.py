"""Names, words and writing of what is taken away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db.errors import MedtlError
from db.files import advice, replace_file

#: A model's folder holds its tensors, and its card for people and other programs.
MODEL, CARD = "model.safetensors", "model.json"


def probability_column(label: str) -> str:
    """Return the name of the column that has the probability of a class."""
    return f"probability of {label}"


def called(
    probabilities: NDArray[np.float64], positive: int | None, threshold: float | None
) -> list[int]:
    """Return the place of the class that each image is called: by the threshold, or likeliest."""
    chosen = probabilities.argmax(axis=1)
    if threshold is not None and positive is not None:
        chosen = np.where(probabilities[:, positive] >= threshold, positive, 1 - positive)
    places: list[int] = chosen.tolist()
    return places


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; its folder is made if it does not exist.

    Raises
    ------
    MedtlError
        It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path.absolute(), content)
    except OSError as error:
        raise MedtlError(
            f"{path}: cannot be written ({error.strerror or error}).", advice(error)
        ) from None
