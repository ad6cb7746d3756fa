"""From values of any range to 8 bits; what is too large, and what broken bytes raise.

What is not declared is decided here, once, for pictures and DICOM alike: values beyond 8 bits
without a window are spread from their lowest to their highest half percent, all images of a set
(:mod:`replicate.images.ranges`) over one range.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from db.errors import ImagesError, UsageError
from replicate.images.image_set import Pixels
from replicate.images.windows import KEPT, Range

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

#: Percentiles of what is spread that are shown as 0 and 255.
CUT = (0.5, 99.5)

#: Values that are brought to 8 bits at a time.
_BLOCK = 2**20

#: Pixels of an image that its quantiles are taken of, and how many of these: every 0.5 percent.
_GRID = 2**16
_QUANTILES = 201

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
        said = [line.strip() for line in str(error).strip().splitlines()]
        # A heading says less than what stands under it.
        said = said[1:] if len(said) > 1 and said[0].endswith(":") else said
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


@dataclass(frozen=True, slots=True)
class Summary:
    """The values of an image: their extremes, whether all are whole, and evenly spaced quantiles.

    Each image of a set has as many quantiles, and so counts alike whatever its size.
    """

    lowest: float
    highest: float
    whole: bool
    quantiles: tuple[float, ...]


def summary(values: NDArray[Any], known: NDArray[np.bool_] | None = None) -> Summary | None:
    """Summarise the values that count, `known` or all that are finite; None where none does.

    Quantiles of a large image are those of a grid of its pixels.
    """
    if known is None and values.dtype.kind == "f":
        known = np.isfinite(values)
    counted = values if known is None else values[known]
    if counted.size == 0:
        return None
    step = max(1, math.isqrt(values.size // _GRID))
    grid = values[::step, ::step]
    thinned = grid if known is None else grid[known[::step, ::step]]
    if thinned.size == 0:
        thinned = counted
    quantiles = np.percentile(thinned.astype(np.float64), np.linspace(0, 100, _QUANTILES))
    lowest, highest = float(counted.min()), float(counted.max())
    return Summary(lowest, highest, _whole(counted), tuple(quantiles.tolist()))


def _whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.floor(values)).all())


def spread(summaries: Sequence[Summary]) -> Range:
    """Return the one range of all images that are summarised.

    Whole numbers that lie in 0 to 255 in all of them stay as they are. Others are
    spread from the 0.5th to the 99.5th percentile of all images together.
    """
    lowest = min(one.lowest for one in summaries)
    highest = max(one.highest for one in summaries)
    if lowest >= 0 and highest <= 255 and all(one.whole for one in summaries):
        return KEPT
    together = np.concatenate([one.quantiles for one in summaries])
    low, high = np.percentile(together, CUT).tolist()
    return (low, high) if high > low else (lowest, highest)


def scaled(values: NDArray[Any], what: str, known: NDArray[np.bool_] | None = None) -> Pixels:
    """Bring values of any range to 0 to 255, by their own range.

    Whole numbers that already lie in 0 to 255 stay as they are. Others are spread linearly so
    that their 0.5th and 99.5th percentile become 0 and 255. Only values that are `known` count;
    what is not finite is shown as the lowest.

    Raises
    ------
    ImagesError
        No value counts.
    """
    finite = None if values.dtype.kind in "iu" else np.isfinite(values)
    if finite is not None and not finite.all():
        known = finite if known is None else known & finite
    counted = values if known is None else values[known]
    if counted.size == 0:
        raise ImagesError(f"{what}: holds no finite value.", MEND)
    lowest, highest = float(counted.min()), float(counted.max())
    if lowest >= 0 and highest <= 255 and _whole(counted):
        low, high = KEPT
    else:
        # Unsigned numbers are exact in their own type, which takes a quarter of the room.
        wide = counted if counted.dtype.kind == "u" else counted.astype(np.float64)
        low, high = np.percentile(wide, CUT, overwrite_input=wide is not counted).tolist()
        if high <= low:
            low, high = lowest, highest
    return windowed(values, low, high)


def windowed(values: NDArray[Any], low: float, high: float) -> Pixels:
    """Spread values from `low` to `high` over 0 to 255 and cut what lies beyond."""
    if values.dtype == np.uint8 and (low, high) == KEPT:
        return values.copy()
    shown = np.empty(values.shape, dtype=np.uint8)
    # Some rows at a time: the largest picture takes gigabytes in double precision.
    step = max(1, _BLOCK * len(values) // max(1, values.size))
    for start in range(0, len(values), step):
        rows = values[start : start + step].astype(np.float64)
        if values.dtype.kind == "f":
            np.nan_to_num(rows, copy=False, nan=low, posinf=low, neginf=low)
        if high > low:
            rows -= low
            rows /= high - low
            np.clip(rows, 0.0, 1.0, out=rows)
            rows *= 255.0
            shown[start : start + step] = np.rint(rows, out=rows)
        else:
            shown[start : start + step] = np.where(rows > low, 255, 0)
    return shown
