"""Whether a printed proportion can come from the number of cases that it is said to rest on.

A value that no count of the cases gives is "inconsistent" only if no mean over a plausible number
of runs gives it either, or the row itself states a single run or how many runs there were. If an
unstated mean could give it, it is "suspicious", and the smallest number of runs is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from db.literature import Reported, Study
from metaanalysis.audit.arms import Cases, cases, class_cases, own_print
from metaanalysis.audit.averages import (
    OF_ALL,
    OF_SOME,
    RUNS_SAID,
    Averaging,
    averaging,
    fewest_folds,
    fewest_runs,
    mean_of_folds,
    mean_of_runs,
    neighbours,
    single_count,
)
from metaanalysis.audit.finding import (
    CONSISTENT,
    INCONSISTENT,
    NOT_CHECKABLE,
    SUSPICIOUS,
    Finding,
    Say,
    on_study,
)
from metaanalysis.audit.printed import Printed, fraction, smallest_denominator

_CHECK = "proportion"


def _averaged(
    say: Say, metric: Reported, printed: Printed, found: Cases, how: Averaging
) -> Finding:
    """Judge a value that the rows call a mean and that no single count gives."""
    n = found.n
    number, kind = how.folds or how.runs, "folds" if how.folds else "runs"
    if number and (
        mean_of_folds(printed, n, number)
        if how.folds
        else mean_of_runs(printed, n, number) is not None
    ):
        return say(
            CONSISTENT,
            f"No count of {n:,} gives it; a mean over {number} {kind} can.",
            recomputed=f"mean of {number} {kind}",
        )
    if number:
        # Folds need not be as equal as can be, nor splits of the same size.
        certain = how.equal and _certain(metric, found)
        return say(
            INCONSISTENT if certain else SUSPICIOUS,
            f"Neither a count of {n:,} nor a mean over {number} of them gives it.",
        )
    return say(NOT_CHECKABLE, f"It is a mean ({how.why}) of an unknown number of proportions.")


def _certain(metric: Reported, found: Cases) -> bool:
    """Return whether the row itself gives n, and is the study's own print."""
    return not found.assumed and own_print([metric])


def _unstated(study: Study, metric: Reported, printed: Printed, n: int) -> str | None:
    """Return the mean over the fewest runs or folds that could give a value, in words."""
    if runs := fewest_runs(printed, n, study.cv_folds):
        count = mean_of_runs(printed, n, runs) or 0
        share = printed.shown(Fraction(count, n * runs))
        return f"{runs} runs could ({count:,} of {n * runs:,} is {share})"
    # Cases that are the test set of one split are not those of folds.
    if metric.split is None and (folds := fewest_folds(printed, n)):
        return f"{folds} folds could"
    return None


def _unexplained(say: Say, study: Study, metric: Reported, found: Cases, how: Averaging) -> Finding:
    """Judge a value that no single count gives, where no row calls it a mean."""
    printed = fraction(metric.value)
    text = f"No count of {found.said} gives it: {neighbours(printed, found.n)}"
    certain = _certain(metric, found)
    single = how.runs == 1
    mean = None if single else _unstated(study, metric, printed, found.n)
    if mean:
        text += f". A mean over {mean}, and over no fewer; the rows do not say that it is one."
    elif single:
        text += "; and the row says that it is of a single run."
    else:
        text += f"; nor does a mean over {RUNS_SAID} runs."
    if not mean and not certain:
        text += " The row does not give n itself, or is not the study's own print."
    verdict = SUSPICIOUS if mean or not certain else INCONSISTENT
    return say(verdict, text, recomputed=neighbours(printed, found.n))


def _check(study: Study, metric: Reported, found: Cases | None) -> Finding:
    say = on_study(study, _CHECK, metric)
    printed = fraction(metric.value)
    how = averaging(study, metric)
    if found is None:
        return say(NOT_CHECKABLE, "The number of cases behind it is not known.")
    if count := single_count(printed, found.n):
        where = f", if n is that of {found.said}" if found.assumed else ""
        return say(CONSISTENT, f"{count} gives it{where}.", recomputed=count)
    if how.why is not None:
        return _averaged(say, metric, printed, found, how)
    return _unexplained(say, study, metric, found, how)


def _of_some(say: Say, metric: Reported) -> Finding:
    """Judge a rate within a class whose size is not known: only the smallest that fits is told."""
    count, n = smallest_denominator(fraction(metric.value))
    in_class = metric.metric in ("sensitivity", "specificity")
    of = "cases of the class" if in_class else "cases called so"
    text = f"The number of {of} is in no row"
    if n == 1:  # 0% and 100% can be of any number
        return say(NOT_CHECKABLE, f"{text}.")
    text += f"; with fewer than {n} (as in {count}/{n}) it could not be."
    return say(NOT_CHECKABLE, text, recomputed=f"at least {n} {of}")


def proportion_of_cases(study: Study) -> Iterator[Finding]:
    """Check every reported proportion of a study. AUC and F1 are no proportions of cases."""
    of_class = class_cases(study)
    for metric in study.metrics:
        if metric.metric in OF_ALL:
            yield _check(study, metric, cases(study, metric))
        elif metric.position in of_class:
            yield _check(study, metric, of_class[metric.position])
        elif metric.metric in OF_SOME:
            say = on_study(study, _CHECK, metric)
            how = averaging(study, metric)
            if how.why is None:
                yield _of_some(say, metric)
            else:
                yield say(
                    NOT_CHECKABLE, f"It may be a mean over classes, folds or runs ({how.why})."
                )
