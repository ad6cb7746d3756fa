"""From reported values to what has a variance: events out of n, or an area with its cases.

What is not known is not filled in. Where the caller allows an assumption, the sentence that says
so is made here, with the studies that it concerns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from db.errors import UsageError
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
class Reported:
    """A reported value beside its study, all values of that study, and its names."""

    value: Row
    study: Row
    siblings: Sequence[Row]
    label: str
    short: str

    def out(self, code: str, **values: str) -> LeftOut:
        """Return the value as left out for a reason."""
        return LeftOut(self.label, self.short, code, values)


@dataclass(slots=True)
class Counted:
    """The values that can be analysed, with their numbers and what must be said of them."""

    used: list[Reported] = field(default_factory=list)
    columns: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)
    assumptions: list[Remark] = field(default_factory=list)


def _cases_said(
    used: list[Reported], cases: list[Cases], split: list[str], allowed: Assumptions
) -> tuple[list[Remark], list[Remark]]:
    """Return the notes and the assumptions on where the numbers of cases come from.

    Parameters
    ----------
    split
        Short names of the values whose cases were split by the assumed prevalence.
    """
    pairs = [(item.short, known) for item, known in zip(used, cases, strict=True)]
    notes = [
        Remark.of("n-of-study", (short for short, known in pairs if known.source == "study")),
        Remark.of("n-of-patients", (short for short, known in pairs if known.unit == "patients")),
        Remark.of("n-of-what", (short for short, known in pairs if known.unit is None)),
    ]
    without = [short for short, known in pairs if known.source == "assumed"]
    return notes, [
        Remark.of("n-assumed", without, n=allowed.n),
        Remark.of("prevalence-assumed", split, prevalence=allowed.prevalence),
    ]


def _split(item: Reported, cases: Cases, allowed: Assumptions) -> tuple[float, float] | str:
    """Return the cases with and without the finding, or the code of why they are not known."""
    if cases.positive is not None and cases.negative is not None:
        return cases.positive, cases.negative
    if cases.n is None:
        return "no-n"
    if item.study["n_classes"] is not None and item.study["n_classes"] > 2:
        return "several-classes"
    if allowed.prevalence is None:
        return "no-class-counts"
    positive = min(max(round(allowed.prevalence * cases.n), 1), cases.n - 1)
    return (positive, cases.n - positive) if cases.n >= 2 else "no-class-counts"


def proportions(kept: list[Reported], outcome: str, allowed: Assumptions) -> Counted:
    """Return the values as events out of n; for sensitivity and specificity out of their class."""
    used: list[Reported] = []
    known: list[Cases] = []
    events: list[int] = []
    sizes: list[float] = []
    split: list[str] = []
    misfits: list[tuple[str, str]] = []
    out: list[LeftOut] = []
    for item in kept:
        cases = cases_of(item.value, item.siblings, item.study, allowed.n)
        size = cases.n
        by_assumption = False
        if outcome in ("sensitivity", "specificity"):
            parts = _split(item, cases, allowed)
            if isinstance(parts, str):
                out.append(item.out(parts))
                continue
            size = parts[outcome == "specificity"]
            by_assumption = cases.positive is None
            split += [item.short] if by_assumption else []
        if size is None:
            out.append(item.out("no-n"))
            continue
        count, fits = fitting_count(item.value["value"], size)
        if not fits and not by_assumption and cases.source != "assumed":
            shown = f"{item.short} ({item.value['value']:g} of {size:g}: {count} taken)"
            misfits.append((item.short, shown))
        used.append(item)
        known.append(cases)
        events.append(count)
        sizes.append(size)
    notes, assumed = _cases_said(used, known, split, allowed)
    notes.append(Remark("misfit", tuple(misfits)))
    columns: dict[str, tuple[Any, ...]] = {
        "events": tuple(events),
        "n": tuple(sizes),
        "value": tuple(item.value["value"] for item in used),
        "n_source": tuple(cases.source for cases in known),
    }
    return Counted(used, columns, out, notes, assumed)


def areas(kept: list[Reported], allowed: Assumptions) -> Counted:
    """Return areas under the curve with their printed interval, or with the cases of each class."""
    used: list[Reported] = []
    known: list[Cases] = []
    rows: list[Row] = []
    split: list[str] = []
    out: list[LeftOut] = []
    for item in kept:
        value = item.value
        interval = value["ci_low"] is not None and value["ci_high"] is not None
        cases = cases_of(value, item.siblings, item.study, allowed.n)
        parts = _split(item, cases, allowed)
        if isinstance(parts, str) and not interval:
            out.append(item.out("no-variance" if parts == "no-class-counts" else parts))
            continue
        if value["value"] in (0.0, 1.0):
            out.append(item.out("area-at-edge"))
            continue
        positive, negative = (None, None) if isinstance(parts, str) else parts
        used.append(item)
        if not interval:
            known.append(cases)
            split += [item.short] if cases.positive is None else []
        rows.append(
            {
                "value": value["value"],
                "ci_low": value["ci_low"] if interval else None,
                "ci_high": value["ci_high"] if interval else None,
                "n_positive": positive,
                "n_negative": negative,
                "n": cases.n,
            }
        )
    by_count = [i for i, r in zip(used, rows, strict=True) if r["ci_low"] is None]
    notes, assumed = _cases_said(by_count, known, split, allowed)
    printed = [i.short for i, r in zip(used, rows, strict=True) if r["ci_low"] is not None]
    notes.append(Remark.of("printed-interval", printed))
    notes.append(Remark.of("hanley-mcneil", (item.short for item in by_count)))
    names = ("value", "ci_low", "ci_high", "n_positive", "n_negative", "n")
    columns = {name: tuple(row[name] for row in rows) for name in names}
    return Counted(used, columns, out, notes, assumed)
