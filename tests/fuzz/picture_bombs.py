"""Pictures and DICOM files of some kilobytes that ask for hours or gigabytes; made when asked for."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from itertools import repeat

from PIL import Image

from tests.hostile_pictures import BOMBS, chunk, gif_of_many_frames, png, scans, strips

#: Just within, and just beyond, what is decoded.
NEAR, BEYOND = (9400, 9400), (9500, 9500)


def _plain(mode: str, kind: str, size: tuple[int, int] = NEAR, **options: str | int) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def _deflated(count: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(count)) + packer.flush()


def _chained(directories: int, *, circle: bool) -> bytes:
    """A TIFF of many directories, the last of which leads to the first, or to none."""
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 1, value)
        for tag, value in ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (279, 1))
    )
    step = 6 + len(entries)
    found = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number in range(directories):
        last = number == directories - 1
        to = (8 if circle else 0) if last else 8 + step * (number + 1)
        found += struct.pack("<H", 7) + entries + struct.pack("<I", to)
    return bytes(found)


def _nested(depth: int) -> bytes:
    """A DICOM whose sequences hold sequences."""
    start = b"\0" * 128 + b"DICM" + bytes.fromhex("02001000") + b"UI" + struct.pack("<H", 20)
    start += b"1.2.840.10008.1.2.1\0"
    inner = bytes.fromhex("08001511") + b"SQ\0\0" + b"\xff" * 4
    return start + (inner + bytes.fromhex("feff00e0") + b"\xff" * 4) * depth


def _elements(count: int) -> bytes:
    head = _nested(0)
    return head + b"".join(
        struct.pack("<HH2sH", 0x0009, number % 65536, b"LO", 2) + b"ab" for number in range(count)
    )


def _inflating(megabytes: int) -> bytes:
    start = b"\0" * 128 + b"DICM" + bytes.fromhex("02001000") + b"UI" + struct.pack("<H", 22)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()
    return start + b"1.2.840.10008.1.2.1.99" + data


def _webp(width: int, height: int) -> bytes:
    extended = struct.pack("<I", 2) + struct.pack("<I", width - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + extended + struct.pack("<I", height - 1)[:3]
    return b"RIFF" + struct.pack("<I", len(body) + 8) + body + b"VP8L\0\0\0\0"


def _frame(width: int, height: int) -> bytes:
    """A JPEG whose frame header lies about its size."""
    whole = bytearray(_plain("RGB", "JPEG", (16, 16)))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def _rows(size: tuple[int, int]) -> bytes:
    """A BMP of runs that never end."""
    head = struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, 1, 4000, 0, 0, 256, 0)
    data = b"\xff\x07" * 2000
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + head + bytes(1024) + data


BOMBS_BY_NAME: dict[str, Callable[[], bytes]] = {
    **{name: partial(bytes, content) for name, content in BOMBS.items()},
    "frames.gif": gif_of_many_frames,
    "screen.gif": lambda: b"GIF89a" + b"\xff" * 4 + bytes(3) + b"," + bytes(4) + b"\xff" * 4 + b";",
    "scans_of_a_small.jpg": partial(scans, 200, 20_000),
    "lying.jpg": partial(_frame, 65_500, 65_500),
    "near.jpg": partial(_frame, *NEAR),
    "near.png": partial(_plain, "RGB", "PNG"),
    "near_clear.png": partial(_plain, "RGBA", "PNG", compress_level=1),
    "near_deep.png": partial(_plain, "I;16", "PNG", compress_level=1),
    "near_few.png": partial(_plain, "P", "PNG", transparency=0),
    "beyond.png": partial(_plain, "1", "PNG", BEYOND),
    "near.tif": partial(_plain, "RGB", "TIFF", compression="tiff_adobe_deflate"),
    "near_clear.tif": partial(_plain, "LA", "TIFF", compression="tiff_lzw"),
    "near.gif": partial(_plain, "L", "GIF"),
    "zeros.png": lambda: png((20, 20), data=_deflated(500)),
    "chunks.png": lambda: png((20, 20), *repeat(chunk(b"IDAT", b""), 300_000)),
    "profiles.png": lambda: png((20, 20), *repeat(chunk(b"iCCP", b"k\0\0" + _deflated(50)), 40)),
    "one_text.png": lambda: png((20, 20), chunk(b"iTXt", b"k\0\1\0\0\0" + _deflated(700))),
    "old_exif.png": lambda: png((20, 20), chunk(b"zTXt", b"Raw profile type exif\0\0" + _deflated(90))),
    "exif.png": lambda: png((20, 20), chunk(b"eXIf", BOMBS["tags.tif"][:10**6])),
    "animated.png": lambda: png((20, 20), chunk(b"acTL", b"\xff" * 4 + bytes(4))),
    "circle.tif": partial(_chained, 3, circle=True),
    "chain.tif": partial(_chained, 60_000, circle=False),
    "strips.tif": partial(strips, 10**6),
    "some_strips.tif": partial(strips, 19_000),
    "runs.bmp": partial(_rows, NEAR),
    "huge_runs.bmp": partial(_rows, (2**31 - 1, 2**31 - 1)),
    "upside_down.bmp": partial(_rows, (4, -(2**31))),
    "huge.webp": partial(_webp, 2**24, 2**24),
    "near.webp": partial(_webp, *NEAR),
    "digits.pgm": lambda: b"P2 9400 9400 255 " + b"1 " * 10**6,
    "digit.pgm": lambda: b"P2 " + b"9" * 10**6,
    "comment.ppm": lambda: b"P6 #" + b"x" * 10**7,
    "comments.ppm": lambda: b"P6 " + b"#\n" * 10**6,
    "near.pbm.pnm": lambda: b"P4 9400 9400\n" + bytes(100),
    "far.pfm.pnm": lambda: b"Pf 9400 9400 -1.0\n" + bytes(100),
    "nested.dcm": partial(_nested, 20_000),
    "elements.dcm": partial(_elements, 60_000),
    "inflating.dcm": partial(_inflating, 1100),
    "inflating_within.dcm": partial(_inflating, 900),
}  # fmt: skip
