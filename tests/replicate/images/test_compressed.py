"""Compressed DICOM: what is decoded at once, what an extra brings, and what says so without it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, RLELossless

from db.errors import ImagesError
from replicate.images import dicom
from replicate.images.decoding import decode
from tests.replicate.images.test_dicom import write

#: What pydicom brings, by the kind of its compression; all show the image of MR_small.dcm or are in
#: colour, where the second name is the same image without loss.
EXTRA = {
    "MR_small_jpeg_ls_lossless.dcm": "MR_small.dcm",
    "SC_rgb_jpeg_gdcm.dcm": "SC_rgb_rle.dcm",
    "JPGExtended.dcm": None,
    "JPEGLSNearLossless_16.dcm": None,
}
ALWAYS = {"MR_small_RLE.dcm": "MR_small.dcm", "MR_small_jp2klossless.dcm": "MR_small.dcm"}

needs_extra = pytest.mark.skipif(
    find_spec("openjpeg") is None or find_spec("libjpeg") is None,
    reason="needs the extra dicom (pylibjpeg with libjpeg and openjpeg)",
)


def brought(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom does not bring {name}")
    return Path(str(found))


@pytest.mark.parametrize("name", ALWAYS)
def test_without_the_extra(name: str) -> None:
    assert (decode(brought(name)) == decode(brought(ALWAYS[name]))).all()


@needs_extra
@pytest.mark.parametrize("name", EXTRA)
def test_with_the_extra(name: str) -> None:
    pixels, other = decode(brought(name)), EXTRA[name]
    assert len(np.unique(pixels)) > 3
    if other is not None:
        assert (pixels == decode(brought(other))).all()


@pytest.mark.parametrize("name", [*EXTRA, "MR_small_RLE.dcm"])
def test_without_a_decoder_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = brought(name)

    def none_here(*_: object, **__: object) -> None:
        raise RuntimeError("all plugins are missing dependencies")

    monkeypatch.setattr(dicom, "get_decoder", lambda _: SimpleNamespace(is_available=False))
    monkeypatch.setattr(dicom, "pixel_array", none_here)
    with pytest.raises(ImagesError) as caught:
        dicom.read_here(path, "middle")
    assert "medtl-meta[dicom]" in caught.value.hint
    assert caught.value.message.startswith(str(path))


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000", "RLE"])
def test_a_window_comes_after_unpacking(tmp_path: Path, kind: str) -> None:
    ramp = np.arange(64 * 64).reshape(64, 64) // 16
    path = write(tmp_path / "x.dcm", ramp.astype(np.uint8), WindowCenter=100, WindowWidth=80)
    plain = decode(path)
    header = dcmread(path)
    if kind == "RLE":
        header.compress(RLELossless)
    else:
        picture = Image.fromarray(ramp.astype(np.uint8))
        options = {"quality": 100} if kind == "JPEG" else {"no_jp2": True}
        picture.save(tmp_path / "x.j2k", format=kind, **options)
        header.PixelData = encapsulate([(tmp_path / "x.j2k").read_bytes()])
        header["PixelData"].VR = "OB"
        header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000
    header.save_as(path)
    assert np.abs(decode(path).astype(int) - plain).max() <= (7 if kind == "JPEG" else 0)
