from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from replicate.images.image_set import ImageSet, Pixels, of_arrays
from replicate.images.phantom import open_phantom
from replicate.splits import hashes
from replicate.splits.hashes import (
    Hashes,
    difference_hash,
    distances,
    hash_images,
    kept_hashes,
    near_pairs,
)


def flipped(words: np.ndarray, rng: np.random.Generator, bits: int) -> np.ndarray:
    """The same hash with so many other bits."""
    octets = words.view(np.uint8).copy()
    for bit in rng.choice(256, bits, replace=False):
        octets[bit // 8] ^= 1 << (bit % 8)
    return octets.view(np.uint64)


def test_distance_counts_bits() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**63, 4, dtype=np.uint64)
    for bits in (0, 1, 16, 255):
        assert distances(words, flipped(words, rng, bits)) == bits


def test_the_hash_survives_size_jpeg_and_contrast_and_tells_images_apart() -> None:
    images = open_phantom("phantom:xray?n=40&size=128")
    first, second = images.read(0), images.read(20)
    plain, flat = difference_hash(first)
    assert not flat
    picture = Image.fromarray(first)
    smaller = np.asarray(picture.resize((80, 80), Image.Resampling.LANCZOS))
    softer = (first * 0.7 + 20).astype(np.uint8)
    assert distances(plain, difference_hash(smaller)[0]) <= 8
    assert distances(plain, difference_hash(softer)[0]) <= 12
    assert distances(plain, difference_hash(second)[0]) > 24


def test_flat_images_are_marked() -> None:
    assert difference_hash(np.full((40, 40), 7, np.uint8))[1]


def brute(words: np.ndarray, threshold: int) -> set[tuple[int, int, int]]:
    far = distances(words[:, None], words[None])
    return {
        (i, j, int(far[i, j])) for i, j in zip(*np.nonzero(far <= threshold), strict=True) if i < j
    }


@pytest.mark.parametrize("threshold", [0, 6, 16, 24, 40])
def test_the_search_finds_all_pairs_whichever_way_it_goes(
    threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(threshold)
    words = rng.integers(0, 2**63, (300, 4), dtype=np.uint64)
    for index in range(100):
        words[200 + index] = flipped(words[index], rng, int(rng.integers(0, 45)))
    expected = brute(words, threshold)
    assert threshold == 0 or expected
    for most in (10_000, 0):
        monkeypatch.setattr(hashes, "ALL_PAIRS", most)
        found = near_pairs(words, threshold)
        assert set(zip(*(part.tolist() for part in found), strict=True)) == expected


@pytest.mark.parametrize("most", [10_000, 0])
def test_turned_hashes_are_compared_crosswise(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "ALL_PAIRS", most)
    rng = np.random.default_rng(5)
    words = rng.integers(0, 2**63, (50, 4), dtype=np.uint64)
    other = rng.integers(0, 2**63, (50, 4), dtype=np.uint64)
    other[7] = flipped(words[30], rng, 3)
    other[9] = words[9]  # an image that looks like itself when it is turned is no copy
    found = near_pairs(words, 6, [other])
    assert list(zip(*(part.tolist() for part in found), strict=True)) == [(7, 30, 3)]


def test_a_hundred_thousand_hashes_are_searched_in_seconds() -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**63, (100_000, 4), dtype=np.uint64)
    words[99_999] = flipped(words[5], rng, 16)
    first, second, far = near_pairs(words, 16)
    assert (first.tolist(), second.tolist(), far.tolist()) == ([5], [99_999], [16])


def test_pixels_count_not_how_they_are_kept() -> None:
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 256, (3, 20, 30), dtype=np.uint8)
    rgb = np.repeat(grey[:, :, :, None], 3, axis=3)
    tinted = rgb.copy()
    tinted[0, 0, 0, 0] ^= 1
    labels = np.array([0, 1, 1])
    plain, same, other = (
        hash_images(of_arrays("x", images, labels, "ab")) for images in (grey, rgb, tinted)
    )
    assert (plain.pixels == same.pixels).all()
    assert (plain.words == same.words).all()
    assert (plain.pixels == other.pixels).tolist() == [False, True, True]


@pytest.mark.parametrize("turned", [False, True])
def test_hashes_are_kept_by_what_decides_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 20, 30, 3), dtype=np.uint8)
    images = of_arrays("x", pixels, np.zeros(9, dtype=np.int64), "a")
    seen: list[int] = []

    def read(index: int) -> Pixels:
        seen.append(index)
        return images.read(index)

    watched = replace(images, read=read)
    expected = hash_images(images, turned=turned)

    def same(many: int, found: ImageSet = watched) -> bool:
        made = kept_hashes(found, tmp_path, turned=turned)
        equal = all(
            np.array_equal(getattr(made, one.name), getattr(expected, one.name))
            for one in fields(Hashes)
        )
        return len(seen) == many and equal

    assert same(9)
    assert same(9)
    assert not same(18, watched.subset([8, 1, 2, 3, 4, 5, 6, 7, 0]))  # the order counts
    kept_hashes(watched, tmp_path, turned=not turned)
    monkeypatch.setattr("replicate.images.prepare.version", lambda name: f"{name} of tomorrow")
    assert same(36)
    for path in (tmp_path / "hashes").iterdir():
        content = bytearray(path.read_bytes())
        content[content.find(b"NUMPY") + 150] ^= 255  # in the first array
        path.write_bytes(content[: len(content) * 4 // 5] if turned else content)
    assert same(45)
    assert same(45)
