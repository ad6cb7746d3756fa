"""Groups: images that must stay on one side of a split, because they show the same patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def clusters(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the items 0 to `count` - 1 that pairs join, also over others.

    Singles are included; clusters and the items of each are in ascending order.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array([*pairs], dtype=np.int64).reshape(-1, 2)
    joined = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    found: dict[int, list[int]] = {}
    for item, label in enumerate(connected_components(joined, directed=False)[1].tolist()):
        found.setdefault(label, []).append(item)
    return list(found.values())


def grouped(ids: Sequence[str], *keys: Sequence[str | None]) -> tuple[str, ...]:
    """Return one group a image: images that share any key are in one group.

    Parameters
    ----------
    ids
        Names of the images; an image without any key is a group of its own, by this name.
    keys
        For each kind of group (patient, near copies) the key of each image, None where unknown.
        The first kind gives the groups their names; those that a later kind joins are named
        together.
    """
    pairs: list[tuple[int, int]] = []
    for kind in keys:
        first: dict[str, int] = {}
        pairs += [
            (first.setdefault(key, index), index)
            for index, key in enumerate(kind)
            if key is not None
        ]
    names = [""] * len(ids)
    taken: set[str] = set()
    for cluster in clusters(len(ids), pairs):
        name = " + ".join(dict.fromkeys(_name(ids, keys, index) for index in cluster))
        while name in taken:  # a patient and an image, or a key of two kinds, may share a name
            name += "'"
        taken.add(name)
        for index in cluster:
            names[index] = name
    return tuple(names)


def _name(ids: Sequence[str], keys: Sequence[Sequence[str | None]], index: int) -> str:
    return next((key for kind in keys if (key := kind[index]) is not None), ids[index])
