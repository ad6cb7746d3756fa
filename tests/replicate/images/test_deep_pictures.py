"""Pictures of more than 8 bits keep all of them until they are spread, in grey and in colour."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from replicate.images.decoding import decode
from tests.deep_pictures import png, tiff

RNG = np.random.default_rng(10)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colours_are_spread_as_the_grey_image_beside_them(tmp_path: Path, bits: int) -> None:
    values = RNG.integers(0, 2**bits, (30, 20), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "grey.png")
    grey = decode(tmp_path / "grey.png")
    colours = np.stack([values] * 3, -1)
    forms = {
        "colour.png": png(colours),
        "alpha.png": png(np.concatenate([colours, np.full((30, 20, 1), 2**bits - 1)], -1)),
        **{
            f"{name}{packed}{strip}.tif": tiff(colours, order, packed=packed, strip=strip)
            for name, order in (("little", "<"), ("big", ">"))
            for packed in (False, True)
            for strip in (10**6, 7)
        },
        "alpha.tif": tiff(np.concatenate([colours, np.full((30, 20, 1), 2**16 - 1)], -1)),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        pixels = decode(tmp_path / name)
        assert pixels.shape == (30, 20, 3), name
        assert (pixels == grey[..., None]).all(), name
        assert len(np.unique(pixels)) > 200


def test_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (30, 20), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "grey.png")
    (tmp_path / "x.png").write_bytes(png(np.stack([values, np.full_like(values, 65535)], -1)))
    assert (decode(tmp_path / "x.png") == decode(tmp_path / "grey.png")).all()


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    values = RNG.integers(1000, 4096, (30, 20, 4), dtype=np.uint16)
    values[..., 3] = 65535
    values[:10, :, 3] = 0
    (tmp_path / "x.png").write_bytes(png(values))
    assert (decode(tmp_path / "x.png")[:10] == 0).all()
    values[:10, :, :3] = (7, 8, 900)
    clear = (b"tRNS", struct.pack(">HHH", 7, 8, 900))
    (tmp_path / "y.png").write_bytes(png(values[..., :3], clear))
    assert (decode(tmp_path / "y.png")[:10] == 0).all()
    assert (decode(tmp_path / "y.png")[10:] == decode(tmp_path / "x.png")[10:]).all()


def test_colours_keep_their_hue_and_orientation(tmp_path: Path) -> None:
    values = np.zeros((4, 6, 3), dtype=np.uint16)
    values[..., 0], values[0, :, 1], values[:, 0, 2] = 4000, 2000, 1000
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "x.png").write_bytes(png(values, (b"eXIf", exif.tobytes()[6:])))
    pixels = decode(tmp_path / "x.png").astype(float)
    assert np.abs(pixels - np.rot90(values, -1) / 4000 * 255).max() <= 1
