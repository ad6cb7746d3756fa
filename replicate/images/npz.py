"""Image sets in .npz files: MedMNIST's layout, and plain ``images`` with ``labels``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db.errors import ImagesError
from replicate.images.arrays import Arrays, Form, opened
from replicate.images.image_set import PARTS, ImageSet, Pixels, fingerprint_of
from replicate.images.levels import too_large

#: How many names an error lists.
SHOWN = 20

NUMBER = "Number the classes from 0."


def open_npz(
    path: Path, *, name: str = "", classes: Sequence[str] | None = None, source: str = ""
) -> ImageSet:
    """Open an .npz file.

    Arrays: ``train_images``, ``train_labels`` (and ``val_...``, ``test_...``), or ``images`` and
    ``labels`` without parts; ``groups`` or ``train_groups`` ... where patients are known. Images
    are uint8 of shape (n, height, width), (..., 1) or (..., 3); labels are whole numbers of shape
    (n,) or (n, 1).

    Parameters
    ----------
    path
        The file.
    name
        Name of the set; that of the file by default.
    classes
        What the labels 0, 1, ... mean; their numbers by default.
    source
        Where it comes from, for a reader.

    Raises
    ------
    ImagesError
        Arrays are missing, of another form, of unequal length, or multi-label.
    """
    with opened(path) as arrays:
        return _image_set(path, arrays, name, classes, source)


def _image_set(
    path: Path, arrays: Arrays, name: str, classes: Sequence[str] | None, source: str
) -> ImageSet:
    parts = [part for part in PARTS if f"{part}_images" in arrays]
    prefixes = [f"{part}_" for part in parts] or [""]
    if not parts and "images" not in arrays:
        raise ImagesError(
            f"{path}: holds neither train_images nor images.",
            f"It holds {', '.join(arrays.names[:SHOWN]) or 'no array'}.",
        )
    counts = [_count(path, f"{prefix}images", arrays) for prefix in prefixes]
    labels = [
        _labels(path, arrays, f"{prefix}labels", count)
        for prefix, count in zip(prefixes, counts, strict=True)
    ]
    together = np.concatenate(labels)
    if together.size == 0:
        raise ImagesError(f"{path}: holds no image.", "Its arrays are empty.")
    count = int(together.max()) + 1
    # Without names a class is a number, and there are not more of them than images.
    known = len(classes) if classes is not None else together.size
    if together.min() < 0 or count > known:
        most = f"{known - 1}"
        raise ImagesError(
            f"{path}: labels run from {together.min()} to {together.max()}, not from 0 to {most}.",
            NUMBER,
        )
    if len(np.unique(together)) == 1:
        raise ImagesError(
            f"{path}: all {together.size} images are of one class ({together[0]}).",
            "There is nothing to tell apart: give at least two classes.",
        )
    groups = _groups(path, arrays, prefixes, counts)
    # Last: nothing is unpacked for a file that is at fault.
    images: list[NDArray[np.uint8]] = [arrays.load(f"{prefix}images") for prefix in prefixes]
    ends = np.cumsum(counts)

    def read(index: int) -> Pixels:
        """Return an image of one of the parts; copied, so that nothing keeps the file open."""
        part = int(np.searchsorted(ends, index, side="right"))
        pixels = np.array(images[part][index - int(ends[part])])
        return pixels[..., 0] if pixels.shape[2:] == (1,) else pixels

    return ImageSet(
        name=name or path.stem,
        classes=tuple(classes) if classes is not None else tuple(str(i) for i in range(count)),
        labels=together,
        ids=tuple(
            f"{prefix.replace('_', '/')}{index}"
            for prefix, size in zip(prefixes, counts, strict=True)
            for index in range(size)
        ),
        read=read,
        fingerprint=lambda i: fingerprint_of(read(i)),
        groups=groups,
        parts=tuple(p for p, n in zip(parts, counts, strict=True) for _ in range(n))
        if parts
        else None,
        source=source or f"file {path.name}",
    )


def _count(path: Path, key: str, arrays: Arrays) -> int:
    """Return how many images an array has; its form says whether they are images."""
    form: Form = arrays.form(key)
    shape = form.shape
    grey = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if form.dtype != np.uint8 or not grey or (shape[0] and 0 in shape):
        raise ImagesError(
            f"{path}: {key} is {form.dtype} of shape {shape}.",
            "Images are uint8 of shape (n, height, width), (n, height, width, 1) or (..., 3).",
        )
    too_large(path, shape[1] * shape[2])
    return shape[0]


def _labels(path: Path, arrays: Arrays, key: str, count: int) -> NDArray[np.int64]:
    if key not in arrays:
        raise ImagesError(
            f"{path}: holds no {key}.", f"It holds {', '.join(arrays.names[:SHOWN])}."
        )
    labels = arrays.load(key)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ImagesError(
            f"{path}: {key} gives each image {labels.shape[1]} labels (multi-label).",
            "A replication tells classes apart that exclude one another.",
        )
    whole = labels.dtype.kind in "iub" or (
        labels.dtype.kind == "f" and bool(np.isfinite(labels).all() and (labels % 1 == 0).all())
    )
    if not whole or labels.ndim not in (1, 2) or len(labels) != count:
        raise ImagesError(
            f"{path}: {key} is {labels.dtype} of shape {labels.shape} for {count} images.",
            "Labels are whole numbers from 0, one an image.",
        )
    if labels.size and not (labels.min() >= -(2**31) and labels.max() < 2**31):
        raise ImagesError(f"{path}: {key} run from {labels.min()} to {labels.max()}.", NUMBER)
    return np.asarray(labels.reshape(-1), dtype=np.int64)


def _groups(
    path: Path, arrays: Arrays, prefixes: Sequence[str], counts: Sequence[int]
) -> tuple[str, ...] | None:
    keys = [f"{prefix}groups" for prefix in prefixes]
    if not any(key in arrays for key in keys):
        return None
    groups: list[str] = []
    for key, count in zip(keys, counts, strict=True):
        if key not in arrays or arrays.form(key).shape != (count,):
            raise ImagesError(
                f"{path}: {key} does not give one group to each of {count} images.",
                "Give groups to all parts or to none.",
            )
        groups += [str(value) for value in arrays.load(key).tolist()]
    return tuple(groups)
