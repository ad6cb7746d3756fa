"""From a set of images to the task of a spec: its classes, its size."""

from __future__ import annotations

import hashlib

import numpy as np

from db.errors import UsageError
from replicate.images.image_set import ImageSet
from replicate.spec import Data


def task_images(images: ImageSet, data: Data) -> ImageSet:
    """Return the images that a spec's task takes, labelled as it wants them.

    Parameters
    ----------
    images
        A set as it was found.
    data
        The spec's part on data: classes to rename, merge or leave out, positive class, most images.

    Raises
    ------
    UsageError
        A class that the set does not have, or fewer images allowed than classes.
    """
    if data.classes is not None:
        images = images.relabelled(data.classes)
    if data.positive is not None and data.positive not in images.classes:
        raise UsageError(
            f"positive: the task has no class {data.positive!r}.",
            f"It has {', '.join(images.classes)}.",
        )
    if data.max_images is not None and data.max_images < len(images):
        images = _thinned(images, data.max_images)
    return images


def _thinned(images: ImageSet, most: int) -> ImageSet:
    """Keep a fixed sample with the shares of classes and parts, whatever the images' order.

    An image's place in the sample hangs on the hash of its name alone, so that the same images are
    kept on every machine and a larger sample holds the smaller one.
    """
    strata: dict[tuple[int, str], list[int]] = {}
    for index, label in enumerate(images.labels.tolist()):
        part = images.parts[index] if images.parts else ""
        strata.setdefault((label, part), []).append(index)
    if most < len(strata):
        raise UsageError(
            f"--max-images {most}: fewer than there are classes and parts ({len(strata)}).",
            "Allow more images.",
        )
    exact = {key: most * len(members) / len(images) for key, members in strata.items()}
    counts = {key: max(1, int(share)) for key, share in exact.items()}
    # Strata that were given their one image at the cost of others.
    while sum(counts.values()) > most:
        counts[max(counts, key=lambda k: (counts[k] > 1, counts[k] - exact[k], k))] -= 1
    # Largest remainders first, until the sample is full.
    for key in sorted(exact, key=lambda k: (int(exact[k]) - exact[k], k)):
        if sum(counts.values()) >= most:
            break
        counts[key] = min(counts[key] + 1, len(strata[key]))
    ranks = [hashlib.sha256(name.encode()).hexdigest() for name in images.ids]
    chosen = [
        index
        for key, members in strata.items()
        for index in sorted(members, key=ranks.__getitem__)[: counts[key]]
    ]
    return images.subset(np.array(sorted(chosen), dtype=np.int64))
