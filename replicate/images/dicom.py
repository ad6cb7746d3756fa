"""DICOM files as they are meant to be looked at: rescaled, windowed, the right way of grey."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import get_expected_length, pixel_array
from pydicom.uid import JPEGBaseline8Bit

from db.errors import ImagesError
from replicate.images import grey, levels
from replicate.images.bounds import BESIDE, WHOLE, read_whole
from replicate.images.deep import Deep
from replicate.images.image_set import Pixels
from replicate.images.levels import SMALLER, told_by_name, windowed
from replicate.images.windows import Head

#: What pydicom raises on bytes that are not what they claim to be.
BROKEN = (*levels.BROKEN, AttributeError, BytesLengthException, InvalidDicomError)

MEND = "Fetch the file again, or export it uncompressed (Explicit VR Little Endian)."
_MORE = 'pip install "medtl-meta[dicom]" brings another; or export it uncompressed.'

#: Tags in the order in which a file has them; what a file is called that names no modality.
_PATIENT, _PIXELS = 0x00100020, 0x7FE00010
_KIND = "DICOM"
#: The transfer syntax that inflates a whole file; and how far it may.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_INFLATED = 2**30


def read_quickly(path: Path, frame: str) -> Pixels | Deep | None:
    """Read one frame of a DICOM file whose reading takes a bounded time; None of others.

    Raises
    ------
    ImagesError
        Not DICOM, no image in it, cut off, too large, or compressed in a way that cannot be read.
    """
    header = _plain(path)
    if header is None:
        return None
    with told_by_name(path, MEND, BROKEN):
        return _frame(path, header, frame)


def read_here(path: Path, frame: str) -> Pixels | Deep:
    """Read one frame in this process, however long it takes; see :func:`read_quickly`."""
    with told_by_name(path, MEND, BROKEN):
        return _frame(path, _read(path), frame)


def _plain(path: Path) -> Any | None:
    """Return header and values of a file whose reading takes a bounded time, else None.

    That is one with few elements before its values, and these neither compressed nor deflated.
    """
    content = read_whole(path)
    if content is None:
        return None
    beginning = content[:BESIDE]
    if _DEFLATED in beginning:
        return None
    head = BytesIO(beginning)
    try:
        header = read_partial(head, lambda tag, *_: tag >= _PIXELS)
        at = head.tell()
        order = "<" if header.original_encoding[1] else ">"
        group, element = struct.unpack_from(f"{order}HH", content, at)
        wide = not header.original_encoding[0]
        (length,) = struct.unpack_from(f"{order}I", content, at + (8 if wide else 4))
    except BROKEN:
        return None  # it is told what is wrong with it where it is read whole
    if group << 16 | element != _PIXELS or length == 0xFFFFFFFF:
        return None
    start = at + (12 if wide else 8)
    header.add_new(_PIXELS, "OW", content[start : start + length])
    return header


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            deflated = _DEFLATED in stream.read(BESIDE)
            stream.seek(0)
            if deflated:
                _inflates(path, stream)
            return pydicom.dcmread(stream)
    except InvalidDicomError as error:
        raise ImagesError(f"{path}: is not a DICOM file.", MEND) from error


def _meta(stream: BinaryIO) -> Any:
    """Read what stands before the data set, and stop where that begins."""
    read_preamble(stream, force=False)
    return read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)


def _inflates(path: Path, stream: BinaryIO) -> None:
    """Refuse a deflated file that becomes too large, before it is inflated in memory."""
    _meta(stream)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, rest = 0, stream.read()
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, WHOLE))
        rest = inflater.unconsumed_tail
        if total > _INFLATED:
            raise ImagesError(f"{path}: inflates to more than {_INFLATED >> 20:,} MB.", SMALLER)
    stream.seek(0)


def _frame(path: Path, header: Any, frame: str) -> Pixels | Deep:
    """Return a frame with what the file says on showing it."""
    if "PixelData" not in header or "Rows" not in header or "Columns" not in header:
        raise ImagesError(f"{path}: is DICOM without an image in it.", "Take the file out.")
    frames = int(header.get("NumberOfFrames") or 1)
    _see_size(path, header, frames)
    chosen = levels.chosen_frame(path, frame, frames)
    values = _unpacked(path, header, chosen)
    if str(header.get("PhotometricInterpretation")) == "PALETTE COLOR":
        colours = np.asarray(apply_color_lut(values, header), dtype=np.float64)
        bits = 16 if colours.max(initial=0) > 255 else 8
        return windowed(colours[..., :3], 0, 2**bits - 1)
    if values.ndim == 3:
        return _colours(path, header, values[..., :3])
    return grey.deep(header, values, chosen, str(path))


def _colours(path: Path, header: Any, values: NDArray[Any]) -> Pixels | Deep:
    """Return colours, which pydicom has made RGB; those beyond 8 bits are spread like grey."""
    bits = int(header.BitsStored)
    return windowed(values, 0, 2**bits - 1) if bits <= 8 else Deep(values, str(path), _KIND)


def _unpacked(path: Path, header: Any, frame: int) -> NDArray[Any]:
    """Return the stored values of a frame, colours as RGB.

    Raises
    ------
    ImagesError
        None of the decoders that are installed reads it, and there is another one.
    """
    syntax = header.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return np.asarray(pixel_array(header, index=frame))
    decoder = get_decoder(syntax)
    # Others differ from it by up to 3 of 255: what else is installed must not change an image.
    plugin = "pillow" if syntax == JPEGBaseline8Bit else ""
    try:
        return np.asarray(pixel_array(header, index=frame, decoding_plugin=plugin))
    except RuntimeError as error:
        if decoder.is_available and ("pylibjpeg" in decoder.available_plugins or plugin):
            raise
        what = f"{path}: is compressed as {syntax.name}, and no decoder that is here reads it."
        raise ImagesError(what, _MORE) from error


def _see_size(path: Path, header: Any, frames: int) -> None:
    """Compare what a header declares with what is there, before anything is made room for."""
    rows, columns = int(header.Rows), int(header.Columns)
    if rows < 1 or columns < 1 or frames < 1:
        raise ImagesError(f"{path}: declares {frames} frames of {rows} x {columns} pixels.", MEND)
    levels.too_large(path, rows * columns * int(header.get("SamplesPerPixel") or 1))
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    declared, found = get_expected_length(header), len(header.PixelData)
    if found < declared:
        raise ImagesError(
            f"{path}: declares {frames} frames of {rows} x {columns} pixels, {declared:,} bytes, "
            f"and holds {found:,}.",
            MEND,
        )


def head_of(path: Path) -> Head:
    """Read the beginning of a file; what cannot be read there is not known."""
    # Whatever is wrong with the file is said, by name, when its image is read.
    try:
        header = _beginning(path, _PIXELS)
        return Head(patient_of(path, header), *_shown_as(header))
    except BROKEN:
        return Head(patient_of(path), _KIND, "")


def patient_of(path: Path, header: Any = None) -> str | None:
    """Return the PatientID of a DICOM file; None where it has none or cannot be read."""
    try:
        found = _beginning(path, _PATIENT + 1) if header is None else header
        return str(found.get("PatientID") or "").strip() or None
    except BROKEN:
        return None


def _beginning(path: Path, end: int) -> Any:
    """Return what stands before a tag, of the first :data:`BESIDE` bytes of a file."""

    def beyond(tag: Any, *_: object) -> bool:
        return bool(tag >= end)

    with path.open("rb", buffering=0) as stream:
        content = stream.read(BESIDE)
    head = BytesIO(content)
    if _DEFLATED in content and _meta(head).TransferSyntaxUID == _DEFLATED.decode():
        # No more of it than of others: all of it could be gigabytes.
        plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head.read(), BESIDE)
        return read_dataset(BytesIO(plain), False, True, stop_when=beyond)
    head.seek(0)
    return read_partial(head, beyond)


def _shown_as(header: Any) -> tuple[str | None, str | None]:
    """Return what a file is shown alike with, and its modality where it is grey."""
    modality = str(header.get("Modality") or "").strip().upper()
    meaning, bits = str(header.PhotometricInterpretation), int(header.BitsStored)
    if not meaning.startswith("MONOCHROME"):
        deep = bits > 8 and meaning != "PALETTE COLOR"
        return (f"{modality or _KIND} in colour" if deep else None), None
    if not grey.says_nothing(grey.of_frame(header, 0)):
        return None, modality
    # Hounsfield units are one scale; what other devices measure depends on their depth and sign.
    words = [modality or _KIND, *([] if modality == "CT" else [f"of {bits} bits"])]
    return " ".join([*words, *(["turned"] if grey.is_turned(header) else [])]), modality
