"""DICOM files as they are meant to be looked at: rescaled, windowed, the right way of grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array

from db.errors import ImagesError
from replicate.images import levels
from replicate.images.image_set import Pixels
from replicate.images.levels import scaled, told_by_name, windowed

#: What pydicom raises on bytes that are not what they claim to be.
BROKEN = (*levels.BROKEN, AttributeError, BytesLengthException, InvalidDicomError)

_MEND = "Fetch the file again, or export it uncompressed (Explicit VR Little Endian)."


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
    with told_by_name(path, _MEND, BROKEN):
        try:
            header = pydicom.dcmread(path)
        except InvalidDicomError as error:
            raise ImagesError(f"{path}: is not a DICOM file.", _MEND) from error
        if "PixelData" not in header or "Rows" not in header or "Columns" not in header:
            raise ImagesError(f"{path}: is DICOM without an image in it.", "Take the file out.")
        levels.too_large(path, int(header.Rows) * int(header.Columns))
        chosen = levels.chosen_frame(path, frame, int(header.get("NumberOfFrames") or 1))
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
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
    except BROKEN:
        # Whatever is wrong with the file is said, by name, when its image is read.
        return None
    return str(header.get("PatientID") or "").strip() or None
