"""Studies as the models take them: checked effects and variances, and what was left out.

Vocabulary: a *row* is a position in the caller's input, counted from 1; a *study* is a row
that is analysed. R's ``yi`` and ``vi`` are ``effect`` and ``variance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.errors import StatisticsError
from metaanalysis.stats.transforms import IDENTITY, BackTransform, back_transform_named

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Missing = Literal["error", "exclude"]

#: Beyond these, sums of powers leave the range of floating point numbers ...
LARGEST, SMALLEST = 1e50, 1e-50
#: ... and with variances further apart than this, those of the imprecise studies are lost to
#: rounding beside the others.
WIDEST_RATIO = 1e13
#: Counts above this are no longer exact.
MOST_CASES = 2.0**53


class RowNote(str):
    """A sentence that names rows by number; it keeps them apart, so that they can be renamed.

    Attributes
    ----------
    before, rows, after
        What stands before the numbers, the numbers (from 1), and what stands after them.
    word
        What the numbers are called in the sentence.
    """

    __slots__ = ("after", "before", "rows", "word")

    before: str
    rows: tuple[int, ...]
    after: str
    word: str

    def __new__(
        cls, before: str, rows: Iterable[int], after: str = "", word: str = "row"
    ) -> RowNote:
        """Return the sentence with the numbers as they are."""
        numbers = tuple(int(row) for row in rows)
        listed = ", ".join(str(row) for row in numbers)
        note = super().__new__(cls, f"{before}{word} {listed}{after}")
        note.before, note.rows, note.after, note.word = before, numbers, after, word
        return note

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made from."""
        return self.before, self.rows, self.after, self.word

    def named(self, names: Sequence[str]) -> str:
        """Return the sentence with the names of its rows, of which the first is row 1."""
        return f"{self.before}{', '.join(names[row - 1] for row in self.rows)}{self.after}"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A row that was left out, and why."""

    row: int
    label: str
    reason: str

    def __str__(self) -> str:
        name = f" ({self.label})" if self.label != str(self.row) else ""
        return f"row {self.row}{name}: {self.reason}"


@dataclass(frozen=True, eq=False)
class EffectSizes:
    """Effects and sampling variances of k studies, ready to be pooled.

    Attributes
    ----------
    effect, variance
        Arrays of shape (k,), on the scale on which they are pooled.
    labels
        One name a study.
    rows
        Position of each study in the input, counted from 1.
    measure
        What the effect is, e.g. ``"logit proportion"``.
    back
        How pooled values return to the scale a reader knows.
    size
        Number of cases a study, where known; else None.
    excluded, warnings
        What was left out and what must be said beside any result.
    """

    effect: FloatArray
    variance: FloatArray
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    measure: str = "effect"
    back: BackTransform = IDENTITY
    size: FloatArray | None = None
    excluded: tuple[Exclusion, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.labels)

    def take(self, keep: BoolArray) -> EffectSizes:
        """Return the studies where `keep`, shape (k,), is true."""
        size = None if self.size is None else self.size[keep]
        return EffectSizes(
            self.effect[keep],
            self.variance[keep],
            tuple(label for label, kept in zip(self.labels, keep, strict=True) if kept),
            tuple(row for row, kept in zip(self.rows, keep, strict=True) if kept),
            self.measure,
            self.back,
            size,
            self.excluded,
            self.warnings,
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """One dict a study: label, row, effect, variance."""
        return [
            {"label": label, "row": row, "effect": float(effect), "variance": float(variance)}
            for label, row, effect, variance in zip(
                self.labels, self.rows, self.effect, self.variance, strict=True
            )
        ]


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


@dataclass
class RowCheck:
    """Collects what is wrong with rows, then raises or lists it.

    A *fault* (a negative variance) always raises. A *gap* (a missing n) raises unless the
    caller chose ``missing="exclude"``; nothing is ever filled in.
    """

    length: int
    labels: tuple[str, ...]
    missing: Missing = "error"
    excluded: list[Exclusion] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.missing not in ("error", "exclude"):
            raise StatisticsError(f"missing must be 'error' or 'exclude', not {self.missing!r}.")
        self.keep: BoolArray = np.ones(self.length, dtype=np.bool_)

    def _place(self, index: int, column: str) -> str:
        label = self.labels[index]
        # Rows of a file without names are called by their place in the file.
        if label.startswith("row ") and label[4:].isdigit():
            return f"Row {label[4:]}, column {column!r}"
        name = f" ({label})" if label != str(index + 1) else ""
        return f"Row {index + 1}{name}, column {column!r}"

    def fault(self, where: BoolArray, column: str, values: FloatArray, words: str) -> None:
        """Raise for the first kept row where `where` is true."""
        for index in np.flatnonzero(where & self.keep):
            place = self._place(int(index), column)
            more = int(np.count_nonzero(where & self.keep)) - 1
            also = f" ({more} more such row{'s' if more > 1 else ''})" if more else ""
            raise StatisticsError(f"{place}: {values[index]:g} {words}{also}.")

    def gap(self, where: BoolArray, column: str, reason: str) -> None:
        """Exclude (or raise for) the rows where `where` is true."""
        for index in np.flatnonzero(where & self.keep):
            if self.missing == "error":
                raise StatisticsError(
                    f"{self._place(int(index), column)}: {reason}.",
                    "Complete the row, or leave such rows out with missing='exclude'.",
                )
            self.keep[index] = False
            self.excluded.append(
                Exclusion(int(index) + 1, self.labels[index], f"{column}: {reason}")
            )

    def finite(self, values: FloatArray, column: str) -> None:
        """Missing values are gaps, infinite ones are faults."""
        self.fault(np.isinf(values), column, values, "is infinite")
        self.gap(np.isnan(values), column, "missing (NaN)")

    def kept_labels(self) -> tuple[str, ...]:
        """Labels of the rows that remain."""
        return tuple(name for name, kept in zip(self.labels, self.keep, strict=True) if kept)

    def kept_rows(self) -> tuple[int, ...]:
        """Numbers, from 1, of the rows that remain."""
        return tuple(int(index) + 1 for index in np.flatnonzero(self.keep))

    def require(self, minimum: int, what: str) -> None:
        """Raise unless at least `minimum` rows remain."""
        left = int(np.count_nonzero(self.keep))
        if left < minimum:
            raise StatisticsError(count_message(left, minimum, what, self.excluded))


def count_message(k: int, minimum: int, what: str, excluded: Sequence[Exclusion] = ()) -> str:
    """Words for too few studies."""
    if k == 0:
        have = "the selection is empty"
    else:
        have = f"there {'is only 1 study' if k == 1 else f'are only {k} studies'}"
    out = f" ({len(excluded)} left out: {'; '.join(str(item) for item in excluded[:5])})"
    return f"{what} needs at least {minimum} studies; {have}{out if excluded else ''}."


def names(labels: Sequence[object] | None, length: int) -> tuple[str, ...]:
    """Labels as text; row numbers where none are given."""
    if labels is None:
        return tuple(str(row) for row in range(1, length + 1))
    if len(labels) != length:
        raise StatisticsError(f"'labels' has {len(labels)} rows where {length} are expected.")
    return tuple(str(label) for label in labels)


def _check_range(values: FloatArray, variances: FloatArray, check: RowCheck) -> None:
    """Refuse what would overflow or drown in rounding, by row, before it becomes a NaN."""
    check.fault(np.abs(values) > LARGEST, "effect", values, "is too large to compute with")
    check.fault(variances > LARGEST, "variance", variances, "is too large to compute with")
    check.fault(variances < SMALLEST, "variance", variances, "is too small to compute with")
    kept = variances[check.keep]
    if kept.size > 1 and kept.max() > WIDEST_RATIO * kept.min():
        distance = np.abs(np.log(kept) - float(np.median(np.log(kept))))
        away = np.zeros(values.size, dtype=np.bool_)
        away[np.flatnonzero(check.keep)[distance.argmax()]] = True
        check.fault(
            away, "variance", variances,
            f"cannot be computed with beside the others, of {kept.min():g} to {kept.max():g}: "
            "rounding would leave nothing of the less precise",
        )  # fmt: skip


def as_effect_sizes(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
    back_transform: str | BackTransform | None = None,
    measure: str | None = None,
    minimum: int = 1,
    what: str = "A meta-analysis",
) -> EffectSizes:
    """Check effects and variances and bring them into one shape.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes` and no variance.
    labels
        Names of the studies; default the row numbers.
    missing
        ``"error"`` refuses NaN, ``"exclude"`` leaves such rows out and lists them.
    back_transform
        ``"exp"``, ``"logit"``, ``"arcsine"`` ... or a `BackTransform`.
    measure
        What the effect is, in words.
    minimum, what
        How many studies are needed at least, and for what.

    Raises
    ------
    StatisticsError
        For NaN, infinite effects, variances that are not positive, values too extreme to
        compute with, and too few studies.
    """
    if isinstance(effect, EffectSizes):
        if variance is not None:
            raise StatisticsError("'effect' already holds its variances; leave 'variance' out.")
        if effect.k < minimum:
            raise StatisticsError(count_message(effect.k, minimum, what, effect.excluded))
        _check_range(effect.effect, effect.variance, RowCheck(effect.k, effect.labels))
        return effect
    if variance is None:
        raise StatisticsError("'variance' is missing: every effect needs its sampling variance.")
    values = vector(effect, "effect")
    variances = vector(variance, "variance", values.size)
    check = RowCheck(values.size, names(labels, values.size), missing)
    check.finite(values, "effect")
    check.finite(variances, "variance")
    check.fault(variances < 0, "variance", variances, "is negative")
    check.fault(variances == 0, "variance", variances, "would give the study all of the weight")
    _check_range(values, variances, check)
    check.require(minimum, what)
    if isinstance(back_transform, BackTransform):
        back = back_transform
    else:
        back = back_transform_named(back_transform or "identity")
    return EffectSizes(
        values[check.keep],
        variances[check.keep],
        check.kept_labels(),
        check.kept_rows(),
        measure or "effect",
        back,
        None,
        tuple(check.excluded),
    )


def choose(value: str, known: Sequence[str], option: str) -> str:
    """Return `value` if it is among `known`; else say which words are."""
    if value not in known:
        raise StatisticsError(f"No such {option}: {value!r}.", f"Known: {', '.join(known)}.")
    return value


def checked_counts(
    events: ArrayLike,
    n: ArrayLike,
    labels: Sequence[object] | None,
    missing: Missing,
    columns: tuple[str, str] = ("events", "n"),
) -> tuple[FloatArray, FloatArray, RowCheck]:
    """Check events out of n; rows that were left out are False in ``check.keep``."""
    count = vector(events, columns[0])
    size = vector(n, columns[1], count.size)
    check = RowCheck(count.size, names(labels, count.size), missing)
    check.finite(count, columns[0])
    check.finite(size, columns[1])
    check.fault(size <= 0, columns[1], size, "is not a number of cases")
    check.fault(size > MOST_CASES, columns[1], size, "is more than can be counted exactly")
    check.fault(count < 0, columns[0], count, "is negative")
    check.fault(count > size, columns[0], count, f"is more than {columns[1]!r} of the same row")
    return count, size, check


def fraction_warning(count: FloatArray, check: RowCheck, column: str) -> tuple[str, ...]:
    """Name the rows whose counts are not whole numbers."""
    whole = np.isclose(count, np.round(count), rtol=0, atol=1e-9)
    odd = np.flatnonzero(check.keep & ~whole)
    if not odd.size:
        return ()
    word = "rows" if odd.size > 1 else "row"
    return (RowNote(f"{column} is not a whole number in ", odd[:10] + 1, word=word),)
