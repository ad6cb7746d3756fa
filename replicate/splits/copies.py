"""Images as a run takes them: read, and near copies kept together where that is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from replicate.images.groups import grouped
from replicate.images.image_set import COPIES, ImageSet
from replicate.images.opening import open_images
from replicate.images.reading import USUAL, Reading
from replicate.notes import Note
from replicate.places import cache_folder
from replicate.splits.hashes import Counted
from replicate.splits.leakage import THRESHOLD, near_copies


def read_images(
    where: str | Path | ImageSet,
    *,
    size: int | None = None,
    reading: Reading = USUAL,
    progress: Counted | None = None,
) -> ImageSet:
    """Open images; with `reading.group_copies` near copies are in one group.

    Parameters
    ----------
    where, size
        As of :func:`replicate.images.opening.open_images`; a set is taken as it was read.
    reading
        How they are read.
    progress
        Called with images hashed and all images, where copies are looked for.

    Raises
    ------
    ImagesError, UsageError
        As of :func:`replicate.images.opening.open_images`; an image that cannot be decoded.
    """
    if not isinstance(where, ImageSet):
        where = open_images(where, size=size, reading=reading)
    return with_copies(where, progress=progress) if reading.group_copies else where


def with_copies(
    images: ImageSet, *, threshold: int = THRESHOLD, progress: Counted | None = None
) -> ImageSet:
    """Return a set in whose groups near copies are together, beside what was together before.

    Chains count: of three frames of a sweep, each near the next, all are of one group.
    """
    clusters = near_copies(images, threshold=threshold, progress=progress, cache=cache_folder())
    if not clusters:
        return replace(images, notes=(*images.notes, Note("no copies", {"threshold": threshold})))
    keys: list[str | None] = [None] * len(images)
    for cluster in clusters:
        for index in cluster:
            keys[index] = f"copies of {images.ids[cluster[0]]}"
    kinds = [kind for kind in (images.groups, keys) if kind is not None]
    # What older groups are of is not known of every source.
    told = images.groups is None or images.grouped_by
    others = (kind for kind in images.grouped_by if kind != COPIES)
    sizes = [len(cluster) for cluster in clusters]
    values = {
        "images": sum(sizes),
        "clusters": len(sizes),
        "largest": max(sizes),
        "threshold": threshold,
    }
    return replace(
        images,
        groups=grouped(images.ids, *kinds),
        grouped_by=(*others, COPIES) if told else (),
        notes=(*images.notes, Note("copies grouped", values)),
    )
