"""Whether sensitivity, specificity, accuracy and their kin can belong to one table of calls.

Where they cannot, they may still be means over runs of which no row tells: "inconsistent" is left
for rates that no mean over a plausible number of runs gives, or that are stated to be of one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from db.literature import Reported, Study
from db.wording import listed as in_words
from db.wording import plural
from metaanalysis.audit.arms import Arm, Cases, arms, cases, class_counts, own_print
from metaanalysis.audit.averages import RUNS, averaging, single_count
from metaanalysis.audit.finding import (
    CONSISTENT,
    INCONSISTENT,
    NOT_CHECKABLE,
    SUSPICIOUS,
    Finding,
    named,
    on_study,
)
from metaanalysis.audit.printed import fraction
from metaanalysis.audit.tables2x2 import ENUMERATED, Positives, means, prevalence, tables

_CHECK = "joint"

RATES = ("sensitivity", "specificity", "accuracy", "precision", "NPV", "F1")


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rates of an arm allow.

    Attributes
    ----------
    arm, rows
        The arm, and its rates.
    mean
        The sign that they are means; None where there is none.
    cases
        How many cases they rest on; None where that is not known.
    shares
        Smallest and largest prevalence that fits; None if none does.
    positives
        The tables that fit; None if none does or if they were not tried.
    tried
        Whether tables were tried.
    cut
        Whether it fits, if at all, only where digits were cut off instead of rounded.
    """

    arm: Arm
    rows: tuple[Reported, ...]
    mean: str | None
    cases: Cases | None
    shares: tuple[float, float] | None
    positives: Positives | None
    tried: bool
    cut: bool

    @property
    def fits(self) -> bool:
        """Return whether anything fits."""
        return self.positives is not None if self.tried else self.shares is not None


def _impossible(study: Study, row: Reported) -> bool:
    """Return whether a value cannot be by itself, which the check of proportions tells."""
    found = cases(study, row)
    if row.metric != "accuracy" or found is None or averaging(study, row).why:
        return False
    return single_count(fraction(row.value), found.n) is None


def _cases(study: Study, arm: Arm, rows: tuple[Reported, ...]) -> Cases | None:
    counts = class_counts(study, arm)
    if counts is not None:
        return Cases(sum(counts), f"{sum(counts):,} cases, {counts[0]:,} of them positive", False)
    whole = [row for row in arm.get("accuracy", "AUC") if row.n is not None]
    # An n that only some rates have may be that of a class.
    if not whole and any(row.n is not None for row in rows) and len({row.n for row in rows}) > 1:
        return None
    found = [cases(study, row) for row in whole or rows]
    known = {each.n: each for each in found if each is not None}
    return next(iter(known.values())) if len(known) == 1 else None


def judge(study: Study, arm: Arm) -> Judged | None:
    """Work out what the rates of an arm allow; None where there is nothing to fit together.

    At least two rates on two classes must be there, sensitivity or specificity among them, and
    three where the number of cases is not known: any two then fit some prevalence.
    """
    rows = tuple(row for row in arm.get(*RATES) if not _impossible(study, row))
    names = {row.metric for row in rows}
    if len(rows) < 2 or not names & {"sensitivity", "specificity"}:
        return None
    rates = {row.metric: fraction(row.value) for row in rows}
    mean = next((how.why for row in rows if (how := averaging(study, row)).why), None)
    found = _cases(study, arm, rows)
    counts = class_counts(study, arm)
    tried = mean is None and found is not None and found.n <= ENUMERATED
    if not tried and len(rows) < 3:
        return None
    either = {name: rate.either() for name, rate in rates.items()}
    cut, positives = False, None
    if tried and found is not None:
        known = counts[0] if counts else None
        positives = tables(rates, found.n, known)
        if positives is None:
            cut = True
            positives = tables(either, found.n, known)
    shares = prevalence(rates)
    if shares is None:
        cut = True
        shares = prevalence(either)
    return Judged(arm, rows, mean, found, shares, positives, tried, cut)


def _names(found: Judged) -> str:
    names = in_words(row.metric for row in found.rows)
    return names[:1].upper() + names[1:]


def _fitting(found: Judged) -> tuple[str, str]:
    names = _names(found)
    if found.positives is not None:
        span = found.positives
        number = f"{span.low:,}" if span.low == span.high else f"{span.low:,} to {span.high:,}"
        said = f"{number} positives among {span.n:,}"
        return said, f"{names} fit together: {said} ({plural(span.tables, 'table')})."
    low, high = found.shares or (0.0, 1.0)
    said = f"{low:.1%} to {high:.1%} positives"
    return said, f"{names} fit together with {said}."


def _fewest_runs(study: Study, found: Judged) -> int | None:
    """Return the smallest number of runs whose means could be the rates; None if there is none."""
    if found.shares is None or found.cases is None or not found.tried:
        return None
    if any(averaging(study, row).runs == 1 for row in found.rows):
        return None
    rates = {row.metric: fraction(row.value) for row in found.rows}
    counts = class_counts(study, found.arm)
    known = counts[0] if counts else None
    return next((runs for runs in RUNS if means(rates, found.cases.n, runs, known)), None)


def _not_fitting(study: Study, found: Judged) -> tuple[str, str]:
    names = _names(found)
    certain = found.mean is None and own_print(found.rows)
    if found.shares is None:
        text = f"{names} fit together with no share of positives, rounding and cutting allowed for"
        # Without n nobody knows whether one set of cases stands behind the values.
        certain = certain and all(row.split == "test" or row.n for row in found.rows)
    else:
        n = found.cases.said if found.cases else ""
        text = f"{names} belong to no one table of {n}, rounding and cutting allowed for"
        certain = certain and found.cases is not None and not found.cases.assumed
    if certain and (runs := _fewest_runs(study, found)):
        text += f". Means over {runs} runs could be so, and over no fewer"
        return SUSPICIOUS, f"{text}; the rows do not say that they are means."
    if certain:
        return INCONSISTENT, f"{text}."
    why = (
        f"they may be means ({found.mean})"
        if found.mean
        else "they are not the study's own print"
        if not own_print(found.rows)
        else "the rows do not say that one set of cases is behind them"
    )
    return SUSPICIOUS, f"{text}; {why}."


def joint(study: Study) -> Iterator[Finding]:
    """Check each arm of a study in which rates can be fitted together."""
    for arm in arms(study):
        found = judge(study, arm)
        if found is None:
            continue
        recomputed = None
        if study.n_classes is None or study.n_classes > 2:
            verdict = NOT_CHECKABLE
            number = study.n_classes or "an unknown number of"
            text = f"The study has {number} classes, and the rates may be means over them."
        elif found.fits:
            verdict = CONSISTENT
            recomputed, text = _fitting(found)
            if found.cut:
                text += " Only if digits were cut off instead of rounded."
            if found.mean:
                text += f" They may be means ({found.mean}), so only the range was checked."
        else:
            verdict, text = _not_fitting(study, found)
        yield on_study(study, _CHECK, f"{found.rows[0].position}")(
            verdict,
            text,
            reported=", ".join(map(named, found.rows)),
            recomputed=recomputed,
            source=found.rows[0].source,
            rows=[(study, row) for row in found.rows],
        )
