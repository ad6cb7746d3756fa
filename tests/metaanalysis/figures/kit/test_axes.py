"""Axes and texts of natural values."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from metaanalysis.figures.kit.axes import (
    is_share,
    natural_ticks,
    quantity,
    scale_words,
    value_axis,
)
from metaanalysis.figures.kit.text_width import shortened, text_width
from metaanalysis.stats.transforms import BackTransform


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("logit proportion", "proportion"),
        ("logit proportion (binomial-normal)", "proportion"),
        ("freeman-tukey proportion", "proportion"),
        ("raw AUC", "AUC"),
        ("log risk ratio", "risk ratio"),
        ("effect", "effect"),
    ],
)
def test_quantity(measure: str, expected: str) -> None:
    assert quantity(measure) == expected


def test_what_is_a_share() -> None:
    assert is_share("logit", "effect")
    assert is_share("identity", "raw proportion")
    assert is_share("identity", "raw AUC")
    assert not is_share("exp", "log risk ratio")
    assert not is_share("identity", "risk difference")
    assert scale_words("identity") == ""
    assert scale_words("exp") == "log scale"


@given(
    estimates=some.lists(some.floats(0, 1), min_size=1, max_size=8),
    widths=some.floats(0, 1),
)
@example(estimates=[0.17], widths=0.0)
def test_shares_stay_between_0_and_1(estimates: list[float], widths: float) -> None:
    intervals = [(max(0.0, e - widths), min(1.0, e + widths)) for e in estimates]
    axis = value_axis("x", estimates, intervals, scale="logit", measure="logit proportion")
    assert 0 <= axis.low < axis.high <= 1
    assert axis.low <= min(estimates)
    assert max(estimates) <= axis.high
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert len(axis.ticks) <= 7


@given(
    logs=some.lists(some.floats(-6, 6), min_size=1, max_size=8),
    width=some.floats(0, 40),
)
def test_ratios(logs: list[float], width: float) -> None:
    estimates = [math.exp(value) for value in logs]
    intervals = [(math.exp(value - width), math.exp(value + width)) for value in logs]
    axis = value_axis("x", estimates, intervals, scale="exp", measure="log risk ratio")
    assert axis.log
    assert 0 < axis.low < axis.high < math.inf
    assert axis.low <= min(estimates) * (1 + 1e-9)
    assert max(estimates) <= axis.high * (1 + 1e-9)
    assert all(axis.low * (1 - 1e-6) <= tick <= axis.high * (1 + 1e-6) for tick in axis.ticks)


def test_one_enormous_interval_does_not_squeeze_the_others() -> None:
    estimates = [0.8, 0.9, 1.0, 1.1, 1.2]
    intervals = [(value * 0.8, value * 1.2) for value in estimates[:4]] + [(1e-9, 1e9)]
    axis = value_axis("x", estimates, intervals, scale="exp", measure="log odds ratio")
    assert axis.low > 0.3
    assert axis.high < 3
    assert axis.clipped(1e9) == axis.high
    endless = [(0.0, math.inf), (math.nan, math.nan)]
    assert value_axis("x", [2.0], endless, scale="exp", measure="log odds ratio").high < 10


def test_natural_ticks_stand_where_the_back_transform_puts_them() -> None:
    for back in (
        BackTransform("logit"),
        BackTransform("arcsine"),
        BackTransform("freeman-tukey", 60),
    ):
        ticks = natural_ticks(back, 0.4, 1.4, share=True)
        assert len(ticks) >= 3
        for place, natural in ticks:
            assert 0.4 <= place <= 1.4
            assert back(place) == pytest.approx(natural, abs=1e-9)
    ratios = natural_ticks(BackTransform("exp"), -2.0, 2.0, share=False)
    assert (0.0, 1.0) in [(round(place, 12), value) for place, value in ratios]


def test_text_width_is_that_of_the_font() -> None:
    # Advance widths of Liberation Sans, in thousandths: W 944, i 222, digits 556.
    assert text_width("Wi5", 10) == pytest.approx((944 + 222 + 556) / 100)
    assert text_width("Wi5", 10, bold=True) > text_width("Wi5", 10)


@given(some.text(max_size=80), some.floats(40, 300))
def test_shortened_fits(text: str, width: float) -> None:
    short = shortened(text, 12, width)
    assert short == text or (text_width(short, 12) <= width + 1e-9 and "…" in short)


def test_shortened_keeps_the_reference() -> None:
    assert shortened("A long name of a study, and more [111]", 12, 120).endswith("… [111]")
