"""One range for all images of a set that do not say how their values are shown.

Spread one by one, a dark and a bright image look alike, and what tells classes apart is lost or
made up. What is comparable shares a range: pictures of more than 8 bits, and DICOM of one modality,
depth and sign (CT, in Hounsfield units, of any). No label is looked at.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from db.errors import ImagesError, UsageError
from replicate.images.decoding import is_dicom, summarised
from replicate.images.levels import Summary, spread
from replicate.images.windows import DECLARED, KEPT, PICTURE, Head, Range, Showing, Window
from replicate.notes import Note

#: One image: its name in the set, its file, and which frame of it.
Image = tuple[str, Path, str | None]

#: How many images of a kind are measured: chosen by the hash of their names, whatever their order.
SAMPLE = 256

#: What pictures of more than 8 bits are shown alike with.
_PICTURES = "pictures of more than 8 bits"


def showings(
    images: Sequence[Image],
    window: str | None,
    head: Callable[[Path], Head],
    known: Mapping[str, Range] | None = None,
) -> tuple[tuple[Showing, ...], tuple[Note, ...]]:
    """Return what shows each image of a set, and what is to be said of it.

    Parameters
    ----------
    window
        That of the user, which goes before all; see :meth:`replicate.images.windows.Window.of`.
    head
        Returns the head of a file, :func:`head_of` or one that remembers it.
    known
        Ranges that are not measured here, by what shares them: those that a model was trained with.

    Raises
    ------
    UsageError
        The window is none, or fits no image.
    """
    asked = None if window is None else Window.of(window)
    heads = [head(path) for _, path, _ in images]
    windowed = [
        asked is not None and one.grey is not None and asked.fits(one.grey) for one in heads
    ]
    if asked is not None and not any(windowed):
        raise UsageError(
            f"--window: {window} fits no image of the set.",
            "Named windows are of CT in DICOM; others fit grey DICOM and grey pictures of more "
            "than 8 bits.",
        )
    members: dict[str, list[Image]] = {}
    for image, one, own in zip(images, heads, windowed, strict=True):
        if one.alike is not None and not own:
            members.setdefault(one.alike, []).append(image)
    known = known or {}
    measured = {
        kind: known[kind] if kind in known else _measured(alike) for kind, alike in members.items()
    }
    notes = [
        _note(kind, members[kind], within)
        for kind, within in measured.items()
        if within is not None and within != KEPT
    ]
    if asked is not None:
        values: dict[str, Any] = {"centre": asked.centre, "width": asked.width}
        values |= {"window": window, "count": sum(windowed), "of": len(images)}
        notes.insert(0, Note("window chosen", values))
    ways = {kind: Showing(within=within) for kind, within in measured.items() if within}
    by_window = Showing(asked)
    shown = (
        by_window if own else ways.get(one.alike or "", DECLARED)
        for one, own in zip(heads, windowed, strict=True)
    )
    return tuple(shown), tuple(notes)


def _note(kind: str, alike: Sequence[Image], within: Range) -> Note:
    values = {"count": len(alike), "kind": kind, "low": within[0], "high": within[1]}
    return Note("one range", {**values, "measured": min(len(alike), SAMPLE)})


def _measured(alike: Sequence[Image]) -> Range | None:
    """Return the range of images that are comparable; None where none of them can be read."""

    def rank(image: Image) -> bytes:
        return hashlib.sha256(image[0].encode()).digest()

    def summary(image: Image) -> Summary | None:
        try:
            return summarised(image[1], image[2])
        except ImagesError:
            return None  # it is told by name when the image is read

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        known = list(filter(None, pool.map(summary, sorted(sorted(alike, key=rank)[:SAMPLE]))))
    return spread(known) if known else None


def head_of(path: Path) -> Head:
    """Return what the beginning of an image file tells; what cannot be read there is not known."""
    if is_dicom(path):
        from replicate.images import dicom

        return dicom.head_of(path)
    try:
        with path.open("rb") as stream:
            bits, samples = _depth(stream)
    except (OSError, struct.error, ValueError, IndexError):
        return Head()  # told by name when the image is read
    return Head(None, _PICTURES, PICTURE if samples < 3 else None) if bits > 8 else Head()


def _depth(stream: BinaryIO) -> tuple[int, int]:
    """Return the bits of a picture's sample, and how many samples a pixel has, from its header."""
    head = stream.read(32)
    if head.startswith(b"\x89PNG"):
        return head[24], {0: 1, 4: 2}.get(head[25], 3)
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_depth(stream, ">" if head.startswith(b"MM") else "<", head)
    if head.startswith((b"P5", b"Pf")):
        words = head.split()
        deep = head.startswith(b"Pf") or (len(words) > 3 and int(words[3]) > 255)
        return (16 if deep else 8), 1
    return 8, 3


#: Tags of TIFF: bits of each sample, samples a pixel.
_BITS, _SAMPLES = 258, 277


def _tiff_depth(stream: BinaryIO, order: str, head: bytes) -> tuple[int, int]:
    stream.seek(struct.unpack_from(f"{order}I", head, 4)[0])
    (count,) = struct.unpack(f"{order}H", stream.read(2))
    entries = stream.read(12 * count)
    bits, samples = 1, 1
    for tag, _, several, value in struct.iter_unpack(
        f"{order}HHI4s", entries[: len(entries) // 12 * 12]
    ):
        if tag == _BITS:
            if several > 2:
                stream.seek(struct.unpack(f"{order}I", value)[0])
                value = stream.read(2)
            (bits,) = struct.unpack(f"{order}H", value[:2])
        elif tag == _SAMPLES:
            (samples,) = struct.unpack(f"{order}H", value[:2])
    return bits, samples
