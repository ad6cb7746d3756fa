"""From what a DICOM file stores to grey as it is meant to be looked at (PS3.3 C.7.6.3, C.11).

Stored values pass the modality table or rescale slope and intercept, then the file's first VOI
table or, without one, its first window. What these are is told of all frames in enhanced images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from replicate.images.deep import Deep
from replicate.images.image_set import Pixels
from replicate.images.levels import windowed
from replicate.images.windows import linear

#: What an enhanced image tells of each frame or of all of them, beside or in place of the header.
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


def deep(header: Any, stored: NDArray[Any], frame: int, what: str) -> Deep:
    """Return a grey image with what its file says on showing it."""
    told = of_frame(header, frame)
    return Deep(
        _rescaled(told, stored),
        what,
        str(header.get("Modality") or "").strip().upper(),
        _voi(told),
        _background(header, stored),
        is_turned(header),
    )


def of_frame(header: Any, frame: int) -> Any:
    """Return a header with what an enhanced image tells of one frame."""
    groups = [header.get(name) for name in _GROUPS]
    if not any(groups):
        return header
    told = Dataset()
    told.update({element.tag: element for element in header if element.tag.group == 0x28})
    shared, own = (list(group or []) for group in groups)
    for group in (*shared[:1], *own[frame : frame + 1]):
        for name in _MACROS:
            for item in (group.get(name) or [])[:1]:
                told.update({element.tag: element for element in item})
    return told


def is_turned(header: Any) -> bool:
    """Tell whether more is darker.

    The shape INVERSE goes with MONOCHROME1 and says the same: both together turn once.
    """
    meaning = str(header.get("PhotometricInterpretation", ""))
    shape = str(header.get("PresentationLUTShape", ""))
    return meaning == "MONOCHROME1" or shape == "INVERSE"


def says_nothing(told: Any) -> bool:
    """Tell whether a header has neither a VOI table nor a window, and values beyond 8 bits."""
    if _table(told, "VOILUTSequence") is not None or window_of(told) is not None:
        return False
    rescaled = _table(told, "ModalityLUTSequence") is not None or _line(told) != (1.0, 0.0)
    return rescaled or told.get("PixelRepresentation", 0) != 0 or int(told.BitsStored) > 8


def window_of(told: Any) -> tuple[float, float] | None:
    """Return centre and width of the first window; None without one."""
    centre, width = _first(told.get("WindowCenter")), _first(told.get("WindowWidth"))
    found = centre is not None and width is not None and width > 0
    return (centre, width) if found else None  # type: ignore[return-value]


def _voi(told: Any) -> Callable[[NDArray[Any]], Pixels] | None:
    table = _table(told, "VOILUTSequence")
    if table is not None:
        return lambda values: _looked_up(told, table, values)
    window = window_of(told)
    if window is None:
        return None
    centre, width = window
    match str(told.get("VOILUTFunction", "LINEAR")).upper():
        case "SIGMOID":
            return lambda values: windowed(_sigmoid(values, centre, width), 0, 1)
        case "LINEAR_EXACT":
            return lambda values: windowed(values, centre - width / 2, centre + width / 2)
    return lambda values: windowed(values, *linear(centre, width))


def _sigmoid(values: NDArray[Any], centre: float, width: float) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(np.clip(-4 * (values.astype(np.float64) - centre) / width, -700, 700)))


def _line(told: Any) -> tuple[float, float]:
    slope, intercept = _first(told.get("RescaleSlope")), _first(told.get("RescaleIntercept"))
    return (1.0 if slope is None else slope, intercept or 0.0)


def _rescaled(told: Any, stored: NDArray[Any]) -> NDArray[Any]:
    table = _table(told, "ModalityLUTSequence")
    if table is not None:
        return _entries(told, table)[_places(told, table, stored)]
    slope, intercept = _line(told)
    return stored if (slope, intercept) == (1.0, 0.0) else stored * slope + intercept


def _table(told: Any, name: str) -> Any | None:
    """Return the first item of a sequence of tables; None without one."""
    found = told.get(name)
    return found[0] if found else None


def _descriptor(told: Any, table: Any) -> tuple[int, int, int]:
    """Return the number of entries, the value that the first is for, and bits of an entry."""
    count, first, bits = (int(value) for value in table.LUTDescriptor)
    if told.get("PixelRepresentation", 0) == 1 and first >= 2**15:
        first -= 2**16  # signed, and read as if it were not
    return (count & 0xFFFF) or 2**16, first, bits & 0xFFFF


def _entries(told: Any, table: Any) -> NDArray[np.int64]:
    """Return a table's entries: words, or two of 8 bits in each."""
    count, _, bits = _descriptor(told, table)
    order = ">" if table.original_encoding[1] is False else "<"
    data = table.LUTData
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    else:
        words = np.atleast_1d(np.asarray(data, "u2"))
    if len(words) < count and bits <= 8:
        words = np.frombuffer(data if isinstance(data, bytes) else words.astype("<u2"), "u1")
    if len(words) < count:
        raise ValueError(f"a table of {count} entries holds {len(words)}")
    return words[:count].astype(np.int64)


def _places(told: Any, table: Any, values: NDArray[Any]) -> NDArray[np.int64]:
    """Return which entry is each value's; those beyond the table take its first or last one."""
    count, first, _ = _descriptor(told, table)
    whole = np.rint(values) if values.dtype.kind == "f" else values
    return np.clip(whole.astype(np.int64) - first, 0, count - 1)


def _looked_up(told: Any, table: Any, values: NDArray[Any]) -> Pixels:
    """Show values by a VOI table, whose full range is what its descriptor says."""
    entries, (_, _, bits) = _entries(told, table), _descriptor(told, table)
    # Some tables hold more than the bits that they state.
    highest = max(2**bits - 1, int(entries.max()))
    return windowed(entries, 0, highest)[_places(told, table, values)]


def _background(header: Any, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return what is padding: one value, or a range of them, in either order."""
    value = _stored(header.get("PixelPaddingValue"), stored)
    if value is None:
        return None
    limit = _stored(header.get("PixelPaddingRangeLimit"), stored)
    low, high = sorted((value, value if limit is None else limit))
    found = (stored >= low) & (stored <= high)
    return found if found.any() else None


def _stored(value: Any, stored: NDArray[Any]) -> int | None:
    """Return a padding value in the type of the stored ones: -2000 also stands as 63536."""
    found = _first(value)
    if found is None:
        return None
    number = int(found)
    limits = np.iinfo(stored.dtype)
    if limits.min <= number <= limits.max:
        return number
    return int(np.array(number & 0xFFFF, np.uint16).astype(stored.dtype))


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    several = isinstance(value, (list, tuple)) or hasattr(value, "append")
    if several and not len(value):
        return None
    number = float(value[0] if several else value)
    return number if np.isfinite(number) else None
