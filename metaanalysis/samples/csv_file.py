"""Samples from a CSV file. A bad cell is named by its row in the file (the header is row 1)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from db.errors import NotFoundError, StatisticsError, UsageError
from db.vocabulary import Lexicon
from metaanalysis.samples.sample import Kind, LeftOut, Sample
from metaanalysis.stats.columns import FileRow, Missing

#: Cells that say that there is no value.
NO_VALUE = frozenset({"", "na", "nan", "n/a", "null", "none", "."})

_SPREAD = (
    (lambda number: number >= 0, "is negative"),
    (lambda number: number > 0, "would give the study all of the weight"),
)
_COUNT = (
    (lambda number: number >= 0, "is negative"),
    (float.is_integer, "is not a whole number of cases"),
)
#: Role of a column -> what a number there must satisfy, and what is wrong with one that does not.
_RULES: dict[str, tuple[tuple[Callable[[float], bool], str], ...]] = {
    "variance": _SPREAD,
    "se": _SPREAD,
    "n": ((lambda number: number > 0, "is not a number of cases"), _COUNT[1]),
    **dict.fromkeys(("events", "tp", "fn", "fp", "tn"), _COUNT),
}


def _is_number(text: str) -> bool:
    """Tell whether a cell is a number; "inf" may be short for inferior."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@dataclass
class Table:
    """A CSV file as text: its columns, and by its row in the file the cells of each record.

    What is missing where a number is read is an error, or leaves its row out.
    """

    name: str
    columns: tuple[str, ...]
    records: dict[int, dict[str, str]]
    missing: Missing = "error"
    #: Row without a value -> the first column in which it has none.
    gone: dict[int, str] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[FileRow, ...]:
        """Return what the records are called that have no other name."""
        return tuple(FileRow(f"row {row}") for row in self.records)

    def column(self, word: str, option: str) -> str:
        """Return the column that `word` means.

        Raises
        ------
        UnknownTermError
            There is none; names the nearest.
        """
        if word in self.columns:
            return word
        return Lexicon(f"{option}, columns of {self.name}", self.columns).resolve(word)

    def fault(self, row: int, column: str, words: str, hint: str = "") -> StatisticsError:
        """Return what is wrong with a cell."""
        return StatisticsError(f"{self.name}, row {row}, column {column!r}: {words}.", hint)

    def known(self, column: str) -> Iterator[tuple[int, str]]:
        """Yield row and text of the cells that have a value; a row without one is left out."""
        for row, cells in self.records.items():
            if cells[column].lower() not in NO_VALUE:
                yield row, cells[column]
                continue
            if self.missing == "error":
                hint = "Complete the row, or leave such rows out with --missing exclude."
                raise self.fault(row, column, "no value", hint)
            self.gone.setdefault(row, column)

    def without(self, labels: Sequence[str]) -> tuple[LeftOut, ...]:
        """Return the rows that are left out, by their names."""
        return tuple(
            LeftOut(label, label, "no-value", {"column": self.gone[row]})
            for row, label in zip(self.records, labels, strict=True)
            if row in self.gone
        )

    def numbers(self, column: str, role: str = "") -> list[float | None]:
        """Return a column of numbers, None where there is none."""
        found: dict[int, float] = {}
        for row, text in self.known(column):
            try:
                found[row] = number = float(text)
            except ValueError:
                hint = "Write a point, not a comma, before the decimals." if "," in text else ""
                raise self.fault(row, column, f"{text!r} is not a number", hint) from None
            if math.isinf(number):
                raise self.fault(row, column, f"{text} is infinite")
            for holds, words in _RULES.get(role, ()):
                if not holds(number):
                    raise self.fault(row, column, f"{text} {words}")
        return [found.get(row) for row in self.records]

    def moderator(self, column: str, *, factor: bool, hint: str) -> tuple[Any, ...]:
        """Return a column as numbers, or as text where no cell is a number (in a factor: not all).

        One text among numbers is more often a slip of the pen than a level of its own.
        """
        known: dict[int, Any] = dict(self.known(column))
        texts = [row for row, text in known.items() if not _is_number(text)]
        if texts and len(texts) < len(known) and not factor:
            words = f"{known[texts[0]]!r} is not a number, as other cells of the column are"
            raise self.fault(texts[0], column, words, hint)
        if not texts:
            known = {row: float(text) for row, text in known.items()}
        return tuple(known.get(row) for row in self.records)


