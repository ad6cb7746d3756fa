"""Logit sensitivity and logit false positive rate from two-by-two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats.columns import FloatArray, Missing, RowCheck, choose, vectors
from metaanalysis.stats.notes import Exclusion, Note
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.transforms import BackTransform

ZeroCells = Literal["all-if-any", "only-affected", "none"]
CELLS = ("tp", "fn", "fp", "tn")


@dataclass(frozen=True, eq=False)
class TwoByTwo:
    """Checked two-by-two tables of k studies; see `of`.

    Attributes
    ----------
    counts
        Shape (k, 4): tp, fn, fp, tn.
    labels, rows, excluded
        As of `EffectSizes`.
    given
        How many rows the input had.
    """

    counts: FloatArray
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    given: int
    excluded: tuple[Exclusion, ...] = ()

    @classmethod
    def of(
        cls,
        counts: ArrayLike,
        *,
        labels: Sequence[object] | None = None,
        missing: Missing = "error",
    ) -> TwoByTwo:
        """Check two-by-two tables.

        Parameters
        ----------
        counts
            Shape (k, 4): tp, fn, fp, tn.
        labels, missing
            As of `EffectSizes.of`.

        Raises
        ------
        StatisticsError
            For negative counts, and a study without diseased or without healthy cases.
        """
        given = np.asarray(counts, dtype=object)
        if given.ndim != 2 or given.shape[1] != len(CELLS):
            raise StatisticsError(f"Tables must be of shape (k, 4), not {given.shape}.")
        columns = vectors(*zip(CELLS, given.T, strict=True))
        tp, fn, fp, tn = columns
        check = RowCheck.of(tp.size, labels, missing)
        for name, cells in zip(CELLS, columns, strict=True):
            check.finite(**{name: cells})
            check.fault(cells < 0, name, cells, "is negative")
        check.fault(tp + fn == 0, "tp", tp, "and fn 0: no case with the finding")
        check.fault(fp + tn == 0, "fp", fp, "and tn 0: no case without the finding")
        check.require(1, "An analysis of diagnostic accuracy")
        return cls(np.column_stack(columns)[check.keep], **check.account())


@dataclass(frozen=True, eq=False)
class DiagnosticPairs:
    """Two correlated effects a study: logit sensitivity and logit false positive rate.

    Attributes
    ----------
    tables
        As given.
    cells
        Shape (k, 4): the counts after the correction.
    zero_cells, correction
        By which policy, and how much was added.
    corrected_rows
        Rows, from 1, to which the correction was added.
    """

    tables: TwoByTwo
    cells: FloatArray
    zero_cells: ZeroCells
    correction: float
    corrected_rows: tuple[int, ...]

    @property
    def effect(self) -> FloatArray:
        """Shape (k, 2): logit sensitivity, logit false positive rate."""
        tp, fn, fp, tn = self.cells.T
        return np.column_stack([np.log(tp / fn), np.log(fp / tn)])

    @property
    def variance(self) -> FloatArray:
        """Shape (k, 2). The two are independent within a study: different patients."""
        tp, fn, fp, tn = self.cells.T
        return np.column_stack([1.0 / tp + 1.0 / fn, 1.0 / fp + 1.0 / tn])

    @property
    def warnings(self) -> tuple[Note, ...]:
        """Which rows were corrected."""
        if not self.corrected_rows:
            return ()
        return (Note.of("cells-corrected", self.corrected_rows, correction=self.correction),)

    def log_dor(self) -> EffectSizes:
        """Log diagnostic odds ratios."""
        values, tables = self.effect, self.tables
        return EffectSizes(
            values[:, 0] - values[:, 1],
            self.variance.sum(axis=1),
            tables.labels,
            tables.rows,
            tables.given,
            "log diagnostic odds ratio",
            BackTransform("exp"),
            size=tables.counts.sum(axis=1),
            excluded=tables.excluded,
            warnings=self.warnings,
        )


def diagnostic_pairs(
    tables: ArrayLike | TwoByTwo,
    *,
    zero_cells: ZeroCells = "all-if-any",
    correction: float = 0.5,
) -> DiagnosticPairs:
    """Treat the zero cells of two-by-two tables by a named policy.

    Parameters
    ----------
    tables
        Counts of shape (k, 4): tp, fn, fp, tn; or `TwoByTwo`.
    zero_cells
        ``"all-if-any"`` adds `correction` to all four cells of all studies if any cell of any
        study is 0 (mada's default); ``"only-affected"`` to the studies with a zero cell;
        ``"none"`` refuses zero cells.

    Raises
    ------
    StatisticsError
        As of `TwoByTwo.of`, and for a zero cell under ``"none"``.
    """
    choose(zero_cells, get_args(ZeroCells), "policy for zero cells")
    if not isinstance(tables, TwoByTwo):
        tables = TwoByTwo.of(tables)
    affected = (tables.counts == 0).any(axis=1)
    if zero_cells == "none" and affected.any():
        index = int(np.flatnonzero(affected)[0])
        column = CELLS[int(np.flatnonzero(tables.counts[index] == 0)[0])]
        label, row = tables.labels[index], tables.rows[index]
        place = f"Row {row}" if label == str(row) else label
        raise StatisticsError(
            f"{place}, column {column!r}: a zero cell, and zero_cells is 'none'.",
            "Choose all-if-any or only-affected.",
        )
    if affected.any() and correction <= 0:
        raise StatisticsError("correction must be positive where a cell is 0.")
    if zero_cells == "all-if-any" and affected.any():
        affected = np.ones_like(affected)
    corrected = tuple(tables.rows[index] for index in np.flatnonzero(affected))
    cells = tables.counts + correction * affected[:, None]
    return DiagnosticPairs(tables, cells, zero_cells, correction, corrected)
