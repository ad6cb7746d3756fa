"""Whether a printed proportion and its printed interval are of one and the same count.

An exact interval (Clopper-Pearson) or Wilson's belongs to one count of the cases, and so tells that
count beside the value. Where the value is another one, one of the two is not as printed, whether
or not the value alone could be a mean over runs: an interval computed from the mean would differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from db.literature import Reported, Study
from metaanalysis.audit.arms import Cases, cases, class_cases, own_print
from metaanalysis.audit.averages import OF_ALL, RUNS, averaging
from metaanalysis.audit.binomial import METHODS, rounds_to
from metaanalysis.audit.finding import CONSISTENT, INCONSISTENT, SUSPICIOUS, Finding, on_study
from metaanalysis.audit.printed import Printed, fraction

_CHECK = "same-count"

#: Intervals that belong to a count of cases; the textbook ones are as often computed from a mean.
_OF_COUNTS = ("Clopper-Pearson", "Wilson")

#: So many counts are tried.
_MOST_COUNTS = 10_000

#: From one count to the next a bound must move by so many units of its last digit; where it moves
#: by less, an interval of another kind can be that of some count by chance.
_UNITS_APART = 10


@dataclass(frozen=True, slots=True)
class _Count:
    """A count to which an interval belongs, the formula's name, and whether it is the only one."""

    count: int
    method: str
    alone: bool


def _count_of(low: Printed, high: Printed, n: int) -> _Count | None:
    """Return the count out of `n` to which an interval belongs; None if to none."""
    every = np.arange(0, n + 1, dtype=np.float64)
    size = np.full(every.shape, float(n))
    found = [
        (int(count), name)
        for name in _OF_COUNTS
        for count in every[rounds_to(METHODS[name](every, size), low, high)]
    ]
    if not found:
        return None
    return _Count(*found[0], alone=len({count for count, _ in found}) == 1)


def _of_the_value(value: Printed, low: Printed, high: Printed, n: int) -> bool:
    """Return whether the interval can be computed from the value itself, a mean or not.

    Bounds rise with the proportion, so it is enough to look at the smallest and the largest that
    round to the value. Runs may have been pooled, so multiples of `n` are tried too.
    """
    ends = np.clip([float(value.low), float(value.high)], 0.0, 1.0)
    for size in (n, *(n * runs for runs in RUNS)):
        for method in METHODS.values():
            least, most = ends * size
            # Between no case and one, and all but one and all, the exact interval has a step.
            counts = np.array([least if least >= 1 else 0, most if size - most >= 1 else size])
            below, above = method(counts, np.full(2, float(size)))
            if (
                below[0] <= float(low.high)
                and below[1] >= float(low.low)
                and above[0] <= float(high.high)
                and above[1] >= float(high.low)
            ):
                return True
    return False


def _judged(
    study: Study, metric: Reported, found: Cases, ends: tuple[Printed, Printed]
) -> Finding | None:
    n, value = found.n, fraction(metric.value)
    count = _count_of(*ends, n)
    if count is None:
        return None
    say = on_study(study, _CHECK, metric)
    if _of_the_value(value, *ends, n):
        text = "The interval can be computed from the value."
        return say(CONSISTENT, text)
    share = value.shown(count.count / n)
    text = (
        f"The interval is the {count.method} interval of {count.count:,} of {n:,}, which is "
        f"{share}. {metric.value} would have another interval, as a count and as a mean over runs."
    )
    apart = n * max(float(end.unit) for end in ends) * _UNITS_APART <= 1
    mean = averaging(study, metric).why
    certain = count.alone and apart and not found.assumed and own_print([metric]) and not mean
    if not certain:
        text += (
            f" It may be a mean ({mean})."
            if mean
            else " The row does not give n itself, or is not the study's own print."
            if found.assumed or not own_print([metric])
            else " Its few digits leave room for chance."
        )
    return say(
        INCONSISTENT if certain else SUSPICIOUS, text, recomputed=f"{count.count}/{n} = {share}"
    )


def same_counts(study: Study) -> Iterator[Finding]:
    """Check each proportion whose interval is the exact or Wilson's one of a count of its cases."""
    of_class = class_cases(study)
    for metric in study.metrics:
        if metric.ci_low is None or metric.ci_high is None:
            continue
        if not metric.ci_low <= metric.value <= metric.ci_high:
            continue  # the check of intervals tells
        found = cases(study, metric) if metric.metric in OF_ALL else of_class.get(metric.position)
        if found is None or found.n > _MOST_COUNTS:
            continue
        ends = fraction(metric.ci_low), fraction(metric.ci_high)
        if judged := _judged(study, metric, found, ends):
            yield judged
