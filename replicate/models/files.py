"""Names and writing of what is taken away."""

from __future__ import annotations

from pathlib import Path

from db.errors import MedtlError
from db.files import advice, replace_file

#: A model's folder holds its tensors, and its card for people and other programs.
MODEL, CARD = "model.safetensors", "model.json"


def probability_column(label: str) -> str:
    """Return the name of the column that has the probability of a class."""
    return f"probability of {label}"


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
