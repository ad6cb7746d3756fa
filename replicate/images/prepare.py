"""From a decoded image to the square that a network sees."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image

from replicate.images.image_set import Pixels
from replicate.spec import Preprocessing

#: Part of every key: raised when decoding or preparing changes what comes out.
VERSION = 2
#: Of a longer image only the middle is looked at: what is cut off at both ends anyway is not
#: enlarged first.
_LONGEST = 8


def decoders() -> dict[str, Any]:
    """Return what decides how bytes become pixels, beside the images: a part of every key.

    Pillow resizes and brings its own JPEG decoder; pydicom windows.
    """
    versions = {name: version(name) for name in ("pillow", "pydicom")}
    return {"version": VERSION, **versions}


def prepared(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Bring an image to a square of RGB: resized by Pillow, and its middle cut out.

    Shrinking is antialiased (Pillow's filters span all source pixels; only ``nearest`` does not).
    ``crop`` is what torchvision's `Resize` and `CenterCrop` do, to the pixel; the side before the
    cut is rounded down, as timm does.

    Parameters
    ----------
    pixels
        Height x width (grey) or height x width x 3 (RGB), uint8.
    preprocessing
        Size, resize, crop share and interpolation.

    Returns
    -------
    Pixels
        Shape (size, size, 3), contiguous.
    """
    filtering = Image.Resampling[preprocessing.interpolation.upper()]

    def resized(pixels: Pixels, height: int, width: int) -> Pixels:
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        return np.asarray(picture.resize((width, height), filtering))

    pixels = squared(pixels, preprocessing, resized, lambda shape: np.zeros(shape, np.uint8))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels)


def squared(
    pixels: Any,
    preprocessing: Preprocessing,
    resized: Callable[[Any, int, int], Any],
    black: Callable[[tuple[int, ...]], Any],
) -> Any:
    """Bring an array or a tensor, height x width (x 3), to a square; its kind brings the rest.

    Parameters
    ----------
    resized
        Resizes to a height and a width.
    black
        Makes a black one of a shape.
    """
    size = preprocessing.size
    before = int(size / preprocessing.crop_share + 1e-6)
    if preprocessing.resize == "crop":
        pixels = _middle(pixels, _LONGEST * min(pixels.shape[:2]))
    height, width = _sides(pixels.shape[0], pixels.shape[1], before, preprocessing.resize)
    if pixels.shape[:2] != (height, width):
        pixels = resized(pixels, height, width)
    if preprocessing.resize == "pad" and height != width:
        square = black((before, before, *pixels.shape[2:]))
        top, left = (before - height) // 2, (before - width) // 2
        square[top : top + height, left : left + width] = pixels
        pixels = square
    return _middle(pixels, size)


def _sides(height: int, width: int, side: int, resize: str) -> tuple[int, int]:
    """Return height and width after resizing: the shorter side's length is given, or the longer."""
    if resize == "squash" or height == width:
        return side, side
    shorter, longer = min(height, width), max(height, width)
    if resize == "crop":
        shorter, longer = side, int(side * longer / shorter)
    else:
        shorter, longer = max(1, round(side * shorter / longer)), side
    return (shorter, longer) if height < width else (longer, shorter)


def _middle(pixels: Any, most: int) -> Any:
    """Cut off what goes beyond so many pixels, on both sides alike."""
    height, width = pixels.shape[:2]
    # Rounded to the even number, as torchvision rounds.
    top, left = (round(max(0, side - most) / 2) for side in (height, width))
    return pixels[top : top + most, left : left + most]
