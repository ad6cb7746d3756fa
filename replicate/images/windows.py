"""How values beyond 8 bits are shown where a file does not say: a named window, or a range."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from db.errors import UsageError

#: What is shown as 0 and as 255; and what leaves values as they are.
Range = tuple[float, float]
KEPT: Range = (0.0, 255.0)

#: Windows of CT, centre and width in Hounsfield units: the typical ones of Radiopaedia.org,
#: reference article "Windowing (CT)".
CT_WINDOWS: dict[str, Range] = {
    "abdomen": (50, 400),
    "bone": (400, 1800),
    "brain": (40, 80),
    "liver": (30, 150),
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "spine": (50, 250),
}


#: The modality of what is no DICOM.
PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Head:
    """What the beginning of a file tells before its values are read.

    `patient` is DICOM's PatientID. `alike` names what the values are comparable with where the file
    does not say how they are shown, else None. `grey` is the modality of what a window may show,
    empty where DICOM does not say; None of colours and of pictures of 8 bits.
    """

    patient: str | None = None
    alike: str | None = None
    grey: str | None = None


def linear(centre: float, width: float) -> Range:
    """Return the range of a window as DICOM's LINEAR has it (PS3.3 C.11.2.1.2.1).

    Widths below 1, of which that knows nothing, are taken as they are (LINEAR_EXACT).
    """
    low = centre - 0.5 - (width - 1) / 2
    return (low, low + width - 1) if width >= 1 else (centre - width / 2, centre + width / 2)


@dataclass(frozen=True, slots=True)
class Window:
    """A window that a user names; `ct` is one in Hounsfield units, which nothing else has."""

    centre: float
    width: float
    ct: bool = False

    @classmethod
    def of(cls, text: str) -> Window:
        """Read ``lung`` or another of :data:`CT_WINDOWS`, or centre and width: ``-600,1500``.

        Raises
        ------
        UsageError
            It is neither.
        """
        if text.strip().lower() in CT_WINDOWS:
            return cls(*CT_WINDOWS[text.strip().lower()], ct=True)
        try:
            centre, width = (float(word) for word in text.split(","))
        except ValueError:
            centre = width = float("nan")
        if not (isfinite(centre) and isfinite(width) and width > 0):
            raise UsageError(
                f"--window: no such window {text!r}.",
                f"Give centre and width, such as -600,1500, or one of {', '.join(CT_WINDOWS)}.",
            )
        return cls(centre, width)

    def fits(self, modality: str) -> bool:
        """Tell whether it shows grey values of a modality, empty where DICOM does not say."""
        return not self.ct or modality in ("CT", "")


@dataclass(frozen=True, slots=True)
class Showing:
    """What shows an image: the user's window, else the file's own, else a range of the set's.

    Where there is none of them, an image is spread over its own range.
    """

    window: Window | None = None
    within: Range | None = None

    @property
    def mark(self) -> str:
        """What the fingerprint of an image has of it; empty where the file alone decides."""
        if self.window is not None:
            return "#window {!r} {!r}".format(*linear(self.window.centre, self.window.width))
        return "" if self.within is None else "#range {!r} {!r}".format(*self.within)


#: As the file says, or by its own range.
DECLARED = Showing()
