"""Image and array files of strangers: damaged, mislabelled, far larger than they look, or programs.

An attempt is one file in a class folder, or one ``.npz`` or manifest: opened as a set, and every image
of it read; every tenth goes through ``replicate leakage``. Nothing may run, take more than the memory
that limits allow, or leave anything in the cache or beside the file.
"""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.outcome import Outcome, command, judge

#: Growth of this process that a file of some kilobytes may cause, in bytes.
MEMORY = 600_000_000
SUFFIXES = (".png", ".jpg", ".gif", ".bmp", ".tif", ".webp", ".pgm", ".ppm", ".dcm", ".jpeg", "")


def _picture(rng: random.Random, form: str) -> bytes:
    pixels = np.random.default_rng(rng.randrange(2**31)).integers(0, 256, (24, 30, 3), np.uint8)
    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    frames = [picture] * 3 if form in ("GIF", "TIFF", "WEBP") and rng.random() < 0.3 else []
    more = {"save_all": True, "append_images": frames} if frames else {}
    picture.convert("P" if form == "GIF" else "RGB").save(stream, format=form, **more)
    return stream.getvalue()


def _dicom(rng: random.Random) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    one.Rows, one.Columns, one.SamplesPerPixel = rng.choice((12, 60000)), 12, 1
    one.BitsAllocated = one.BitsStored = 8
    one.HighBit, one.PixelRepresentation, one.PhotometricInterpretation = 7, 0, "MONOCHROME2"
    if rng.random() < 0.4:
        one.NumberOfFrames = rng.choice((2, 2**30))
    one.PixelData = bytes(144)
    stream = io.BytesIO()
    one.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _mutated(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, double, swap or zero parts, the header more often than the rest."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        near = min(len(data), 64) if rng.random() < 0.5 else len(data)
        if not near:
            break
        at, kind = rng.randrange(near), rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randrange(1, 400)] * rng.choice((1, 3, 50))
        elif kind == 4:
            data[at] = rng.randrange(256)
        else:
            data[at : at + 40] = bytes(rng.randrange(256) for _ in range(40))
    return bytes(data)


