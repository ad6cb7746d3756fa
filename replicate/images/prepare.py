"""From a decoded image to the square that a network sees."""

from __future__ import annotations

import numpy as np
from PIL import Image

from db.errors import UsageError
from replicate.images.image_set import Pixels

RESIZES = ("squash", "crop", "pad")


def prepared(pixels: Pixels, size: int, resize: str) -> Pixels:
    """Bring an image to a square of RGB.

    Shrinking is antialiased (Pillow's bilinear filter spans all source pixels).

    Parameters
    ----------
    pixels
        Height x width (grey) or height x width x 3 (RGB), uint8.
    size
        Side of the square in pixels.
    resize
        ``squash`` changes the aspect ratio, ``crop`` keeps the centre of the shorter side,
        ``pad`` adds black to the shorter side.

    Returns
    -------
    Pixels
        Shape (size, size, 3), contiguous.

    Raises
    ------
    UsageError
        Another word for `resize`.
    """
    height, width = pixels.shape[:2]
    if resize not in RESIZES:
        raise UsageError(f"resize: no such way {resize!r}.", f"Choose from {', '.join(RESIZES)}.")
    if height != width and resize == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    elif height != width and resize == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, *pixels.shape[2:]), dtype=np.uint8)
        square[top : top + height, left : left + width] = pixels
        pixels = square
    if pixels.shape[:2] != (size, size):
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        pixels = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels)
