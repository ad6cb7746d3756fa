from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from replicate.images.prepare import prepared
from replicate.networks.builders import registry
from replicate.spec import Preprocessing

WIDE = np.zeros((20, 40), np.uint8)
WIDE[:, 10:30] = 200
RESIZES = ("squash", "crop", "pad")
FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")


def square(pixels: np.ndarray, size: int, resize: str = "squash", **others: object) -> np.ndarray:
    return prepared(
        pixels, Preprocessing.model_validate({"size": size, "resize": resize, **others})
    )


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("share", [0.5, 0.875, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(30, 50), (50, 30, 3), (32, 32), (2, 7), (64, 64, 3), (1, 900)])
def test_every_image_becomes_a_square_of_rgb(
    resize: str, share: float, shape: tuple[int, ...]
) -> None:
    for interpolation in FILTERS:
        image = np.full(shape, 90, np.uint8)
        pixels = square(image, 32, resize, crop_share=share, interpolation=interpolation)
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert 80 <= pixels.max() <= 90
        assert resize == "pad" or pixels.min() >= 80


def test_squash_loses_the_aspect_crop_and_pad_keep_it() -> None:
    squashed, cropped, padded = (square(WIDE, 20, resize)[:, :, 0] for resize in RESIZES)
    assert (squashed[:, 6:14] == 200).all()
    assert (squashed[:, :4] == 0).all()
    assert (cropped == 200).all()
    assert (padded[:4] == 0).all()
    assert (padded[8:12, 7:13] == 200).all()


def test_shrinking_is_antialiased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    assert np.abs(square(stripes, 16).astype(int) - 127).max() <= 20


def test_an_image_that_fits_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for resize in RESIZES:
        assert (square(image, 16, resize) == image).all()


def test_the_longest_images_need_no_more_memory_than_others() -> None:
    for shape in ((3, 200_000), (200_000, 3)):
        for resize in RESIZES:
            assert square(np.zeros(shape, np.uint8), 512, resize, crop_share=0.5).max() == 0


def pictures() -> Iterator[np.ndarray]:
    """Photographs of scikit-learn, whole and cut to odd sides, and noise."""
    from sklearn.datasets import load_sample_image

    random = np.random.default_rng(7)
    for name in ("china.jpg", "flower.jpg"):
        whole = load_sample_image(name)
        yield whole
        for _ in range(6):
            height, width = random.integers(60, 427, 2)
            yield whole[:height, : width + 100]
    yield random.integers(0, 256, (301, 299, 3), dtype=np.uint8)
    yield random.integers(0, 256, (90, 400, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_crop_is_torchvisions_resize_and_center_crop_to_the_pixel(interpolation: str) -> None:
    from torchvision.transforms import functional

    for pixels in pictures():
        for before, size in ((256, 224), (342, 299), (232, 224), (64, 64), (320, 300)):
            kind = functional.InterpolationMode(interpolation)
            small = functional.resize(Image.fromarray(pixels), before, kind)
            theirs = np.asarray(functional.center_crop(small, [size, size]))
            share = np.floor(size / before * 1e6) / 1e6
            ours = square(pixels, size, "crop", crop_share=share, interpolation=interpolation)
            assert (ours == theirs).all()


def test_timms_networks_see_what_timm_shows_them() -> None:
    timm = pytest.importorskip("timm")
    from timm.data import create_transform, resolve_data_config

    for builder in registry().builders:
        if builder.library != "timm":
            continue
        data = resolve_data_config(
            pretrained_cfg=timm.get_pretrained_cfg(builder.builder).to_dict()
        )
        transform = create_transform(**data, normalize=False)
        documented = Preprocessing(
            size=builder.size,
            resize="crop",
            crop_share=builder.crop_share,
            interpolation=builder.interpolation,
        )
        for pixels in pictures():
            theirs = np.asarray(transform(Image.fromarray(pixels)))
            assert (prepared(pixels, documented) == theirs.transpose(1, 2, 0)).all(), builder.name
