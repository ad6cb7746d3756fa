"""From reported values to what has a variance: events out of n, or an area with its cases.

What is not known is not filled in. Where the caller allows an assumption, the sentence that says
so is made here, with the studies that it concerns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from db.errors import UsageError
from db.literature import Reported, Study
from db.reader import Row
from metaanalysis.samples.sample import LeftOut, Remark
from metaanalysis.samples.values import Cases, cases_of, fitting_count


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the caller allows to be assumed or kept; each leaves its mark on the result.

    Attributes
    ----------
    n
        For values without an n: ``"images"`` (the study's number of images), ``"test"`` (its
        number of test cases, whatever the split), a number, or None: leave them out.
    prevalence
        Share of cases with the finding, where only the number of all cases is known; None: leave
        such values out.
    keep_retracted
        Keep retracted studies.
    keep_untransferred
        Keep values of randomly initialised networks and of the authors' own networks.
    """

    n: str | int | None = None
    prevalence: float | None = None
    keep_retracted: bool = False
    keep_untransferred: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.n, str) and self.n not in ("images", "test"):
            raise UsageError(f"--assume-n {self.n!r}.", "Write images, test or a number.")
        if isinstance(self.n, int) and self.n < 1:
            raise UsageError(f"--assume-n {self.n}: not a number of cases.", "Write 1 or more.")
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise UsageError(
                f"--assume-prevalence {self.prevalence:g}: not between 0 and 1.",
                "Write the share of cases with the finding, such as 0.5.",
            )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reported value beside its study, with its names in the sample."""

    value: Reported
    study: Study
    label: str
    short: str

    def out(self, code: str, **values: str) -> LeftOut:
        """Return the value as left out for a reason."""
        return LeftOut(self.label, self.short, code, values)


@dataclass(slots=True)
class Counted:
    """The values that can be analysed, with their numbers and what must be said of them.

    Attributes
    ----------
    allowed
        What may be assumed.
    used, rows
        The values, and the numbers of each by name.
    left_out, notes
        The others, and remarks of one kind of value.
    known
        Short name and cases of the values whose variance hangs on these.
    split
        Short names of the values whose cases were split by the assumed prevalence.
    """

    allowed: Assumptions
    used: list[Candidate] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)
    known: list[tuple[str, Cases]] = field(default_factory=list)
    split: list[str] = field(default_factory=list)

    def rest_on(self, item: Candidate, cases: Cases, *, by_class: bool) -> None:
        """Keep on which cases a value rests, and whether these had to be split."""
        self.known.append((item.short, cases))
        if by_class and cases.positive is None:
            self.split.append(item.short)

    @property
    def columns(self) -> dict[str, tuple[Any, ...]]:
        """Return the numbers by name, one a value."""
        return {name: tuple(row[name] for row in self.rows) for name in (self.rows or [{}])[0]}

    @property
    def remarks(self) -> list[Remark]:
        """Return where the numbers of cases come from, and the notes."""
        patients = (short for short, one in self.known if one.unit not in (None, "images"))
        return [
            Remark.of("n-of-study", (short for short, one in self.known if one.source == "study")),
            Remark.of("n-of-patients", patients),
            Remark.of("n-of-what", (short for short, one in self.known if one.unit is None)),
            *self.notes,
        ]

    @property
    def assumptions(self) -> list[Remark]:
        """Return what was assumed, and of which values."""
        assumed = [short for short, cases in self.known if cases.source == "assumed"]
        return [
            Remark.of("n-assumed", assumed, n=self.allowed.n),
            Remark.of("prevalence-assumed", self.split, prevalence=self.allowed.prevalence),
        ]


def _split(item: Candidate, cases: Cases, allowed: Assumptions) -> tuple[float, float] | str:
    """Return the cases with and without the finding, or the code of why they are not known."""
    if cases.positive is not None and cases.negative is not None:
        return cases.positive, cases.negative
    if cases.n is None:
        return "no-n"
    if item.study.n_classes is not None and item.study.n_classes > 2:
        return "several-classes"
    if allowed.prevalence is None:
        return "no-class-counts"
    positive = min(max(round(allowed.prevalence * cases.n), 1), cases.n - 1)
    return (positive, cases.n - positive) if cases.n >= 2 else "no-class-counts"


def events_of(kept: list[Candidate], outcome: str, allowed: Assumptions) -> Counted:
    """Return the values as events out of n; for sensitivity and specificity out of their class."""
    found = Counted(allowed)
    by_class = outcome in ("sensitivity", "specificity")
    misfits: list[tuple[str, str]] = []
    for item in kept:
        value = item.value.value
        cases = cases_of(item.value, item.study, allowed.n)
        size = cases.n
        if by_class:
            parts = _split(item, cases, allowed)
            if isinstance(parts, str):
                found.left_out.append(item.out(parts))
                continue
            size = parts[outcome == "specificity"]
        if size is None:
            found.left_out.append(item.out("no-n"))
            continue
        count, fits = fitting_count(value, size)
        printed = cases.source != "assumed" and not (by_class and cases.positive is None)
        if printed and not fits:
            misfits.append((item.short, f"{item.short} ({value:g} of {size:g}: {count} taken)"))
        found.used.append(item)
        found.rest_on(item, cases, by_class=by_class)
        found.rows.append({"events": count, "n": size, "value": value, "n_source": cases.source})
    found.notes.append(Remark("misfit", tuple(misfits)))
    return found


def areas(kept: list[Candidate], allowed: Assumptions) -> Counted:
    """Return areas under the curve with their printed interval, or with the cases of each class."""
    found = Counted(allowed)
    printed: list[str] = []
    for item in kept:
        value = item.value
        interval = value.ci_low is not None and value.ci_high is not None
        cases = cases_of(value, item.study, allowed.n)
        parts = _split(item, cases, allowed)
        if isinstance(parts, str) and not interval:
            code = "no-variance" if parts == "no-class-counts" else parts
            found.left_out.append(item.out(code))
            continue
        if value.value in (0.0, 1.0):
            found.left_out.append(item.out("area-at-edge"))
            continue
        positive, negative = (None, None) if isinstance(parts, str) else parts
        found.used.append(item)
        if interval:
            printed.append(item.short)
        else:
            found.rest_on(item, cases, by_class=True)
        found.rows.append(
            {
                "value": value.value,
                "ci_low": value.ci_low if interval else None,
                "ci_high": value.ci_high if interval else None,
                "n_positive": positive,
                "n_negative": negative,
                "n": cases.n,
            }
        )
    found.notes.append(Remark.of("printed-interval", printed))
    found.notes.append(Remark.of("hanley-mcneil", (short for short, _ in found.known)))
    return found
