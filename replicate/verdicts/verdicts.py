"""What a rerun says of a reported value: one word, the reason, and the numbers that it rests on.

Words:

value
    A fraction between 0 and 1: accuracy, AUC, sensitivity, specificity, ...
margin
    Largest difference between replicated and reported value that is still called the same.
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
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from metaanalysis.audit.binomial import wilson
from metaanalysis.audit.printed import fraction
from metaanalysis.stats.effects import hanley_mcneil
from replicate.verdicts.matching import ABSENT

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

#: Two points of a hundred: set before any run was looked at, and printed with each verdict.
MARGIN = 0.02

#: Metrics that are a share of counted cases.
PROPORTIONS = ("accuracy", "sensitivity", "specificity", "precision", "NPV")

#: Level of all intervals here.
LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)

#: Below this two numbers are equal: 0.90 - 0.88 is not more than 0.02.
_EQUAL = 1e-9

#: Nothing is printed coarser than per cent: the database's 0.9 is 90%, not any of 85% to 95%.
_COARSEST = 0.005


@dataclass(frozen=True, slots=True)
class Reported:
    """A value as a study prints it.

    Parameters
    ----------
    metric, value
        By the vocabulary's name; a fraction.
    n
        Cases behind it; None if unknown.
    ci_low, ci_high
        Its interval, where the study prints one.
    backbone, tl_type, task, split, source
        What it is of, and where it was read.
    impossible
        Why it contradicts itself, in the audit's words; None where nothing was found.
    position
        Place among the study's reported values, from 1.
    of_class
        The class whose own value it is, against all others; None: of the task as a whole.
    """

    metric: str
    value: float
    n: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    backbone: str | None = None
    tl_type: str | None = None
    task: str | None = None
    split: str | None = None
    source: str | None = None
    impossible: str | None = None
    position: int | None = None
    of_class: str | None = None

    @property
    def rounding(self) -> tuple[float, float]:
        """Return the values that are printed so: half a unit of the last digit to either side.

        At most half a per cent: a zero at the end is lost in the database.
        """
        printed = fraction(self.value)
        low, high = self.value - _COARSEST, self.value + _COARSEST
        return max(float(printed.low), low), min(float(printed.high), high)

    def interval(self) -> tuple[float, float, str] | None:
        """Return its 95% interval and where that comes from; None where n is unknown.

        Notes
        -----
        Printed ones are taken as they are. Else Wilson (1927) for proportions, and for the AUC
        Hanley and McNeil (1982) with as many cases of either class: the least uncertain split of
        n, so that a difference is rather seen than missed; the text says so. Of a sensitivity or
        specificity n is often that of all classes, and the interval then too narrow.
        """
        if self.ci_low is not None and self.ci_high is not None:
            return self.ci_low, self.ci_high, "as printed"
        if not self.n:
            return None
        n = np.array([float(self.n)])
        if self.metric in PROPORTIONS:
            low, high = wilson(np.array([self.value]) * n, n)
            return float(low[0]), float(high[0]), f"Wilson, n = {self.n:,}"
        if self.metric == "AUC" and self.n > 1:
            variance = hanley_mcneil(np.array([self.value]), n / 2, n / 2)
            half = _Z * math.sqrt(max(float(variance[0]), 0.0))
            text = f"Hanley-McNeil, n = {self.n:,} in equal halves"
            return max(self.value - half, 0.0), min(self.value + half, 1.0), text
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
        Why the run has learnt nothing, where another of its metrics shows that; a sentence.
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
    unskilled: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a comparison.

    Attributes
    ----------
    verdict
        A word out of :data:`VERDICTS`.
    reason
        Why, in a sentence or two.
    margin
        That was used.
    difference
        Replicated minus reported; None where there is nothing to subtract.
    difference_low, difference_high
        Its 95% interval.
    test
        What the interval of the difference rests on.
    """

    verdict: str
    reason: str
    margin: float
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    test: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def verdict(
    reported: Reported | None,
    replicated: Replicated,
    *,
    margin: float = MARGIN,
    fidelity: str | None = None,
    phantom: bool = False,
    mismatch: str | None = None,
    remarks: Sequence[str] = (),
) -> Verdict:
    """Compare a replicated value with the reported one.

    Parameters
    ----------
    reported
        None where the study reports no such value.
    replicated
        Of the run.
    margin
        Not negative.
    fidelity
        ``same data``, ``same task`` or ``proxy``; decides how the reason is worded.
    phantom
        Whether the run is of made images.
    mismatch
        Why the two cannot be compared (other number of classes, positive class or averaging), a
        sentence; None where they can.
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
    if margin < 0:
        raise ValueError("a margin is not negative")
    excluded = _excluded(reported, replicated, phantom, mismatch)
    if excluded is not None or reported is None:
        return Verdict(NOT_COMPARABLE, excluded or "", margin)
    difference = replicated.value - reported.value
    low, high, test = _difference(reported, replicated)
    word, reason = _judged(reported, replicated, margin, low, high)
    sentences = [reason, *_fidelity(fidelity, word), *remarks]
    return Verdict(word, " ".join(map(_stopped, sentences)), margin, difference, low, high, test)


def _stopped(text: str) -> str:
    """Return a sentence with its full stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _excluded(
    reported: Reported | None, replicated: Replicated, phantom: bool, mismatch: str | None
) -> str | None:
    if phantom:
        return "The run is of a phantom: it checks the pipeline and is no evidence on a study."
    if reported is None:
        return mismatch or f"No {replicated.metric} {ABSENT}"
    if mismatch is not None:
        return mismatch
    if reported.metric != replicated.metric:
        return f"Reported is the {reported.metric}, replicated the {replicated.metric}."
    if replicated.ci_low is None or replicated.ci_high is None:
        return "The replicated value has no interval."
    return None


