"""JPEG files decoded on the device: as Pillow decodes them, or by Pillow. Here the device is a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.io
from PIL import Image
from torch import Tensor

from db.errors import ImagesError
from replicate.images.decoding import plain_jpeg
from replicate.images.external import externally_tested
from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet
from replicate.spec import Preprocessing
from replicate.training import device_jpegs
from replicate.training.compute import Compute
from replicate.training.device_jpegs import device_decoder, wanted, works
from replicate.training.features import extract
from replicate.training.pixels import ahead, decoder
from tests.replicate.toy import SIZE, pretrained, toy_images

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
decode_jpeg = torchvision.io.decode_jpeg

#: Levels by which pixels differ at most, and on average: Pillow rounds, and cuts off what goes
#: beyond 0 to 255, between the two passes in which it resizes.
FAR = {"bilinear": (2, 0.4), "bicubic": (10, 0.4)}


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return large coloured shapes with some noise, as photographs have."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    pixels += random.normal(0, 6, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, **how: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, "JPEG", **how)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


COLOUR, GREY = picture(60, 44), picture(60, 44, "L")
SIZES = ((1, 1), (1, 90), (90, 1), (7, 5), (33, 17), (16, 16), (61, 300), (640, 33), (200, 200))
PLAIN: dict[str, bytes] = {
    **{f"{w} x {h} {mode}": jpeg(picture(w, h, mode)) for w, h in SIZES for mode in ("RGB", "L")},
    **{f"sampled {s}": jpeg(picture(75, 51), subsampling=s) for s in ("4:4:4", "4:2:2", "4:2:0")},
    **{f"quality {q}": jpeg(COLOUR, quality=q) for q in (5, 50, 95, 100)},
    "optimised": jpeg(COLOUR, optimize=True),
    "with restarts": jpeg(COLOUR, restart_marker_blocks=2),
    "EXIF, upright": jpeg(COLOUR, exif=turned(1)),
    "EXIF, no turn there is": jpeg(COLOUR, exif=turned(9)),
    "a profile and a comment": jpeg(COLOUR, icc_profile=b"p" * 90_000, comment=b"c" * 300),
    "filled up with zeros": jpeg(COLOUR) + bytes(5),
}
SAMPLED = bytes((3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1))
FULL = jpeg(COLOUR, subsampling="4:4:4")
OTHERS: dict[str, bytes] = {
    "progressive": jpeg(COLOUR, progressive=True),
    "progressive grey": jpeg(GREY, progressive=True),
    "CMYK": jpeg(picture(60, 44, "CMYK")),
    "RGB, says Adobe": jpeg(COLOUR, keep_rgb=True),
    "RGB by its names": patched(
        patched(FULL, SAMPLED, bytes((3, 82, 0x11, 0, 71, 0x11, 1, 66, 0x11, 1))),
        bytes((3, 1, 0, 2, 0x11, 3, 0x11)),
        bytes((3, 82, 0, 71, 0x11, 66, 0x11)),
    ),
    "sampled 4:4:0": patched(FULL, SAMPLED, bytes((3, 1, 0x12, 0, 2, 0x11, 1, 3, 0x11, 1))),
    **{f"EXIF, turned {o}": jpeg(COLOUR, exif=turned(o)) for o in range(2, 9)},
    "followed by something": jpeg(COLOUR) + b"something",
}
BROKEN: dict[str, bytes] = {
    **{f"cut off at {at}": jpeg(COLOUR)[:at] for at in (0, 1, 3, 20, 200, 640, 700, -30, -3)},
    "cut off and ended": jpeg(COLOUR)[:300] + b"\xff\xd9",
    "no tables": patched(jpeg(GREY), b"\xff\xc4\x00\x1f", b"\xff\xfe\x00\x1f"),
    "no picture": b"\xff\xd8\xff\xd9",
    "lossless": patched(jpeg(GREY), b"\xff\xc0", b"\xff\xc3"),
    "text": b"a text that calls itself a picture",
}


def png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


LOSSLESS = {"colour": png(COLOUR), "grey": png(GREY)}


def image_set(folder: Path, contents: dict[str, bytes], names: str = "{:03d}.jpg") -> ImageSet:
    folder.mkdir(exist_ok=True)
    entries = []
    for number, content in enumerate(contents.values()):
        path = folder / names.format(number)
        path.write_bytes(content)
        entries.append(Entry(path.name, path, f"class {number % 2}"))
    return of_files("set", entries, "test")


def square(
    interpolation: str = "bilinear", resize: str = "squash", size: int = 24
) -> Preprocessing:
    return Preprocessing.model_validate(
        {"size": size, "interpolation": interpolation, "resize": resize, "crop_share": 0.8}
        if resize == "crop"
        else {"size": size, "interpolation": interpolation, "resize": resize}
    )


def plain(images: ImageSet) -> list[bool]:
    assert images.encoded is not None
    return [images.encoded(index) is not None for index in range(len(images))]


def on_device(images: ImageSet, preprocessing: Preprocessing, indices: Any = None) -> Any:
    batch = np.arange(len(images)) if indices is None else np.array(indices)
    return device_decoder(images, preprocessing, "cpu")(batch).numpy()


def by_pillow(images: ImageSet, preprocessing: Preprocessing, indices: Any = None) -> Any:
    batch = np.arange(len(images)) if indices is None else np.array(indices)
    return decoder(images, preprocessing)(batch)


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
@pytest.mark.parametrize("interpolation", FAR)
def test_plain_files_come_out_as_pillow_has_them(
    tmp_path: Path, interpolation: str, resize: str
) -> None:
    images, preprocessing = image_set(tmp_path, PLAIN), square(interpolation, resize)
    apart = np.abs(
        on_device(images, preprocessing).astype(int) - by_pillow(images, preprocessing)
    ).reshape(len(images), -1)
    most, mean = FAR[interpolation]
    for number, name in enumerate(PLAIN):
        assert plain(images)[number], name
        # torch 2.14 resizes to a single column wrongly, on the CPU.
        if not (name.startswith("1 x 90") and resize == "pad"):
            assert apart[number].max() <= most, name
            assert apart[number].mean() <= mean, name


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_plain_is_pillows_to_the_bit(tmp_path: Path, name: str) -> None:
    images = image_set(tmp_path, {name: OTHERS[name], "plain": jpeg(GREY)})
    assert plain(images) == [False, True]
    assert (on_device(images, square(), [0]) == by_pillow(images, square(), [0])).all()


def test_what_is_no_jpeg_is_pillows_whatever_its_name_says(tmp_path: Path) -> None:
    for kind in ("PNG", "BMP", "TIFF", "GIF", "WEBP"):
        stream = BytesIO()
        COLOUR.save(stream, kind)
        images = image_set(tmp_path / kind, {"one": stream.getvalue(), "two": jpeg(GREY)})
        assert plain(images) == [False, True]
        assert (on_device(images, square())[0] == by_pillow(images, square(), [0])[0]).all()
    assert plain_jpeg(tmp_path / "gone.jpg") is None
    assert plain_jpeg(tmp_path) is None
    assert plain_jpeg(tmp_path / "PNG" / "001.jpg", "2") is None
    assert plain_jpeg(tmp_path / "PNG" / "001.jpg", "first") is not None


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "no tables"])
def test_a_broken_file_is_told_in_pillows_words(tmp_path: Path, name: str) -> None:
    images = image_set(tmp_path, {"good": jpeg(GREY), name: BROKEN[name]})
    with pytest.raises(ImagesError) as ours:
        on_device(images, square())
    with pytest.raises(ImagesError) as theirs:
        by_pillow(images, square())
    assert (ours.value.message, ours.value.hint) == (theirs.value.message, theirs.value.hint)
    assert "001.jpg" in ours.value.message


def result(decode: Callable[..., Any], images: ImageSet, index: int) -> Any:
    try:
        return decode(images, square(), [index]).astype(int)
    except ImagesError as error:
        return error.message


def test_damaged_files_are_read_where_pillow_reads_them_and_refused_where_it_refuses(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(1)
    whole = [jpeg(COLOUR), jpeg(GREY), jpeg(COLOUR, subsampling=0, restart_marker_blocks=2)]
    damaged = {}
    for number in range(240):
        content = bytearray(whole[number % 3])
        # Every other file in its head alone, which is shorter than the picture's data.
        end = len(content) - 2 if number % 2 else 640
        for at in random.integers(2, end, random.integers(1, 4)):
            content[at] = random.integers(256)
        damaged[str(number)] = bytes(content)
    images = image_set(tmp_path, damaged)
    refused = 0
    for index in range(len(images)):
        ours, theirs = (result(one, images, index) for one in (on_device, by_pillow))
        if isinstance(theirs, str):
            refused += 1
            assert ours == theirs
        else:
            assert np.abs(ours - theirs).max() <= FAR["bilinear"][0]
    assert 20 < refused < 200


Calls = list[int]


def refusing(monkeypatch: pytest.MonkeyPatch, refused: Callable[[Tensor], bool]) -> Calls:
    """Have the device refuse a call with any such file; return how many files each call had."""
    calls: Calls = []

    def decode(contents: list[Tensor], **how: Any) -> Any:
        calls.append(len(contents))
        if any(refused(one) for one in contents):
            raise RuntimeError("Error while decoding JPEG images. CUDA error code: 3")
        return decode_jpeg(contents, **how)

    monkeypatch.setattr(torchvision.io, "decode_jpeg", decode)
    return calls


def test_a_file_that_the_device_does_not_take_is_pillows_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = image_set(tmp_path, {str(n): jpeg(picture(40, 30, seed=n)) for n in range(32)})
    expected, theirs = on_device(images, square()), by_pillow(images, square())
    assert images.encoded
    bad = images.encoded(21)
    assert bad is not None
    calls = refusing(monkeypatch, lambda one: one.numpy().tobytes() == bad.content)
    found = on_device(images, square())
    expected[21] = theirs[21]
    assert (found == expected).all()
    assert len(calls) == 11  # 32, then two halves of it, and so on
    calls = refusing(monkeypatch, lambda one: True)
    assert (on_device(images, square()) == theirs).all()


@pytest.mark.parametrize("most", [1, 6000, 20_000, 2**28])
def test_no_call_takes_more_than_it_may_and_all_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    contents = {
        str(n): jpeg(picture(20 + n, 30, seed=n), progressive=n % 5 == 4) for n in range(20)
    }
    images = image_set(tmp_path, contents)
    expected = on_device(images, square())
    monkeypatch.setattr(device_jpegs, "_TOGETHER", most)
    calls = refusing(monkeypatch, lambda _: False)
    batches = np.split(np.random.default_rng(0).permutation(60) % 20, 6)
    for workers in (0, 3):
        calls.clear()
        found = ahead(device_decoder(images, square(), "cpu"), batches, workers)
        assert all(
            (pixels.numpy() == expected[batch]).all()
            for batch, pixels in zip(batches, found, strict=True)
        )
        assert sum(calls) == 48
        assert max(calls) <= max(1, most // (3 * 20 * 30))
    assert (max(calls) == 1) == (most == 1)


def test_sets_made_of_a_set_know_their_files(tmp_path: Path) -> None:
    images = image_set(tmp_path / "a", {str(n): jpeg(picture(30, 30, seed=n)) for n in range(6)})
    other = image_set(tmp_path / "b", {str(n): jpeg(picture(30, 30, seed=9 + n)) for n in range(4)})
    names = {"class 1": "odd", "class 0": "even"}
    for made in (
        images.subset([4, 1, 1]), images.relabelled(names), images.relabelled(names).subset([5, 0]),
        externally_tested(images, other), externally_tested(images, other).subset([8, 2]),
    ):  # fmt: skip
        assert made.encoded is not None
        found = on_device(made, square())
        assert np.abs(found.astype(int) - by_pillow(made, square())).max() <= 2
    mixed = externally_tested(image_set(tmp_path / "c", LOSSLESS, "{}.png"), other)
    assert plain(mixed) == [False] * 2 + [True] * 4
    apart = np.abs(on_device(mixed, square()).astype(int) - by_pillow(mixed, square()))
    assert apart[:2].max() == 0 < apart[2:].max() <= 2


def test_sets_without_jpeg_files_have_none(tmp_path: Path) -> None:
    arrays = toy_images(12)
    pictures = image_set(tmp_path, LOSSLESS, "{}.png")
    for made in (arrays, arrays.subset([1]), pictures, externally_tested(pictures, pictures)):
        assert made.encoded is None


def test_it_is_for_runs_whose_bits_need_not_be_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, quick = image_set(tmp_path, {"a": jpeg(COLOUR), "b": jpeg(GREY)}), Compute("cpu")
    assert not wanted(images, square(), quick)
    monkeypatch.setattr(Compute, "loose", True)
    assert wanted(images, square(), quick)
    assert not wanted(toy_images(4), square(), quick)
    assert not wanted(images, square("lanczos"), quick)
    assert not wanted(images, square("nearest"), quick)
    works.cache_clear()
    monkeypatch.delattr(torchvision.io, "decode_jpeg")
    assert not wanted(images, square(), quick)
    assert (on_device(images, square()) == by_pillow(images, square())).all()
    works.cache_clear()


def test_features_say_in_their_recipe_what_decoded_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {str(n): jpeg(picture(40, 30, seed=n), progressive=n % 4 == 3) for n in range(40)}
    images = image_set(tmp_path / "images", contents)
    kept = partial(
        extract, pretrained()(), images, boundary=None, preprocessing=square(size=SIZE),
        compute=Compute("cpu", workers=2), cache=tmp_path / "cache",
    )  # fmt: skip
    pillows = np.array(kept().rows)
    monkeypatch.setattr(Compute, "loose", True)
    device = kept()
    assert device.computed == 40
    assert kept().computed == 0
    assert not (device.rows == pillows).all()
    assert device.rows == pytest.approx(pillows, abs=0.05)
