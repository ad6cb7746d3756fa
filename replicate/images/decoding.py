"""Image files of any kind, mode and depth to 8-bit grey or RGB; bad files are told by name.

What a file declares is honoured (palette, EXIF orientation, DICOM window). What it does not
declare is decided here, once: transparency lies on black, the background of radiographs; values
beyond 8 bits without a window are spread from their lowest to their highest half percent.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from db.errors import ImagesError, UsageError
from replicate.images.image_set import Pixels

PICTURES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".gif", ".webp", ".pgm", ".ppm", ".pnm"),
    )
)
DICOM = frozenset((".dcm", ".dicom", ".ima"))
FRAMES = ("first", "middle", "last")

#: More is a bomb or a whole slide; neither fits a network's input (Pillow's own limit).
MOST_PIXELS = 89_478_485

#: What Pillow's decoders raise on bytes that are not what they claim to be.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    AssertionError,
    NotImplementedError,
    RuntimeError,
)


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
            raise ImagesError(f"{path}: the file is empty (0 bytes).", _MEND)
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if is_dicom(path):
        from replicate.images.dicom import decode_dicom

        return decode_dicom(path, frame or "middle")
    try:
        with Image.open(path) as picture:
            too_large(path, picture.width * picture.height)
            picture.seek(chosen_frame(path, frame or "first", getattr(picture, "n_frames", 1)))
            return _eight_bit(picture, path)
    except Image.DecompressionBombError as error:
        raise ImagesError(f"{path}: {error}", _TOO_LARGE) from error
    except MemoryError as error:
        raise ImagesError(f"{path}: not enough memory to decode it.", _TOO_LARGE) from error
    except BROKEN as error:
        raise ImagesError(f"{path}: cannot be decoded ({_first_line(error)}).", _MEND) from error


_MEND = "Fetch the file again or take it out; a run never skips an image silently."
_TOO_LARGE = "Cut it into tiles, or store it smaller."


def too_large(path: Path, pixels: int) -> None:
    """Refuse an image of more than :data:`MOST_PIXELS` before it is decoded."""
    if pixels > MOST_PIXELS:
        raise ImagesError(
            f"{path}: {pixels:,} pixels are more than the {MOST_PIXELS:,} that are decoded.",
            _TOO_LARGE,
        )


def chosen_frame(path: Path, frame: str, count: int) -> int:
    """Return the index of a frame that is named ``first``, ``middle``, ``last`` or 1, 2, ..."""
    if frame in FRAMES:
        return {"first": 0, "middle": (count - 1) // 2, "last": count - 1}[frame]
    if frame.isdecimal() and int(frame) >= 1:
        if int(frame) > count:
            raise ImagesError(f"{path}: has {count} frames, and no frame {frame}.")
        return int(frame) - 1
    raise UsageError(
        f"frame: no such choice {frame!r}.", f"Choose {', '.join(FRAMES)} or a number from 1."
    )


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


def scaled(values: NDArray[np.float64], what: str) -> Pixels:
    """Bring values of any range to 0 to 255.

    Whole numbers that already lie in 0 to 255 stay as they are. Others are spread linearly so
    that their 0.5th and 99.5th percentile become 0 and 255; what is not finite counts as lowest.

    Raises
    ------
    ImagesError
        No value is finite.
    """
    finite = np.isfinite(values)
    if not finite.any():
        raise ImagesError(f"{what}: holds no finite value.", _MEND)
    known = values[finite]
    lowest, highest = float(known.min()), float(known.max())
    values = np.where(finite, values, lowest)
    if lowest >= 0 and highest <= 255 and bool((known == np.floor(known)).all()):
        return values.astype(np.uint8)
    low, high = (float(x) for x in np.percentile(known, (0.5, 99.5)))
    if high <= low:
        low, high = lowest, highest
    return windowed(values, low, high)


def windowed(values: NDArray[np.float64], low: float, high: float) -> Pixels:
    """Spread values from `low` to `high` over 0 to 255 and cut what lies beyond."""
    if high <= low:
        return np.where(values > low, 255, 0).astype(np.uint8)
    spread = np.clip((values - low) / (high - low), 0.0, 1.0) * 255.0
    return np.rint(spread).astype(np.uint8)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__
