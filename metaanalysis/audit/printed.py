"""A printed number as the range of values that it can stand for.

Digits are counted in the number as the database holds it, so a zero at the end is lost and the
range errs on the wide side: 0.90 is taken for 0.9. A check that errs this way misses a fault
rather than find one that is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

#: What has more digits was computed, and holds the error of binary arithmetic in its last ones.
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Printed:
    """A number with the unit of its last digit; exact, since 0.755 has no binary form."""

    value: Fraction
    unit: Fraction

    @property
    def low(self) -> Fraction:
        """Smallest value that rounds to the number."""
        return self.value - self.unit / 2

    @property
    def high(self) -> Fraction:
        """Largest value that rounds to the number."""
        return self.value + self.unit / 2

    @property
    def decimals(self) -> int:
        """Digits behind the point."""
        return max(0, round(-math.log10(self.unit)))

    def rounds_to(self, value: Fraction | float) -> bool:
        """Return whether a value is printed so when rounded, halves up or down."""
        return self.low <= value <= self.high

    def cut_to(self, value: Fraction | float) -> bool:
        """Return whether a value is printed so when further digits are cut off."""
        return self.value <= value < self.value + self.unit

    def either(self) -> Printed:
        """Return the number with the range of all that is rounded or cut to it."""
        return Printed(self.value + self.unit / 4, self.unit * 3 / 2)

    def shown(self, value: Fraction | float) -> str:
        """Return a value with one digit more than the printed one has."""
        return f"{float(value):.{self.decimals + 1}f}"


def fraction(value: float) -> Printed:
    """Read a fraction such as 0.755 off the database; digits beyond the sixth are not printed."""
    decimal = Decimal(repr(round(float(value), _MOST_DIGITS)))
    exponent = decimal.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    return Printed(Fraction(decimal), Fraction(1, 10 ** max(digits, 1)))


def rounded_count(value: int) -> Printed:
    """Read a count in which zeros at the end stand for digits that are not given: 62,300,000."""
    unit = 1
    while value and value % (unit * 10) == 0:
        unit *= 10
    return Printed(Fraction(value), Fraction(unit))


def counts_giving(printed: Printed, n: int) -> range:
    """Return the counts out of `n` whose proportion rounds to the number; empty if none."""
    first = max(0, math.ceil(printed.low * n))
    last = min(n, math.floor(printed.high * n))
    return range(first, max(first, last + 1))


def counts_cut_to(printed: Printed, n: int) -> range:
    """Return the counts out of `n` whose proportion gives the number when digits are cut off."""
    first = max(0, math.ceil(printed.value * n))
    beyond = math.ceil((printed.value + printed.unit) * n)
    return range(first, max(first, min(n + 1, beyond)))


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """Return the fraction with the smallest denominator in [low, high], by continued fractions."""
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    below = whole - 1
    return below + 1 / _simplest(1 / (high - below), 1 / (low - below))


def smallest_denominator(printed: Printed) -> tuple[int, int]:
    """Return the smallest ``count, n`` whose proportion rounds to the number."""
    found = _simplest(max(printed.low, Fraction(0)), min(printed.high, Fraction(1)))
    return found.numerator, found.denominator
