"""Images in files: one list of entries, however it was found, to an image set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from db.errors import ImagesError
from replicate.digests import file_digests
from replicate.images.decoding import JPEGS, decode, is_dicom, plain_jpeg
from replicate.images.groups import grouped
from replicate.images.image_set import COPIES, GROUPS, PATIENTS, ImageSet
from replicate.images.ranges import head_of, showings
from replicate.images.windows import Head, Showing
from replicate.notes import Note

#: Key that images share -> what groups by it are of.
_OF = {
    "patient": PATIENTS,
    "DICOM PatientID": PATIENTS,
    "group": GROUPS,
    "near copy": COPIES,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image in a file, as a folder or a line of a table tells it.

    `name` is the same on every machine; `label` is empty where a table gives no class; `part` is
    ``train``, ``val`` or ``test``; `patient`, `group` and `near` are keys of images that belong
    together; `frame` is that of several; `line` is that of the table, 0 without one.
    """

    name: str
    path: Path
    label: str = ""
    part: str | None = None
    patient: str | None = None
    group: str | None = None
    near: str | None = None
    frame: str | None = None
    line: int = 0


def fingerprint(entry: Entry, showing: Showing, digest: Callable[[Path], str]) -> str:
    """Return the SHA-256 of a file, joined with its frame and what shows it where there are any."""
    try:
        content = digest(entry.path)
    except OSError as error:
        raise ImagesError(f"{entry.path}: {error.strerror}.", "Check the path.") from error
    frame = "" if entry.frame is None else f"#{entry.frame}"
    if not (frame or showing.mark):
        return content
    return hashlib.sha256(f"{content}{frame}{showing.mark}".encode()).hexdigest()


def of_files(
    name: str,
    entries: Sequence[Entry],
    source: str,
    notes: Sequence[Note] = (),
    *,
    positive: str | None = None,
    window: str | None = None,
) -> ImageSet:
    """Make an image set of files; sorts them by name, so that no file system's order matters.

    Classes that differ in case or space only are one, which a note says; `positive` is the last.
    Groups join what shares a patient, a group id or a near-copy id; DICOM without any of these
    is grouped by PatientID. They are unknown (None) where no image has any. `window` shows what
    takes one; what says nothing of its window shares a range (:mod:`replicate.images.ranges`).

    Raises
    ------
    ImagesError
        No image, or one class only.
    UsageError
        `window` is none, or fits no image.
    """
    entries, spelt = one_case(sorted(entries, key=lambda entry: entry.name))
    if not entries:
        raise ImagesError(f"{name}: holds no image.", "Images are PNG, JPEG, BMP, TIFF or DICOM.")
    known = {entry.label for entry in entries}
    classes = sorted(known, key=lambda label: (label == positive, label))
    if len(classes) == 1:
        raise ImagesError(
            f"{name}: all {len(entries)} images are of one class ({classes[0]}).",
            " ".join([*map(str, notes), "Nothing to tell apart: give at least two classes."]),
        )
    head = cache(head_of)
    groups, kinds, about = _groups(entries, head)
    triples = [(entry.name, entry.path, entry.frame) for entry in entries]
    shown, told = showings(triples, window, head)
    digest = file_digests([entry.path for entry in entries])
    places = {label: place for place, label in enumerate(classes)}
    parts = tuple(entry.part for entry in entries)
    jpegs = any(entry.path.suffix.lower() in JPEGS for entry in entries)
    return ImageSet(
        name=name,
        classes=tuple(classes),
        labels=np.array([places[entry.label] for entry in entries], dtype=np.int64),
        ids=tuple(entry.name for entry in entries),
        read=lambda i: decode(entries[i].path, entries[i].frame, shown[i]),
        fingerprint=lambda i: fingerprint(entries[i], shown[i], digest),
        groups=groups,
        grouped_by=kinds,
        parts=tuple(part for part in parts if part is not None) if all(parts) else None,
        source=f"{source}; {about}",
        notes=(*notes, *spelt, *told),
        encoded=(lambda i: plain_jpeg(entries[i].path, entries[i].frame)) if jpegs else None,
    )


def one_case(entries: Sequence[Entry]) -> tuple[list[Entry], list[Note]]:
    """Give classes that differ in case or space only one name, the most frequent; say which."""
    spellings: dict[str, Counter[str]] = {}
    for entry in entries:
        spellings.setdefault(_one_spaced(entry.label).casefold(), Counter())[entry.label] += 1
    kept: dict[str, str] = {}
    notes = []
    for found in spellings.values():
        first, *others = sorted(found, key=lambda label: (-found[label], label))
        first = _one_spaced(first)
        kept |= dict.fromkeys(found, first)
        if others:
            notes.append(Note("one class in any case", {"kept": first, "others": others}))
    return [replace(entry, label=kept[entry.label]) for entry in entries], notes


def _one_spaced(label: str) -> str:
    return " ".join(label.split())


def _groups(
    entries: Sequence[Entry], head: Callable[[Path], Head]
) -> tuple[tuple[str, ...] | None, tuple[str, ...], str]:
    """Return the groups, what they are of, and a sentence on how they are known."""
    patients = [entry.patient for entry in entries]
    kinds = {
        "patient": patients,
        "group": [entry.group for entry in entries],
        "near copy": [f"copy {entry.near}" if entry.near else None for entry in entries],
    }
    if not any(any(keys) for keys in kinds.values()):
        kinds = {"DICOM PatientID": _dicom_patients(entries, head)}
    known = {kind: keys for kind, keys in kinds.items() if any(keys)}
    if not known:
        return None, (), "patients not known"
    groups = grouped([entry.name for entry in entries], *known.values())
    words = [
        f"{kind} known for {sum(key is not None for key in keys)} of {len(keys)} images"
        for kind, keys in known.items()
    ]
    kinds_of = tuple(dict.fromkeys(_OF[kind] for kind in known))
    return groups, kinds_of, f"{len(set(groups))} groups: {', '.join(words)}"


def _dicom_patients(entries: Sequence[Entry], head: Callable[[Path], Head]) -> list[str | None]:
    """Return the PatientID of each DICOM; none at all where anonymising left only one."""
    keys = [head(entry.path).patient if is_dicom(entry.path) else None for entry in entries]
    return keys if len({key for key in keys if key}) > 1 else []
