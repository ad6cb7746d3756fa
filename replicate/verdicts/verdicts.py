"""What a rerun says of a reported value: one word, the reason, and the numbers that it rests on.

Words:

value
    A fraction between 0 and 1: accuracy, AUC, sensitivity, specificity, ...
margin
    Largest difference between replicated and reported value that is still called the same: what
    reruns of the setup differ by (:mod:`replicate.verdicts.reruns`), unless another is asked for.
baseline
    What a model without any skill reaches: the share of the largest class for the accuracy, 0.5
    for the AUC.

The first of these that holds is the verdict:

1. ``not comparable``: the run is of a phantom; the study reports no such value, or one of another
   task, number of classes or kind; the run gives no interval.
2. ``impossible``: the audit finds that the reported value contradicts itself.
3. ``at baseline``: the replicated value is not above the baseline by a test on the same images,
   or without one its interval reaches down to it: the rerun has learnt nothing, so that agreement
   and disagreement are both without meaning. A sensitivity has no baseline of its own, as naming
   one class throughout makes it 1: it is at baseline where the run's balanced accuracy is.
4. ``reproduced``: the replicated interval covers the reported value (as far as it is rounded), and
   the difference is not larger than the margin.
5. ``consistent``: the interval covers the reported value, or the difference is within what both
   are uncertain by; it may still be larger than the margin.
6. ``lower``, ``higher``: the replicated value lies significantly below or above the reported one.

A proxy keeps the word; its reason says that it speaks on other data, not on the study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from db.literature import Reported
from metaanalysis.audit.binomial import Z95, wilson
from metaanalysis.audit.printed import fraction
from metaanalysis.stats.effects import hanley_mcneil
from replicate.verdicts.reruns import Margin, margin_of
from replicate.verdicts.words import AT, CHOSEN, MARGINS, Code, Reason, because, text_of

REPRODUCED = "reproduced"
CONSISTENT = "consistent"
LOWER = "lower"
HIGHER = "higher"
AT_BASELINE = "at baseline"
NOT_COMPARABLE = "not comparable"
IMPOSSIBLE = "impossible"
VERDICTS = (
    REPRODUCED,
    CONSISTENT,
    LOWER,
    HIGHER,
    AT_BASELINE,
    NOT_COMPARABLE,
    IMPOSSIBLE,
)

#: Metrics that are a share of counted cases.
PROPORTIONS = ("accuracy", "sensitivity", "specificity", "precision", "NPV")

#: Below this two numbers are equal: 0.90 - 0.88 is not more than 0.02.
_EQUAL = 1e-9

#: Nothing is printed coarser than per cent: the database's 0.9 is 90%, not any of 85% to 95%.
_COARSEST = 0.005


def rounding(reported: Reported) -> tuple[float, float]:
    """Return the values that are printed so: half a unit of the last digit to either side.

    At most half a per cent: a zero at the end is lost in the database.
    """
    printed = fraction(reported.value)
    low, high = reported.value - _COARSEST, reported.value + _COARSEST
    return max(float(printed.low), low), min(float(printed.high), high)


def interval(reported: Reported) -> tuple[float, float, str] | None:
    """Return a reported value's 95% interval and where it comes from; None where n is unknown.

    Notes
    -----
    Printed ones are taken as they are. Else Wilson (1927) for proportions, and for the AUC Hanley
    and McNeil (1982) with as many cases of either class: the least uncertain split of n, so that a
    difference is rather seen than missed; the text says so. Of a sensitivity or specificity n is
    often that of all classes, and the interval then too narrow.
    """
    value, n = reported.value, reported.n
    if reported.ci_low is not None and reported.ci_high is not None:
        return reported.ci_low, reported.ci_high, "as printed"
    if not n:
        return None
    cases = np.array([float(n)])
    if reported.metric in PROPORTIONS:
        low, high = wilson(np.array([value]) * cases, cases)
        return float(low[0]), float(high[0]), f"Wilson, n = {n:,}"
    if reported.metric == "AUC" and n > 1:
        variance = hanley_mcneil(np.array([value]), cases / 2, cases / 2)
        half = Z95 * math.sqrt(max(float(variance[0]), 0.0))
        text = f"Hanley-McNeil, n = {n:,} in equal halves"
        return max(value - half, 0.0), min(value + half, 1.0), text
    return None


@dataclass(frozen=True, slots=True)
class Replicated:
    """A value of our runs, over all seeds and folds, with its 95% interval.

    Parameters
    ----------
    n
        Test images behind it.
    seeds, sd
        How many trainings it is the mean of, and the standard deviation between them.
    baseline
        See the module's words; None where a metric has none.
    above_baseline
        What a test on the same images says; None leaves it to the interval.
    unskilled
        Why the run has learnt nothing, where another of its metrics shows that.
    division
        What changes between reruns, as of :data:`replicate.verdicts.reruns.RULE`.
    cases
        Images that the value of one seed rests on.
    """

    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    seeds: int | None = None
    sd: float | None = None
    baseline: float | None = None
    above_baseline: bool | None = None
    unskilled: Reason | None = None
    division: str | None = None
    cases: float | None = None

    @property
    def margin(self) -> Margin:
        """By what one more rerun may differ from it."""
        known = {"seeds": self.seeds, "sd": self.sd, "division": self.division, "n": self.cases}
        return margin_of(self.metric, self.value, **known)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a comparison.

    Attributes
    ----------
    verdict
        A word out of :data:`VERDICTS`.
    why
        What decides.
    remarks
        What else a reader must know of the pair.
    margin
        That was used, and where it comes from.
    difference
        Replicated minus reported; None where there is nothing to subtract.
    difference_low, difference_high
        Its 95% interval.
    test
        What the interval of the difference rests on.
    at
        The word at each of :data:`MARGINS`.
    """

    verdict: str
    why: Reason
    margin: Margin
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    test: str | None = None
    remarks: tuple[Reason, ...] = ()
    at: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why, and what must be known, in a few sentences."""
        return text_of((self.why, *self.remarks))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name: the reason in words, and as codes with their values."""
        numbers = ("difference", "difference_low", "difference_high", "test")
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            **self.margin.to_dict(),
            **dict(zip(AT, self.at or (self.verdict,) * len(AT), strict=True)),
            **{name: getattr(self, name) for name in numbers},
            "why": self.why.to_dict(),
            "remarks": [remark.to_dict() for remark in self.remarks],
        }


