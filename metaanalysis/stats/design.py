"""Design matrices from named moderators: numbers as they are, factors as dummy columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.errors import StatisticsError
from metaanalysis.stats.columns import FloatArray, is_missing, vector
from metaanalysis.stats.studies import is_factor


@dataclass(frozen=True, slots=True)
class Moderator:
    """One moderator as it enters the design.

    Attributes
    ----------
    name
        Its column in the caller's data.
    levels
        Levels of a factor, the reference first; empty for a number.
    columns
        Positions of its columns in the design.
    """

    name: str
    levels: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Coding:
    """How moderators become columns.

    Attributes
    ----------
    intercept
        Without one the first factor keeps all of its levels.
    reference
        Factor -> its reference level; else the first in alphabetical order whatever the case, as
        in R.
    """

    intercept: bool = True
    reference: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Design:
    """Design matrix of shape (k, p) with the names of its columns and their origin."""

    matrix: FloatArray
    names: tuple[str, ...]
    moderators: tuple[Moderator, ...] = ()
    intercept: bool = True
    level_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def slopes(self) -> list[int]:
        """Positions of all columns but the intercept."""
        return [column for item in self.moderators for column in item.columns]


def encoded(
    name: str, values: ArrayLike, levels: Sequence[str], *, whole: bool = False
) -> FloatArray:
    """Return the columns of values of a moderator, shape (k, number of columns).

    Parameters
    ----------
    name
        Of the moderator, for messages.
    levels
        Of a factor, the reference first; empty for a number.
    whole
        Whether the reference has a column too.

    Raises
    ------
    StatisticsError
        For a level that the fit has not seen.
    """
    if not levels:
        return vector(values, name)[:, None]
    texts = _texts(values)
    for row, text in enumerate(texts, start=1):
        if text not in levels:
            raise StatisticsError(
                f"Row {row}, column {name!r}: {text!r} is not a level of the factor.",
                f"Known: {', '.join(levels)}.",
            )
    return np.array([[float(text == level) for level in levels[not whole :]] for text in texts])


def _texts(values: ArrayLike) -> list[str]:
    cells = np.asarray(values, dtype=object).ravel().tolist()
    return ["" if is_missing(cell) else str(cell) for cell in cells]


def build_design(
    moderators: Mapping[str, NDArray[Any]], k: int, coding: Coding | None = None
) -> Design:
    """Encode moderators of k studies.

    Parameters
    ----------
    moderators
        Name to values of shape (k,), all known. Text and booleans become dummy columns against
        the reference level.
    k
        Number of studies.
    coding
        Intercept and reference levels.

    Raises
    ------
    StatisticsError
        For a moderator with one level or value, for collinear moderators (by name), and for
        no more studies than coefficients.
    """
    coding = coding or Coding()
    for name in coding.reference:
        if name not in moderators:
            raise StatisticsError(f"reference names {name!r}, which is not a moderator.")
    blocks: list[FloatArray] = [np.ones((k, 1))] if coding.intercept else []
    columns = ["intercept"] if coding.intercept else []
    found: list[Moderator] = []
    counts: dict[str, dict[str, int]] = {}
    whole = not coding.intercept
    for name, values in moderators.items():
        levels: tuple[str, ...] = ()
        if is_factor(values):
            texts = _texts(values)
            levels = _levels(name, texts, coding.reference.get(name))
            counts[name] = {level: texts.count(level) for level in levels}
        block = encoded(name, values, levels, whole=whole)
        if not levels and np.ptp(block) == 0:
            raise StatisticsError(
                f"Moderator {name!r} has the one value {block[0, 0]:g} in all {len(block)} "
                "studies: it can explain nothing."
            )
        start = len(columns)
        columns += [f"{name}[{level}]" for level in levels[not whole :]] or [name]
        blocks.append(block)
        found.append(Moderator(name, levels, tuple(range(start, len(columns)))))
        whole = whole and not levels
    matrix = np.hstack(blocks)
    _check_rank(matrix, found, columns)
    return Design(matrix, tuple(columns), tuple(found), coding.intercept, counts)


def _levels(name: str, texts: list[str], reference: str | None) -> tuple[str, ...]:
    levels = sorted(set(texts), key=lambda text: (text.lower(), text))
    if len(levels) < 2:
        only = levels[0] if levels else "none"
        raise StatisticsError(
            f"Moderator {name!r} has one level ({only!r}) in all {len(texts)} studies: "
            "there is nothing to compare."
        )
    if reference is None:
        return tuple(levels)
    if reference not in levels:
        raise StatisticsError(
            f"{reference!r} is not a level of {name!r}.", f"Known: {', '.join(levels)}."
        )
    return (reference, *(level for level in levels if level != reference))


def _check_rank(matrix: FloatArray, moderators: list[Moderator], columns: list[str]) -> None:
    k, p = matrix.shape
    if k <= p:
        raise StatisticsError(
            f"{k} studies cannot carry {p} coefficients ({', '.join(columns)}).",
            "Use fewer moderators, or merge levels.",
        )
    scaled = matrix / np.linalg.norm(matrix, axis=0)
    if np.linalg.matrix_rank(scaled, tol=1e-9) == p:
        return
    # Which earlier columns does the first redundant one follow from?
    for end in range(1, p):
        basis, target = scaled[:, :end], scaled[:, end]
        weights = np.linalg.lstsq(basis, target, rcond=None)[0]
        if np.linalg.norm(target - basis @ weights) < 1e-8:
            involved = [int(j) for j in np.flatnonzero(np.abs(weights) > 1e-8)] + [end]
            culprits = [m.name for m in moderators if set(m.columns) & set(involved)]
            if len(culprits) == 1:
                words = f"Moderator {culprits[0]!r} is collinear with the intercept"
            else:
                words = f"Moderators {' and '.join(map(repr, culprits))} are collinear"
            raise StatisticsError(f"{words}: their effects cannot be told apart.", "Drop one.")
