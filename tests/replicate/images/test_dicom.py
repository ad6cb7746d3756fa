from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from db.errors import ImagesError
from replicate.images.decoding import decode
from replicate.images.dicom import patient_of

RAMP = np.arange(32 * 32).reshape(32, 32)


def write(path: Path, stored: NDArray[Any], **tags: Any) -> Path:
    """Write a DICOM file with the given stored values and tags."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    colour = stored.ndim == 3 and stored.shape[-1] == 3
    if stored.ndim == 3 and not colour:
        image.NumberOfFrames = stored.shape[0]
    image.Rows, image.Columns = (
        stored.shape[1:] if stored.ndim == 3 and not colour else stored.shape[:2]
    )
    image.SamplesPerPixel = 3 if colour else 1
    image.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        image.PlanarConfiguration = 0
    bits = stored.dtype.itemsize * 8
    image.BitsAllocated, image.BitsStored, image.HighBit = bits, bits, bits - 1
    image.PixelRepresentation = int(stored.dtype.kind == "i")
    for name, value in tags.items():
        setattr(image, name, value)
    image.PixelData = stored.tobytes()
    image.save_as(path, enforce_file_format=True)
    return path


def test_a_window_is_honoured_after_rescaling(tmp_path: Path) -> None:
    hounsfield = np.array([[-1000, -600], [-160, 240]])
    path = write(
        tmp_path / "ct.dcm",
        (hounsfield + 1024).astype(np.uint16),
        RescaleSlope=1,
        RescaleIntercept=-1024,
        WindowCenter=[40, -600],
        WindowWidth=[400, 1500],
    )
    # PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5, cut at 0 and 1; the first window.
    expected = np.clip((hounsfield - 39.5) / 399 + 0.5, 0, 1) * 255
    assert (decode(path) == np.rint(expected)).all()


def test_other_window_functions(tmp_path: Path) -> None:
    stored = np.array([[0, 100], [200, 400]], np.uint16)
    exact = write(
        tmp_path / "a.dcm", stored, WindowCenter=200, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"
    )
    assert decode(exact).tolist() == [[0, 64], [128, 255]]
    sigmoid = write(
        tmp_path / "b.dcm", stored, WindowCenter=200, WindowWidth=400, VOILUTFunction="SIGMOID"
    )
    expected = 255 / (1 + np.exp(-4 * (stored.astype(float) - 200) / 400))
    assert (decode(sigmoid) == np.rint(expected)).all()


def test_without_a_window_percentiles_count(tmp_path: Path) -> None:
    stored = (RAMP + 300).astype(np.uint16)
    stored[0, 0] = 60_000  # one hot pixel must not darken the rest
    pixels = decode(write(tmp_path / "x.dcm", stored))
    assert pixels[0, 0] == 255
    assert pixels[0, 1] == 0
    assert pixels[-1, -1] == 255
    assert abs(int(pixels[16, 0]) - 127) < 3


def test_padding_does_not_count(tmp_path: Path) -> None:
    stored = (RAMP + 1000).astype(np.int16)
    stored[:8] = -2000
    pixels = decode(write(tmp_path / "x.dcm", stored, PixelPaddingValue=-2000))
    assert (pixels[:8] == 0).all()
    assert pixels[9, 0] < 20
    assert pixels[-1, -1] == 255


def test_monochrome1_is_turned(tmp_path: Path) -> None:
    stored = RAMP.astype(np.uint16) * 4
    plain = decode(write(tmp_path / "a.dcm", stored))
    turned = decode(write(tmp_path / "b.dcm", stored, PhotometricInterpretation="MONOCHROME1"))
    assert (turned == 255 - plain).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_depths_and_signs(tmp_path: Path, dtype: type) -> None:
    info = np.iinfo(dtype)
    stored = np.linspace(info.min, info.max, 32 * 32).reshape(32, 32).astype(dtype)
    pixels = decode(write(tmp_path / "x.dcm", stored))
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)
    assert (np.diff(pixels.reshape(-1).astype(int)) >= 0).all()


def test_colour(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    assert (decode(write(tmp_path / "x.dcm", rgb)) == rgb).all()


def test_frames(tmp_path: Path) -> None:
    frames = np.stack([np.full((4, 4), grey, np.uint8) for grey in (10, 20, 30)])
    path = write(tmp_path / "x.dcm", frames)
    assert decode(path)[0, 0] == 20
    assert [decode(path, f)[0, 0] for f in ("first", "last", "1")] == [10, 30, 10]
    with pytest.raises(ImagesError, match="no frame 4"):
        decode(path, "4")


def test_faults_are_told_by_name(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.dcm", RAMP.astype(np.uint16)).read_bytes()
    cut, text, bare = (tmp_path / f"{name}.dcm" for name in ("cut", "text", "bare"))
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_text("not DICOM at all")
    header = Dataset()
    header.PatientID = "7"
    header.save_as(bare, implicit_vr=False, little_endian=True)
    with pytest.raises(ImagesError, match=r"cut\.dcm: declares .* 2,048 bytes, and holds"):
        decode(cut)
    with pytest.raises(ImagesError, match=r"text\.dcm: is not a DICOM"):
        decode(text)
    with pytest.raises(ImagesError, match=r"bare\.dcm"):
        decode(bare)
    whole_without = write(tmp_path / "none.dcm", RAMP.astype(np.uint16))
    import pydicom

    image = pydicom.dcmread(whole_without)
    del image.PixelData
    image.save_as(whole_without)
    with pytest.raises(ImagesError, match="without an image"):
        decode(whole_without)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_damage_never_ends_in_a_traceback(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.dcm", RAMP.astype(np.uint16), WindowCenter=5, WindowWidth=9)
    rng = np.random.default_rng(1)
    path = tmp_path / "bad.dcm"
    refused = []
    for _ in range(80):
        broken = bytearray(whole.read_bytes())
        for place in rng.integers(132, 900, 3):
            broken[place] = int(rng.integers(0, 256))
        path.write_bytes(broken)
        try:
            assert decode(path).dtype == np.uint8
        except ImagesError as error:
            refused.append(error.message)
        patient_of(path)
    assert refused
    assert all("bad.dcm" in message for message in refused)


def test_the_patient_is_known(tmp_path: Path) -> None:
    assert patient_of(write(tmp_path / "a.dcm", RAMP.astype(np.uint16), PatientID="P7")) == "P7"
    assert patient_of(write(tmp_path / "b.dcm", RAMP.astype(np.uint16), PatientID=" ")) is None
    assert patient_of(write(tmp_path / "c.dcm", RAMP.astype(np.uint16))) is None
