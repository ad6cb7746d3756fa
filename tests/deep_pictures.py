"""Pictures of 16 bits a sample in forms that Pillow reads and does not write."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from numpy.typing import NDArray

#: Samples a pixel -> the colour type of a PNG.
_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values: NDArray[Any], *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16 bits with values of shape (height, width, samples), and other chunks."""
    height, width, samples = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, _TYPES[samples], 0, 0, 0)
    between = b"".join(_chunk(kind, data) for kind, data in extra)
    body = _chunk(b"IHDR", head) + between + _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def tiff(
    values: NDArray[Any], order: str = "<", *, packed: bool = False, strip: int = 10**6
) -> bytes:
    """Return a TIFF of 16 bits with values of shape (height, width, 3 or 4), in strips of rows."""
    height, width, samples = values.shape
    strips = [
        values[top : top + strip].astype(f"{order}u2").tobytes() for top in range(0, height, strip)
    ]
    if packed:
        strips = [zlib.compress(one) for one in strips]
    count = len(strips)
    tags = [
        (256, 3, (width,)),
        (257, 3, (height,)),
        (258, 3, (16,) * samples),
        (259, 3, (8 if packed else 1,)),
        (262, 3, (2,)),
        (273, 4, (0,) * count),
        (277, 3, (samples,)),
        (278, 3, (min(strip, height),)),
        (279, 4, tuple(len(one) for one in strips)),
        *([(338, 3, (2,))] if samples == 4 else []),
    ]
    beside = 8 + 2 + 12 * len(tags) + 4
    room = sum(
        len(v) * (2 if k == 3 else 4) for _, k, v in tags if len(v) * (2 if k == 3 else 4) > 4
    )
    at = beside + room
    places = []
    for one in strips:
        places.append(at)
        at += len(one)
    entries, far, place = b"", b"", beside
    for tag, kind, numbers in tags:
        numbers = tuple(places) if tag == 273 else numbers
        data = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(data) > 4:
            far += data
            data, place = struct.pack(f"{order}I", place), place + len(data)
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + data.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", len(tags))
    return head + entries + struct.pack(f"{order}I", 0) + far + b"".join(strips)
