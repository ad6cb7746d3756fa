"""Leakage: the same picture, nearly the same, or the same patient where it must not be.

Across parts it makes test results too good; across classes it makes labels contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.errors import UsageError
from db.wording import plural
from replicate.images.groups import clusters
from replicate.images.image_set import COPIES, ImageSet
from replicate.splits.hashes import BITS, Counted, Hashes, hash_images, kept_hashes, near_pairs
from replicate.splits.splits import Fold, Shared, shared_groups

#: Bits of 256 in which near copies may differ. Saving an image again, smaller or as JPEG, changes
#: up to 6; a retouched label, callipers or the next frame of the same sweep up to 16. In eight
#: public sets (X-ray, CT, MRI, sonography, microscopy) the pairs looked at were the same scan up to
#: here; from about 20 on two patients in one pose begin to be taken for each other.
THRESHOLD = 16

#: Pairs that `to_dict` lists at most; the counts are always of all.
LISTED = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that show the same.

    `distance` counts differing bits of the hash; `parts` are None without official parts, and
    `same_group` is None where groups are unknown.
    """

    first: str
    second: str
    kind: str
    distance: int
    classes: tuple[str, str]
    parts: tuple[str, str] | None
    same_group: bool | None


@dataclass(frozen=True, slots=True)
class Copies:
    """How many images are copies of each other.

    Parameters
    ----------
    groups, images
        Clusters of copies, and images in them.
    pairs
        Pairs of copies.
    across_parts, across_classes, across_groups
        Clusters with images in several official parts, classes or patients; None where the set
        has no parts or its groups are unknown.
    """

    groups: int
    images: int
    pairs: int
    across_parts: int | None
    across_classes: int
    across_groups: int | None


