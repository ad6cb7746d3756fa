"""Image files of any kind, mode and depth to 8-bit grey or RGB; bad files are told by name.

What a file declares is honoured (palette, EXIF orientation, DICOM window). What it does not
declare is decided here and in :mod:`replicate.images.levels`: transparency lies on black, the
background of radiographs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from db.errors import ImagesError
from replicate.images.apart import decode_apart, summarised_apart
from replicate.images.bounds import FORMATS, decodes_quickly, read_bounded
from replicate.images.deep import Deep
from replicate.images.image_set import Encoded, Pixels
from replicate.images.levels import (
    MEND,
    SMALLER,
    Summary,
    chosen_frame,
    told_by_name,
    too_large,
)
from replicate.images.windows import DECLARED, Showing

PICTURES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".gif", ".webp", ".pgm", ".ppm", ".pnm"),
    )
)
JPEGS = (".jpg", ".jpeg", ".jpe", ".jfif")
DICOM = frozenset((".dcm", ".dicom", ".ima"))


def is_image(path: Path) -> bool:
    """Tell by its name, or the DICOM mark of a file without suffix, whether a file is an image."""
    if path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    if suffix in PICTURES or suffix in DICOM:
        return True
    return (not suffix or suffix[1:].isdigit()) and is_dicom(path)


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM: by its suffix, or by the mark behind its preamble."""
    if path.suffix.lower() in DICOM:
        return True
    if path.suffix.lower() in PICTURES:
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def decode(path: Path, frame: str | None = None, showing: Showing = DECLARED) -> Pixels:
    """Read an image file.

    Parameters
    ----------
    path
        A picture (:data:`PICTURES`) or DICOM.
    frame
        Which of several frames: ``first``, ``middle``, ``last`` or a number from 1. None is the
        middle one of DICOM and the first of other files (further pages are often thumbnails).
    showing
        How values beyond 8 bits are shown.

    Returns
    -------
    Pixels
        Height x width or height x width x 3, uint8.

    Raises
    ------
    ImagesError
        The file is missing, empty, cut off, too large, or not an image.
    UsageError
        `frame` is not one of the words, or beyond the last.
    """
    found = _read_quickly(path, frame)
    return decode_apart(path, frame, showing) if found is None else _shown(path, found, showing)


def summarised(path: Path, frame: str | None = None) -> Summary | None:
    """Summarise the values beyond 8 bits of an image file; None where it has none that count.

    Raises
    ------
    ImagesError, UsageError
        As :func:`decode`.
    """
    found = _read_quickly(path, frame)
    return summarised_apart(path, frame) if found is None else _summary(path, found)


def plain_jpeg(path: Path, frame: str | None = None) -> Encoded | None:
    """Return a JPEG file that other decoders read as Pillow does, and as safely; else None.

    Told from its header. A file that does not end as a JPEG does may be cut off, which a decoder
    need not say: None, as for all that is broken. :func:`decode` says what it is.
    """
    try:
        content = read_bounded(path) if frame in _FIRST and _begins_as_jpeg(path) else None
        content = content and content.rstrip(b"\0")  # cameras fill up with them
        if not content or not content.endswith(b"\xff\xd9"):
            return None
        with _opened(path, BytesIO(content)) as picture:
            plain = _is_plain(picture) and decodes_quickly(picture, content)
            return Encoded(content, picture.width * picture.height) if plain else None
    except (OSError, ImagesError):
        return None


def _begins_as_jpeg(path: Path) -> bool:
    with path.open("rb", buffering=0) as stream:
        return stream.read(3) == b"\xff\xd8\xff"


#: How often each colour of a plain JPEG is sampled across and down: grey, 4:4:4, 4:2:2, 4:2:0.
_SAMPLED = (
    ((1, 1),),
    ((1, 1), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1)),
)