def _foreign(rng: random.Random, marker: Path) -> bytes:
    """Return what is no picture: programs, pages, archives."""
    program = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({marker}) (w) file closefile\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("../x", "x")
    return rng.choice(
        (
            program.encode(),
            b"%PDF-1.7\n1 0 obj <</OpenAction <</S /Launch>>>> endobj",
            f"<svg xmlns='http://www.w3.org/2000/svg'><script>{marker}</script></svg>".encode(),
            b"\x7fELF" + bytes(60),
            archive.getvalue(),
            b"\x80\x04" + pickle.dumps(_Writes(marker)),
            b"",
            b"\xff" * 3000,
            b"P6\n999999 999999\n255\n" + bytes(50),
            b"P5 40000 40000 65535 " + bytes(9),
            struct.pack("<HHI", 0, 0xAF11, 128) + bytes(200),
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 3, 8, 2, 0, 0, 0)),
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 30, 8, 2, 0, 0, 0))
            + _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200_000_000)))
            + _chunk(b"IDAT", zlib.compress(bytes(30 * 91))),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class _Writes:
    """What a pickle would do if anybody unpickled it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def _header(shape: str, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 65536) + text


def _arrays(rng: random.Random, marker: Path) -> bytes:
    """Return an .npz: sound, damaged, lying about its sizes, full of zeros, or with pickles."""
    stream = io.BytesIO()
    images = np.random.default_rng(0).integers(0, 256, (8, 9, 9), np.uint8)
    kind = rng.randrange(6)
    if kind == 0:
        np.savez_compressed(stream, images=images, labels=np.arange(8) % 2)
        return _mutated(rng, stream.getvalue())
    if kind == 1:
        objects = np.array([_Writes(marker)] * 8, dtype=object)
        np.savez(stream, images=images, labels=objects)
        return stream.getvalue()
    claims = (
        "(8, 9, 9)",
        "(99999999, 9, 9)",
        "(-1, 9, 9)",
        "(8,)",
        "()",
        "(2**40, 9, 9)",
        "x" * 9000,
    )
    labels = io.BytesIO()
    np.save(labels, np.arange(8) % 2)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        zeros = bytes(300_000_000 if kind == 2 else 648)
        made.writestr(
            "images.npy", _header(rng.choice(claims), rng.choice(("|u1", "|O", "<f8"))) + zeros
        )
        made.writestr("labels.npy", labels.getvalue())
        if kind == 3:
            made.writestr("images.npy", b"again")
        if kind == 4:
            made.writestr("../../groups.npy", labels.getvalue())
    return _mutated(rng, stream.getvalue()) if kind == 5 else stream.getvalue()


def _manifest(rng: random.Random) -> bytes:
    rows = rng.choice(
        ("../../../etc/passwd,a", "/etc/passwd,b", "a/0.png,a\n\0,b", "x" * 99999 + ",a", "")
    )
    return f"file,class\na/0.png,a\nb/0.png,b\n{rows}\n".encode() * rng.choice((1, 1, 3))


def _made(rng: random.Random, folder: Path, marker: Path) -> tuple[Path, str]:
    """Write one set with a hostile file in it; return what to open, and of which kind it is."""
    kind = rng.choice(("picture", "picture", "picture", "foreign", "dicom", "arrays", "manifest"))
    folder.mkdir()
    for name in "ab":
        (folder / name).mkdir()
        (folder / name / "0.png").write_bytes(_picture(rng, "PNG"))
    suffix = rng.choice(SUFFIXES)
    target = folder / "a" / f"x{suffix}"
    if kind == "picture":
        forms = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
        target.write_bytes(_mutated(rng, _picture(rng, rng.choice(forms))))
    elif kind == "foreign":
        target.write_bytes(_foreign(rng, marker))
    elif kind == "dicom":
        (folder / "a" / "x.dcm").write_bytes(_mutated(rng, _dicom(rng)))
    elif kind == "arrays":
        path = folder / "set.npz"
        path.write_bytes(_arrays(rng, marker))
        return path, kind
    else:
        path = folder / "images.csv"
        path.write_bytes(_manifest(rng))
        return path, kind
    if rng.random() < 0.05:
        (folder / "a" / "loop").symlink_to(folder)
    return folder, kind


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _read(path: Path) -> None:
    from replicate.images.opening import open_images

    images = open_images(path)
    for index in range(len(images)):
        images.read(index)
        images.fingerprint(index)


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what came of image and array files."""
    marker, cache = folder / "ran", folder / "cache"
    for number in count():
        rng = random.Random(f"{seed}/{number}")
        path, kind = _made(rng, folder / str(number), marker)
        os.environ["MEDTL_META_CACHE"] = str(cache)
        before, there = _resident(), sorted(path.parent.rglob("*"))
        tried = f"{kind} {number} of seed {seed}: {path}"
        # A decoder that hangs is stopped after 5 s, which is no fault; more than twice that is.
        outcome = judge(tried, lambda path=path: _read(path), 10)  # type: ignore[misc]
        if number % 10 == 9 and outcome.kind in ("answered", "refused"):
            outcome, _ = command(["replicate", "leakage", str(path)], 20)
        left = [one for one in cache.rglob("*") if one.is_file()] if cache.exists() else []
        if marker.exists():
            outcome = Outcome("executed", tried, "the marker file is there", outcome.seconds)
        elif _resident() - before > MEMORY:
            outcome = Outcome("lost", tried, f"{(_resident() - before) / 1e6:.0f} MB kept")
        elif sorted(path.parent.rglob("*")) != there:
            outcome = Outcome("half-written", tried, "files beside the image")
        elif outcome.kind == "refused" and left:
            outcome = Outcome("half-written", tried, f"left in the cache: {left[:3]}")
        yield outcome
