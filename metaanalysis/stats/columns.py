"""Columns of the caller's input: numbers, labels, and what is wrong with a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.errors import StatisticsError
from db.wording import plural
from metaanalysis.stats.notes import Exclusion, Note
from metaanalysis.stats.wording import REASONS

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Missing = Literal["error", "exclude"]

#: Counts above this are no longer exact.
MOST_CASES = 2.0**53


def vector(values: ArrayLike, column: str, length: int | None = None) -> FloatArray:
    """One numeric column as floats of shape (k,); None becomes NaN.

    Raises
    ------
    StatisticsError
        For text, for more than one dimension, or for another length than `length`.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = _vector_by_cell(values, column)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim != 1:
        raise StatisticsError(f"{column!r} must be one column, not of shape {array.shape}.")
    if length is not None and array.size != length:
        raise StatisticsError(f"{column!r} has {array.size} rows where {length} are expected.")
    return array.astype(np.float64, copy=True)


def vectors(*columns: tuple[str, ArrayLike]) -> list[FloatArray]:
    """Return several named columns, each as long as the first."""
    first = vector(columns[0][1], columns[0][0])
    return [first, *(vector(values, name, first.size) for name, values in columns[1:])]


def is_missing(cell: object) -> bool:
    """None, empty text, NaN, and pandas' NA and NaT."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    # By name, since comparing with pandas' NA gives NA and pandas is not imported here.
    return type(cell).__name__ in ("NAType", "NaTType")


def _vector_by_cell(values: ArrayLike, column: str) -> FloatArray:
    cells: list[float] = []
    for row, cell in enumerate(np.asarray(values, dtype=object).ravel().tolist(), start=1):
        try:
            cells.append(np.nan if is_missing(cell) else float(cell))
        except (TypeError, ValueError) as error:
            message = f"Row {row}, column {column!r}: {cell!r} is not a number."
            raise StatisticsError(message) from error
    return np.array(cells, dtype=np.float64)


class FileRow(str):
    """A row that has no name but its place in a file: ``row 7``."""

    __slots__ = ()


@dataclass
class RowCheck:
    """Collects what is wrong with rows, or to be said of them, then raises or lists it.

    A *fault* (a negative variance) always raises. A *gap* (a missing n) raises unless the
    caller chose ``missing="exclude"``; nothing is ever filled in.
    """

    labels: tuple[str, ...]
    missing: Missing = "error"
    #: Numbers of the rows in the caller's input; default 1, 2, ...
    rows: tuple[int, ...] = ()
    excluded: list[Exclusion] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.missing not in ("error", "exclude"):
            raise StatisticsError(f"missing must be 'error' or 'exclude', not {self.missing!r}.")
        self.rows = self.rows or tuple(range(1, len(self.labels) + 1))
        self.keep: BoolArray = np.ones(len(self.labels), dtype=np.bool_)

    @classmethod
    def of(cls, length: int, labels: Sequence[object] | None, missing: Missing) -> RowCheck:
        """Return the check of so many rows as the caller calls them; else by their numbers."""
        if labels is None:
            labels = range(1, length + 1)
        if len(labels) != length:
            raise StatisticsError(f"'labels' has {len(labels)} rows where {length} are expected.")
        return cls(tuple(one if isinstance(one, str) else str(one) for one in labels), missing)

    def _place(self, index: int, column: str) -> str:
        label, row = self.labels[index], self.rows[index]
        if isinstance(label, FileRow):
            return f"{label.capitalize()}, column {column!r}"
        name = f" ({label})" if label != str(row) else ""
        return f"Row {row}{name}, column {column!r}"

    def fault(self, where: BoolArray, column: str, values: FloatArray, words: str) -> None:
        """Raise for the first kept row where `where` is true."""
        found = np.flatnonzero(where & self.keep)
        if found.size:
            also = f" ({plural(found.size - 1, 'more such row')})" if found.size > 1 else ""
            place = self._place(int(found[0]), column)
            raise StatisticsError(f"{place}: {values[found[0]]:g} {words}{also}.")

    def gap(self, where: BoolArray, column: str, code: str = "missing") -> None:
        """Exclude (or raise for) the rows where `where` is true, for a reason out of `REASONS`."""
        for index in np.flatnonzero(where & self.keep):
            if self.missing == "error":
                raise StatisticsError(
                    f"{self._place(int(index), column)}: {REASONS[code]}.",
                    "Complete the row, or leave such rows out with missing='exclude'.",
                )
            self.keep[index] = False
            self.excluded.append(Exclusion(self.rows[index], self.labels[index], code, column))

    def finite(self, /, **columns: FloatArray) -> None:
        """Missing values are gaps, infinite ones are faults, column by column."""
        for column, values in columns.items():
            self.fault(np.isinf(values), column, values, "is infinite")
            self.gap(np.isnan(values), column)

    def counts(
        self, count: FloatArray, size: FloatArray, columns: tuple[str, str] = ("events", "n")
    ) -> None:
        """Check events out of n, named as `columns`."""
        self.finite(**{columns[0]: count, columns[1]: size})
        self.fault(size <= 0, columns[1], size, "is not a number of cases")
        self.fault(size > MOST_CASES, columns[1], size, "is more than can be counted exactly")
        self.fault(count < 0, columns[0], count, "is negative")
        beyond = f"is more than {columns[1]!r} of the same row"
        self.fault(count > size, columns[0], count, beyond)

    def account(self) -> dict[str, Any]:
        """Return names and numbers of the rows that remain, how many were given, what is out."""
        kept = np.flatnonzero(self.keep)
        return {
            "labels": tuple(self.labels[index] for index in kept),
            "rows": tuple(self.rows[index] for index in kept),
            "given": len(self.labels),
            "excluded": tuple(self.excluded),
        }

    def require(self, minimum: int, what: str) -> None:
        """Raise unless at least `minimum` rows remain."""
        require(int(np.count_nonzero(self.keep)), minimum, what, self.excluded)

    def note(self, where: BoolArray, code: str, **values: object) -> None:
        """Note something of the kept rows where `where` is true, if there are any."""
        found = [self.rows[index] for index in np.flatnonzero(where & self.keep)]
        if found:
            self.notes.append(Note.of(code, found, **values))


def require(k: int, minimum: int, what: str, excluded: Sequence[Exclusion] = ()) -> None:
    """Raise unless there are at least `minimum` studies; says what was left out.

    Raises
    ------
    StatisticsError
        There are fewer.
    """
    if k >= minimum:
        return
    have = f"there {'is' if k == 1 else 'are'} only {plural(k, 'study')}"
    if k == 0:
        have = "the selection is empty"
    told = "; ".join(str(item) for item in excluded[:5])
    out = f" ({len(excluded)} left out: {told})" if excluded else ""
    raise StatisticsError(f"{what} needs at least {minimum} studies; {have}{out}.")


def choose(value: str, known: Sequence[str], option: str) -> str:
    """Return `value` if it is among `known`; else say which words are.

    Raises
    ------
    StatisticsError
        It is not.
    """
    if value not in known:
        raise StatisticsError(f"No such {option}: {value!r}.", f"Known: {', '.join(known)}.")
    return value


def check_level(level: float) -> float:
    """Confidence level, strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"level must lie between 0 and 1, not {level:g}.", "Try 0.95.")
    return level