def _is_plain(picture: Any) -> bool:
    """Tell of an opened picture whether it is a JPEG in one go, upright, grey or YCbCr."""
    if picture.format != "JPEG" or "progressive" in picture.info:
        return False
    parts = picture.layer
    # Without Adobe's word on it, three parts are RGB only where they are called so.
    coded = picture.info.get("adobe_transform", 1) == 1 and bytes(p[0] for p in parts) != b"RGB"
    sampled = tuple(part[1:3] for part in parts) in _SAMPLED
    upright = picture.getexif().get(_ORIENTATION, 1) not in _TURNS
    return sampled and upright and (coded or len(parts) == 1)


def decode_here(path: Path, frame: str | None, showing: Showing) -> Pixels:
    """Read an image file in this process, however long it takes; see :func:`decode`."""
    return _shown(path, _read_here(path, frame), showing)


def summarised_here(path: Path, frame: str | None) -> Summary | None:
    """Summarise an image file in this process; see :func:`summarised`."""
    return _summary(path, _read_here(path, frame))


def _shown(path: Path, found: Pixels | Deep, showing: Showing) -> Pixels:
    if not isinstance(found, Deep):
        return found
    with _told(path):
        return found.shown(showing)


def _summary(path: Path, found: Pixels | Deep) -> Summary | None:
    if not isinstance(found, Deep):
        return None
    with _told(path):
        return found.summary()


def _told(path: Path) -> AbstractContextManager[None]:
    """Turn what decoders raise on a file into an error that names it."""
    if not is_dicom(path):
        return told_by_name(path)
    from replicate.images import dicom

    return told_by_name(path, dicom.MEND, dicom.BROKEN)


#: What names the first of several frames.
_FIRST = (None, "first", "1")


def _read_quickly(path: Path, frame: str | None) -> Pixels | Deep | None:
    """Read an image file whose reading takes a bounded time; return None of others."""
    try:
        if path.stat().st_size == 0:
            raise ImagesError(f"{path}: the file is empty (0 bytes).", MEND)
        if is_dicom(path):
            from replicate.images import dicom

            return dicom.read_quickly(path, frame or "middle")
        content = read_bounded(path) if frame in _FIRST else None
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if content is None:
        return None
    with _opened(path, BytesIO(content)) as picture:
        if not decodes_quickly(picture, content):
            return None
    return _values(path, lambda: _opened(path, BytesIO(content)))


def _read_here(path: Path, frame: str | None) -> Pixels | Deep:
    if is_dicom(path):
        from replicate.images import dicom

        return dicom.read_here(path, frame or "middle")

    @contextmanager
    def opened() -> Iterator[Image.Image]:
        with _opened(path, path) as picture:
            picture.seek(_frame_index(path, picture, frame or "first"))
            too_large(path, picture.width * picture.height)
            yield picture

    return _values(path, opened)


#: Beginnings of files that are no pictures of a set, and would be run or drawn by a program.
_FOREIGN = {b"%!PS": "PostScript", b"\xc5\xd0\xd3\xc6": "PostScript", b"%PDF": "PDF"}


@contextmanager
def _opened(path: Path, source: Path | BytesIO) -> Iterator[Image.Image]:
    """Open a picture by its content, as one of :data:`FORMATS` or not at all."""
    try:
        with told_by_name(path), Image.open(source, formats=FORMATS) as picture:
            too_large(path, picture.width * picture.height)
            yield picture
    except UnidentifiedImageError as error:
        with path.open("rb") as stream:
            head = stream.read(4)
        kind = _FOREIGN.get(head, "no picture of a kind that is opened")
        raise ImagesError(f"{path}: cannot be decoded ({kind}).", MEND) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImagesError(f"{path}: {error}", SMALLER) from error


def _frame_index(path: Path, picture: Image.Image, frame: str) -> int:
    """Return the index of a frame; frames are counted only where that is needed."""
    count = 1 if frame == "first" else getattr(picture, "n_frames", 1)
    return chosen_frame(path, frame, count)


#: EXIF's orientation -> what brings the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def _upright(picture: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF says; Pillow's own way rewrites all of the EXIF besides."""
    turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    return picture if turn is None else picture.transpose(turn)


#: Pixels that are converted at a time: the largest picture would take gigabytes at once.
_BAND = 2**20


