"""Verdicts: every word, by a table; what must hold of all of them, by draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from db.literature import Reported
from replicate.verdicts.verdicts import (
    VERDICTS,
    Replicated,
    interval,
    rounding,
    verdict,
)
from replicate.verdicts.words import Code, because


def ours(value: float, low: float, high: float, **more: object) -> Replicated:
    return replace(Replicated("accuracy", value, low, high, n=200), **more)  # type: ignore[arg-type]


def theirs(value: float, n: int | None = None, **more: object) -> Reported:
    return replace(Reported("accuracy", value, n=n), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reported", "replicated", "options", "word"),
    [
        (theirs(0.95), ours(0.94, 0.90, 0.97), {}, "reproduced"),
        (theirs(0.95), ours(0.93, 0.90, 0.97), {}, "reproduced"),  # 0.02 is not more than 0.02
        (theirs(0.95), ours(0.92, 0.88, 0.96), {}, "consistent"),
        (theirs(0.95), ours(0.92, 0.88, 0.96), {"margin": 0.05}, "reproduced"),
        (theirs(0.95), ours(0.90, 0.86, 0.93), {}, "lower"),
        (theirs(0.80), ours(0.90, 0.86, 0.93), {}, "higher"),
        # The same distance, but twenty cases cannot tell it from none.
        (theirs(0.95, 20), ours(0.90, 0.86, 0.93), {}, "consistent"),
        (theirs(0.95, ci_low=0.80, ci_high=0.99), ours(0.90, 0.86, 0.93), {}, "consistent"),
        (theirs(0.95, 20_000), ours(0.90, 0.86, 0.93), {}, "lower"),
        # 0.95 stands for 0.945 to 0.955, 0.950 with a further digit would not.
        (theirs(0.95), ours(0.93, 0.91, 0.946), {}, "reproduced"),
        (theirs(0.951), ours(0.93, 0.91, 0.946), {}, "lower"),
        # Trainings that differ by more than the test images tell.
        (theirs(0.95), ours(0.90, 0.88, 0.92, seeds=5, sd=0.04), {}, "consistent"),
        (theirs(0.95), ours(0.90, 0.88, 0.92, seeds=5, sd=0.001), {}, "lower"),
        (theirs(0.95), ours(0.60, 0.53, 0.67, baseline=0.55), {}, "at baseline"),
        (theirs(0.58), ours(0.57, 0.50, 0.64, baseline=0.55), {}, "at baseline"),
        (theirs(0.62), ours(0.60, 0.53, 0.67, baseline=0.55, above_baseline=True), {}, "reproduced"),
        (theirs(0.95), ours(0.90, 0.86, 0.93, baseline=0.5, above_baseline=False), {}, "at baseline"),
        (theirs(0.95, impossible="no count of 7."), ours(0.95, 0.9, 0.97), {}, "impossible"),
        (
            theirs(0.95, impossible="no count of 7."),
            ours(0.5, 0.4, 0.6, baseline=0.5),
            {},
            "impossible",
        ),
        (theirs(0.95), ours(0.95, 0.9, 0.97), {"mismatch": because(Code.PHANTOM)}, "not comparable"),
        (None, ours(0.95, 0.9, 0.97), {}, "not comparable"),
        (theirs(0.95, metric="AUC"), ours(0.95, 0.9, 0.97), {}, "not comparable"),
        (theirs(0.95), ours(0.95, 0.9, 0.97), {"mismatch": because(Code.OF_CLASSES, reported=3, run=2)}, "not comparable"),
        (theirs(0.95), Replicated("accuracy", 0.95), {}, "not comparable"),
        (
            theirs(0.95, impossible="no count."),
            ours(0.95, 0.9, 0.97),
            {"mismatch": because(Code.PHANTOM)},
            "not comparable",
        ),
    ],
)  # fmt: skip
def test_each_word(
    reported: Reported | None, replicated: Replicated, options: dict[str, object], word: str
) -> None:
    found = verdict(reported, replicated, **options)  # type: ignore[arg-type]
    assert found.verdict == word, found
    assert found.reason
    assert found.reason.endswith(".")
    assert (found.difference is None) == (word == "not comparable")
    if replicated.seeds is None:
        assert found.margin.value == options.get("margin", 0.02)
        assert found.margin.source == ("chosen" if options.get("margin") else "convention")


def test_a_proxy_keeps_the_word_and_says_what_it_speaks_on() -> None:
    pair = (theirs(0.95), ours(0.90, 0.86, 0.93))
    proxy, same = verdict(*pair, fidelity="proxy"), verdict(*pair, fidelity="same data")
    assert proxy.verdict == same.verdict == "lower"
    assert proxy.remarks == (because(Code.PROXY),)
    assert same.remarks == ()
    assert verdict(*pair, fidelity="same task").remarks == (because(Code.SAME_TASK),)


def test_a_reported_value_without_n_is_exact_and_the_text_says_so() -> None:
    found = verdict(theirs(0.95), ours(0.90, 0.86, 0.93))
    assert found.why.values["exact"]
    # Nothing but rounding is added to the replicated interval.
    assert found.difference_low == pytest.approx(0.86 - 0.955)
    assert found.difference_high == pytest.approx(0.93 - 0.945)


def test_square_and_add_is_newcombes() -> None:
    """Newcombe (1998), Table II, 56/70 against 48/80: 0.2000 [0.0524, 0.3339] (method 10)."""
    reported = theirs(0.6, 80)
    low, high, _ = interval(theirs(0.8, 70)) or (0, 0, "")
    found = verdict(reported, ours(0.8, low, high))
    assert found.difference == pytest.approx(0.2)
    assert found.difference_low is not None
    assert found.difference_high is not None
    assert found.difference_low == pytest.approx(0.0524 - 0.005, abs=5e-5)  # 0.6 is 60%
    assert found.difference_high == pytest.approx(0.3339 + 0.005, abs=5e-5)


def test_the_interval_of_an_auc_is_hanley_and_mcneils() -> None:
    found = interval(Reported("AUC", 0.95, n=200))
    assert found is not None
    assert found[0] == pytest.approx(0.95 - 1.959964 * 0.01600746735, abs=1e-7)
    assert "equal halves" in found[2]
    assert interval(Reported("F1", 0.9, n=200)) is None
    assert interval(Reported("AUC", 1.0, n=200)) == (1.0, 1.0, found[2])


def test_a_spread_that_decides_is_named() -> None:
    apart = verdict(theirs(0.99, 500), ours(0.90, 0.87, 0.93, seeds=3, sd=0.05))
    assert apart.verdict == "consistent"
    assert apart.why.code is Code.UNCERTAIN
    assert (apart.why.values["by_spread"], apart.why.values["intervals_apart"]) == (True, True)
    assert "and the spread over 3 seeds (SD 0.050) together" in apart.reason
    touching = verdict(theirs(0.95, 500), ours(0.90, 0.865, 0.934, seeds=3, sd=0.03))
    assert touching.verdict == "consistent"
    assert touching.why.values["by_spread"]
    assert not touching.why.values["intervals_apart"]
    needless = verdict(theirs(0.95, 20), ours(0.90, 0.86, 0.93, seeds=3, sd=0.01))
    assert needless.verdict == "consistent"
    assert not needless.why.values["by_spread"]


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        verdict(theirs(0.9), ours(0.9, 0.8, 0.95), margin=-0.1)


def draws() -> list[tuple[Reported, Replicated]]:
    random = np.random.default_rng(7)
    pairs = []
    for _ in range(300):
        value, half = random.uniform(0.3, 0.9), random.uniform(0.005, 0.09)
        n = None if random.random() < 0.4 else int(random.integers(20, 5000))
        sd = None if random.random() < 0.5 else float(random.uniform(0, 0.05))
        reported = theirs(round(float(random.uniform(0.3, 0.9)), int(random.integers(2, 5))), n)
        pairs.append((reported, ours(value, value - half, value + half, seeds=3, sd=sd)))
    return pairs


MIRROR = {"lower": "higher", "higher": "lower"}


def test_mirrored_values_give_mirrored_verdicts() -> None:
    for reported, replicated in draws():
        found = verdict(reported, replicated)
        low, high = 1 - (replicated.ci_high or 0), 1 - (replicated.ci_low or 0)
        other = verdict(
            replace(reported, value=round(1 - reported.value, 6)),
            replace(replicated, value=1 - replicated.value, ci_low=low, ci_high=high),
        )
        assert other.verdict == MIRROR.get(found.verdict, found.verdict)
        assert other.difference == pytest.approx(-(found.difference or 0))
        assert other.difference_low == pytest.approx(-(found.difference_high or 0))


def test_a_better_rerun_never_gets_a_worse_word() -> None:
    order = {"lower": 0, "consistent": 1, "reproduced": 1, "higher": 2}
    for reported, replicated in draws():
        half = replicated.value - (replicated.ci_low or 0)
        words = [
            order[verdict(reported, replace(replicated, value=v, ci_low=v - half, ci_high=v + half)).verdict]
            for v in np.linspace(0.1, 0.99, 60).tolist()
        ]  # fmt: skip
        assert words == sorted(words)


def test_what_the_interval_covers_is_never_called_different() -> None:
    for reported, replicated in draws():
        found = verdict(reported, replicated)
        low, high = rounding(reported)
        if (replicated.ci_low or 0) <= high and (replicated.ci_high or 1) >= low:
            assert found.verdict in ("reproduced", "consistent")
            assert (found.difference_low or 0) <= 1e-12
            assert (found.difference_high or 0) >= -1e-12


def test_a_larger_margin_only_turns_consistent_into_reproduced() -> None:
    for reported, replicated in draws():
        narrow, wide = (verdict(reported, replicated, margin=m).verdict for m in (0.0, 1.0))
        assert (narrow, wide) in {
            ("consistent", "reproduced"), ("consistent", "consistent"),
            ("reproduced", "reproduced"), ("lower", "lower"), ("higher", "higher"),
        }  # fmt: skip


def test_less_known_of_the_reported_value_never_makes_it_more_different() -> None:
    for reported, replicated in draws():
        exact = verdict(replace(reported, n=None), replicated)
        few = verdict(replace(reported, n=10), replicated)
        assert not (few.verdict in MIRROR and exact.verdict not in MIRROR)
        assert math.isfinite(few.difference_low or math.nan)


def test_the_words_are_those_of_the_house() -> None:
    assert set(VERDICTS) == {
        "reproduced", "consistent", "lower", "higher", "at baseline", "not comparable",
        "impossible",
    }  # fmt: skip


def test_remarks_are_sentences() -> None:
    said = verdict(
        Reported("accuracy", 0.9),
        Replicated("accuracy", 0.7, 0.68, 0.72),
        remarks=(
            because(Code.NOTE, note="read off a figure"),
            because(Code.STANDS_IN, run="MobileNetV2", reported="VGG16"),
        ),
    )
    assert said.reason.endswith(" Note: read off a figure. MobileNetV2 stands in for VGG16.")


def test_a_lost_zero_is_no_lack_of_precision() -> None:
    """The database's 0.9 is a printed 90%: 0.862 is not it."""
    assert rounding(theirs(0.9)) == pytest.approx((0.895, 0.905))
    assert rounding(theirs(1.0)) == pytest.approx((0.995, 1.005))
    assert rounding(theirs(0.8934)) == pytest.approx((0.89335, 0.89345))
    assert verdict(theirs(0.9), ours(0.862, 0.84, 0.88)).verdict == "lower"


def test_what_has_learnt_nothing_reproduces_no_sensitivity() -> None:
    unskilled = because(Code.UNSKILLED, baseline=0.5, metric="sensitivity")
    found = verdict(theirs(0.99), ours(1.0, 0.97, 1.0, unskilled=unskilled))
    assert (found.verdict, found.why) == ("at baseline", unskilled)


def test_every_code_has_its_words() -> None:
    """A reason is worded from its own values alone."""
    values = {
        "ci_low": 0.8, "ci_high": 0.9, "distance": 0.1, "difference": 0.1, "difference_low": 0.0,
        "difference_high": 0.2, "margin": 0.02, "baseline": 0.5, "metric": "accuracy",
        "classes": 3, "others": ("a", "b"), "against": (because(Code.NOT_FROM_RANDOM),),
        **dict.fromkeys(("of_class", "reported", "run", "replicated", "study", "note"), "x"),
        "margin_source": "chosen", **dict.fromkeys(("within_margin", "exact", "by_spread"), False), "explanation": "x",
    }  # fmt: skip
    words = [str(because(code, **values)) for code in Code]
    assert all(words)
    assert not any("{" in text or "None" in text for text in words)
