"""Pictures that are none, that are far larger than they look, or that would take for ever."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from db.errors import ImagesError, UsageError
from replicate.images import apart, dicom
from replicate.images.bounds import read_bounded
from replicate.images.decoding import PICTURES, decode
from tests.hostile_pictures import BOMBS, POSTSCRIPT, gif_of_many_frames, png, scans, strips
from tests.replicate.images.test_dicom import write


@pytest.mark.parametrize("suffix", sorted(PICTURES))
def test_postscript_is_never_run(tmp_path: Path, suffix: str) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / f"x{suffix}"
    path.write_text(POSTSCRIPT.replace("MARK", str(mark)))
    with pytest.raises(ImagesError, match=r"x\..*PostScript"):
        decode(path)
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["ICO", "PCX", "TGA", "SGI", "IM", "PDF", "JPEG2000", "XBM"])
def test_formats_that_are_not_meant_are_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    Image.new("1" if kind == "XBM" else "L", (20, 20)).save(path, format=kind)
    with pytest.raises(ImagesError, match="cannot be decoded"):
        decode(path)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    start = time.perf_counter()
    with pytest.raises(ImagesError, match=name):
        decode(path)
    assert time.perf_counter() - start < apart.DEFAULT_SECONDS + 3


def test_a_decoder_that_hangs_is_stopped_and_the_next_file_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, sound = tmp_path / "slow.jpg", tmp_path / "sound.gif"
    slow.write_bytes(scans(4000, 3000))
    Image.new("L", (5, 5), 7).save(sound)
    monkeypatch.setenv(apart.SECONDS, "0.5")
    start = time.perf_counter()
    with pytest.raises(ImagesError, match=r"slow\.jpg: was not decoded in 0\.5 seconds"):
        decode(slow)
    assert time.perf_counter() - start < 4
    monkeypatch.delenv(apart.SECONDS)
    assert (decode(sound) == 7).all()


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e400", "", "²", "five"])
def test_a_limit_that_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    path = tmp_path / "x.gif"
    Image.new("L", (5, 5)).save(path)
    monkeypatch.setenv(apart.SECONDS, given)
    with pytest.raises(UsageError, match=apart.SECONDS):
        decode(path)


def test_frames_are_not_counted_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "x.gif"
    path.write_bytes(gif_of_many_frames())
    assert decode(path).shape == (2, 2, 3) or decode(path).shape == (2, 2)


def test_ordinary_pictures_are_decoded_here(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.arange(10_000, dtype=np.uint32).reshape(100, 100).astype(np.uint8))
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.pgm"):
        ramp.save(tmp_path / name)
        assert read_bounded(tmp_path / name)
    ramp.save(tmp_path / "b.jpg", progressive=True, exif=Image.Exif(), icc_profile=b"x" * 3000)
    assert read_bounded(tmp_path / "b.jpg")


@pytest.mark.parametrize(
    ("count", "here"), [(1, True), (5_000, True), (15_000, False), (10**6, False)]
)
def test_a_directory_of_many_numbers_is_read_apart(tmp_path: Path, count: int, here: bool) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(strips(count))
    assert (read_bounded(path) is not None) == here


def test_the_other_process_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("open('ran', 'w').close()")
    Image.new("L", (5, 5)).save(tmp_path / "x.gif")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apart, "_idle", list)  # a new process, and not the last one's
    decode(tmp_path / "x.gif")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "tags",
    [
        {"Rows": 60_000, "Columns": 60_000},
        {"NumberOfFrames": 10**6},
        {"Rows": 0},
        {"NumberOfFrames": -3},
        {"BitsAllocated": 32},
        {"SamplesPerPixel": 3, "PlanarConfiguration": 0},
    ],
)
def test_dicom_that_declares_more_than_it_holds(tmp_path: Path, tags: dict[str, int]) -> None:
    path = write(tmp_path / "x.dcm", np.zeros((32, 32), np.uint16), **tags)
    with pytest.raises(ImagesError, match=r"x\.dcm"):
        decode(path)


def test_the_patient_of_a_bomb_is_read_without_inflating_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", np.zeros((32, 32), np.uint16), PatientID="7")
    header = dcmread(path)
    header.PixelData = bytes(2**28)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path)
    start = time.perf_counter()
    assert dicom.patient_of(path) == "7"
    assert time.perf_counter() - start < 0.3


def test_deflated_dicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    plain, deflated = write(tmp_path / "plain.dcm", ramp, PatientID="7"), tmp_path / "deflated.dcm"
    header = dcmread(plain)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(deflated)
    assert (decode(deflated) == decode(plain)).all()
    assert dicom.patient_of(deflated) == "7"
    deflated.write_bytes(deflated.read_bytes()[:-20])
    assert dicom.patient_of(deflated) in ("7", None)
    write(plain, ramp, PatientID="7", PatientName="1.2.840.10008.1.2.1.99")
    assert dicom.patient_of(plain) == "7"
    header.save_as(deflated)
    monkeypatch.setattr(dicom, "_INFLATED", 1000)
    with pytest.raises(ImagesError, match=r"deflated\.dcm: inflates to more than"):
        dicom.read_here(deflated, "middle")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_bands_of_a_large_picture_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    draw = np.random.default_rng(0)
    noise = Image.fromarray(draw.integers(0, 256, (67, 41, 3), dtype=np.uint8))
    path = tmp_path / "x.tif"
    picture = noise.convert("RGB").convert("L" if mode == "LA" else mode.removesuffix("A"))
    if mode.endswith("A"):
        picture.putalpha(Image.fromarray(draw.integers(0, 256, (67, 41), dtype=np.uint8)))
    picture.save(path, **({"transparency": 3} if mode == "P" else {}))
    whole = decode(path)
    assert whole.shape[:2] == (67, 41)
    for pixels in (1, 41, 100, 41 * 66, 41 * 67):
        monkeypatch.setattr("replicate.images.decoding._BAND", pixels)
        assert (decode(path) == whole).all()


@pytest.mark.parametrize("name", ["huge.png", "cut.tif", "strange.dcm"])
def test_nothing_is_printed_beside_the_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    match name:
        case "huge.png":
            path.write_bytes(png((10_000, 10_000)))
        case "cut.tif":
            Image.new("L", (9, 9)).save(path)
            path.write_bytes(path.read_bytes()[:-20])
        case _:
            whole = write(path, np.zeros((4, 4), np.uint8), PatientID="x" * 10).read_bytes()
            path.write_bytes(whole.replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.\x81.2.1"))
    call = f"from replicate.images.decoding import decode, Path; decode(Path({str(path)!r}))"
    ran = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=False)
    assert f"ImagesError: {path}" in ran.stderr
    assert "Warning" not in ran.stderr
