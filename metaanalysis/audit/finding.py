"""What a check says of one number or statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from db.literature import Reported, Study
from db.vocabulary import Lexicon

CONSISTENT = "consistent"
SUSPICIOUS = "suspicious"
INCONSISTENT = "inconsistent"
NOT_CHECKABLE = "not checkable"
SUPPORTED = "supported"
CONTRADICTED = "contradicted"

#: Verdict -> what it means, worst first; findings are listed in this order.
VERDICTS = {
    INCONSISTENT: "cannot be as printed: other numbers beside it, or arithmetic, rule it out",
    CONTRADICTED: "a statement of the review that the curated evidence speaks against",
    SUSPICIOUS: "can be, but read the explanation before you use it",
    SUPPORTED: "a statement of the review that the curated evidence bears out",
    CONSISTENT: "fits everything that it could be checked against",
    NOT_CHECKABLE: "the rows do not hold what a check needs; the explanation says what is missing",
}

#: Verdicts that a reader should look at.
ATTENTION = (INCONSISTENT, CONTRADICTED, SUSPICIOUS)

#: Verdicts with which ``--strict`` fails.
FAULTS = (INCONSISTENT, CONTRADICTED)

#: Subject of what the review itself prints.
REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    id
        Unique and the same from run to run: check, subject and what was checked, with dots.
    subject
        ``review``, or the key of a study.
    ref
        Number of the study in the review's reference list; None for the review itself.
    check
        Which check, a name out of ``metaanalysis.audit.CHECKS``.
    verdict
        A word out of :data:`VERDICTS`.
    reported
        What is printed.
    recomputed
        What other numbers give in its place; None where nothing can be computed.
    explanation
        Why, in a sentence or two.
    source
        Where the reported value was read.
    rows
        The rows that decide it, in words.
    values
        The reported values among these: key of the study, and position in its file.
    """

    id: str
    subject: str
    ref: int | None
    check: str
    verdict: str
    reported: str | None = None
    recomputed: str | None = None
    explanation: str
    source: str | None = None
    rows: tuple[str, ...] = ()
    values: tuple[tuple[str, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, `rows` and `values` as lists."""
        lists = {"rows": list(self.rows), "values": [list(one) for one in self.values]}
        return {**asdict(self), **lists}

    def speaks_of(self, study: Study, value: Reported) -> bool:
        """Return whether a reported value is among the rows that decide it."""
        return (study.key, value.position) in self.values


#: A row that decides: a reported value of a study, or what else a reader should see, in words.
Shown = tuple[Study, Reported] | str


#: Words a finding whose check and subject are settled; takes the rest as of :func:`_finding`.
Say = Callable[..., Finding]


def named(value: Reported) -> str:
    """Return metric and value, with the interval where there is one."""
    interval = "" if value.ci_low is None else f" [{value.ci_low}, {value.ci_high}]"
    return f"{value.metric} {value.value}{interval}"


def described(study: Study, value: Reported) -> str:
    """Return a reported value in words."""
    parts = (named(value), value.backbone, value.tl_type, value.task, value.split)
    n = f"n = {value.n}" if value.n is not None else None
    return f"{study.name}: {'; '.join(part for part in (*parts, n) if part)}"


def on_study(study: Study, check: str, what: str | Reported) -> Say:
    """Return what words findings of a check on a study, or on one of its reported values.

    Of a reported value, what is printed, its source and the row that decides are its own unless
    others are given.
    """
    name = what if isinstance(what, str) else f"{what.metric}.{what.position}"
    say = partial(_finding, f"{check}.{study.key}.{name}", study.key, study.ref, check)
    if isinstance(what, str):
        return say
    return partial(say, reported=named(what), source=what.source, rows=[(study, what)])


def on_review(doi: str, check: str, what: str, place: str | None = None) -> Say:
    """Return what words findings of a check on the review; `place` is where in it they stand."""
    source = f"https://doi.org/{doi}" + (f", {place}" if place else "")
    return partial(_finding, f"{check}.{what}", REVIEW, None, check, source=source)


def _finding(
    name: str,
    subject: str,
    ref: int | None,
    check: str,
    verdict: str,
    explanation: str,
    *,
    rows: Sequence[Shown] = (),
    **printed: str | None,
) -> Finding:
    """Return a finding with its rows in words; `printed` is reported, recomputed and source."""
    return Finding(
        id=name.replace(" ", "-"),
        subject=subject,
        ref=ref,
        check=check,
        verdict=verdict,
        explanation=explanation,
        rows=tuple(row if isinstance(row, str) else described(*row) for row in rows),
        values=tuple((row[0].key, row[1].position) for row in rows if not isinstance(row, str)),
        **printed,
    )


def tally(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by verdict, worst first; verdicts that do not occur are left out."""
    return worst_first(Counter(finding.verdict for finding in findings))


def worst_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by verdict, worst first; verdicts that do not occur are left out."""
    return {verdict: counts[verdict] for verdict in VERDICTS if counts.get(verdict)}


def verdicts_named(words: Iterable[str]) -> set[str]:
    """Return the verdicts that words mean.

    Raises
    ------
    UnknownTermError
        No such verdict.
    """
    known = Lexicon("verdict", VERDICTS)
    return {known.resolve(word) for word in words}


def with_verdict(findings: Iterable[Finding], verdicts: Iterable[str]) -> list[Finding]:
    """Return the findings with one of these verdicts, in their order; see `verdicts_named`."""
    wanted = verdicts_named(verdicts)
    return [finding for finding in findings if finding.verdict in wanted]
