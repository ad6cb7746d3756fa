from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.errors import ImagesError, UsageError
from replicate.images import levels
from replicate.images.decoding import decode, is_image
from replicate.images.levels import scaled

RAMP = np.linspace(0, 255, 24 * 20).reshape(24, 20).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "webp", "pgm"])
def test_grey_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(RAMP), **options)
    pixels = decode(path)
    if pixels.ndim == 3:  # WebP knows no grey
        assert (pixels == pixels[:, :, :1]).all()
        pixels = pixels[:, :, 0]
    assert pixels.dtype == np.uint8
    assert (pixels == RAMP).all()


def test_jpeg_is_read_nearly_as_it_was(tmp_path: Path) -> None:
    pixels = decode(saved(tmp_path / "x.jpg", Image.fromarray(RAMP), quality=95))
    assert pixels.shape == RAMP.shape
    assert np.abs(pixels.astype(int) - RAMP).max() <= 6


def test_one_bit_and_palette(tmp_path: Path) -> None:
    bits = RAMP > 100
    assert (decode(saved(tmp_path / "b.png", Image.fromarray(bits))) == bits * 255).all()
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[:, 4:] = (200, 10, 30)
    palette = Image.fromarray(colour).quantize(2)
    assert palette.mode == "P"
    assert (decode(saved(tmp_path / "p.png", palette)) == colour).all()


def test_transparency_lies_on_black(tmp_path: Path) -> None:
    rgba = np.full((6, 6, 4), 200, np.uint8)
    rgba[:3, :, 3] = 0
    rgba[3:, :, 3] = 255
    pixels = decode(saved(tmp_path / "a.png", Image.fromarray(rgba)))
    assert pixels.shape == (6, 6, 3)
    assert (pixels[:3] == 0).all()
    assert (pixels[3:] == 200).all()
    grey = decode(saved(tmp_path / "la.png", Image.fromarray(rgba).convert("LA")))
    assert grey.shape == (6, 6)
    assert (grey[:3] == 0).all()
    assert (grey[3:] == 200).all()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    pixels = decode(saved(tmp_path / "c.tif", Image.new("CMYK", (5, 4), (0, 255, 255, 0))))
    assert pixels.shape == (4, 5, 3)
    assert pixels[0, 0, 0] > 200 > 60 > pixels[0, 0, 1]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey_is_spread_over_eight_bits(tmp_path: Path, dtype: type) -> None:
    deep = np.linspace(100, 4000, 30 * 40).reshape(30, 40).astype(dtype)
    pixels = decode(saved(tmp_path / "x.tif", Image.fromarray(deep)))
    assert pixels.dtype == np.uint8
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)
    assert (np.diff(pixels.reshape(-1).astype(int)) >= 0).all()
    expected = (2050.0 - 100) / 3900 * 255
    assert abs(float(np.median(pixels)) - expected) < 3


def test_eight_bits_in_a_deep_file_stay_as_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(RAMP.astype(np.uint16)))
    assert Image.open(path).mode.startswith("I")
    assert (decode(path) == RAMP).all()


def test_spreading_knows_holes_and_constants() -> None:
    values = np.array([[np.nan, -5.0], [0.5, np.inf]])
    assert scaled(values, "x").tolist() == [[0, 0], [255, 0]]
    assert (scaled(np.full((2, 2), 7000.0), "x") == 0).all()
    with pytest.raises(ImagesError, match="no finite value"):
        scaled(np.full((2, 2), np.nan), "x")


def test_exif_turns_the_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned a quarter clockwise
    path = saved(tmp_path / "x.png", Image.fromarray(RAMP), exif=exif)
    assert (decode(path) == np.rot90(RAMP, -1)).all()


def test_frames_are_chosen_by_name(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4, 4), grey, np.uint8)) for grey in (10, 20, 30, 40)]
    path = tmp_path / "x.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    chosen = {frame: int(decode(path, frame)[0, 0]) for frame in ("first", "middle", "last", "3")}
    assert chosen == {"first": 10, "middle": 20, "last": 40, "3": 30}
    assert decode(path)[0, 0] == 10
    with pytest.raises(ImagesError, match="has 4 frames, and no frame 5"):
        decode(path, "5")
    with pytest.raises(UsageError, match="no such choice 'best'"):
        decode(path, "best")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "gif", "webp"])
def test_cut_off_files_are_told_by_name(tmp_path: Path, suffix: str) -> None:
    whole = saved(tmp_path / f"whole.{suffix}", Image.fromarray(RAMP)).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for share in (0.05, 0.5):
        path.write_bytes(whole[: max(1, int(len(whole) * share))])
        with pytest.raises(ImagesError, match=r"cut\.") as caught:
            decode(path)
        assert caught.value.hint


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_files_never_end_in_a_traceback(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    for suffix in ("png", "jpg", "tif", "gif", "bmp", "webp"):
        whole = saved(tmp_path / f"x.{suffix}", image).read_bytes()
        path = tmp_path / f"bad.{suffix}"
        refused = []
        for _ in range(60):
            broken = bytearray(whole)
            for place in rng.integers(0, len(broken), 6):
                broken[place] = int(rng.integers(0, 256))
            path.write_bytes(broken)
            try:
                assert decode(path).dtype == np.uint8
            except ImagesError as error:
                refused.append(error.message)
        # Damage to uncompressed pixels, as in BMP, is an image like any other.
        assert refused or suffix in ("bmp", "tif")
        assert all(path.name in message for message in refused)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.touch()
    text.write_text("not an image")
    with pytest.raises(ImagesError, match="0 bytes"):
        decode(empty)
    with pytest.raises(ImagesError, match="cannot be decoded"):
        decode(text)
    with pytest.raises(ImagesError, match="No such file"):
        decode(tmp_path / "absent.png")


def test_bombs_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "big.png", Image.new("L", (300, 300)))
    monkeypatch.setattr(levels, "MOST_PIXELS", 80_000)
    with pytest.raises(ImagesError, match="90,000 pixels are more than"):
        decode(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImagesError, match="big"):
        decode(path)


def test_what_counts_as_an_image(tmp_path: Path) -> None:
    for name in ("a.png", "B.JPG", "c.dcm", "notes.md", ".hidden.png", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "README").write_text("no image")
    found = {path.name for path in tmp_path.iterdir() if is_image(path)}
    assert found == {"a.png", "B.JPG", "c.dcm", "IM0001"}
