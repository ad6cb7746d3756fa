"""Augmentation moves pixels as it says, and no more than it says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replicate.spec import Augmentation
from replicate.training.augmentation import augmented


def changed(images: Tensor, seed: int = 0, **settings: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return augmented(images, Augmentation.model_validate(settings), generator)


IMAGES = torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def test_the_same_seed_gives_the_same_images() -> None:
    settings = {"rotation": 30, "zoom": 0.2, "translation": 0.1, "brightness": 0.3}
    assert torch.equal(changed(IMAGES, **settings), changed(IMAGES, **settings))
    assert not torch.equal(changed(IMAGES, **settings), changed(IMAGES, 1, **settings))


@pytest.mark.parametrize(("setting", "axis"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_flips_are_exact_and_about_half(setting: str, axis: int) -> None:
    found = changed(IMAGES, **{setting: True})
    flipped = [torch.equal(a, b.flip(axis - 1)) for a, b in zip(found, IMAGES, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(found, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 10 <= sum(flipped) <= 30


def test_translation_moves_by_at_most_its_share() -> None:
    images = torch.zeros(60, 1, 41, 41)
    images[:, :, 20, 20] = 1.0
    found = changed(images, translation=0.2)
    place = found.flatten(1).argmax(1)
    rows, columns = place // 41 - 20, place % 41 - 20
    assert max(rows.abs().max(), columns.abs().max()) <= 9
    assert rows.abs().max() >= 5
    assert columns.abs().max() >= 5


def test_rotation_turns_about_the_centre_in_degrees() -> None:
    images = torch.zeros(80, 1, 41, 41)
    images[:, :, 20, 30:33] = 1.0
    found = changed(images, rotation=30)
    weight = found.squeeze(1)
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    y = (weight * rows).sum((1, 2)) / weight.sum((1, 2))
    x = (weight * columns).sum((1, 2)) / weight.sum((1, 2))
    angle = torch.rad2deg(torch.atan2(y, x)).abs()
    assert angle.max() <= 31
    assert angle.max() > 20
    assert torch.hypot(x, y).sub(11).abs().max() < 0.6


def test_zoom_scales() -> None:
    images = torch.zeros(80, 1, 41, 41)
    images[:, :, 10:31, 10:31] = 1.0
    area = changed(images, zoom=0.3).sum((1, 2, 3)).sqrt() / 21
    assert area.min() == pytest.approx(0.7, abs=0.08)
    assert area.max() == pytest.approx(1.3, abs=0.08)


def test_brightness_scales_and_stays_an_image() -> None:
    found = changed(IMAGES, brightness=0.5)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    ratio = (found / IMAGES).flatten(1).median(1).values
    assert ratio.min() < 0.7
    assert ratio.max() > 1.0
    assert ratio.max() <= 1.5


def test_switching_one_on_leaves_the_others_numbers() -> None:
    dark = changed(IMAGES, horizontal_flip=True, brightness=0.2)
    light = (1.0 + (dark / changed(IMAGES, horizontal_flip=True) - 1)).flatten(1).median(1).values
    alone = (changed(IMAGES, brightness=0.2) / IMAGES).flatten(1).median(1).values
    assert light == pytest.approx(alone, abs=1e-4)
