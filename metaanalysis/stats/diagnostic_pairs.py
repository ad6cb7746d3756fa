"""Logit sensitivity and logit false positive rate from two-by-two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats.studies import (
    EffectSizes,
    Exclusion,
    FloatArray,
    Missing,
    RowCheck,
    RowNote,
    choose,
    names,
    vector,
)
from metaanalysis.stats.transforms import BackTransform

ZeroCells = Literal["all-if-any", "only-affected", "none"]


@dataclass(frozen=True, eq=False)
class DiagnosticPairs:
    """Two correlated effects a study: logit sensitivity and logit false positive rate.

    Attributes
    ----------
    counts
        Shape (k, 4): tp, fn, fp, tn as given.
    cells
        Shape (k, 4): the same after the correction.
    corrected_rows
        Rows, from 1, to which the correction was added.
    """

    counts: FloatArray
    cells: FloatArray
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    zero_cells: ZeroCells
    correction: float
    corrected_rows: tuple[int, ...]
    excluded: tuple[Exclusion, ...]

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.labels)

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
    def warnings(self) -> tuple[str, ...]:
        """Which rows were corrected, in words."""
        if not self.corrected_rows:
            return ()
        more = " ..." if len(self.corrected_rows) > 20 else ""
        words = f"{self.correction:g} added to all four cells of "
        return (RowNote(words, self.corrected_rows[:20], more),)

    def log_dor(self) -> EffectSizes:
        """Log diagnostic odds ratios."""
        values, spread = self.effect, self.variance
        return EffectSizes(
            values[:, 0] - values[:, 1],
            spread.sum(axis=1),
            self.labels,
            self.rows,
            "log diagnostic odds ratio",
            BackTransform("exp"),
            self.counts.sum(axis=1),
            self.excluded,
            self.warnings,
        )


def diagnostic_pairs(
    tp: ArrayLike,
    fn: ArrayLike,
    fp: ArrayLike,
    tn: ArrayLike,
    *,
    zero_cells: ZeroCells = "all-if-any",
    correction: float = 0.5,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> DiagnosticPairs:
    """Check two-by-two tables and treat their zero cells by a named policy.

    Parameters
    ----------
    tp, fn, fp, tn
        Shape (k,): counts.
    zero_cells
        ``"all-if-any"`` adds `correction` to all four cells of all studies if any cell of any
        study is 0 (mada's default); ``"only-affected"`` to the studies with a zero cell;
        ``"none"`` refuses zero cells.

    Raises
    ------
    StatisticsError
        For negative counts, a study without diseased or without healthy cases, and a zero
        cell under ``"none"``.
    """
    choose(zero_cells, get_args(ZeroCells), "policy for zero cells")
    first = vector(tp, "tp")
    columns = {
        "tp": first,
        "fn": vector(fn, "fn", first.size),
        "fp": vector(fp, "fp", first.size),
        "tn": vector(tn, "tn", first.size),
    }
    check = RowCheck(first.size, names(labels, first.size), missing)
    for column, cells in columns.items():
        check.finite(cells, column)
        check.fault(cells < 0, column, cells, "is negative")
    check.fault(
        columns["tp"] + columns["fn"] == 0, "tp", first, "and fn 0: no case with the finding"
    )
    check.fault(
        columns["fp"] + columns["tn"] == 0,
        "fp",
        columns["fp"],
        "and tn 0: no case without the finding",
    )
    check.require(1, "An analysis of diagnostic accuracy")
    counts = np.column_stack(list(columns.values()))[check.keep]
    rows = check.kept_rows()
    affected = (counts == 0).any(axis=1)
    if zero_cells == "none" and affected.any():
        index = int(np.flatnonzero(affected)[0])
        column = list(columns)[int(np.flatnonzero(counts[index] == 0)[0])]
        raise StatisticsError(
            f"Row {rows[index]}, column {column!r}: a zero cell, and zero_cells is 'none'.",
            "Use 'all-if-any' or 'only-affected'.",
        )
    if affected.any() and correction <= 0:
        raise StatisticsError("correction must be positive where a cell is 0.")
    if zero_cells == "all-if-any" and affected.any():
        affected = np.ones_like(affected)
    cells = counts + correction * affected[:, None]
    return DiagnosticPairs(
        counts,
        cells,
        check.kept_labels(),
        rows,
        zero_cells,
        correction,
        tuple(rows[index] for index in np.flatnonzero(affected)),
        tuple(check.excluded),
    )
