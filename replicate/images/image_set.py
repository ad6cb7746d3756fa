"""A set of labelled images, read one at a time: the form that every source is brought to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.errors import UsageError
from replicate.notes import Note

#: One decoded image: height x width (grey) or height x width x 3 (RGB), 0 to 255.
Pixels = NDArray[np.uint8]

PARTS = ("train", "val", "test")

#: What groups can be of (``grouped_by``).
PATIENTS, GROUPS, COPIES = "patients", "groups", "copies"


class Encoded(NamedTuple):
    """A plain JPEG file, and how many pixels it is of."""

    content: bytes
    pixels: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class External:
    """Of a set that is trained on one set and tested on another: the first, and what the other is.

    `classes` names, for each class of the other set that is taken, that of the first.
    """

    trained: ImageSet
    name: str
    content: str
    classes: Mapping[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled images with what is known of them; pixels are decoded when asked for.

    Parameters
    ----------
    name
        What the set is called in results.
    classes
        Names of the classes; `labels` counts into them.
    labels
        Class of each image, int64, shape (n,).
    ids
        Name of each image, unique and the same on every machine (a relative path, ``train/17``).
    read
        Decodes image ``i``; raises `ImagesError` with its name where it cannot.
    fingerprint
        SHA-256 (hexadecimal) of image ``i`` as stored, without decoding it where that is possible.
    groups
        Patient or other unit of each image that must not be torn apart; None where unknown.
    grouped_by
        What `groups` are of, where that was told: ``patients``, ``groups``, ``copies``.
    parts
        The set's own split, ``train``, ``val`` or ``test`` for each image; None without one.
    source
        Where the images come from, for a reader.
    phantom
        Whether they are synthetic: never evidence on medicine.
    notes
        What was left out, passed over or put together when they were read.
    published
        Name of the published set whose file they are, by its checksum; None where that is not so.
    external
        What it is made of, where its test part is a set of its own
        (:func:`replicate.images.external.externally_tested`).
    encoded
        Gives the file of image ``i`` where any decoder makes of it what `read` does, but for
        rounding; else None. None as a whole where no file is called a JPEG.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    read: Callable[[int], Pixels] = field(repr=False)
    fingerprint: Callable[[int], str] = field(repr=False)
    groups: tuple[str, ...] | None = None
    grouped_by: tuple[str, ...] = ()
    parts: tuple[str, ...] | None = None
    source: str = ""
    phantom: bool = False
    notes: tuple[Note, ...] = ()
    published: str | None = None
    external: External | None = field(default=None, repr=False)
    encoded: Callable[[int], Encoded | None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # What is made of a set has its hashes too: no file is read twice for them.
        object.__setattr__(self, "fingerprint", cache(self.fingerprint))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kind = "phantom images" if self.phantom else "images"
        return f"ImageSet({self.name!r}, {len(self):,} {kind}, {len(self.classes)} classes)"

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the set as a whole, JSON-able."""
        counts = np.bincount(self.labels, minlength=len(self.classes)).tolist()
        return {
            "name": self.name,
            "source": self.source,
            "phantom": self.phantom,
            "n": len(self),
            "classes": dict(zip(self.classes, counts, strict=True)),
            "groups": len(set(self.groups)) if self.groups else None,
            "grouped_by": list(self.grouped_by),
            "notes": [note.to_dict() for note in self.notes],
        }

    @property
    def unit(self) -> str:
        """What groups are called: copies of one image are no patient."""
        return COPIES if self.grouped_by == (COPIES,) else "patients or groups"

    @cached_property
    def content(self) -> str:
        """SHA-256 over ids, labels, groups, parts and every image: equal only for equal sets."""
        digest = hashlib.sha256()
        digest.update("\0".join(self.classes).encode())
        for index, name in enumerate(self.ids):
            group = self.groups[index] if self.groups else ""
            part = self.parts[index] if self.parts else ""
            line = (name, str(self.labels[index]), group, part, self.fingerprint(index))
            digest.update("\0".join(line).encode() + b"\n")
        return digest.hexdigest()

    @cached_property
    def pictures(self) -> str:
        """SHA-256 over all images with their classes, whatever else is said of them.

        Names, parts and groups, which a user may add or change, are no part of it.
        """
        lines = sorted(
            f"{self.classes[label].casefold()}\0{self.fingerprint(index)}"
            for index, label in enumerate(self.labels.tolist())
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> ImageSet:
        """Return the images at the given places, in that order; classes stay as they are."""
        chosen = np.asarray(indices, dtype=np.int64)
        read, fingerprint, encoded = self.read, self.fingerprint, self.encoded
        return replace(
            self,
            labels=self.labels[chosen],
            ids=tuple(self.ids[i] for i in chosen),
            groups=tuple(self.groups[i] for i in chosen) if self.groups else None,
            parts=tuple(self.parts[i] for i in chosen) if self.parts else None,
            read=lambda i: read(int(chosen[i])),
            fingerprint=lambda i: fingerprint(int(chosen[i])),
            encoded=encoded and (lambda i: encoded(int(chosen[i]))),
        )

    def relabelled(self, classes: Mapping[str, str]) -> ImageSet:
        """Rename and merge classes; images of others are left out, and counted in a note.

        Raises
        ------
        UsageError
            A class that the set does not have.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise UsageError(
                f"classes: {self.name} has no class {unknown[0]!r}.",
                f"It has {', '.join(self.classes)}.",
            )
        names = tuple(dict.fromkeys(classes.values()))
        target = {self.classes.index(old): names.index(new) for old, new in classes.items()}
        kept = [i for i, label in enumerate(self.labels.tolist()) if label in target]
        smaller = self.subset(kept)
        labels = np.array([target[label] for label in smaller.labels.tolist()], dtype=np.int64)
        counts = np.bincount(self.labels, minlength=len(self.classes)).tolist()
        out = {own: counts[i] for i, own in enumerate(self.classes) if i not in target}
        notes = (*self.notes, Note("classes left out", {"classes": out})) if out else self.notes
        return replace(smaller, labels=labels, classes=names, notes=notes)


def fingerprint_of(pixels: Pixels) -> str:
    """Return the SHA-256 of an image's shape and values, hexadecimal."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def of_arrays(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
    source: str = "",
    phantom: bool = False,
) -> ImageSet:
    """Make a set of images in memory; `images` has shape (n, height, width) or (..., 3)."""
    return ImageSet(
        name=name,
        classes=tuple(classes),
        labels=np.asarray(labels, dtype=np.int64),
        ids=tuple(f"{index:06d}" for index in range(len(images))),
        read=lambda i: images[i],
        fingerprint=lambda i: fingerprint_of(images[i]),
        groups=tuple(groups) if groups is not None else None,
        parts=tuple(parts) if parts is not None else None,
        source=source,
        phantom=phantom,
    )
