"""Groups: images that must stay on one side of a split, because they show the same patient."""

from __future__ import annotations

from collections.abc import Sequence


class Union:
    """Items that are joined pair by pair (union-find with path halving)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        """Return the item that stands for all that `item` is joined to: the lowest of them."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, first: int, second: int) -> None:
        """Put two items, and all that they are joined to, together."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def clusters(self) -> list[list[int]]:
        """Return the items that are together, singles included, in order of their lowest item."""
        found: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            found.setdefault(self.find(item), []).append(item)
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
    union = Union(len(ids))
    for kind in keys:
        first: dict[str, int] = {}
        for index, key in enumerate(kind):
            if key is not None:
                union.join(first.setdefault(key, index), index)
    names = [""] * len(ids)
    taken: set[str] = set()
    for cluster in union.clusters():
        name = " + ".join(dict.fromkeys(_name(ids, keys, index) for index in cluster))
        while name in taken:  # a patient and an image, or a key of two kinds, may share a name
            name += "'"
        taken.add(name)
        for index in cluster:
            names[index] = name
    return tuple(names)


def _name(ids: Sequence[str], keys: Sequence[Sequence[str | None]], index: int) -> str:
    return next((key for kind in keys if (key := kind[index]) is not None), ids[index])