def _values(path: Path, opened: Callable[[], AbstractContextManager[Image.Image]]) -> Pixels | Deep:
    """Return the pixels of a picture, which can be opened as often as needed."""
    with opened() as picture:
        if picture.mode.startswith(("I", "F")):
            return Deep(np.asarray(_upright(picture)), str(path))
        other = _OTHER_BYTE.get(_raw_mode(picture))
        if other is None:
            return _eight_bit(picture)
        clear = picture.info.get("transparency")
        upper = np.asarray(_upright(picture))
    with opened() as picture:
        _unpack_as(picture, other)
        lower = np.asarray(_upright(picture))
    return Deep(_deep_colours(upper, lower, other, clear), str(path))


#: How 16-bit colours are unpacked, of which Pillow keeps the upper byte -> what keeps the lower.
#: Four bytes of grey and alpha come out as they are.
_OTHER_BYTE = {
    f"{colours};16{order}": f"{colours};16{other}"
    for colours in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
} | {"LA;16B": "RGBA"}


def _raw_mode(picture: Image.Image) -> str:
    """Return how a picture is unpacked; empty where its parts are so in several ways."""
    found = {
        tile[3] if isinstance(tile[3], str) else str(tile[3][0] if tile[3] else "")
        for tile in getattr(picture, "tile", ())
    }
    return found.pop() if len(found) == 1 else ""


def _unpack_as(picture: Any, raw_mode: str) -> None:
    """Have a picture that was opened and not read yet unpacked in another way."""
    tiles = []
    for tile in picture.tile:
        arguments = raw_mode if isinstance(tile[3], str) else (raw_mode, *tile[3][1:])
        changed = (*tile[:3], arguments)
        tiles.append(type(tile)(*changed) if hasattr(tile, "_fields") else changed)
    picture.tile = tiles


def _deep_colours(
    upper: NDArray[np.uint8], lower: NDArray[np.uint8], other: str, clear: object
) -> NDArray[np.uint16]:
    """Put 16-bit colours together, what is transparent on black; grey stays grey."""
    if other == "RGBA":  # grey and alpha, each with both its bytes
        upper, lower = lower[..., ::2], lower[..., 1::2]
    values = upper.astype(np.uint16)
    values <<= 8
    values |= lower
    if values.shape[-1] in (2, 4) and not other.startswith("RGBX"):
        # Alpha may have as few bits as the colours: the highest there is is opaque.
        alpha = values[..., -1:] / max(1, int(values[..., -1].max(initial=0)))
        values = np.rint(values[..., :-1] * alpha).astype(np.uint16)
    if isinstance(clear, tuple) and values.shape[-1] == len(clear):
        values[(values == np.array(clear)).all(axis=-1)] = 0
    return values[..., 0] if values.shape[-1] == 1 else values[..., :3]


def _eight_bit(picture: Image.Image) -> Pixels:
    upright = _upright(picture)
    width, height = upright.size
    step = max(1, _BAND // max(1, width))
    if height <= step:
        return np.asarray(_grey_or_rgb(upright), dtype=np.uint8)
    shown: Pixels | None = None
    for top in range(0, height, step):
        band = upright.crop((0, top, width, min(top + step, height)))
        pixels = np.asarray(_grey_or_rgb(band), dtype=np.uint8)
        if shown is None:
            shown = np.empty((height, *pixels.shape[1:]), dtype=np.uint8)
        shown[top : top + step] = pixels
    assert shown is not None
    return shown


def _grey_or_rgb(picture: Image.Image) -> Image.Image:
    """Bring a picture of 8 bits to grey or RGB, pixel by pixel, what is transparent on black."""
    mode = picture.mode
    if mode == "1":
        return picture.convert("L")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        solid = picture.convert("RGBA")
        black = Image.new("RGBA", solid.size, (0, 0, 0, 255))
        grey = mode in ("L", "LA", "La")
        return Image.alpha_composite(black, solid).convert("L" if grey else "RGB")
    return picture if mode == "L" else picture.convert("RGB")
