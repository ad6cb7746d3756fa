from __future__ import annotations

import numpy as np
import pytest

from db.errors import UsageError
from replicate.images.prepare import RESIZES, prepared

WIDE = np.zeros((20, 40), np.uint8)
WIDE[:, 10:30] = 200


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [(30, 50), (50, 30, 3), (32, 32), (2, 7), (64, 64, 3)])
def test_every_image_becomes_a_square_of_rgb(resize: str, shape: tuple[int, ...]) -> None:
    pixels = prepared(np.full(shape, 90, np.uint8), 32, resize)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert 80 <= pixels.max() <= 90


def test_squash_loses_the_aspect_crop_and_pad_keep_it() -> None:
    squashed, cropped, padded = (prepared(WIDE, 20, resize)[:, :, 0] for resize in RESIZES)
    assert (squashed[:, 6:14] == 200).all()
    assert (squashed[:, :4] == 0).all()
    assert (cropped == 200).all()
    assert (padded[:4] == 0).all()
    assert (padded[8:12, 7:13] == 200).all()


def test_shrinking_is_antialiased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = prepared(stripes, 8, "squash")
    assert np.abs(small.astype(int) - 127).max() <= 20


def test_an_image_that_fits_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (prepared(image, 16, "crop") == image).all()


def test_unknown_way() -> None:
    with pytest.raises(UsageError, match="no such way 'stretch'"):
        prepared(WIDE, 20, "stretch")
