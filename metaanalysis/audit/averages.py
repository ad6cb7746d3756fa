"""Whether a reported value is of one set of cases, or a mean over folds, runs or classes.

A mean of proportions need not be a proportion of the cases: 0.863 is no count of 156 cases, and is
the mean of 136, 136 and 132 of them. What the rows say of averaging is therefore read first. Where
they say nothing, a paper may still have averaged without a word, over any usual number of runs: a
value is then called impossible only if none of :data:`RUNS` gives it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from db.literature import Reported, Study
from metaanalysis.audit.printed import Printed, counts_cut_to, counts_giving

#: Numbers of runs or folds over which a paper may have averaged without a word about it.
RUNS = (*range(2, 21), 25, 30, 50, 100)

#: The same in words.
RUNS_SAID = "2 to 20, 25, 30, 50 or 100"

CROSS_VALIDATION = "cross-validation"

#: Proportions of all cases.
OF_ALL = ("accuracy", "surveillance interval concordance")

#: Proportions of some of the cases: those of a class, or those that were called so.
OF_SOME = ("sensitivity", "specificity", "precision", "NPV")

_MEAN = re.compile(r"\b(mean|averag\w*)\b", re.IGNORECASE)
_REPEATS = re.compile(
    r"\b(\d+)[\s-]*(folds?|runs?|seeds?|repeats?|repetitions?|splits?)\b", re.IGNORECASE
)
_SINGLE = re.compile(r"\b(?:one|single|1)[\s-]+(?:run|seed)\b", re.IGNORECASE)
#: Folds and splits, unlike runs, need not be of the same number of cases.
_UNEQUAL = ("fold", "split")


@dataclass(frozen=True, slots=True)
class Averaging:
    """How a value was averaged.

    Attributes
    ----------
    why
        The sign of it in the rows; None where there is none.
    folds
        Folds of a cross-validation that together hold the cases; None where that is not known.
    runs
        Runs on the same cases; 1 where the row states a single one, None where that is not known.
    equal
        Whether the rows say that each run is of the same number of cases.
    """

    why: str | None = None
    folds: int | None = None
    runs: int | None = None
    equal: bool = False


def averaging(study: Study, metric: Reported) -> Averaging:
    """Read off the rows whether a value is a mean, and of how many."""
    task = metric.task or ""
    repeats = _REPEATS.search(task)
    if repeats and int(repeats[1]) < 2:
        repeats = None
    number = int(repeats[1]) if repeats else None
    if metric.split == CROSS_VALIDATION:
        return Averaging("cross-validation", folds=study.cv_folds or number)
    if repeats:
        equal = not repeats[2].lower().startswith(_UNEQUAL)
        return Averaging(f"'{repeats[0]}'", runs=number, equal=equal)
    if found := _MEAN.search(task):
        return Averaging(f"'{found[0]}'")
    if metric.sd is not None:
        return Averaging("a standard deviation is printed with it")
    if metric.metric in OF_SOME and study.n_classes is not None and study.n_classes > 2:
        return Averaging(f"{study.n_classes} classes")
    return Averaging(runs=1 if _SINGLE.search(task) else None)


def mean_of_folds(printed: Printed, n: int, folds: int) -> bool:
    """Return whether a mean of the folds' proportions can round to the number.

    Folds are as equal as can be: sizes m and m + 1. The mean is (s / m + t / (m + 1)) / folds,
    with s and t the counts in all folds of a size.
    """
    size, large = divmod(n, folds)
    small = folds - large
    if size == 0:
        return False
    low, high = printed.low * folds, printed.high * folds
    for count in range(large * (size + 1) + 1):
        rest = Fraction(count, size + 1)
        first = max(0, ceil((low - rest) * size))
        last = min(small * size, floor((high - rest) * size))
        if first <= last:
            return True
        if low - rest < 0:
            break
    return False


def single_count(printed: Printed, n: int) -> str | None:
    """Return the count out of `n` that gives the number, in words; None if none does."""
    if counts := counts_giving(printed, n):
        return f"{counts[0]} of {n:,}" + (f" to {counts[-1]} of {n:,}" if len(counts) > 1 else "")
    if counts := counts_cut_to(printed, n):
        return f"{counts[0]} of {n:,}, with digits cut off instead of rounded"
    return None


def neighbours(printed: Printed, n: int) -> str:
    """Return the two counts around a number that none gives, in words."""
    below = floor(printed.value * n)
    pair = [count for count in (below, below + 1) if 0 <= count <= n]
    return " and ".join(f"{count} of {n} is {printed.shown(Fraction(count, n))}" for count in pair)


def mean_of_runs(printed: Printed, n: int, runs: int) -> int | None:
    """Return the count in all runs on `n` cases whose mean rounds to the number; None if none."""
    counts = counts_giving(printed, n * runs)
    return min(counts, key=lambda c: abs(Fraction(c, n * runs) - printed.value), default=None)


def fewest_runs(printed: Printed, n: int, also: int | None = None) -> int | None:
    """Return the smallest number of runs on `n` cases whose mean can give the number, or None.

    Those of :data:`RUNS` are tried, and `also`. With 100 runs a number of d digits can be reached
    from 10 ** d / 100 cases on, so that few digits are never impossible.
    """
    tried = sorted({*RUNS, *([also] if also and also > 1 else [])})
    return next((runs for runs in tried if counts_giving(printed, n * runs)), None)


def fewest_folds(printed: Printed, n: int) -> int | None:
    """Return the smallest number of folds of `n` cases whose mean can give the number, or None."""
    return next((folds for folds in RUNS if mean_of_folds(printed, n, folds)), None)