@dataclass(frozen=True, slots=True)
class FoldLeakage:
    """What one fold's test part shares with what it is trained or validated on.

    `exact` and `near` count test images with a copy there; `near` includes exact copies. `shared`
    is what the parts have in common of patients or groups.
    """

    repeat: int
    number: int
    tested: int
    exact: int
    near: int
    shared: Shared

    @property
    def groups(self) -> int | None:
        """Number of test groups that are in training or validation too; None where unknown."""
        return self.shared.tested if self.shared.known else None

    @property
    def sentence(self) -> str:
        """What to print."""
        return (
            f"repeat {self.repeat + 1}, fold {self.number + 1}: {self.shared.sentence}; of "
            f"{self.tested} test images {self.exact} have an exact and {self.near} a near copy in "
            "training."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return counts, the finding on groups as code and in words."""
        plain = asdict(self)
        shared = {"state": self.shared.state, **plain.pop("shared")}
        return {**plain, "groups": self.groups, "sentence": self.shared.sentence, "shared": shared}


@dataclass(frozen=True, eq=False, slots=True)
class Leakage:
    """The finding.

    Parameters
    ----------
    name, images, groups
        The set, its size, and its number of groups (None where unknown).
    unit
        What the groups are called.
    threshold
        Bits of 256 in which near copies may differ.
    turned
        Whether turned and mirrored copies were looked for.
    exact, near
        Copies equal to the pixel, and copies within the threshold (exact ones included).
    groups_across_parts, groups_across_classes
        Groups with images in several official parts, or several classes; None where unknown.
    folds
        What each fold shares.
    pairs
        Those worth reading first, ten times :data:`LISTED` at most. Of many equal images each is
        paired with the first, which is enough to know that all are equal.
    """

    name: str
    images: int
    groups: int | None
    unit: str
    threshold: int
    turned: bool
    exact: Copies
    near: Copies
    groups_across_parts: tuple[str, ...] | None
    groups_across_classes: tuple[str, ...] | None
    folds: tuple[FoldLeakage, ...]
    pairs: tuple[Pair, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing crosses parts, classes or folds, as far as can be known."""
        # Exact copies are near ones too.
        of_folds = (number for fold in self.folds for number in (fold.near, fold.groups))
        crossing = (self.near.across_parts, self.near.across_classes, self.groups_across_parts)
        return not any((*crossing, *of_folds))

    def to_dict(self) -> dict[str, Any]:
        """Return the finding for JSON; at most :data:`LISTED` pairs."""
        plain = asdict(replace(self, pairs=self.pairs[:LISTED]))
        across = {name: plain[name] for name in ("groups_across_parts", "groups_across_classes")}
        return {
            **plain,
            **{
                name: None if groups is None else list(groups[:LISTED])
                for name, groups in across.items()
            },
            "folds": [fold.to_dict() for fold in self.folds],
            "pairs": list(plain["pairs"]),
            "clean": self.clean,
            "sentences": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """Return the finding in words."""
        return [*self.of_set(), *(fold.sentence for fold in self.folds)]

    def of_set(self) -> list[str]:
        """Return in words what was found in the set, however it is divided."""
        words = [
            _worded(self.exact, "exact copies (equal pixels)"),
            _worded(
                self.near,
                f"near copies (at most {self.threshold} of {BITS} bits differ"
                f"{', turned ones too' if self.turned else ''})",
            ),
        ]
        if self.groups is None:
            words.append("groups unknown: whether patients are shared cannot be told.")
        else:
            parts, classes = self.groups_across_parts, self.groups_across_classes or ()
            across = f"{len(parts)} in several parts, " if parts is not None else ""
            of_copies = self.unit == COPIES
            what = "groups of copies (patients not known)" if of_copies else "groups"
            words.append(f"{self.groups} {what}: {across}{len(classes)} in several classes.")
        return words


def _worded(copies: Copies, what: str) -> str:
    if not copies.groups:
        return f"no {what}."
    ways = ((way, getattr(copies, f"across_{way}")) for way in ("parts", "classes", "groups"))
    across = ", ".join(f"{count} across {way}" for way, count in ways if count is not None)
    return f"{what}: {copies.images} images in {plural(copies.groups, 'cluster')} ({across})."


def inspect_leakage(
    images: ImageSet,
    folds: Sequence[Fold] = (),
    *,
    threshold: int = THRESHOLD,
    turned: bool = False,
    progress: Counted | None = None,
    cache: Path | None = None,
) -> Leakage:
    """Look for copies and shared patients.

    Parameters
    ----------
    images
        The set; each image is decoded once.
    folds
        Splits whose parts are compared as well.
    threshold
        Bits of 256 in which near copies may differ (:data:`THRESHOLD`). More finds images that
        are merely alike, such as neighbouring slices; 0 finds equal hashes only.
    turned
        Look for turned and mirrored copies too.
    progress
        Called with images hashed and all images.
    cache
        Folder of caches in which the hashes are kept; None keeps none.

    Raises
    ------
    UsageError
        A threshold at which unrelated images would count as near.
    ImagesError
        An image cannot be decoded.
    """
    if not 0 <= threshold <= BITS // 4:
        raise UsageError(
            f"threshold: {threshold} of {BITS} bits.",
            f"Take 0 to {BITS // 4}; unrelated images differ in about {BITS // 2}.",
        )
    make = hash_images if cache is None else partial(kept_hashes, cache=cache)
    links = _links(make(images, turned=turned, progress=progress), threshold)
    exact = _clusters(links[links[:, 3] == 1], len(images))
    near = _clusters(links, len(images))
    return Leakage(
        name=images.name,
        images=len(images),
        groups=len(set(images.groups)) if images.groups is not None else None,
        unit=images.unit,
        threshold=threshold,
        turned=turned,
        exact=_counted(images, exact),
        near=_counted(images, near),
        groups_across_parts=_crossing(images.groups, images.parts),
        groups_across_classes=_crossing(images.groups, images.labels.tolist()),
        folds=tuple(_of_fold(images, fold, exact, near) for fold in folds),
        pairs=tuple(_pairs(images, links)),
    )


def near_copies(
    images: ImageSet,
    *,
    threshold: int = THRESHOLD,
    progress: Counted | None = None,
    cache: Path | None = None,
) -> list[list[int]]:
    """Return the clusters of images that are near copies, exact ones included."""
    make = hash_images if cache is None else partial(kept_hashes, cache=cache)
    return _clusters(_links(make(images, progress=progress), threshold), len(images))


def _links(hashes: Hashes, threshold: int) -> NDArray[np.int64]:
    """Return all pairs of copies: indices of both, distance, 1 where exact; shape (pairs, 4).

    Equal images are linked to the first of them, which alone is compared with the others: a
    thousand equal images would otherwise make half a million pairs.
    """
    _, first, inverse = np.unique(hashes.pixels, return_index=True, return_inverse=True)
    leader = first[inverse].astype(np.int64)
    index = np.arange(leader.size)
    copy = np.flatnonzero(leader != index)
    equal = np.stack([leader[copy], copy, np.zeros_like(copy), np.ones_like(copy)], axis=1)
    alone = np.flatnonzero((leader == index) & ~hashes.flat)
    low, high, far = near_pairs(
        hashes.words[alone], threshold, (row[alone] for row in hashes.turned)
    )
    near = np.stack([alone[low], alone[high], far, np.zeros_like(far)], axis=1)
    return np.concatenate([equal, near]).astype(np.int64)


def _clusters(links: NDArray[np.int64], count: int) -> list[list[int]]:
    return [cluster for cluster in clusters(count, links[:, :2].tolist()) if len(cluster) > 1]


def _counted(images: ImageSet, clusters: list[list[int]]) -> Copies:
    """Count clusters, and those that cross parts, classes or patients."""

    def across(values: Sequence[Any]) -> int:
        return sum(len({values[i] for i in cluster}) > 1 for cluster in clusters)

    return Copies(
        groups=len(clusters),
        images=sum(map(len, clusters)),
        pairs=sum(len(cluster) * (len(cluster) - 1) // 2 for cluster in clusters),
        across_parts=None if images.parts is None else across(images.parts),
        across_classes=across(images.labels.tolist()),
        across_groups=None if images.groups is None else across(images.groups),
    )


def _pairs(images: ImageSet, links: NDArray[np.int64]) -> Iterator[Pair]:
    """Yield the pairs worth reading first: across parts, across classes, exact, nearest."""
    first, second, labels = links[:, 0], links[:, 1], images.labels
    order = [links[:, 2], 1 - links[:, 3], labels[first] == labels[second]]
    if images.parts is not None:
        parts = np.unique(np.array(images.parts), return_inverse=True)[1]
        order.append(parts[first] == parts[second])
    for a, b, far, same in links[np.lexsort(order)][: 10 * LISTED].tolist():
        yield Pair(
            first=images.ids[a],
            second=images.ids[b],
            kind="exact" if same else "near",
            distance=far,
            classes=(images.classes[labels[a]], images.classes[labels[b]]),
            parts=(images.parts[a], images.parts[b]) if images.parts else None,
            same_group=images.groups[a] == images.groups[b] if images.groups else None,
        )


def _crossing(
    groups: tuple[str, ...] | None, values: Sequence[Any] | None
) -> tuple[str, ...] | None:
    """Return the groups that have several values; None where either is unknown."""
    if groups is None or values is None:
        return None
    first: dict[str, Any] = {}
    crossing = {
        group
        for group, value in zip(groups, values, strict=True)
        if first.setdefault(group, value) != value
    }
    return tuple(sorted(crossing))


def _of_fold(
    images: ImageSet, fold: Fold, exact: list[list[int]], near: list[list[int]]
) -> FoldLeakage:
    side = np.zeros(len(images), dtype=np.int8)
    side[fold.train] = side[fold.val] = 1
    side[fold.test] = 2

    def copied(clusters: list[list[int]]) -> int:
        sides = [side[cluster] for cluster in clusters]
        return sum(int((s == 2).sum()) for s in sides if (s == 1).any())

    return FoldLeakage(
        repeat=fold.repeat,
        number=fold.number,
        tested=int(fold.test.size),
        exact=copied(exact),
        near=copied(near),
        shared=shared_groups(images, fold),
    )
