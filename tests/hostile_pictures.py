"""Pictures that are none, that are far larger than they look, or that would take for ever."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

POSTSCRIPT = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
(MARK) (w) file dup (ran) writestring closefile
showpage
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: tuple[int, int], *others: bytes, data: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", data or zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + pixels + chunk(b"IEND", b"")


def tiff(entries: int, count: int, filler: int) -> bytes:
    """A directory each of whose entries points to the whole filler."""
    found = b"".join(struct.pack("<HHII", 1000 + i, 7, count, 100) for i in range(entries))
    size = b"".join(struct.pack("<HHII", tag, 3, 1, 8) for tag in (256, 257))
    start = 100 + filler
    head = b"II*\0" + struct.pack("<I", start)
    return head + b"\0" * (start - 8) + struct.pack("<H", entries + 2) + size + found + b"\0" * 4


def strips(count: int) -> bytes:
    """A TIFF of so many strips, all of them the same."""
    filler = 200
    tags = ((256, 1), (257, count), (258, 8), (259, 1), (262, 1), (278, 1))
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries += [struct.pack("<HHII", tag, 4, count, filler) for tag in (273, 279)]
    body = struct.pack("<H", len(entries)) + b"".join(sorted(entries)) + bytes(4)
    numbers = struct.pack("<I", 8) * count
    return (b"II*\0" + struct.pack("<I", 8) + body).ljust(filler, b"\0") + numbers


def scans(pixels: int, count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    stream = BytesIO()
    Image.fromarray(np.zeros((pixels, pixels), np.uint8)).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def gif_of_many_frames() -> bytes:
    stream = BytesIO()
    pages = [Image.new("L", (2, 2), grey) for grey in (0, 255)]
    pages[0].save(stream, "GIF", save_all=True, append_images=pages[1:])
    whole = stream.getvalue()
    second = whole.rindex(b"!\xf9")
    return whole[:second] + whole[second:-1] * 200_000 + b";"


BOMBS = {
    "huge.png": png((60_000, 60_000)),
    "huge.bmp": b"BM"
    + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 40_000, 40_000, 1, 24, *[0] * 6),
    "huge.ppm": b"P6 99999 99999 255\n" + b"\0" * 100,
    "texts.png": png((20, 20), *[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 900_000))] * 2000),
    "profile.png": png(
        (20, 20), chunk(b"iCCP", b"k\0\0" + zlib.compress(b"a" * 10**8)), data=b"broken"
    ),
    "tags.tif": tiff(60_000, 10**6, 10**6),
    "scans.jpg": scans(4000, 3000),
}
