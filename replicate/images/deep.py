"""Values beyond 8 bits between their file and the screen: what counts, and what shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicate.images import levels
from replicate.images.image_set import Pixels
from replicate.images.levels import Summary, scaled, windowed
from replicate.images.windows import PICTURE, Showing, linear

#: Where the scale of CT ends; what lies below lay outside the scanner's field.
_CT_LOWEST = -1024


@dataclass(frozen=True, slots=True)
class Deep:
    """An image as it was stored or rescaled, grey or RGB.

    Parameters
    ----------
    values
        Height x width, or height x width x 3.
    what
        What messages call it.
    modality
        That of DICOM, empty where it does not say, or :data:`PICTURE`.
    voi
        Shows it as its file says; None where that says nothing.
    background
        Where nothing was measured: it is black and does not count.
    turned
        Whether more is darker.
    """

    values: NDArray[Any]
    what: str
    modality: str = PICTURE
    voi: Callable[[NDArray[Any]], Pixels] | None = None
    background: NDArray[np.bool_] | None = None
    turned: bool = False

    def shown(self, showing: Showing) -> Pixels:
        """Bring it to 8 bits; raises ImagesError where no value counts."""
        window = showing.window
        if window is not None and self.values.ndim == 2 and window.fits(self.modality):
            pixels = windowed(self.values, *linear(window.centre, window.width))
        elif self.voi is not None:
            pixels = self.voi(self.values)
        elif showing.within is not None:
            pixels = windowed(self.values, *showing.within)
        else:
            known = self._known()
            # Nothing but background is an image nonetheless, and a black one.
            counts = known is not None and bool(known.any())
            pixels = scaled(self.values, self.what, known if counts else None)
        if self.turned:
            np.subtract(255, pixels, out=pixels)
        if self.background is not None:
            pixels[self.background] = 0
        return pixels

    def summary(self) -> Summary | None:
        """Summarise the values that count; None where there is none."""
        return levels.summary(self.values, self._known())

    def _known(self) -> NDArray[np.bool_] | None:
        """Return which values count; None where all do, but for what is not finite."""
        known = None if self.background is None else ~self.background
        if self.modality == "CT" and self.values.min(initial=0) < _CT_LOWEST:
            within = self.values >= _CT_LOWEST
            known = within if known is None else known & within
        if known is not None and self.values.dtype.kind == "f":
            known &= np.isfinite(self.values)
        return known
