"""Whether a printed interval holds its estimate, and fits estimate and number of cases.

Intervals are taken for 95% ones. A proportion's is compared with the four that papers use; what
matches none may be a bootstrap's, of about the same width. An AUC's depends on how many cases are
positive, which is rarely printed, so it is compared with the range over all shares of positives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from db.literature import Reported, Study
from db.wording import listed as in_words
from metaanalysis.audit.arms import Cases, cases, class_cases
from metaanalysis.audit.averages import OF_ALL, OF_SOME, averaging
from metaanalysis.audit.binomial import (
    METHODS,
    Floats,
    auc_half_widths,
    positives_tried,
    rounds_to,
    wilson,
)
from metaanalysis.audit.finding import (
    CONSISTENT,
    INCONSISTENT,
    NOT_CHECKABLE,
    SUSPICIOUS,
    Finding,
    on_study,
)
from metaanalysis.audit.printed import Printed, counts_giving, fraction

_CHECK = "interval"

#: A bootstrap's width, or DeLong's for an AUC, may differ from the formula's by this factor.
_TOLERANCE = 1.25

#: So many counts of one number of cases are tried.
_MOST_COUNTS = 10_000

#: Class sizes that are tried where none is known.
_LARGEST_CLASS = 2_000

#: Sizes that are tried to say which number of cases an interval would fit.
_SIZES = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


@dataclass(frozen=True, slots=True)
class _Range:
    """A printed interval: its bounds, and its half-width with what rounding leaves open.

    One that is `cut` at 1 shows its width on the lower side only: that is its half-width.
    """

    low: Printed
    high: Printed
    half_low: float
    half_high: float
    cut: bool


def _range(metric: Reported, low: float, high: float) -> _Range:
    lower, upper = fraction(low), fraction(high)
    slack = float(lower.unit + upper.unit) / 4
    half = metric.value - low if high >= 1 else (high - low) / 2
    return _Range(lower, upper, max(half - slack, 0.0), half + slack, high >= 1)


def _matching(printed: _Range, counts: Floats, n: Floats) -> tuple[str, int, int] | None:
    """Return the method, count and n of the first interval that rounds to the printed one."""
    for name, method in METHODS.items():
        fits = rounds_to(method(counts, n), printed.low, printed.high)
        if fits.any():
            place = int(np.argmax(fits))
            return name, int(counts[place]), int(n[place])
    return None


def _half_width(share: float, n: float, cut: bool) -> float:
    low, high = wilson(np.array([share * n]), np.array([float(n)]))
    return share - float(low[0]) if cut else float(high[0] - low[0]) / 2


def _size_like(share: float, printed: _Range) -> int:
    """Return about how many cases give a proportion an interval of this width."""
    middle = (printed.half_low + printed.half_high) / 2
    low, high = 1, _SIZES[-1]
    while low < high:
        n = (low + high) // 2
        if _half_width(share, n, printed.cut) > middle:
            low = n + 1
        else:
            high = n
    return low


def _width(
    study: Study,
    metric: Reported,
    printed: _Range,
    narrow: float,
    wide: float,
    found: Cases,
    how: str,
) -> Finding:
    """Judge an interval by its half-width against the smallest and largest that the cases give."""
    why = averaging(study, metric).why
    say = on_study(study, _CHECK, metric)
    if printed.half_high * _TOLERANCE < narrow:
        word, least = "narrower", narrow
    elif printed.half_low > wide * _TOLERANCE:
        word, least = "wider", wide
    else:
        return say(
            CONSISTENT,
            f"About as wide as {found.said} give it ({how}).",
            recomputed=f"half-width {narrow:.3f}" + (f" to {wide:.3f}" if wide > narrow else ""),
        )
    half = (printed.half_low + printed.half_high) / 2
    text = (
        f"{word.capitalize()} than {found.said} give it: half-width {half:.3f}, {how} {least:.3f}"
    )
    if why is not None:
        text += f". It may describe something else than the cases ({why})"
    verdict = NOT_CHECKABLE if found.assumed else SUSPICIOUS
    if found.assumed:
        text += ". The row does not give n, and it may be of other cases"
    return say(verdict, f"{text}.", recomputed=f"half-width {least:.3f}")


def _of_known(study: Study, metric: Reported, printed: _Range, found: Cases) -> Finding:
    """Judge the interval of a proportion of a known number of cases."""
    estimate = fraction(metric.value)
    say = on_study(study, _CHECK, metric)
    n = float(found.n)
    giving = counts_giving(estimate, found.n)[:_MOST_COUNTS]
    mine = np.array(giving, dtype=np.float64)
    if match := _matching(printed, mine, np.full(mine.shape, n)):
        name, count, _ = match
        return say(
            CONSISTENT,
            f"The {name} interval of {count} of {found.n:,}.",
            recomputed=f"{count}/{found.n}",
        )
    every = np.arange(0, min(found.n, _MOST_COUNTS) + 1, dtype=np.float64)
    if not giving and (match := _matching(printed, every, np.full(every.shape, n))):
        name, count, _ = match
        return say(
            SUSPICIOUS,
            f"The {name} interval of {count} of {found.n:,}, which is "
            f"{estimate.shown(count / found.n)}, not of {metric.value}.",
            recomputed=f"{count}/{found.n} = {estimate.shown(count / found.n)}",
        )
    half = _half_width(metric.value, n, printed.cut)
    return _width(study, metric, printed, half, half, found, "Wilson")


def _of_unknown(study: Study, metric: Reported, printed: _Range) -> Finding:
    """Look for a number of cases with which a proportion and its interval fit."""
    estimate = fraction(metric.value)
    say = on_study(study, _CHECK, metric)
    limit = min(study.n_test or study.total or _LARGEST_CLASS, _LARGEST_CLASS)
    pairs = [(count, n) for n in range(1, limit + 1) for count in counts_giving(estimate, n)]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if match := _matching(printed, table[:, 0], table[:, 1]):
        name, count, n = match
        return say(
            CONSISTENT,
            f"The {name} interval of {count} of {n:,}, for example; no row gives n.",
            recomputed=f"{count}/{n}",
        )
    size = _size_like(metric.value, printed)
    return say(
        NOT_CHECKABLE,
        f"No row gives n; about {size:,} cases would give an interval of this width.",
        recomputed=f"about {size:,} cases",
    )


def _of_auc(study: Study, metric: Reported, printed: _Range, found: Cases | None) -> Finding:
    """Judge the interval of an AUC by the range over all shares of positives."""
    say = on_study(study, _CHECK, metric)
    if not 0 < metric.value < 1:
        text = "An AUC of 0 or 1 has no variance by Hanley and McNeil's formula."
        return say(NOT_CHECKABLE, text)
    if found is None or found.n < 2:
        sizes = [n for n in _SIZES if auc_half_widths(metric.value, n).min() <= printed.half_high]
        text = "No row gives n"
        if sizes:
            text += f"; it takes up to {sizes[0]:,} cases at the best balance of classes"
        return say(NOT_CHECKABLE, f"{text}.")
    widths = auc_half_widths(metric.value, found.n)
    judged = _width(
        study,
        metric,
        printed,
        float(widths.min()),
        float(widths.max()),
        found,
        "Hanley-McNeil, best balance of classes",
    )
    fits = np.flatnonzero((widths >= printed.half_low) & (widths <= printed.half_high))
    if judged.verdict != CONSISTENT or not fits.size:
        return judged
    # Few positives or few negatives give the same width, so there may be two ranges.
    runs = np.split(fits, np.flatnonzero(np.diff(fits) > 1) + 1)
    tried = positives_tried(found.n)
    spans = [(int(tried[run[0]]), int(tried[run[-1]])) for run in runs]
    number = in_words(
        (f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in spans), "or"
    )
    return say(
        CONSISTENT,
        f"Fits {found.said} if {number} of them are positive (Hanley-McNeil).",
        recomputed=f"{number} positives",
    )


def intervals(study: Study) -> Iterator[Finding]:
    """Check every printed interval of a study."""
    of_class = class_cases(study)
    for metric in study.metrics:
        if metric.ci_low is None or metric.ci_high is None:
            continue
        printed = _range(metric, metric.ci_low, metric.ci_high)
        say = on_study(study, _CHECK, metric)
        found = cases(study, metric)
        if not metric.ci_low <= metric.value <= metric.ci_high:
            yield say(INCONSISTENT, "The interval does not hold its own estimate.")
        elif metric.metric == "AUC":
            yield _of_auc(study, metric, printed, found)
        elif metric.metric in OF_ALL and found is not None:
            yield _of_known(study, metric, printed, found)
        elif metric.position in of_class:
            yield _of_known(study, metric, printed, of_class[metric.position])
        elif metric.metric in (*OF_ALL, *OF_SOME):
            yield _of_unknown(study, metric, printed)
        else:
            yield say(
                NOT_CHECKABLE, f"{metric.metric} is no proportion; the interval holds its estimate."
            )