def verdict(
    reported: Reported | None,
    replicated: Replicated,
    *,
    margin: float | None = None,
    fidelity: str | None = None,
    mismatch: Reason | None = None,
    remarks: Sequence[Reason] = (),
) -> Verdict:
    """Compare a replicated value with the reported one.

    Parameters
    ----------
    reported
        None where the study reports no such value.
    replicated
        Of the run.
    margin
        Not negative; None takes what reruns differ by, or half a unit of the reported value's last
        digit where that is more.
    fidelity
        ``same data``, ``same task`` or ``proxy``; decides how the reason is worded.
    mismatch
        Why nothing can be compared (a phantom; another number of classes, positive class or
        averaging); None where it can.
    remarks
        What else a reader must know of the pair; they follow the reason.

    Returns
    -------
    Verdict

    Notes
    -----
    The interval of the difference d = p - r is Newcombe's (1998, Stat Med 17:873, method 10),
    square-and-add of the limits of both intervals, in which the reported value has none where its
    n is unknown: it is then taken as exact and the text says so. Where several seeds were run, the
    spread between trainings is squared and added too, z SD sqrt(1 + 1/k): the study's own value is
    one more training. (The normal quantile understates this for two or three seeds; Student's t
    would let two seeds agree with anything.) Half a unit of the reported value's last digit is
    added to either side.
    """
    if margin is not None and margin < 0:
        raise ValueError("a margin is not negative")
    used = replicated.margin if margin is None else Margin(margin, CHOSEN)
    if reported is None or mismatch is not None:
        nothing = because(Code.NOT_REPORTED, metric=replicated.metric)
        return Verdict(NOT_COMPARABLE, mismatch or nothing, used)
    if reported.metric != replicated.metric:
        names = {"reported": reported.metric, "replicated": replicated.metric}
        return Verdict(NOT_COMPARABLE, because(Code.OTHER_METRIC, **names), used)
    if replicated.ci_low is None or replicated.ci_high is None:
        return Verdict(NOT_COMPARABLE, because(Code.NO_INTERVAL), used)
    pair = _Pair(reported, replicated, replicated.ci_low, replicated.ci_high)
    if margin is None:
        used = replace(used, value=max(used.value, pair.largest - reported.value))
    low, high, test = pair.uncertainty(replicated.sd)
    word, why = pair.judged(used, low, high)
    told = (*_fidelity(fidelity, word), *remarks)
    at = tuple(pair.judged(Margin(one, CHOSEN), low, high)[0] for one in MARGINS)
    return Verdict(word, why, used, pair.difference, low, high, test, told, at)


