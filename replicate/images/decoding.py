"""Image files of any kind, mode and depth to 8-bit grey or RGB; bad files are told by name.

What a file declares is honoured (palette, EXIF orientation, DICOM window). What it does not
declare is decided here and in :mod:`replicate.images.levels`: transparency lies on black, the
background of radiographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from db.errors import ImagesError
from replicate.images.apart import decode_apart
from replicate.images.bounds import FORMATS, decodes_quickly, read_bounded
from replicate.images.image_set import Pixels
from replicate.images.levels import MEND, SMALLER, chosen_frame, scaled, told_by_name, too_large

PICTURES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".gif", ".webp", ".pgm", ".ppm", ".pnm"),
    )
)
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


def decode(path: Path, frame: str | None = None) -> Pixels:
    """Read an image file.

    Parameters
    ----------
    path
        A picture (:data:`PICTURES`) or DICOM.
    frame
        Which of several frames: ``first``, ``middle``, ``last`` or a number from 1. None is the
        middle one of DICOM and the first of other files (further pages are often thumbnails).

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
    try:
        if path.stat().st_size == 0:
            raise ImagesError(f"{path}: the file is empty (0 bytes).", MEND)
        if is_dicom(path):
            from replicate.images.dicom import decode_dicom

            return decode_dicom(path, frame or "middle")
        content = read_bounded(path) if frame in (None, "first", "1") else None
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if content is not None:
        with _opened(path, BytesIO(content)) as picture:
            if decodes_quickly(picture, content):
                return _eight_bit(picture, path)
    return decode_apart(path, frame)


def decode_here(path: Path, frame: str | None = None) -> Pixels:
    """Read an image file in this process, however long it takes; see :func:`decode`."""
    if is_dicom(path):
        from replicate.images.dicom import decode_dicom_here

        return decode_dicom_here(path, frame or "middle")
    with _opened(path, path) as picture:
        picture.seek(_frame_index(path, picture, frame or "first"))
        too_large(path, picture.width * picture.height)
        return _eight_bit(picture, path)


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


def _eight_bit(picture: Image.Image, path: Path) -> Pixels:
    upright = _upright(picture)
    if upright.mode.startswith(("I", "F")):
        return scaled(np.asarray(upright), str(path))
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
