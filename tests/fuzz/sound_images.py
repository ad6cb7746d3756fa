"""Small sound files of every kind that is opened, and bytes that are something else altogether."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from tests.hostile_pictures import POSTSCRIPT, chunk
from tests.replicate.images.test_dicom import write

SIDE = 24


class Trap:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _pictures(noise: NDArray[np.uint8]) -> Iterator[tuple[str, bytes]]:
    colour = Image.fromarray(noise)
    grey, few = colour.convert("L"), colour.quantize(8)
    clear, deep = colour.copy(), Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    clear.putalpha(grey)
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "an image"
    about = {"exif": turned, "icc_profile": bytes(200)}
    for picture in (grey, colour, clear, deep, few, grey.convert("1")):
        yield ".png", _saved(picture, "PNG")
    yield ".png", _saved(few, "PNG", transparency=3, **about)
    yield ".png", _saved(colour, "PNG", save_all=True, append_images=[colour.rotate(90)])
    for picture in (grey, colour, colour.convert("CMYK")):
        yield ".jpg", _saved(picture, "JPEG", **about)
    yield ".jpg", _saved(colour, "JPEG", progressive=True, restart_marker_blocks=1)
    yield ".jpeg", _saved(colour, "MPO", save_all=True, append_images=[grey])
    yield ".gif", _saved(few, "GIF", save_all=True, append_images=[few.rotate(90)], transparency=2)
    for picture in (few, colour, grey.convert("1"), clear):
        yield ".bmp", _saved(picture, "BMP")
    yield ".dib", _saved(colour, "DIB")
    for way in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        picture = grey.convert("1") if way == "group4" else colour
        yield ".tif", _saved(picture, "TIFF", compression=way)
    yield ".tif", _saved(deep, "TIFF", save_all=True, append_images=[deep, deep])
    yield ".tif", _saved(grey.convert("F"), "TIFF", big_tiff=True)
    yield ".tiff", _saved(clear, "TIFF", tiffinfo=turned)
    yield ".webp", _saved(clear, "WEBP", **about)
    yield ".webp", _saved(colour, "WEBP", lossless=True)
    yield ".webp", _saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)])
    for picture in (grey, colour, deep, grey.convert("1"), grey.convert("F")):
        yield ".ppm", _saved(picture, "PPM")
    digits = b" ".join(b"%d" % value for value in noise[..., 0].reshape(-1).tolist())
    yield ".pgm", b"P2 %d %d 255 # a comment\n" % (SIDE, SIDE) + digits


def _scans(noise: NDArray[np.uint8], folder: Path) -> Iterator[bytes]:
    path = folder / "made.dcm"
    deep = noise[..., 0].astype(np.uint16) * 16
    window = {"WindowCenter": 1500, "WindowWidth": 900, "RescaleSlope": 2, "RescaleIntercept": -7}
    for stored, tags in [
        (deep, {"PatientID": "7", **window}),
        (np.stack([deep] * 3), {"PixelPaddingValue": 0}),
        (noise, {}),
    ]:
        write(path, stored, **tags)
        whole = dcmread(path)
        for syntax in (None, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless):
            if syntax is RLELossless:
                whole.compress(syntax, generate_instance_uid=False)
            elif syntax is not None:
                whole.file_meta.TransferSyntaxUID = syntax
            # Equal for equal seeds.
            whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            stream = io.BytesIO()
            whole.save_as(stream, **(_forms(syntax)))
            yield stream.getvalue()
            whole = dcmread(path)
    path.unlink()


def _forms(syntax: Any) -> dict[str, Any]:
    return {"implicit_vr": True, "little_endian": True} if syntax is ImplicitVRLittleEndian else {}


def sound(seed: int, folder: Path) -> list[tuple[str, bytes]]:
    """Return suffix and content of files that can be read."""
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return [*_pictures(noise), *((".dcm", content) for content in _scans(noise, folder))]


def foreign(mark: Path) -> list[tuple[str, bytes]]:
    """Return name and content of what is no image, some of which would make a file if it ran."""
    program = POSTSCRIPT.replace("MARK", str(mark)).encode()
    script = f"<script>fetch('file://{mark}')</script>".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../ran", "x")
    grey = Image.new("L", (SIDE, SIDE), 9)
    with Path(sys.executable).open("rb") as stream:
        binary = stream.read(4000)
    others = ("ICO", "PCX", "TGA", "SGI", "IM", "PDF", "JPEG2000", "DDS", "ICNS", "MSP", "SPIDER")
    return [
        ("PostScript", program),
        (
            "PostScript behind its header",
            b"\xc5\xd0\xd3\xc6" + struct.pack("<7I", 32, len(program), *[0] * 5) + program,
        ),
        ("PDF", b"%PDF-1.7\n1 0 obj<</S/Launch/F(/usr/bin/touch " + bytes(mark) + b")>>endobj"),
        ("HTML", b"<html>" + script),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'>" + script + b"</svg>"),
        ("shell script", b"#!/bin/sh\ntouch " + bytes(mark)),
        ("pickle", pickle.dumps(Trap(mark))),
        ("zip", packed.getvalue()),
        ("program", binary),
        ("FLI", struct.pack("<IHHHHHH", 5000, 0xAF11, 4000, 320, 200, 8, 3) + bytes(5000)),
        ("WMF", b"\xd7\xcd\xc6\x9a" + bytes(100)),
        ("gzip", gzip.compress(bytes(10**6), mtime=0)),
        ("XPM", b'/* XPM */\nstatic char*x[]={"1 1 1 1","a c #000","a"};'),
        ("FITS", b"SIMPLE  =                    T".ljust(2880)),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(500)),
        ("nothing", b""),
        ("zeros", bytes(500)),
        ("PNG and nothing", b"\x89PNG\r\n\x1a\n"),
        ("PNG that ends at once", b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b"")),
        *(
            (
                kind,
                _saved(
                    grey.convert("1")
                    if kind == "MSP"
                    else grey.convert("F")
                    if kind == "SPIDER"
                    else grey,
                    kind,
                ),
            )
            for kind in others
        ),
    ]
