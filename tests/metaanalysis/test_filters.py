"""Ranges, metrics and words: what is understood, and what is told of what is not."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from db.errors import UnknownTermError, UsageError
from metaanalysis.query.filters import Filters, Parameters, Range, parse_range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", Range(3, 3)),
        ("=3", Range(3, 3)),
        ("2018-2020", Range(2018, 2020)),
        ("2018..2020", Range(2018, 2020)),
        (">=1000", Range(low=1000)),
        ("> 1000", Range(low=1000, strict_low=True)),
        ("<=5", Range(high=5)),
        ("<5", Range(high=5, strict_high=True)),
        ("≥1,000", Range(low=1000)),
        (">=1e3", Range(low=1000)),
    ],
)
def test_ranges(text: str, expected: Range) -> None:
    assert parse_range(text, "--size") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.9", Range(0.9, 0.9)), (">=90%", Range(low=0.9)), ("80%-90%", Range(0.8, 0.9))],
)
def test_fractions(text: str, expected: Range) -> None:
    assert parse_range(text, "--metric", fraction=True) == expected


@pytest.mark.parametrize(
    ("text", "fraction", "says"),
    [
        ("20x", False, "not a number or a range"),
        ("", False, "not a number or a range"),
        ("-5", False, "not a number or a range"),
        ("2020-2018", False, "runs backwards"),
        ("2019.5", False, "whole numbers"),
        ("90%", False, "percentage makes no sense"),
        (">=90", True, "fractions from 0 to 1"),
        ("1;DROP TABLE study", False, "not a number or a range"),
    ],
)
def test_what_is_no_range(text: str, fraction: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_range(text, "--x", fraction=fraction)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_any_two_numbers_make_a_range(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert parse_range(f"{low}-{high}", "--size") == Range(low, high)


@given(st.text())
def test_no_text_reaches_the_sql(text: str) -> None:
    """Whatever is searched for becomes parameters; the SQL depends on the number of words alone."""
    assume(text.split())
    parameters = Parameters()
    (condition,) = Filters(text=[text]).conditions(None, set)  # type: ignore[arg-type]
    other = Parameters()
    (plain,) = Filters(text=[" ".join("w" for _ in text.split())]).conditions(None, set)  # type: ignore[arg-type]
    assert condition.holds(parameters) == plain.holds(other)


def test_a_filter_that_does_not_exist() -> None:
    with pytest.raises(UnknownTermError, match="modalty") as caught:
        Filters.of({"modalty": "OCT"})
    assert caught.value.nearest == ("modality",)


@pytest.mark.parametrize("text", ["accuracy ! 0.9", ">=0.9", "acc 0.9", "accuracy>=x"])
def test_a_metric_that_is_not_understood(text: str) -> None:
    with pytest.raises(UsageError):
        Filters(metric=[text]).conditions(None, set)  # type: ignore[arg-type]
