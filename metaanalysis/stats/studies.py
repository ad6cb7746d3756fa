"""Studies as the models take them: checked effects and variances, and what was left out.

Vocabulary: a *row* is a position in the caller's input, counted from 1; a *study* is a row
that is analysed. R's ``yi`` and ``vi`` are ``effect`` and ``variance``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.errors import StatisticsError
from metaanalysis.stats.columns import (
    BoolArray,
    FloatArray,
    IntArray,
    Missing,
    RowCheck,
    is_missing,
    require,
    vector,
    vectors,
)
from metaanalysis.stats.notes import Exclusion, Note
from metaanalysis.stats.transforms import IDENTITY, BackTransform, back_transform_named

#: Beyond these, sums of powers leave the range of floating point numbers ...
LARGEST, SMALLEST = 1e50, 1e-50
#: ... and with variances further apart than this, those of the imprecise studies are lost to
#: rounding beside the others.
WIDEST_RATIO = 1e13


@dataclass(frozen=True, eq=False)
class EffectSizes:
    """Effects and sampling variances of k studies, ready to be pooled; see `of`.

    Attributes
    ----------
    effect, variance
        Arrays of shape (k,), on the scale on which they are pooled.
    labels
        One name a study.
    rows
        Position of each study in the input, counted from 1.
    given
        How many rows the input had.
    measure
        What the effect is, e.g. ``"logit proportion"``.
    back
        How pooled values return to the scale a reader knows.
    size
        Number of cases a study, shape (k,), where known; else None.
    events
        Of a proportion: how many of `size`, shape (k,); else None.
    missing
        What to do with studies whose moderator, cluster or group is missing: ``"error"`` refuses
        them, ``"exclude"`` leaves them out and lists them.
    excluded, warnings
        What was left out and what must be said beside any result.
    """

    effect: FloatArray
    variance: FloatArray
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    given: int
    measure: str = "effect"
    back: BackTransform = IDENTITY
    size: FloatArray | None = None
    events: FloatArray | None = None
    missing: Missing = "error"
    excluded: tuple[Exclusion, ...] = ()
    warnings: tuple[Note, ...] = ()

    @classmethod
    def of(
        cls,
        effect: ArrayLike,
        variance: ArrayLike,
        *,
        labels: Sequence[object] | None = None,
        missing: Missing = "error",
        back_transform: str | BackTransform = "identity",
        measure: str = "effect",
    ) -> EffectSizes:
        """Check effects and variances and bring them into one shape.

        Parameters
        ----------
        effect, variance
            Shape (k,).
        labels
            Names of the studies; default the row numbers.
        missing
            ``"error"`` refuses NaN, ``"exclude"`` leaves such rows out and lists them.
        back_transform
            ``"exp"``, ``"logit"``, ``"arcsine"`` ... or a `BackTransform`.
        measure
            What the effect is, in words.

        Raises
        ------
        StatisticsError
            For NaN, infinite effects, variances that are not positive, and values too extreme
            to compute with.
        """
        values, variances = vectors(("effect", effect), ("variance", variance))
        check = RowCheck.of(values.size, labels, missing)
        check.finite(effect=values, variance=variances)
        check.fault(variances < 0, "variance", variances, "is negative")
        whole = "would give the study all of the weight"
        check.fault(variances == 0, "variance", variances, whole)
        _check_range(values, variances, check)
        back = back_transform
        if not isinstance(back, BackTransform):
            back = back_transform_named(back)
        return cls.kept(check, values[check.keep], variances[check.keep], measure, back)

    @classmethod
    def kept(
        cls,
        check: RowCheck,
        effect: FloatArray,
        variance: FloatArray,
        measure: str,
        back: BackTransform,
        **more: Any,
    ) -> EffectSizes:
        """Return the rows that a check has left, whose effects and variances are given."""
        more |= {"measure": measure, "back": back, "missing": check.missing}
        more["warnings"] = tuple(check.notes)
        return cls(effect, variance, **check.account(), **more)

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.labels)

    def take(self, keep: BoolArray | IntArray) -> EffectSizes:
        """Return some studies: where a mask of shape (k,) is true, or those at places, in order."""
        index = np.arange(self.k)[keep]
        return replace(
            self,
            effect=self.effect[index],
            variance=self.variance[index],
            labels=tuple(self.labels[i] for i in index),
            rows=tuple(self.rows[i] for i in index),
            size=None if self.size is None else self.size[index],
            events=None if self.events is None else self.events[index],
        )

    def beside(self, values: ArrayLike, name: str) -> NDArray[Any]:
        """Return a further column for the studies, shape (k,).

        Parameters
        ----------
        values
            One cell a row of the input, or one a study.
        name
            Of the column, for messages.

        Raises
        ------
        StatisticsError
            It has another length.
        """
        cells = np.asarray(values, dtype=object).ravel()
        if cells.size == self.given:
            cells = cells[np.array(self.rows, dtype=np.int64) - 1]
        if cells.size != self.k:
            message = f"{name!r} has {cells.size} rows where {self.given} are expected."
            raise StatisticsError(message)
        return cells

    def complete(
        self, columns: Mapping[str, ArrayLike]
    ) -> tuple[EffectSizes, dict[str, NDArray[Any]]]:
        """Return the studies of which all further columns are known, with these columns.

        Parameters
        ----------
        columns
            Name -> values, as of `beside`.

        Raises
        ------
        StatisticsError
            A cell is missing and `missing` is ``"error"``, or a number is infinite.
        """
        known = {name: self.beside(values, name) for name, values in columns.items()}
        check = RowCheck(self.labels, self.missing, self.rows)
        for name, cells in known.items():
            if is_factor(cells):
                check.gap(np.array([is_missing(cell) for cell in cells.tolist()]), name)
            else:
                check.finite(**{name: vector(cells, name)})
        kept = replace(self.take(check.keep), excluded=(*self.excluded, *check.excluded))
        # Numbers become an array of numbers again.
        return kept, {n: np.array(cells[check.keep].tolist()) for n, cells in known.items()}

    def used(self) -> dict[str, Any]:
        """Return the fields by which a result tells what was analysed."""
        return {
            "effect": tuple(self.effect.tolist()),
            "variance": tuple(self.variance.tolist()),
            "labels": self.labels,
            "rows_used": self.rows,
            "measure": self.measure,
            "back": self.back,
            "excluded": self.excluded,
        }


def studies_of(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    minimum: int = 1,
    what: str = "A meta-analysis",
) -> EffectSizes:
    """Return the studies that a function was given.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes` and no variance.
    minimum, what
        How many studies are needed at least, and for what.

    Raises
    ------
    StatisticsError
        As of `EffectSizes.of`, and for too few studies.
    """
    if isinstance(effect, EffectSizes):
        if variance is not None:
            raise StatisticsError("'effect' already holds its variances; leave 'variance' out.")
        studies = effect
        _check_range(studies.effect, studies.variance, RowCheck(studies.labels))
    elif variance is None:
        raise StatisticsError("'variance' is missing: every effect needs its sampling variance.")
    else:
        studies = EffectSizes.of(effect, variance)
    require(studies.k, minimum, what, studies.excluded)
    return studies


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


def is_factor(values: ArrayLike) -> bool:
    """Text and booleans are factors; anything that reads as numbers is a number."""
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return False
    cells = np.asarray(values, dtype=object).ravel().tolist()
    return any(isinstance(cell, str | bool | np.bool_) for cell in cells if not is_missing(cell))