def read_table(path: Path, missing: Missing = "error") -> Table:
    """Read a CSV file: comma, semicolon or tab between the cells, the first row is the header.

    Raises
    ------
    NotFoundError
        There is no such file.
    StatisticsError
        It is not a table in UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file.", "Name a CSV file with --csv.") from None
    except UnicodeDecodeError:
        raise StatisticsError(f"{path}: not a text file in UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        raise StatisticsError(f"{path}: cannot be read ({error.strerror}).") from None
    # A separator in quotes is none.
    header = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    separator = max((",", ";", "\t"), key=header.count)
    # Not by splitlines: it also breaks at signs that a cell may hold (U+2028, form feed).
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = tuple(cell.strip() for cell in next(reader, []))
        if not any(columns):
            raise StatisticsError(f"{path}: holds no header.", "Row 1 must name the columns.")
        for number, name in enumerate(columns, start=1):
            if columns.index(name) != number - 1:
                raise StatisticsError(f"{path}: row 1 names the column {name!r} twice.")
        records = {}
        before = reader.line_num
        for cells in reader:
            row, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise StatisticsError(
                    f"{path}: row {row} has {len(cells)} cells where the header has "
                    f"{len(columns)}.",
                    "Put a cell that holds the separator into quotes.",
                )
            records[row] = dict(zip(columns, (c.strip() for c in cells), strict=True))
    except csv.Error as error:
        raise StatisticsError(f"{path}: row {reader.line_num}: {error}.") from None
    if not records:
        raise StatisticsError(f"{path}: the selection is empty: no row below the header.")
    return Table(path.name, columns, records, missing)


#: What a CSV can hold, by the roles of its columns.
_SHAPES: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "effect": (("effect", "variance"), ("effect", "se")),
    "proportion": (("events", "n"),),
    "two-by-two": (("tp", "fn", "fp", "tn"),),
}
_SHAPE_HINT = (
    "Name --effect with --variance or --se, or --events with --n, or --tp, --fn, --fp and --tn."
)


def _shape(named: Mapping[str, str]) -> tuple[Kind, tuple[str, ...]]:
    for kind, shapes in _SHAPES.items():
        for roles in shapes:
            if set(roles) == set(named):
                return kind, roles
    if not named:
        raise UsageError("--csv: no column is named.", _SHAPE_HINT)
    given = ", ".join(f"--{role}" for role in named)
    raise UsageError(f"--csv: {given} cannot be analysed alone or together.", _SHAPE_HINT)


def _check_pairs(
    kind: Kind, columns: Mapping[str, list[float | None]], table: Table, named: Mapping[str, str]
) -> None:
    """Check what holds between the cells of one row."""
    for position, row in enumerate(table.records):
        of = {role: values[position] for role, values in columns.items()}
        if any(number is None for number in of.values()):
            continue
        if kind == "proportion" and of["events"] > of["n"]:  # type: ignore[operator]
            words = f"{of['events']:g} is more than the {of['n']:g} of column {named['n']!r}"
            raise table.fault(row, named["events"], words)
        if kind == "two-by-two":
            if not any(of.values()):
                words = "0, as are the other three: the table holds no case"
                raise table.fault(row, named["tp"], words)
            for first, second, what in (("tp", "fn", "with"), ("fp", "tn", "without")):
                if not of[first] and not of[second]:
                    words = f"0, as is {named[second]!r}: no case {what} the finding"
                    raise table.fault(row, named[first], words)


def from_csv(
    path: Path | str,
    *,
    columns: Mapping[str, str],
    label: str | None = None,
    moderators: Sequence[str] = (),
    factors: Sequence[str] = (),
    option: str = "--moderator",
    cluster: str | None = None,
    missing: Missing = "error",
) -> Sample:
    """Return the rows of a CSV file as a sample.

    Parameters
    ----------
    path
        The file.
    columns
        Role -> name of the column: ``effect`` with ``variance`` or ``se``; or ``events`` with
        ``n``; or ``tp, fn, fp, tn``.
    label
        Column that names the rows; without it they are called by their row.
    moderators
        Further columns to keep: numbers, or text where no cell is a number.
    factors
        Those of `moderators` in which text may stand among numbers; all of it is then text.
    option
        By which option the caller named the moderators, for messages.
    cluster
        Column that tells which rows come from one study.
    missing
        ``error`` refuses a row without a number, ``exclude`` leaves it out and lists it.

    Raises
    ------
    UsageError
        Columns that do not exist (names the nearest) or do not belong together.
    StatisticsError
        A bad cell, by row and column; text among the numbers of a moderator is one.
    """
    kind, roles = _shape(columns)
    table = read_table(Path(path), missing)
    named = {role: table.column(columns[role], f"--{role}") for role in roles}
    numbers = {role: table.numbers(column, role) for role, column in named.items()}
    _check_pairs(kind, numbers, table, named)
    if "se" in numbers:
        numbers["variance"] = [None if se is None else se**2 for se in numbers.pop("se")]
    labels: tuple[str, ...] = table.rows
    if label is not None:
        name = table.column(label, "--label")
        named_by = zip(table.records.values(), labels, strict=True)
        labels = tuple(record[name] or row for record, row in named_by)
    wanted = [table.column(word, option) for word in moderators]
    as_text = {table.column(word, "--factor") for word in factors}
    for name in sorted(as_text.difference(wanted)):
        raise UsageError(f"--factor {name}: not among the moderators.", f"Add {option} {name}.")
    hint = "Mend the cell."
    if option == "--moderator":
        hint = "Mend the cell, or add --factor {name} if the numbers are names of groups."
    kept = {
        name: table.moderator(name, factor=name in as_text, hint=hint.format(name=name))
        for name in wanted
    }
    if cluster is None:
        clusters = tuple(str(row) for row in table.records)
    else:
        name = table.column(cluster, "--cluster")
        clusters = tuple(record[name] for record in table.records.values())
        for row, text in zip(table.records, clusters, strict=True):
            if text.lower() in NO_VALUE:
                raise table.fault(row, name, "no value, so that its study cannot be told")
    sample = Sample(
        outcome=named.get("effect") or named.get("events") or "sensitivity and specificity",
        kind=kind,
        labels=labels,
        shorts=labels,
        columns={role: tuple(values) for role, values in numbers.items()},
        moderators=kept,
        clusters=clusters,
        origin=f"rows of {table.name}",
        source="given",
        candidates=len(table.records),
    )
    known = sample.take([row not in table.gone for row in table.records])
    if not known.k:
        raise StatisticsError(f"{sample.origin}: the selection is empty, every row lacks a value.")
    return replace(known, left_out=table.without(labels))


def pairs_of_numbers(
    path: Path | str, first: str, second: str, *, missing: Missing = "error"
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[LeftOut, ...]]:
    """Return two columns of a CSV file as numbers, and the rows that lack one.

    Raises
    ------
    UsageError, StatisticsError
        As of :func:`from_csv`.
    """
    table = read_table(Path(path), missing)
    left = table.numbers(table.column(first, "--x"))
    right = table.numbers(table.column(second, "--y"))
    kept = [(x, y) for x, y in zip(left, right, strict=True) if x is not None and y is not None]
    return tuple(x for x, _ in kept), tuple(y for _, y in kept), table.without(table.rows)
