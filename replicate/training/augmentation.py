"""Random changes of training images, on the device, a whole batch at a time.

Not by ``torchvision.transforms.v2``, which changes a whole batch alike and draws from the global
generator: results that are kept hang on these numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from replicate.spec import Augmentation


def augmented(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image of a batch in its own way.

    Rotation, translation and zoom are one bilinear resampling; what moves in from outside repeats
    the edge. An image is zoomed by a factor from 1 - zoom to 1 + zoom. Flips move pixels exactly.

    Parameters
    ----------
    images
        Shape (n, channels, side, side), values from 0 to 1.
    generator
        On the CPU: the random numbers are the same whatever device the images are on.
    """
    count = len(images)

    def uniform(reach: float) -> Tensor:
        return (2.0 * torch.rand(count, generator=generator) - 1.0) * reach

    def half() -> Tensor:
        chosen = torch.rand(count, generator=generator) < 0.5
        return chosen.to(images.device).reshape(-1, 1, 1, 1)

    # All are drawn whether used or not: switching one on leaves the others' numbers as they are.
    mirrored, upended = half(), half()
    angle = uniform(math.radians(settings.rotation))
    # The grid runs from -1 to 1: a share of the side is twice that in its units.
    across, down = uniform(2.0 * settings.translation), uniform(2.0 * settings.translation)
    scale = 1.0 / (1.0 + uniform(settings.zoom))
    light = (1.0 + uniform(settings.brightness)).to(images.device).reshape(-1, 1, 1, 1)
    if settings.horizontal_flip:
        images = torch.where(mirrored, images.flip(3), images)
    if settings.vertical_flip:
        images = torch.where(upended, images.flip(2), images)
    if settings.rotation or settings.translation or settings.zoom:
        cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
        rows = (torch.stack((cosine, -sine, across), 1), torch.stack((sine, cosine, down), 1))
        theta = torch.stack(rows, 1).to(images.device, images.dtype)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        images = functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
    if settings.brightness:
        images = (images * light).clamp(0.0, 1.0)
    return images.contiguous(memory_format=torch.channels_last)
