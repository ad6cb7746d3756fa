"""What a check says of one number or statement, and the words in which it says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
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
    """

    id: str
    subject: str
    ref: int | None
    check: str
    verdict: str
    reported: str | None
    recomputed: str | None
    explanation: str
    source: str | None
    rows: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, `rows` as a list."""
        return {**asdict(self), "rows": list(self.rows)}


def tally(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by verdict, worst first; verdicts that do not occur are left out."""
    counts = dict.fromkeys(VERDICTS, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    return {verdict: count for verdict, count in counts.items() if count}


def with_verdict(findings: Iterable[Finding], verdicts: Iterable[str]) -> list[Finding]:
    """Return the findings with one of these verdicts, in their order.

    Raises
    ------
    UnknownTermError
        No such verdict.
    """
    words = Lexicon("verdict", VERDICTS)
    wanted = {words.resolve(verdict) for verdict in verdicts}
    return [finding for finding in findings if finding.verdict in wanted]


def listed(words: Iterable[object], last: str = "and") -> str:
    """Join words as in a sentence: ``a, b and c``."""
    *others, final = [str(word) for word in words] or [""]
    return f"{', '.join(others)} {last} {final}" if others else final


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 study``, ``2 studies``, ``2 cases``."""
    if count == 1:
        return f"1 {word}"
    ending = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {ending}"
