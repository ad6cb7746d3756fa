"""DICOM as it is meant to be looked at: tables, windows, padding and which way is bright."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from replicate.images import grey
from replicate.images.decoding import decode
from tests.replicate.images.test_dicom import RAMP, write

RNG = np.random.default_rng(10)


def table(first: int, bits: int, entries: NDArray[Any], vr: str = "US") -> Sequence:
    """A sequence with one table, whose data are words or packed bytes."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 2**16, first, bits])
    words = entries.astype("<u2")
    packed = words.tobytes() if bits > 8 else entries.astype("u1").tobytes()
    item.add_new(
        "LUTData", vr, words.tolist() if vr == "US" else packed + b"\0" * (len(packed) % 2)
    )
    return Sequence([item])


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_voi_table_reaches_what_it_declares(tmp_path: Path, bits: int, vr: str) -> None:
    for first, count in [(0, 4096), (100, 600), (512, 1)]:
        entries = np.sort(RNG.integers(2**bits // 3, 2**bits // 2, count))
        stored = RNG.integers(0, 1024, (9, 7), dtype=np.uint16)
        voi = table(first, bits, entries, vr)
        path = write(tmp_path / "x.dcm", stored, BitsStored=12, HighBit=11, VOILUTSequence=voi)
        places = np.clip(stored.astype(int) - first, 0, count - 1)
        assert (decode(path) == np.rint(entries[places] / (2**bits - 1) * 255)).all()


def test_a_voi_table_is_pydicoms_where_that_is_right(tmp_path: Path) -> None:
    for _ in range(20):
        bits = int(RNG.integers(10, 17))
        entries = RNG.integers(0, 2**bits, 4096)
        stored = RNG.integers(0, 4096, (9, 7), dtype=np.uint16)
        path = write(tmp_path / "x.dcm", stored, VOILUTSequence=table(0, bits, entries))
        other = apply_voi_lut(stored, dcmread(path))
        assert (decode(path) == np.rint(other / (2**bits - 1) * 255)).all()


def test_a_table_holds_more_than_its_bits(tmp_path: Path) -> None:
    stored = np.arange(16, dtype=np.uint16).reshape(4, 4)
    voi = table(0, 10, np.arange(16) * 4095 // 15)
    assert decode(write(tmp_path / "x.dcm", stored, VOILUTSequence=voi)).max() == 255


def test_tables_begin_below_nought(tmp_path: Path) -> None:
    stored = np.arange(-8, 8, dtype=np.int16).reshape(4, 4)
    voi = table(2**16 - 8, 12, np.arange(16) * 273)
    pixels = decode(write(tmp_path / "x.dcm", stored, VOILUTSequence=voi))
    assert (pixels == np.arange(16).reshape(4, 4) * 17).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_modality_table_comes_before_the_window(tmp_path: Path, bits: int) -> None:
    entries = RNG.integers(0, 2**bits, 4096)
    stored = RNG.integers(0, 4096, (9, 7), dtype=np.uint16)
    window = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits // 3}
    path = write(tmp_path / "x.dcm", stored, ModalityLUTSequence=table(0, bits, entries), **window)
    looked_up = apply_modality_lut(stored, dcmread(path)) if bits == 16 else entries[stored]
    centre, width = window.values()
    expected = np.clip((looked_up - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
    assert (decode(path) == np.rint(expected)).all()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_windows_are_pydicoms(tmp_path: Path, function: str, signed: bool) -> None:
    for _ in range(10):
        stored = RNG.integers(-900 * signed, 3000, (9, 7)).astype(np.int16 if signed else np.uint16)
        path = write(
            tmp_path / "x.dcm",
            stored,
            WindowCenter=[float(RNG.integers(0, 900)), 7],
            WindowWidth=[float(RNG.integers(2, 900)), 9],
            VOILUTFunction=function,
            RescaleSlope=1.5,
            RescaleIntercept=-20,
        )
        header = dcmread(path)
        other = apply_voi_lut(apply_modality_lut(stored, header), header)
        low, high = (-(2**15), 2**15 - 1) if signed else (0, 2**16 - 1)
        expected = (other - (low * 1.5 - 20)) / ((high - low) * 1.5) * 255
        assert np.abs(decode(path) - expected).max() < 0.51


def test_a_table_goes_before_a_window(tmp_path: Path) -> None:
    both = {"VOILUTSequence": table(0, 12, np.arange(4096)[::-1])}
    stored = RNG.integers(0, 4096, (9, 7), dtype=np.uint16)
    pixels = decode(write(tmp_path / "x.dcm", stored, WindowCenter=5, WindowWidth=9, **both))
    assert (pixels == np.rint((4095 - stored.astype(float)) / 4095 * 255)).all()


#: What is padded -> tags, and stored values that are padding (all others are not).
PADDINGS: dict[str, tuple[dict[str, int], tuple[int, ...]]] = {
    "one": ({"PixelPaddingValue": 9}, (9,)),
    "range": ({"PixelPaddingValue": 5, "PixelPaddingRangeLimit": 90}, (5, 40, 90)),
    "range down": ({"PixelPaddingValue": 90, "PixelPaddingRangeLimit": 5}, (5, 40, 90)),
    "above all": ({"PixelPaddingValue": 4095}, (4095,)),
    "in the midst": ({"PixelPaddingValue": 1200}, (1200,)),
}


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("meaning", "shape"), [*product(["MONOCHROME1", "MONOCHROME2"], [None, "IDENTITY", "INVERSE"])]
)
@pytest.mark.parametrize("way", ["nothing", "window", "table"])
def test_padding_is_black_and_does_not_count(
    tmp_path: Path, padding: str, meaning: str, shape: str | None, way: str
) -> None:
    tags, values = PADDINGS[padding]
    tissue = RAMP.astype(np.uint16) + 500
    tissue[tissue == 1200] += 1
    stored = tissue.copy()
    stored[:12] = RNG.choice(values, (12, 32))
    ways: dict[str, dict[str, Any]] = {
        "nothing": {},
        "window": {"WindowCenter": 1000, "WindowWidth": 800},
        "table": {"VOILUTSequence": table(0, 12, np.arange(4096))},
    }
    told = {"PhotometricInterpretation": meaning, **ways[way]}
    if shape is not None:
        told["PresentationLUTShape"] = shape
    pixels = decode(write(tmp_path / "x.dcm", stored, **told, **tags))
    alone = decode(write(tmp_path / "y.dcm", tissue[12:], **told))
    assert (pixels[:12] == 0).all()
    assert (pixels[12:] == alone).all()
    turned = meaning == "MONOCHROME1" or shape == "INVERSE"
    assert (alone[-1].mean() < alone[0].mean()) == turned


def test_padding_in_another_sign(tmp_path: Path) -> None:
    stored = np.where(RAMP < 300, -2000, RAMP).astype(np.int16)
    path = write(tmp_path / "x.dcm", stored.view(np.uint16), PixelPaddingValue=63536)
    assert (decode(path)[stored == -2000] == 0).all()
    header = dcmread(path)
    for value, kind in [(63536, np.int16), (-2000, np.uint16), (63536, np.uint16)]:
        header = Dataset()
        header.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
        found = grey._background(header, stored.astype(np.int16).view(kind))
        assert found is not None
        assert (found == (stored == -2000)).all()


def test_nothing_but_padding_is_black(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", np.full((5, 5), 700, np.uint16), PixelPaddingValue=700)
    assert (decode(path) == 0).all()


def test_frames_of_enhanced_images_have_windows_of_their_own(tmp_path: Path) -> None:
    stored = np.stack([RAMP.astype(np.uint16)] * 3)

    def group(name: str, **tags: Any) -> Dataset:
        inner, outer = Dataset(), Dataset()
        for tag, value in tags.items():
            setattr(inner, tag, value)
        setattr(outer, name, Sequence([inner]))
        return outer

    line = {"RescaleSlope": 2, "RescaleIntercept": -100, "RescaleType": "HU"}
    windows = [{"WindowCenter": 100 * i + 300, "WindowWidth": 400} for i in range(3)]
    path = write(
        tmp_path / "x.dcm",
        stored,
        SharedFunctionalGroupsSequence=Sequence(
            [group("PixelValueTransformationSequence", **line)]
        ),
        PerFrameFunctionalGroupsSequence=Sequence(
            [group("FrameVOILUTSequence", **window) for window in windows]
        ),
    )
    for index in range(3):
        centre = 100 * index + 300
        expected = np.clip((RAMP * 2.0 - 100 - (centre - 0.5)) / 399 + 0.5, 0, 1) * 255
        assert (decode(path, str(index + 1)) == np.rint(expected)).all()
