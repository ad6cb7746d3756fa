"""JPEG files decoded and resized on a CUDA device, where a run may do without the same bits again.

nvJPEG's pixels differ from those of Pillow's decoder in their rounding and in how colours between
samples are filled in: the recipe of features tells the two apart, and pixels that are kept are
Pillow's alone. Every file that is not plain, or that the device does not take, is Pillow's too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from replicate.images.image_set import Encoded, ImageSet
from replicate.images.prepare import squared
from replicate.spec import Preprocessing
from replicate.training.compute import Compute
from replicate.training.pixels import Indices, decoder

#: Filters of Pillow's that torch has, too; its nearest is another where two pixels are as near.
_FILTERS = ("bilinear", "bicubic")
#: Most bytes of files and their pixels in one call, however many images a pass has.
_TOGETHER = 2**28


def wanted(images: ImageSet, preprocessing: Preprocessing, compute: Compute) -> bool:
    """Tell whether a set's plain JPEG files are decoded on the device."""
    return (
        compute.loose
        and images.encoded is not None
        and preprocessing.interpolation in _FILTERS
        and works(compute.device)
    )


@cache
def works(device: str) -> bool:
    """Tell whether torchvision decodes a JPEG file on a device: its build and driver decide."""
    stream = BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG")
    # A device without its number is that of the thread.
    place = torch.empty(0, device=device).device
    return _decoded([Encoded(stream.getvalue(), 256)], place) != [None]


def device_decoder(
    images: ImageSet, preprocessing: Preprocessing, device: str
) -> Callable[[Indices], Tensor]:
    """Return what decodes a batch to shape (n, size, size, 3), uint8, on the device.

    Threads may call it beside each other. An image that cannot be read raises an ImagesError,
    which names it.
    """
    by_pillow, size = decoder(images, preprocessing), preprocessing.size

    def decode(batch: Indices) -> Tensor:
        pixels = torch.empty((len(batch), size, size, 3), dtype=torch.uint8, device=device)
        left: list[int] = []
        for places, files in _portions(images, batch, left):
            for place, found in zip(places, _decoded(files, pixels.device), strict=True):
                if found is None or not _placed(found, preprocessing, pixels[place]):
                    left.append(place)
        if left:
            left.sort()  # the first that cannot be read is the one that is named
            pixels[left] = torch.from_numpy(by_pillow(batch[left])).to(device)
        return pixels

    return decode


def _portions(
    images: ImageSet, batch: Indices, left: list[int]
) -> Iterator[tuple[list[int], list[Encoded]]]:
    """Yield places and files of a batch, as many as may be decoded together; others are `left`."""
    places: list[int] = []
    files: list[Encoded] = []
    taken = 0
    for place, index in enumerate(batch.tolist()):
        file = images.encoded(index) if images.encoded else None
        if file is None:
            left.append(place)
            continue
        needed = 3 * file.pixels + len(file.content)
        if files and taken + needed > _TOGETHER:
            yield places, files
            places, files, taken = [], [], 0
        places.append(place)
        files.append(file)
        taken += needed
    if files:
        yield places, files


def _decoded(files: list[Encoded], device: torch.device) -> list[Tensor | None]:
    """Return files decoded in one call, each 3 x height x width; None of what is not taken."""
    try:
        from torchvision.io import ImageReadMode, decode_jpeg

        # torch takes memory that may be written to alone, and keeps it.
        contents = [torch.frombuffer(bytearray(one.content), dtype=torch.uint8) for one in files]
        return list(decode_jpeg(contents, mode=ImageReadMode.RGB, device=device))
    # torchvision 0.29 announces that the function will go: where it has, Pillow decodes.
    except (ImportError, DeprecationWarning, AttributeError, RuntimeError, ValueError, TypeError):
        # One file fails the call: halves find it in few.
        if len(files) == 1:
            return [None]
        middle = len(files) // 2
        return _decoded(files[:middle], device) + _decoded(files[middle:], device)


def _placed(found: Tensor, preprocessing: Preprocessing, place: Tensor) -> bool:
    """Prepare an image as :func:`replicate.images.prepare.prepared` does; no where it cannot be."""

    def resized(pixels: Tensor, height: int, width: int) -> Tensor:
        image = pixels.permute(2, 0, 1)[None].float()
        mode = preprocessing.interpolation
        image = interpolate(image, (height, width), mode=mode, antialias=True)
        return image[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)

    try:
        place.copy_(squared(found.permute(1, 2, 0), preprocessing, resized, found.new_zeros))
    except RuntimeError:  # memory is short, or it shrinks by more than CUDA's filters span
        return False
    return True
