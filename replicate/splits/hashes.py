"""Fingerprints of what images show, and the search for those that are nearly equal.

Exact copies have equal pixels after decoding, in whatever file format. Near copies have
difference hashes of 256 bits that differ in few places: a hash says of 16 x 16 neighbouring cells
which is brighter, so it survives resizing, recompression and changes of contrast.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from db.files import replace_file
from replicate.images.image_set import ImageSet, Pixels
from replicate.images.prepare import decoders

#: Part of every key: raised when other hashes are made of the same pixels.
VERSION = 1

#: Cells a side of the difference hash.
SIDE = 16
BITS = SIDE * SIDE

#: Images up to which all pairs are compared; beyond, only those that share a band of bits.
ALL_PAIRS = 3000

#: Threshold up to which bands are wide enough (10 bits) to tell images apart.
WIDEST = 24

#: Rows compared at a time where all pairs are.
BLOCK = 256

Words = NDArray[np.uint64]
#: Is called with the images hashed so far and all of them.
Counted = Callable[[int, int], None]

#: How an image is turned, besides lying as it is: quarter turns, then mirrored or not.
TURNS = tuple((quarters, mirrored) for quarters in range(4) for mirrored in (False, True))[1:]


@dataclass(frozen=True, eq=False, slots=True)
class Hashes:
    """Hashes of n images.

    Parameters
    ----------
    pixels
        First 16 bytes of the SHA-256 of the decoded pixels, shape (n,), dtype S32 (hexadecimal).
    words
        Difference hashes, uint64, shape (n, 4).
    turned
        Hashes of the seven turned and mirrored versions, shape (7, n, 4); empty where not asked.
    flat
        Images of one colour only (to the hash), which are near to nothing, shape (n,).
    """

    pixels: NDArray[np.bytes_]
    words: Words
    turned: Words
    flat: NDArray[np.bool_]


def hash_images(
    images: ImageSet, *, turned: bool = False, progress: Counted | None = None
) -> Hashes:
    """Decode each image once and keep its hashes: 64 bytes an image, or 290 with `turned`."""
    count = len(images)
    pixels = np.empty(count, dtype="S32")
    words = np.empty((count, 4), dtype=np.uint64)
    others = np.empty((len(TURNS) if turned else 0, count, 4), dtype=np.uint64)
    flat = np.zeros(count, dtype=np.bool_)
    for index in range(count):
        image = grey_where_it_is(images.read(index))
        shape = repr(image.shape).encode()
        pixels[index] = hashlib.sha256(shape + image.tobytes()).hexdigest()[:32].encode()
        luma = _luma(image)
        words[index], flat[index] = difference_hash(luma)
        for row, (quarters, mirrored) in enumerate(TURNS if turned else ()):
            other = np.rot90(luma[:, ::-1] if mirrored else luma, quarters)
            others[row, index], _ = difference_hash(np.ascontiguousarray(other))
        if progress is not None:
            progress(index + 1, count)
    return Hashes(pixels, words, others, flat)


def kept_hashes(
    images: ImageSet, cache: Path, *, turned: bool = False, progress: Counted | None = None
) -> Hashes:
    """Return the hashes of a set from the disk, or make them and keep them there.

    They are named by what decides them: what each image is, and how it is decoded.
    """
    recipe = [VERSION, decoders(), turned, [images.fingerprint(i) for i in range(len(images))]]
    name = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:40]
    path = cache / "hashes" / f"{name}.npz"
    names = [one.name for one in fields(Hashes)]
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Hashes(*(stored[one] for one in names))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass  # none, or damaged: the archive has a checksum of each array
    found = hash_images(images, turned=turned, progress=progress)
    stream = io.BytesIO()
    np.savez(stream, **{one: getattr(found, one) for one in names})
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, stream.getvalue())
    return found


def grey_where_it_is(image: Pixels) -> Pixels:
    """Return an image with three equal channels as one: grey saved as RGB is the same picture."""
    if image.ndim == 3:
        first = image[:, :, 0]
        if np.array_equal(first, image[:, :, 1]) and np.array_equal(first, image[:, :, 2]):
            return np.ascontiguousarray(first)
    return np.ascontiguousarray(image)


def _luma(image: Pixels) -> Pixels:
    return image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))


def difference_hash(luma: Pixels) -> tuple[Words, bool]:
    """Return the 256 bits of an image, shape (4,), and whether it is flat.

    The image is shrunk to 17 x 16 cells (antialiased); a bit says whether a cell is brighter than
    its right neighbour.
    """
    small = Image.fromarray(luma).resize((SIDE + 1, SIDE), Image.Resampling.BICUBIC)
    cells = np.asarray(small)
    bits = cells[:, :-1] > cells[:, 1:]
    return np.packbits(bits.reshape(-1)).view(np.uint64), bool(np.ptp(cells) < 8)


def distances(first: Words, second: Words) -> NDArray[np.int64]:
    """Return in how many bits hashes differ; shapes (..., 4) broadcast against each other."""
    return _ones(first ^ second).sum(axis=-1, dtype=np.int64)


if hasattr(np, "bitwise_count"):

    def _ones(words: Words) -> NDArray[np.uint8]:
        counts: NDArray[np.uint8] = np.bitwise_count(words)
        return counts

else:  # numpy 1.26

    def _ones(words: Words) -> NDArray[np.uint8]:
        table = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)
        parts = np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 8)
        counts: NDArray[np.uint8] = table[parts].sum(axis=-1, dtype=np.uint8)
        return counts


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def near_pairs(words: Words, threshold: int, turned: Iterable[Words] = ()) -> Pairs:
    """Find all pairs of hashes that differ in at most `threshold` bits.

    Exact: in small sets all pairs are compared; in large ones bits are dealt into threshold + 1
    bands, of which two hashes within the threshold must share one whole (pigeonhole), and only
    those that share a band are compared. Memory is that of the hashes and of what is found.

    Parameters
    ----------
    words
        Shape (n, 4).
    threshold
        Most differing bits.
    turned
        Hashes of the same images turned, each of shape (n, 4): with those too, image i is compared
        with turned image j.

    Returns
    -------
    tuple of arrays
        First index, second index (first < second), least distance; each pair once, in order.
    """
    nothing = np.empty(0, dtype=np.int64)
    found: list[Pairs] = [(nothing, nothing, nothing)]
    search = _by_band if words.shape[0] > ALL_PAIRS and threshold <= WIDEST else _all
    for other in (None, *turned):
        for first, second in search(words, threshold, other):
            far = distances(words[first], (words if other is None else other)[second])
            near = far <= threshold
            found.append((first[near], second[near], far[near]))
    first, second, far = (np.concatenate(part) for part in zip(*found, strict=True))
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((far, high, low))
    low, high, far = low[order], high[order], far[order]
    once = np.ones(low.size, dtype=np.bool_)
    once[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return low[once], high[once], far[once]


def _all(
    words: Words, threshold: int, other: Words | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    count = words.shape[0]
    targets = words if other is None else other
    for start in range(0, count, BLOCK):
        rows = words[start : start + BLOCK]
        # Turned hashes are compared both ways: i with turned j is not j with turned i.
        begin = start if other is None else 0
        near = distances(rows[:, None, :], targets[None, begin:, :]) <= threshold
        first, second = np.nonzero(near)
        first, second = first + start, second + begin
        kept = first < second if other is None else first != second
        yield first[kept], second[kept]


def _by_band(
    words: Words, threshold: int, other: Words | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    count = words.shape[0]
    everything = words if other is None else np.concatenate([words, other])
    bands = threshold + 1
    # Bits are mixed: the first rows of many images are black, and would all share that band.
    mixed = np.random.default_rng(0).permutation(BITS)
    for band in range(bands):
        keys = _keys(everything, mixed[band::bands])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        at = np.arange(keys.size - 1)
        step = 1
        while at.size:
            at = at[keys[at] == keys[at + step]]
            first, second = order[at], order[at + step]
            if other is None:
                yield np.minimum(first, second), np.maximum(first, second)
            else:
                low, high = np.minimum(first, second), np.maximum(first, second) - count
                cross = (low < count) & (high >= 0) & (low != high)
                yield low[cross], high[cross]
            step += 1
            at = at[at + step < keys.size]


def _keys(words: Words, bits: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the chosen bits of each hash as a number; at most 64 matter, fewer only cost time."""
    octets = words.view(np.uint8).reshape(words.shape[0], -1)
    keys = np.zeros(words.shape[0], dtype=np.uint64)
    for bit in bits[:64].tolist():
        value = (octets[:, bit // 8] >> np.uint8(7 - bit % 8)) & np.uint8(1)
        keys = (keys << np.uint64(1)) | value.astype(np.uint64)
    return keys
