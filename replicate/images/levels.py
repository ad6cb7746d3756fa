"""From values of any range to 8 bits; what is too large, and what broken bytes raise.

What is not declared is decided here, once, for pictures and DICOM alike: values beyond 8 bits
without a window are spread from their lowest to their highest half percent.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from db.errors import ImagesError, UsageError
from replicate.images.image_set import Pixels

# What decoders remark names no file; what is wrong with one is an error that does. At the end of
# the filters, so that the user's own come first.
for _decoder in ("PIL", "pydicom"):
    warnings.filterwarnings("ignore", module=rf"{_decoder}\.", append=True)

FRAMES = ("first", "middle", "last")

#: More is a bomb or a whole slide; neither fits a network's input (Pillow's own limit).
MOST_PIXELS = 89_478_485

#: What decoders of images and torch's readers raise on bytes that are not what they claim to be.
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
    RuntimeError,
)

#: Values that are brought to 8 bits at a time.
_BLOCK = 2**20

MEND = "Fetch the file again or take it out; a run never skips an image silently."
SMALLER = "Cut it into tiles, or store it smaller."


@contextmanager
def told_by_name(
    path: Path, hint: str = MEND, broken: tuple[type[Exception], ...] = BROKEN
) -> Iterator[None]:
    """Turn what a decoder raises on a file into an error that names it.

    Parameters
    ----------
    hint
        What to do about a broken file.
    broken
        What the decoder raises on bytes that are not what they claim to be.

    Raises
    ------
    ImagesError
        The decoder raised one of `broken`, or ran out of memory.
    """
    try:
        yield
    except MemoryError as error:
        raise ImagesError(f"{path}: not enough memory to decode it.", SMALLER) from error
    except UnidentifiedImageError:
        raise  # its message names a stream; who opened the file knows its path
    except broken as error:
        said = str(error).strip().splitlines()
        reason = said[0].rstrip(".") if said else type(error).__name__
        raise ImagesError(f"{path}: cannot be decoded ({reason}).", hint) from error


def too_large(path: Path, pixels: int) -> None:
    """Refuse an image of more than :data:`MOST_PIXELS` before it is decoded."""
    if pixels > MOST_PIXELS:
        raise ImagesError(
            f"{path}: {pixels:,} pixels are more than the {MOST_PIXELS:,} that are decoded.",
            SMALLER,
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


def scaled(values: NDArray[Any], what: str) -> Pixels:
    """Bring values of any range to 0 to 255.

    Whole numbers that already lie in 0 to 255 stay as they are. Others are spread linearly so
    that their 0.5th and 99.5th percentile become 0 and 255; what is not finite counts as lowest.

    Raises
    ------
    ImagesError
        No value is finite.
    """
    known, whole = values, values.dtype.kind in "iu"
    if not whole:
        finite = np.isfinite(values)
        if not finite.all():
            known = values[finite]
        if known.size == 0:
            raise ImagesError(f"{what}: holds no finite value.", MEND)
    lowest, highest = float(known.min()), float(known.max())
    if known is not values:
        values = np.where(finite, values, lowest)
    within = lowest >= 0 and highest <= 255
    if within and (whole or bool((known == np.floor(known)).all())):
        return values.astype(np.uint8)
    # Unsigned numbers are exact in their own type, which takes a quarter of the room.
    wide = known if known.dtype.kind == "u" else known.astype(np.float64)
    low, high = np.percentile(wide, (0.5, 99.5), overwrite_input=wide is not known).tolist()
    if high <= low:
        low, high = lowest, highest
    return windowed(values, low, high)


def windowed(values: NDArray[Any], low: float, high: float) -> Pixels:
    """Spread values from `low` to `high` over 0 to 255 and cut what lies beyond."""
    shown = np.empty(values.shape, dtype=np.uint8)
    # Some rows at a time: the largest picture takes gigabytes in double precision.
    step = max(1, _BLOCK * len(values) // max(1, values.size))
    for start in range(0, len(values), step):
        rows = values[start : start + step].astype(np.float64)
        if high > low:
            rows -= low
            rows /= high - low
            np.clip(rows, 0.0, 1.0, out=rows)
            rows *= 255.0
            shown[start : start + step] = np.rint(rows, out=rows)
        else:
            shown[start : start + step] = np.where(rows > low, 255, 0)
    return shown
