"""The class of each line of a table: one column, one of several that holds 1, or findings.

Stated rules. An image of several findings is left out, unless one finding is told from all others;
then what does not name it is without it. -1 is uncertain: left out, or taken for one of both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from db.errors import UsageError
from db.wording import listed
from replicate.images.tables import SHOWN, Line, Table, is_missing
from replicate.notes import Note

_WHOLE = re.compile(r"[+-]?\d+\.0*")
_UNCERTAIN, _NO, _YES = "-1", "0", "1"


@dataclass(frozen=True, slots=True)
class Rule:
    """How labels stand in a table.

    Parameters
    ----------
    columns
        Places of the columns.
    exclusive
        Whether of several columns exactly one holds 1.
    names
        What values are called.
    separator
        Between findings of one cell; what follows ``/`` is a kind of what stands before it.
    finding
        The one that is told from all others.
    uncertain
        ``left-out``, ``positive`` or ``negative``.
    """

    columns: tuple[int, ...]
    exclusive: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    separator: str = "|"
    finding: str | None = None
    uncertain: str = "left-out"


@dataclass(slots=True)
class Labels:
    """The class of each line, None where it has none; why; and the class that is positive."""

    of_line: list[str | None] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[Note] = field(default_factory=list)
    positive: str | None = None

    def only(self, names: Sequence[str]) -> str | None:
        """Return the only one of several findings; count where there are more, or none."""
        if len(names) == 1:
            return names[0]
        self.left_out["several findings" if names else "no finding named"] += 1
        return None

    def unsure(self, count: int, rule: Rule) -> None:
        """Note what is done with images of an uncertain label."""
        if count and rule.uncertain == "left-out":
            self.notes.append(Note("uncertain left out", {"count": count}))
        elif count:
            values = {"count": count, "taken": rule.uncertain}
            self.notes.append(Note("uncertain taken", values))


def labels_of(table: Table, rule: Rule) -> Labels:
    """Return the class of each line.

    Raises
    ------
    ImagesError
        A line in which not exactly one column holds 1, or what is no such number.
    UsageError
        A finding that the table does not have.
    """
    found = Labels()
    headings = [table.heading[place] for place in rule.columns]
    at = _named(rule.finding, headings)
    if at is not None:
        _of_finding(table, rule.columns[at], rule, found)
    elif len(rule.columns) > 1:
        if rule.finding is not None:
            raise _unknown(rule.finding, headings)
        _of_columns(table, rule, found)
    else:
        _of_cells(table, rule.columns[0], rule, found)
    for why, count in found.left_out.items():
        found.notes.append(Note(why, {"count": count}))
    return found


def as_written(table: Table, place: int) -> list[str | None]:
    """Return what a column says, None where it says nothing."""
    cells = (line.cells[place] for line in table.lines)
    return [None if is_missing(cell) else cell for cell in cells]


def plain(cell: str) -> str:
    """Return a cell with single spaces, and ``1.0`` as ``1``."""
    return cell.partition(".")[0] if _WHOLE.fullmatch(cell) else " ".join(cell.split())


def _named(word: str | None, among: Sequence[str]) -> int | None:
    """Return which of several words one is, in whatever case."""
    if word is None:
        return None
    wanted = word.strip().casefold()
    return next((at for at, one in enumerate(among) if one.casefold() == wanted), None)


def _unknown(finding: str, known: Sequence[str]) -> UsageError:
    more = [f"{len(known) - SHOWN} more"] if len(known) > SHOWN else []
    return UsageError(
        f"--finding {finding}: the table has no such finding.",
        f"It has {listed([*known[:SHOWN], *more])}.",
    )


def _of_finding(table: Table, place: int, rule: Rule, found: Labels) -> None:
    """Class lines by a column that says of one finding whether it is there."""
    name = table.heading[place]
    found.positive = name
    unsure = blank = 0
    for line in table.lines:
        value = _number(table, line, place)
        unsure += value == _UNCERTAIN
        blank += not value
        if value == _UNCERTAIN and rule.uncertain == "left-out":
            found.of_line.append(None)
            continue
        present = value == _YES or (value == _UNCERTAIN and rule.uncertain == "positive")
        found.of_line.append(name if present else f"no {name}")
    found.unsure(unsure, rule)
    if blank:
        found.notes.append(Note("not mentioned", {"count": blank, "finding": name}))


def _of_columns(table: Table, rule: Rule, found: Labels) -> None:
    """Class lines by the one of several columns that holds 1."""
    rows = [[_number(table, line, place) for place in rule.columns] for line in table.lines]
    strict = rule.exclusive and not any(_UNCERTAIN in row for row in rows)
    unsure = 0
    for line, row in zip(table.lines, rows, strict=True):
        unsure += _UNCERTAIN in row
        if _UNCERTAIN in row and rule.uncertain == "left-out":
            found.of_line.append(None)
            continue
        wanted = (_YES, _UNCERTAIN) if rule.uncertain == "positive" else (_YES,)
        names = [
            table.heading[place]
            for place, value in zip(rule.columns, row, strict=True)
            if value in wanted
        ]
        if strict and len(names) != 1:
            what = f"{listed(names)} hold 1" if names else "none holds 1"
            columns = "|".join(table.heading[place] for place in rule.columns)
            hint = "Exactly one must; --finding NAME tells one finding from all others."
            raise table.fault(line.number, columns, what, hint)
        found.of_line.append(found.only(names))
    found.unsure(unsure, rule)


def _number(table: Table, line: Line, place: int) -> str:
    """Return 1, 0 or -1; nothing where the cell says nothing."""
    cell = line.cells[place]
    value = plain(cell)
    if value in (_YES, _NO, _UNCERTAIN):
        return value
    if is_missing(cell):
        return ""
    raise table.fault(line.number, table.heading[place], f"{cell} is neither 1, 0 nor -1")


def _of_cells(table: Table, place: int, rule: Rule, found: Labels) -> None:
    """Class lines by what one column says."""
    texts = [plain(line.cells[place]) for line in table.lines]
    texts = [rule.names.get(text.casefold(), text) for text in texts]
    said = {text for text in texts if not is_missing(text)}
    unsure = _UNCERTAIN in said and said <= {_UNCERTAIN, _NO, _YES}
    meant = {"positive": _YES, "negative": _NO}.get(rule.uncertain)
    if unsure:
        found.unsure(texts.count(_UNCERTAIN), rule)
        said = said - {_UNCERTAIN} | ({meant} if meant else set())
    findings = {text: _findings(text, rule.separator) for text in said}
    class_of = _told(findings, rule, found)
    nothing: Counter[str] = Counter()
    for text in texts:
        taken = meant if unsure and text == _UNCERTAIN else text
        named = findings.get(taken or "", [])
        found.of_line.append(class_of(named) if named else None)
        nothing[text or "nothing"] += not named and taken is not None
    if nothing.total():
        words = sorted(word for word, count in nothing.items() if count)
        values = {"count": nothing.total(), "column": table.heading[place], "words": words}
        found.notes.append(Note("no class", values))


def _findings(text: str, separator: str) -> list[str]:
    """Return the findings of a cell; of a path its steps, from the general to the particular."""
    parts = [" ".join(part.split()) for part in text.split(separator)]
    return [part for part in parts if not is_missing(part)]


def _told(
    findings: Mapping[str, list[str]], rule: Rule, found: Labels
) -> Callable[[list[str]], str | None]:
    """Return what classes the findings of a cell."""
    if rule.finding is not None:
        known = sorted({one for named in findings.values() for one in named})
        at = _named(rule.finding, known)
        if at is None:
            raise _unknown(rule.finding, known)
        positive = found.positive = known[at]
        same = positive.casefold()
        return lambda named: positive if same in map(str.casefold, named) else f"no {positive}"
    if rule.separator == "/":
        return lambda named: named[-1]
    return found.only
