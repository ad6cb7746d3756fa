"""Two sets as one: trained on the one, tested on the other, whose classes are called by name.

External validation is of images from elsewhere: other hospitals, machines, years. That the two are
apart is looked at, not believed: copies are sought across them like across any two parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from db.errors import UsageError
from db.vocabulary import fold_case as fold
from replicate.images.image_set import Encoded, External, ImageSet
from replicate.notes import Note

#: Stands before the names of tested images: two sets may call different images alike.
TESTED = "test set: "


def parse_map(pairs: Sequence[str] | str) -> dict[str, str]:
    """Read ``other name=our name``, once for each class.

    Raises
    ------
    UsageError
        Not of this form, or a class twice.
    """
    found: dict[str, str] = {}
    for pair in [pairs] if isinstance(pairs, str) else pairs:
        other, equals, own = (part.strip() for part in pair.partition("="))
        if not (other and equals and own):
            raise UsageError(f"--map {pair}: is no pair.", "As in 'other name=our name'.")
        if other in found:
            raise UsageError(f"--map {pair}: {other} is given twice.", "Name each class once.")
        found[other] = own
    return found


def externally_tested(
    ours: ImageSet, other: ImageSet, named: Mapping[str, str] | None = None
) -> ImageSet:
    """Return one set of which `ours` trains and `other` tests.

    Parameters
    ----------
    ours, other
        The sets as they were found; parts of their own are not looked at.
    named
        Class of the other set -> class of ours; the rest goes by name, in any case. Classes of the
        other set that ours does not have are left out, counted and named.

    Raises
    ------
    UsageError
        A class that a set does not have, fewer than two classes in common, or a real and a phantom
        set.
    """
    if ours.phantom != other.phantom:
        raise UsageError(
            "--test-images: one of the sets is real and the other made.",
            "Give two real sets, or two phantoms.",
        )
    classes = _classes(ours, other, named or {})
    mapped = other.relabelled(classes)
    place = [ours.classes.index(name) for name in mapped.classes]
    labels = np.array(place, dtype=np.int64)[mapped.labels]
    count = len(ours)
    if np.unique(labels).size < 2:
        raise UsageError(
            f"--test-images: of {ours.name}'s classes {other.name} has "
            f"{', '.join(mapped.classes)} alone.",
            f"Two are needed: name classes with --map. {other.name} has "
            f"{', '.join(other.classes)}; {ours.name} has {', '.join(ours.classes)}.",
        )
    said = [Note("trained on", {"name": ours.name, "count": count}), *ours.notes]
    said += [Note("tested on", {"name": other.name, "count": len(mapped)}), *mapped.notes]
    alike = len(set(ours.groups or ()) & set(mapped.groups or ()) - {""})
    if alike:
        said.append(Note("groups called alike", {"count": alike}))

    def read(index: int) -> np.ndarray:
        return ours.read(index) if index < count else mapped.read(index - count)

    def fingerprint(index: int) -> str:
        return ours.fingerprint(index) if index < count else mapped.fingerprint(index - count)

    def encoded(index: int) -> Encoded | None:
        source, place = (ours, index) if index < count else (mapped, index - count)
        return source.encoded and source.encoded(place)

    return replace(
        ours,
        name=f"{ours.name}, tested on {other.name}",
        labels=np.concatenate([ours.labels, labels]),
        ids=(*ours.ids, *(f"{TESTED}{name}" for name in mapped.ids)),
        read=read,
        fingerprint=fingerprint,
        groups=_groups(ours, mapped),
        grouped_by=tuple(dict.fromkeys((*ours.grouped_by, *mapped.grouped_by))),
        parts=("train",) * count + ("test",) * len(mapped),
        source=f"{ours.source}; tested on {other.source}",
        notes=tuple(said),
        published=None,
        external=External(ours, other.name, other.content, classes),
        encoded=encoded if ours.encoded or mapped.encoded else None,
    )


def _classes(ours: ImageSet, other: ImageSet, named: Mapping[str, str]) -> dict[str, str]:
    """Return the class of ours for each class of the other set that has one."""
    own = {fold(name): name for name in ours.classes}
    theirs = {fold(name): name for name in other.classes}
    classes = {name: own[fold(name)] for name in other.classes if fold(name) in own}
    for name, wanted in named.items():
        for word, known, of in ((name, theirs, other), (wanted, own, ours)):
            if fold(word) not in known:
                raise UsageError(
                    f"--map {name}={wanted}: {of.name} has no class {word!r}.",
                    f"It has {', '.join(of.classes)}.",
                )
        classes[theirs[fold(name)]] = own[fold(wanted)]
    if not classes:
        raise UsageError(
            f"--test-images: {other.name} has no class of {ours.name}.",
            f"Name them with --map 'other=ours'. {other.name} has {', '.join(other.classes)}; "
            f"{ours.name} has {', '.join(ours.classes)}.",
        )
    return classes


def _groups(ours: ImageSet, other: ImageSet) -> tuple[str, ...] | None:
    """Return the groups of both; images of a set without any are each their own.

    Groups of one name are one, and shared: sets are made of each other, and a false alarm costs
    less than patients on both sides.
    """
    if ours.groups is None and other.groups is None:
        return None
    own = ours.groups or ours.ids
    theirs = other.groups or tuple(f"{TESTED}{name}" for name in other.ids)
    return (*own, *theirs)