class _Pair:
    """A replicated value, whose interval is from `low` to `high`, beside a reported one."""

    def __init__(self, reported: Reported, replicated: Replicated, low: float, high: float) -> None:
        self.reported, self.replicated = reported, replicated
        # The mean over folds may fall outside an interval of the pooled cases by a hair.
        self.low, self.high = min(low, replicated.value), max(high, replicated.value)
        self.own = interval(reported)
        self.smallest, self.largest = rounding(reported)
        self.difference = replicated.value - reported.value

    def uncertainty(self, sd: float | None) -> tuple[float, float, str]:
        """Return the interval of the difference, and what it rests on."""
        reported, replicated = self.reported, self.replicated
        parts = ["interval of the replicated value"]
        below = above = 0.0
        if self.own is None:
            parts.append("reported taken as exact (n unknown)")
        else:
            below = max(reported.value - self.own[0], 0.0)
            above = max(self.own[1] - reported.value, 0.0)
            parts.append(f"of the reported ({self.own[2]})")
        spread = 0.0
        if sd and replicated.seeds and replicated.seeds > 1:
            spread = Z95 * sd * math.sqrt(1 + 1 / replicated.seeds)
            parts.append(f"SD over {replicated.seeds} seeds")
        down = math.hypot(replicated.value - self.low, above, spread)
        up = math.hypot(self.high - replicated.value, below, spread)
        low = self.difference - (down + (self.largest - reported.value))
        high = self.difference + (up + (reported.value - self.smallest))
        return low, high, f"square-and-add: {', '.join(parts)}"

    def judged(self, margin: Margin, low: float, high: float) -> tuple[str, Reason]:
        """Return the word and why, given the interval of the difference."""
        ours = self.replicated
        if self.reported.impossible is not None:
            return IMPOSSIBLE, because(Code.IMPOSSIBLE, explanation=self.reported.impossible)
        ends = {"ci_low": self.low, "ci_high": self.high}
        baseline, above = ours.baseline, ours.above_baseline
        if baseline is not None and (self.low <= baseline + _EQUAL if above is None else not above):
            return AT_BASELINE, because(Code.NOT_ABOVE_BASELINE, **ends, baseline=baseline)
        if ours.unskilled is not None:
            return AT_BASELINE, ours.unskilled
        distance = abs(self.difference)
        near = distance <= margin.value + _EQUAL
        if self.low <= self.largest + _EQUAL and self.high >= self.smallest - _EQUAL:
            code = Code.COVERED if near else Code.COVERED_APART
            why = because(code, **ends, distance=distance, **margin.to_dict())
            return REPRODUCED if near else CONSISTENT, why
        numbers = {"difference_low": low, "difference_high": high, **margin.to_dict()}
        if low <= _EQUAL and high >= -_EQUAL:
            return CONSISTENT, because(Code.UNCERTAIN, **ends, **numbers, **self.by_spread())
        return LOWER if self.difference < 0 else HIGHER, because(
            Code.APART,
            distance=distance,
            difference=self.difference,
            **numbers,
            within_margin=near,
            exact=self.own is None,
        )

    def by_spread(self) -> dict[str, Any]:
        """Tell whether it is the spread over seeds alone that keeps it from significance."""
        low, high, _ = self.uncertainty(None)
        if low <= _EQUAL and high >= -_EQUAL:
            return {"by_spread": False}
        own = self.own or (self.smallest, self.largest)
        return {
            "by_spread": True,
            "intervals_apart": own[1] < self.low or own[0] > self.high,
            "seeds": self.replicated.seeds,
            "sd": self.replicated.sd,
        }


def _fidelity(fidelity: str | None, word: str) -> list[Reason]:
    if word == IMPOSSIBLE:
        return []
    told = {"proxy": Code.PROXY, "same task": Code.SAME_TASK}.get(fidelity or "")
    return [because(told)] if told else []
