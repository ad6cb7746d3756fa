"""Scales on which proportions and ratios are pooled, and the way back.

Sources: Freeman & Tukey (1950), Ann Math Stat 21:607; Miller (1978), Am Stat 32:138 for the
exact inverse of the double arcsine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from db.errors import StatisticsError

Scale = Literal["identity", "exp", "logit", "arcsine", "freeman-tukey"]


@dataclass(frozen=True, slots=True)
class BackTransform:
    """The way from the pooled scale to the scale that a reader knows.

    Attributes
    ----------
    scale
        ``"identity"``, ``"exp"``, ``"logit"``, ``"arcsine"`` or ``"freeman-tukey"``.
    n
        Sample size at which the double arcsine is inverted; NaN elsewhere.
    """

    scale: Scale = "identity"
    n: float = math.nan

    def __call__(self, value: float) -> float:
        """Transform one value; NaN stays NaN."""
        return float(self.array(value))

    def array(self, values: ArrayLike) -> NDArray[np.float64]:
        """Transform many values."""
        numbers = np.asarray(values, dtype=np.float64)
        if self.scale == "exp":
            # The end of a very wide interval may lie beyond the largest number: infinite.
            with np.errstate(over="ignore"):
                return np.exp(numbers)
        if self.scale == "logit":
            return special.expit(numbers)
        if self.scale == "arcsine":
            return inverse_arcsine(numbers)
        if self.scale == "freeman-tukey":
            return inverse_freeman_tukey(numbers, self.n)
        return numbers


IDENTITY = BackTransform()
#: What may be called by another name -> the way back from it.
_SCALES: dict[str, Scale] = {
    "identity": "identity",
    "raw": "identity",
    "none": "identity",
    "exp": "exp",
    "log": "exp",
    "logit": "logit",
    "arcsine": "arcsine",
}


def back_transform_named(name: str, n: float = math.nan) -> BackTransform:
    """Return the back-transform called `name` (``"log"`` and ``"exp"`` are the same).

    Raises
    ------
    StatisticsError
        For an unknown name, and for Freeman-Tukey without its sample size `n`.
    """
    if name == "freeman-tukey":
        if math.isnan(n):
            raise StatisticsError(
                "The Freeman-Tukey inverse needs a sample size.",
                "Pass BackTransform('freeman-tukey', n), or pool what proportions() returns.",
            )
        return BackTransform("freeman-tukey", n)
    if name not in _SCALES:
        known = ", ".join(_SCALES)
        raise StatisticsError(f"No such back-transform: {name!r}.", f"Known: {known}.")
    return BackTransform(_SCALES[name])


def arcsine(proportion: ArrayLike) -> NDArray[np.float64]:
    """Arcsine of the square root, in radians, 0 to pi/2."""
    return np.arcsin(np.sqrt(np.asarray(proportion, dtype=np.float64)))


def inverse_arcsine(value: ArrayLike) -> NDArray[np.float64]:
    """Squared sine, clipped to the range that the transform can reach."""
    return np.sin(np.clip(np.asarray(value, dtype=np.float64), 0.0, 0.5 * np.pi)) ** 2


def freeman_tukey(events: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Double arcsine as the mean of two arcsines (metafor's PFT, half of Miller's)."""
    count = np.asarray(events, dtype=np.float64)
    size = np.asarray(n, dtype=np.float64)
    low = np.arcsin(np.sqrt(count / (size + 1.0)))
    high = np.arcsin(np.sqrt((count + 1.0) / (size + 1.0)))
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def inverse_freeman_tukey(value: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Proportion whose double arcsine at sample size `n` is `value`.

    Notes
    -----
    Miller's formula, (1 - sgn(cos t) sqrt(1 - (sin t + (sin t - 1/sin t)/n)^2)) / 2 with
    t = 2 value, holds between the transforms of 0 and of n out of n; beyond them it turns
    back, so values are clipped to 0 and 1 there. Near t = 0 and pi the square root cancels,
    hence the factored form (1 - u)(1 + u).
    """
    angle = 2.0 * np.asarray(value, dtype=np.float64)
    size = np.asarray(n, dtype=np.float64)
    lowest = 2.0 * freeman_tukey(np.zeros_like(size), size)
    highest = 2.0 * freeman_tukey(size, size)
    inside = np.clip(angle, lowest, highest)
    sine = np.sin(inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sine + (sine - 1.0 / sine) / size
        root = np.sqrt(np.clip((1.0 - ratio) * (1.0 + ratio), 0.0, None))
        proportion = 0.5 * (1.0 - np.sign(np.cos(inside)) * root)
    proportion = np.where(angle <= lowest, 0.0, proportion)
    proportion = np.where(angle >= highest, 1.0, proportion)
    return np.where(np.isnan(angle), np.nan, proportion)
