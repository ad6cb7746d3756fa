"""All checks by name, and the one call that runs them.

A new check is one function and one line in :data:`CHECKS`: of the review it takes everything there
is (``Material``), of a study that study alone (``Study``). It works from rows, so that a study that
is added gets it at once; no check knows a study by name. A check's module is imported when it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from typing import Any

from db.database import Database, lent
from db.errors import UsageError
from db.literature import Study, each_study, read_studies
from db.vocabulary import Lexicon
from metaanalysis.audit.finding import VERDICTS, Finding
from metaanalysis.audit.material import gather
from metaanalysis.query import find_study

OF_REVIEW = "review"
OF_STUDY = "study"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it looks at, where its function is, and what it asks in one line."""

    of: str
    home: str
    text: str

    def run(self, subject: Any) -> Iterator[Finding]:
        """Import and run the check on a ``Material`` or a ``Study``."""
        module, _, name = self.home.rpartition(".")
        found: Iterable[Finding] = getattr(import_module(f"metaanalysis.audit.{module}"), name)(
            subject
        )
        yield from found


CHECKS = {
    "flow": Check(OF_REVIEW, "arithmetic.flow", "Does the review's search flow add up?"),
    "sum": Check(OF_REVIEW, "arithmetic.sums", "Do its bars and exclusions add up?"),
    "text": Check(OF_REVIEW, "arithmetic.text", "Does it print the same in two places?"),
    "recount": Check(OF_REVIEW, "recounts.recounts", "Can its counts be, given the studies?"),
    "statement": Check(OF_REVIEW, "recounts.statements", "Is what it says of its figures so?"),
    "correlation": Check(OF_REVIEW, "correlations.correlations", "Do r, p and n fit together?"),
    "table-1": Check(OF_REVIEW, "table1.table_1", "Are Table 1's networks as they are built?"),
    "claim": Check(OF_REVIEW, "claims.claims", "Does the evidence bear out its statements?"),
    "counts": Check(OF_STUDY, "study_counts.counts", "Do parts, images and patients add up?"),
    "proportion": Check(
        OF_STUDY, "proportion.proportion_of_cases", "Can n cases give the proportion?"
    ),
    "joint": Check(OF_STUDY, "joint.joint", "Do sensitivity, specificity, accuracy fit?"),
    "interval": Check(OF_STUDY, "intervals.intervals", "Does the interval fit estimate and n?"),
    "same-count": Check(
        OF_STUDY, "same_count.same_counts", "Are value and interval of the same count?"
    ),
    "extreme": Check(OF_STUDY, "extremes.extremes", "Is a value perfect, or worse than chance?"),
    "baseline": Check(OF_STUDY, "extremes.baselines", "Is it above always the largest class?"),
    "headline": Check(OF_STUDY, "signs.headlines", "Is the headline of a transferred network?"),
    "disagreement": Check(OF_STUDY, "signs.disagreements", "Do sources give another value?"),
    "retraction": Check(OF_STUDY, "signs.retractions", "Has the study been retracted?"),
}


def audit(
    database: Database | None = None,
    *,
    studies: Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    verdicts: Collection[str] = tuple(VERDICTS),
    counts: Counter[str] | None = None,
) -> list[Finding]:
    """Check the numbers and statements that the review and the studies print.

    Studies are read a chunk at a time: memory grows with the findings that are kept alone.

    Parameters
    ----------
    database
        An open database; None opens the default one.
    studies
        Keys, reference numbers or DOIs; None takes the review itself and every study.
    checks
        Names out of :data:`CHECKS`; None runs all that fit `studies`.
    verdicts
        Of the findings that are kept, out of :data:`VERDICTS`.
    counts
        Takes how many findings of each verdict there were, kept or not.

    Returns
    -------
    list of Finding
        Worst verdict first, then in the order of the checks and of the reference numbers.

    Raises
    ------
    UnknownTermError
        No such check.
    UsageError
        A check of the review is asked for, and studies.
    NotFoundError
        No such study.
    """
    known = Lexicon("check", CHECKS)
    names = list(dict.fromkeys(known.resolve(name) for name in checks or CHECKS))
    of_review = [name for name in names if CHECKS[name].of == OF_REVIEW]
    of_study = [name for name in names if CHECKS[name].of == OF_STUDY]
    if studies is not None and checks and of_review:
        raise UsageError(
            f"{', '.join(of_review)}: checks the review, not a study.",
            "Leave out the studies, or the check.",
        )
    with lent(database) as base:
        if studies is not None:
            keys = {find_study(base, name) for name in studies}
            found = _findings(of_study, read_studies(base, keys).values())
        else:
            found = chain(
                _findings(of_review, [gather(base)] if of_review else ()),
                _findings(of_study, each_study(base) if of_study else ()),
            )
        kept = []
        for finding in found:
            if counts is not None:
                counts[finding.verdict] += 1
            if finding.verdict in verdicts:
                kept.append(finding)
    return _ordered(kept, names)


def audit_studies(studies: Iterable[Study], checks: Iterable[str] | None = None) -> list[Finding]:
    """Check what studies print that have been read already; see :func:`audit`.

    Parameters
    ----------
    studies
        Any number of them.
    checks
        Names of checks of a study; None runs all of these.
    """
    of_study = [name for name, check in CHECKS.items() if check.of == OF_STUDY]
    names = of_study if checks is None else list(checks)
    return _ordered(_findings(names, studies), names)


def _findings(names: Iterable[str], subjects: Iterable[Any]) -> Iterator[Finding]:
    checks = [CHECKS[name] for name in names]
    for subject in subjects:
        for check in checks:
            yield from check.run(subject)


def _ordered(findings: Iterable[Finding], names: Sequence[str]) -> list[Finding]:
    severity = {verdict: place for place, verdict in enumerate(VERDICTS)}
    place = {name: number for number, name in enumerate(names)}
    return sorted(findings, key=lambda one: (severity[one.verdict], place[one.check]))
