"""Image files of any kind, mode and depth to 8-bit grey or RGB; bad files are told by name.

What a file declares is honoured (palette, EXIF orientation, DICOM window). What it does not
declare is decided here and in :mod:`replicate.images.levels`: transparency lies on black, the
background of radiographs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from db.errors import ImagesError
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
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if is_dicom(path):
        from replicate.images.dicom import decode_dicom

        return decode_dicom(path, frame or "middle")
    try:
        with told_by_name(path), Image.open(path) as picture:
            too_large(path, picture.width * picture.height)
            picture.seek(chosen_frame(path, frame or "first", getattr(picture, "n_frames", 1)))
            return _eight_bit(picture, path)
    except Image.DecompressionBombError as error:
        raise ImagesError(f"{path}: {error}", SMALLER) from error


def _eight_bit(picture: Image.Image, path: Path) -> Pixels:
    upright = ImageOps.exif_transpose(picture)
    mode = upright.mode
    if mode.startswith(("I", "F")):
        values = np.asarray(upright, dtype=np.float64)
        return scaled(values, str(path))
    if mode == "1":
        upright = upright.convert("L")
    elif mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in upright.info:
        solid = upright.convert("RGBA")
        black = Image.new("RGBA", solid.size, (0, 0, 0, 255))
        grey = mode in ("L", "LA", "La")
        upright = Image.alpha_composite(black, solid).convert("L" if grey else "RGB")
    elif mode != "L":
        upright = upright.convert("RGB")
    return np.asarray(upright, dtype=np.uint8)
