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
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import get_expected_length, pixel_array

from db.errors import ImagesError
from replicate.images import levels
from replicate.images.apart import decode_apart
from replicate.images.bounds import BESIDE, WHOLE, read_whole
from replicate.images.image_set import Pixels
from replicate.images.levels import SMALLER, scaled, told_by_name, windowed

#: What pydicom raises on bytes that are not what they claim to be.
BROKEN = (*levels.BROKEN, AttributeError, BytesLengthException, InvalidDicomError)

_MEND = "Fetch the file again, or export it uncompressed (Explicit VR Little Endian)."


#: Tags in the order in which a file has them.
_PATIENT, _PIXELS = 0x00100020, 0x7FE00010
#: The transfer syntax that inflates a whole file; and how far it may.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_INFLATED = 2**30


def decode_dicom(path: Path, frame: str = "middle") -> Pixels:
    """Read one frame of a DICOM file.

    Stored values pass the rescale slope and intercept (or modality table), then the file's first
    window (DICOM PS3.3 C.11.2.1.2) or VOI table; a file without either is spread between its 0.5th
    and 99.5th percentile. MONOCHROME1 is turned so that more is brighter. Burnt-in overlays stay.

    Raises
    ------
    ImagesError
        Not DICOM, no image in it, cut off, too large, or compressed in a way that cannot be read.
    """
    header = _plain(path)
    if header is None:
        return decode_apart(path, frame)
    with told_by_name(path, _MEND, BROKEN):
        return _shown(path, header, frame)


def decode_dicom_here(path: Path, frame: str) -> Pixels:
    """Read one frame in this process, however long it takes; see :func:`decode_dicom`."""
    with told_by_name(path, _MEND, BROKEN):
        return _shown(path, _read(path), frame)


def _plain(path: Path) -> Any | None:
    """Return header and values of a file whose reading takes a bounded time, else None.

    That is one with few elements before its values, and these neither compressed nor deflated.
    """
    content = read_whole(path)
    if content is None:
        return None
    head = BytesIO(content[:BESIDE])
    if _DEFLATED in head.getvalue():
        return None
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
        raise ImagesError(f"{path}: is not a DICOM file.", _MEND) from error


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


def _shown(path: Path, header: Any, frame: str) -> Pixels:
    """Return a frame as it is meant to be looked at."""
    if "PixelData" not in header or "Rows" not in header or "Columns" not in header:
        raise ImagesError(f"{path}: is DICOM without an image in it.", "Take the file out.")
    frames = int(header.get("NumberOfFrames") or 1)
    _see_size(path, header, frames)
    chosen = levels.chosen_frame(path, frame, frames)
    values = np.asarray(pixel_array(header, index=chosen))  # colours as RGB
    meaning = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if meaning == "PALETTE COLOR":
        colours = np.asarray(apply_color_lut(values, header), dtype=np.float64)
        bits = 16 if colours.max(initial=0) > 255 else 8
        return windowed(colours[..., :3], 0, 2**bits - 1)
    if values.ndim == 3:
        return windowed(values[..., :3].astype(np.float64), 0, 2 ** int(header.BitsStored) - 1)
    grey = _displayed(header, values, str(path))
    return 255 - grey if meaning == "MONOCHROME1" else grey


def _see_size(path: Path, header: Any, frames: int) -> None:
    """Compare what a header declares with what is there, before anything is made room for."""
    rows, columns = int(header.Rows), int(header.Columns)
    if rows < 1 or columns < 1 or frames < 1:
        raise ImagesError(f"{path}: declares {frames} frames of {rows} x {columns} pixels.", _MEND)
    levels.too_large(path, rows * columns * int(header.get("SamplesPerPixel") or 1))
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    declared, found = get_expected_length(header), len(header.PixelData)
    if found < declared:
        raise ImagesError(
            f"{path}: declares {frames} frames of {rows} x {columns} pixels, {declared:,} bytes, "
            f"and holds {found:,}.",
            _MEND,
        )


def _displayed(header: Any, stored: NDArray[Any], what: str) -> Pixels:
    """Return stored values as grey from 0 to 255, before MONOCHROME1 is turned."""
    values = np.asarray(apply_modality_lut(stored, header), dtype=np.float64)
    centre, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    if centre is not None and width is not None and width > 0:
        match str(header.get("VOILUTFunction", "LINEAR")).upper():
            case "SIGMOID":
                lifted = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
                return windowed(lifted, 0, 1)
            case "LINEAR_EXACT":
                return windowed(values, centre - width / 2, centre + width / 2)
            case _:
                low = centre - 0.5 - (width - 1) / 2
                return windowed(values, low, low + width - 1)
    if "VOILUTSequence" in header:
        looked_up = np.asarray(apply_voi(values.astype(np.int64), header), dtype=np.float64)
        return windowed(looked_up, float(looked_up.min()), float(looked_up.max()))
    padding = header.get("PixelPaddingValue")
    if padding is not None:
        # Air outside the scanner's field would otherwise take the lowest percent.
        values = np.where(stored == int(padding), np.nan, values)
    return scaled(values, what)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(
        value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
    )


def patient_of(path: Path) -> str | None:
    """Return the PatientID of a DICOM file; None where it has none or cannot be read."""

    def beyond(tag: Any, *_: object) -> bool:
        return bool(tag > _PATIENT)

    # Whatever is wrong with the file is said, by name, when its image is read.
    try:
        with path.open("rb") as stream:
            head = BytesIO(stream.read(BESIDE))
        if _DEFLATED in head.getvalue() and _meta(head).TransferSyntaxUID == _DEFLATED.decode():
            # No more of it than of others: all of it could be gigabytes.
            plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head.read(), BESIDE)
            return _patient(read_dataset(BytesIO(plain), False, True, stop_when=beyond))
        head.seek(0)
        return _patient(read_partial(head, beyond))
    except BROKEN:
        return None


def _patient(header: Any) -> str | None:
    return str(header.get("PatientID") or "").strip() or None