def _limits(replicated: Replicated) -> tuple[float, float]:
    if replicated.ci_low is None or replicated.ci_high is None:
        raise ValueError("a replicated value without interval is not compared")
    # The mean over folds may fall outside an interval of the pooled cases by a hair.
    return min(replicated.ci_low, replicated.value), max(replicated.ci_high, replicated.value)


def _difference(reported: Reported, replicated: Replicated) -> tuple[float, float, str]:
    low, high = _limits(replicated)
    parts = ["interval of the replicated value"]
    own = reported.interval()
    below = above = 0.0
    if own is None:
        parts.append("reported taken as exact (n unknown)")
    else:
        below = max(reported.value - own[0], 0.0)
        above = max(own[1] - reported.value, 0.0)
        parts.append(f"of the reported ({own[2]})")
    spread = 0.0
    if replicated.sd and replicated.seeds and replicated.seeds > 1:
        spread = _Z * replicated.sd * math.sqrt(1 + 1 / replicated.seeds)
        parts.append(f"SD over {replicated.seeds} seeds")
    smallest, largest = reported.rounding
    difference = replicated.value - reported.value
    down = math.hypot(replicated.value - low, above, spread) + (largest - reported.value)
    up = math.hypot(high - replicated.value, below, spread) + (reported.value - smallest)
    return difference - down, difference + up, f"square-and-add: {', '.join(parts)}"


def _judged(
    reported: Reported, replicated: Replicated, margin: float, low: float, high: float
) -> tuple[str, str]:
    if reported.impossible is not None:
        return IMPOSSIBLE, f"The reported value contradicts itself: {reported.impossible}"
    ci_low, ci_high = _limits(replicated)
    interval = f"[{ci_low:.3f}, {ci_high:.3f}]"
    baseline = replicated.baseline
    above = replicated.above_baseline
    if baseline is not None and (ci_low <= baseline + _EQUAL if above is None else not above):
        return AT_BASELINE, (
            f"The replicated value, interval {interval}, is not significantly above "
            f"{baseline:.3f}, which takes no skill."
        )
    if replicated.unskilled is not None:
        return AT_BASELINE, replicated.unskilled
    smallest, largest = reported.rounding
    covers = ci_low <= largest + _EQUAL and ci_high >= smallest - _EQUAL
    difference = replicated.value - reported.value
    size = f"{abs(difference):.3f}"
    exact = "" if reported.interval() else " The reported value has no n and is taken as exact."
    if covers and abs(difference) <= margin + _EQUAL:
        return REPRODUCED, (
            f"The interval {interval} covers the reported value, and they differ by {size}, "
            f"not more than the margin of {margin:g}."
        )
    if covers:
        return CONSISTENT, (
            f"The interval {interval} covers the reported value, but they differ by {size}, "
            f"more than the margin of {margin:g}."
        )
    span = f"[{low:+.3f}, {high:+.3f}]".replace("-", "−")
    if low <= _EQUAL and high >= -_EQUAL:
        return CONSISTENT, (
            f"The interval {interval} does not cover the reported value, but the difference "
            f"{span} is within what both are uncertain by{_by_spread(reported, replicated)}."
        )
    word = LOWER if difference < 0 else HIGHER
    side = "below" if difference < 0 else "above"
    more = "" if abs(difference) > margin + _EQUAL else f" (within the margin of {margin:g})"
    return word, (
        f"The replicated value lies {size} {side} the reported one{more}; the difference {span} "
        f"is significant.{exact}"
    )


def _by_spread(reported: Reported, replicated: Replicated) -> str:
    """Say where it is the spread over seeds alone that keeps a difference from significance."""
    low, high, _ = _difference(reported, replace(replicated, sd=None))
    if low <= _EQUAL and high >= -_EQUAL:
        return ""
    ci_low, ci_high = _limits(replicated)
    smallest, largest = reported.rounding
    own = reported.interval() or (smallest, largest, "")
    apart = own[1] < ci_low or own[0] > ci_high
    without = "the two intervals do not overlap, and " if apart else ""
    return (
        f" and the spread over {replicated.seeds} seeds (SD {replicated.sd:.3f}) together: "
        f"{without}without the spread the difference would be significant"
    )


def _fidelity(fidelity: str | None, word: str) -> list[str]:
    if word in (IMPOSSIBLE, NOT_COMPARABLE):
        return []
    if fidelity == "proxy":
        return [
            "A proxy: other images of a like task, so this speaks on whether the setup carries "
            "over, not on the study's own number."
        ]
    if fidelity == "same task":
        return ["Same task on other images: the difference is also one between data sets."]
    return []
