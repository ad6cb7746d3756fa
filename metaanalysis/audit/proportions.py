"""Whether a printed proportion can come from the number of cases that it is said to rest on."""

from __future__ import annotations

from collections.abc import Iterator

from metaanalysis.audit.arms import Cases, arms, cases, class_counts, own_print
from metaanalysis.audit.averages import (
    OF_ALL,
    OF_SOME,
    USUAL_RUNS,
    Averaging,
    averaging,
    mean_of_folds,
    neighbours,
    runs_that_fit,
    single_count,
)
from metaanalysis.audit.finding import CONSISTENT, INCONSISTENT, NOT_CHECKABLE, SUSPICIOUS, Finding
from metaanalysis.audit.finding import listed as in_words
from metaanalysis.audit.material import Metric, Study
from metaanalysis.audit.printed import Printed, fraction, smallest_denominator

_CHECK = "proportion"


def _of_class(study: Study) -> dict[int, Cases]:
    """Return, by position, the cases of the class that a sensitivity or specificity is of."""
    known: dict[int, Cases] = {}
    for arm in arms(study):
        if counts := class_counts(study, arm):
            for name, n in zip(("sensitivity", "specificity"), counts, strict=True):
                known[arm.rows[name].position] = Cases(n, f"the {n:,} cases of its class", False)
    return known


def _averaged(study: Study, metric: Metric, printed: Printed, n: int, how: Averaging) -> Finding:
    """Judge a value that the rows call a mean and that no single count gives."""
    if how.folds and mean_of_folds(printed, n, how.folds):
        return study.finding(
            _CHECK,
            metric,
            CONSISTENT,
            f"No count of {n:,} gives it; a mean over {how.folds} folds can.",
            recomputed=f"mean of {how.folds} folds",
        )
    if how.runs and how.runs in runs_that_fit(printed, n, how.runs):
        return study.finding(
            _CHECK,
            metric,
            CONSISTENT,
            f"No count of {n:,} gives it; a mean over {how.runs} runs can.",
            recomputed=f"mean of {how.runs} runs",
        )
    number = how.folds or how.runs
    if number:
        return study.finding(
            _CHECK,
            metric,
            SUSPICIOUS,
            f"Neither a count of {n:,} nor a mean over {number} of them gives it.",
        )
    return study.finding(
        _CHECK,
        metric,
        NOT_CHECKABLE,
        f"It is a mean ({how.why}) of an unknown number of proportions.",
    )


def _unexplained(
    study: Study, metric: Metric, printed: Printed, found: Cases, certain: bool
) -> Finding:
    """Judge a value that no single count gives, where no row calls it a mean."""
    fitting = runs_that_fit(printed, found.n, study.cv_folds)
    around = f"No count of {found.said} gives it: {neighbours(printed, found.n)}"
    if fitting:
        runs = in_words(fitting, "or")
        text = (
            f"{around}. A mean over {runs} runs could give it; the rows do not say that it is one."
        )
        verdict = SUSPICIOUS
    else:
        tried = in_words(sorted({*USUAL_RUNS, *([study.cv_folds] if study.cv_folds else [])}), "or")
        text = f"{around}; nor does a mean over {tried} runs."
        verdict = INCONSISTENT if certain else SUSPICIOUS
        if not certain:
            text += " The row does not give n itself, or is not the study's own print."
    return study.finding(_CHECK, metric, verdict, text, recomputed=neighbours(printed, found.n))


def _check(study: Study, metric: Metric, found: Cases | None) -> Finding:
    printed = fraction(metric.value)
    how = averaging(study, metric)
    if found is None:
        return study.finding(
            _CHECK, metric, NOT_CHECKABLE, "The number of cases behind it is not known."
        )
    if count := single_count(printed, found.n):
        where = f", if n is that of {found.said}" if found.assumed else ""
        return study.finding(
            _CHECK, metric, CONSISTENT, f"{count} gives it{where}.", recomputed=count
        )
    if how.why is not None:
        return _averaged(study, metric, printed, found.n, how)
    certain = not found.assumed and own_print([metric])
    return _unexplained(study, metric, printed, found, certain)


def _of_some(study: Study, metric: Metric) -> Finding:
    """Judge a rate within a class whose size is not known: only the smallest that fits is told."""
    count, n = smallest_denominator(fraction(metric.value))
    in_class = metric.metric in ("sensitivity", "specificity")
    of = "cases of the class" if in_class else "cases called so"
    text = f"The number of {of} is in no row"
    if n == 1:  # 0% and 100% can be of any number
        return study.finding(_CHECK, metric, NOT_CHECKABLE, f"{text}.")
    text += f"; with fewer than {n} (as in {count}/{n}) it could not be."
    return study.finding(_CHECK, metric, NOT_CHECKABLE, text, recomputed=f"at least {n} {of}")


def proportions(study: Study) -> Iterator[Finding]:
    """Check every reported proportion of a study. AUC and F1 are no proportions of cases."""
    of_class = _of_class(study)
    for metric in study.metrics:
        if metric.metric in OF_ALL:
            yield _check(study, metric, cases(study, metric))
        elif metric.position in of_class:
            yield _check(study, metric, of_class[metric.position])
        elif metric.metric in OF_SOME:
            how = averaging(study, metric)
            if how.why is None:
                yield _of_some(study, metric)
            else:
                yield study.finding(
                    _CHECK,
                    metric,
                    NOT_CHECKABLE,
                    f"It may be a mean over classes, folds or runs ({how.why}).",
                )
