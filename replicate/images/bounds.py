"""Which pictures may be decoded in this process: those whose own bytes bound the work.

A decoder in C neither hears signals nor asks how long it may take. What a look at a file's
structure shows to cost little is decoded here, at full speed; everything else in a process of its
own with a deadline (:mod:`replicate.images.apart`). No file is refused here.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import numpy as np
from PIL import Image

#: The only formats that a picture is opened as, whatever its name says. PostScript and PDF would
#: run a program; the others of Pillow's hundred are no pictures of a set.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "GIF", "WEBP", "PPM")

#: Larger files are read by the process apart.
WHOLE = 64 * 2**20

#: Most bytes of a file beside its pixels: profiles, texts, EXIF, DICOM elements.
BESIDE = 2**20

#: Most pixels over all scans of a JPEG; a file of a few kilobytes can ask for thousands.
SCANNED = 250_000_000

#: Most chunks of a PNG and strips of a TIFF.
PIECES = 20_000

_PNG = b"\x89PNG\r\n\x1a\n"
_PORTABLE = re.compile(rb"P[56]\s{1,9}\d{1,9}\s{1,9}\d{1,9}\s{1,9}\d{1,9}\s")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
#: Compressions of TIFF that take time by the size of the picture alone.
_PLAIN_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")
#: Kinds of entries of a TIFF directory that are kept as they are: bytes, texts, anything.
_BYTES = (1, 2, 7)


def read_whole(path: Path) -> bytes | None:
    """Return the content of a file of at most :data:`WHOLE` bytes, else None."""
    with path.open("rb", buffering=0) as stream:
        return stream.read() if os.fstat(stream.fileno()).st_size <= WHOLE else None


def read_bounded(path: Path) -> bytes | None:
    """Return a file's content where decoding its first frame takes a bounded time, else None."""
    content = read_whole(path)
    if content is None:
        return None
    try:
        return content if _opens_quickly(content) else None
    except (struct.error, IndexError, ValueError):
        return None


def _opens_quickly(content: bytes) -> bool:
    if content.startswith(_PNG):
        return _png(content)
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _directory(content, len(content) + BESIDE)
    return content.startswith(b"BM") or _PORTABLE.match(content) is not None


def decodes_quickly(picture: Image.Image, content: bytes) -> bool:
    """Tell of an opened picture whether its pixels, not read yet, come in little time."""
    tiles = getattr(picture, "tile", ())
    if len(tiles) > PIECES:
        return False
    pixels = picture.width * picture.height
    boxes = [tile[1] or (0, 0, *picture.size) for tile in tiles]
    if sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes) > 4 * pixels:
        return False  # strips that lie on each other
    match picture.format:
        case "JPEG":
            # A scan has ten bytes at least; most files need not be searched for them.
            most = len(content) // 10
            found = most if most * pixels <= SCANNED else content.count(b"\xff\xda")
            return found * pixels <= SCANNED
        case "TIFF":
            return picture.info.get("compression") in _PLAIN_TIFF
        case "BMP" | "DIB":
            return all(tile[0] == "raw" for tile in tiles)
        case kind:
            return kind in ("PNG", "PPM")


def _png(content: bytes) -> bool:
    at, beside = len(_PNG), 0
    for _ in range(PIECES):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IEND":
            return beside <= BESIDE
        data = at + 8
        if kind != b"IDAT":
            beside += length + 12
            profile = kind in _TEXTS and content.startswith(b"Raw profile", data)
            exif = kind == b"eXIf" and not _directory(content[data : data + length], BESIDE)
            if profile or exif or kind == b"acTL":
                return False
        at = data + length + 4
    return False


def _jpeg(content: bytes) -> bool:
    at, exif = 2, 0
    while at < BESIDE:
        mark, marker, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF or marker == 0xFF or length < 2:
            return False
        if marker == 0xDA:
            return True
        data = content[at + 4 : at + 2 + length]
        if marker == 0xE1 and data.startswith(b"Exif\0\0"):
            exif += 1
            if exif > 1 or not _directory(data[6:], BESIDE):
                return False
        if marker == 0xE2 and data.startswith(b"MPF\0"):
            return False  # several pictures in one
        at += 2 + length
    return False


def _directory(content: bytes, most: int) -> bool:
    """Tell whether the first TIFF directory asks for no more bytes than `most`.

    Pillow copies what each entry points to, and all 65,535 may point to the whole file.
    """
    order = ">" if content.startswith(b"MM") else "<"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    form = np.dtype([("tag", f"{order}u2"), ("kind", f"{order}u2"), ("count", f"{order}u4")])
    step = 12
    found = content[start + 2 : start + 2 + count * step]
    entries = np.frombuffer(found[: len(found) // step * step], dtype=np.uint8).reshape(-1, step)
    told = np.ascontiguousarray(entries[:, :8]).view(form)
    counts = told["count"]
    # All but bytes and texts become numbers of Python's, one by one.
    if int(counts[~np.isin(told["kind"], _BYTES)].sum(dtype=np.uint64)) > PIECES:
        return False
    return int(counts.sum(dtype=np.uint64)) * 8 <= 8 * most and int(counts.max(initial=0)) <= most
