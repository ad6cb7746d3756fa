"""Images of which no class is known: a folder or a single file, to be predicted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from replicate.digests import file_digests
from replicate.images.decoding import DICOM, PICTURES, decode
from replicate.images.files import Entry, fingerprint
from replicate.images.image_set import ImageSet
from replicate.images.masks import images_of_class
from replicate.images.opening import open_images
from replicate.images.ranges import head_of, showings
from replicate.images.reading import USUAL, Reading
from replicate.images.windows import Range
from replicate.images.within import Within
from replicate.notes import Note


def open_unsorted(
    where: str | Path,
    *,
    size: int | None = None,
    reading: Reading = USUAL,
    ranges: Mapping[str, Range] | None = None,
) -> ImageSet:
    """Open images without asking for classes; a set that has them loses them.

    Parameters
    ----------
    where
        A folder, of which every image at any depth is read but for segmentations beside images,
        under its path from there; an image file; else as of
        :func:`replicate.images.opening.open_images`.
    size, reading
        As there.
    ranges
        As of :func:`replicate.images.ranges.showings`.

    Raises
    ------
    ImagesError, UsageError
        As there.
    """
    path, notes = Path(where).expanduser(), list[Note]()
    images: list[Path] = []
    if path.is_dir():
        folder = path
        tree = Within(path, reading.allow_outside).tree()
        images, masks = images_of_class(tree)
        if masks:
            notes.append(Note("masks left out", {"count": masks}))
    elif path.is_file() and path.suffix.lower() in PICTURES | DICOM:
        folder, images = path.parent, [path]
    if not images:
        found = open_images(where, size=size, reading=reading)
        return replace(found, classes=(), labels=np.zeros(len(found), dtype=np.int64))
    entries = sorted(
        (Entry(one.relative_to(folder).as_posix(), one) for one in images),
        key=lambda entry: entry.name,
    )
    shown, told = showings(
        [(one.name, one.path, None) for one in entries], reading.window, head_of, ranges
    )
    digest = file_digests([entry.path for entry in entries])
    return ImageSet(
        name=path.name or os.fspath(path.absolute()),
        classes=(),
        labels=np.zeros(len(entries), dtype=np.int64),
        ids=tuple(entry.name for entry in entries),
        read=lambda i: decode(entries[i].path, None, shown[i]),
        fingerprint=lambda i: fingerprint(entries[i], shown[i], digest),
        source=f"images in {path.name}",
        notes=(*notes, *told),
    )
