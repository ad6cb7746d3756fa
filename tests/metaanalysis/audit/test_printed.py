"""Printed numbers: what rounds to them, and which counts give them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaanalysis.audit.printed import (
    counts_cut_to,
    counts_giving,
    fraction,
    rounded_count,
    smallest_denominator,
)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(1, 5),
)
def test_a_count_is_found_again_in_its_rounded_proportion(
    pair: tuple[int, int], digits: int
) -> None:
    count, n = pair
    printed = fraction(round(count / n, digits))
    assert count in counts_giving(printed, n)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(2, 5),
)
def test_a_count_is_found_again_in_its_cut_proportion(pair: tuple[int, int], digits: int) -> None:
    count, n = pair
    cut = count * 10**digits // n / 10**digits
    # A zero at the end is lost, so that the number is taken for one with fewer digits.
    assert count in counts_cut_to(fraction(cut), n)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_proportion_that_was_computed_is_not_taken_for_a_printed_one(
    pair: tuple[int, int],
) -> None:
    """18/19 in binary has sixteen digits, of which the last need not be the true ones."""
    count, n = pair
    assert count in counts_giving(fraction(count / n), n)


@given(st.integers(0, 1000), st.integers(1, 60))
def test_no_other_count_is_let_in(thousandths: int, n: int) -> None:
    printed = fraction(thousandths / 1000)
    half = Fraction(1, 2 * 10 ** max(len(str(thousandths / 1000).split(".")[1]), 1))
    near = [k for k in range(n + 1) if abs(Fraction(k, n) - Fraction(thousandths, 1000)) <= half]
    assert list(counts_giving(printed, n)) == near


@given(st.integers(1, 999))
def test_the_smallest_denominator_is_the_smallest(thousandths: int) -> None:
    printed = fraction(thousandths / 1000)
    count, n = smallest_denominator(printed)
    assert printed.rounds_to(Fraction(count, n))
    assert all(not counts_giving(printed, smaller) for smaller in range(1, n))


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        (62_300_000, 62_250_000, 62_350_000),
        (1_716, Fraction(3431, 2), Fraction(3433, 2)),
        (60_000, 55_000, 65_000),
    ],
)
def test_zeros_at_the_end_of_a_count_are_not_digits(
    count: int, low: Fraction, high: Fraction
) -> None:
    printed = rounded_count(count)
    assert (printed.low, printed.high) == (low, high)
