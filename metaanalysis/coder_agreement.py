"""How far two coders, blind to each other, read the same: percent agreement and Cohen's kappa.

Values are compared where both coders give one. Kappa is computed for fields whose values are
categories. For a list (backbones, TL types) the whole set counts as one category: two coders agree
if they list the same, in any order.

Reference: Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960;20:37-46.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from db.database import Database, lent
from db.literature import read_studies
from metaanalysis import query

#: Fields whose values are categories; a count of images is a number, for which kappa says nothing.
CATEGORICAL = ("modality", "subject", "n_classes", "backbones", "tl_types")

#: All headline metrics count as one field.
HEADLINE = "headline metrics"

#: Fields in the order in which they are shown.
FIELDS = (*CATEGORICAL, "n_images", "n_patients", "n_test", HEADLINE)

#: What is told of a field.
COLUMNS = (
    "field", "compared", "agreed", "percent", "kappa", "read_by_either", "only_first",
    "only_second",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldAgreement:
    """Agreement on one field.

    Attributes
    ----------
    field
        The field.
    compared
        Values that both coders give.
    agreed
        Those that are equal.
    only_first, only_second
        Values that one coder gives and the other does not.
    kappa
        Cohen's kappa; None for numbers and where nothing varies by chance alone.
    """

    field: str
    compared: int
    agreed: int
    only_first: int
    only_second: int
    kappa: float | None

    @property
    def percent(self) -> float:
        """Percent of the compared values that are equal."""
        return 100 * self.agreed / self.compared

    @property
    def read(self) -> int:
        """Values that at least one coder gives."""
        return self.compared + self.only_first + self.only_second

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name."""
        more = {"percent": round(self.percent, 1), "read_by_either": self.read}
        known = {**asdict(self), **more}
        return {name: known[name] for name in COLUMNS}


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that the coders read differently (None: not seen), with what was decided."""

    key: str
    ref: int | None
    field: str
    first: Any
    second: Any
    adjudication: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement between the two coders, field by field, and every difference."""

    studies: int
    fields: list[FieldAgreement]
    differences: list[Difference]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a field."""
        return pd.DataFrame([field.to_dict() for field in self.fields])


def _category(value: Any) -> Hashable:
    return frozenset(value) if isinstance(value, list) else value


def cohens_kappa(first: list[Hashable], second: list[Hashable]) -> float | None:
    """Return Cohen's kappa of two codings of the same items.

    Parameters
    ----------
    first, second
        Categories, of equal length and order.

    Returns
    -------
    float or None
        None where there is nothing to compare; 1 where both always give one and the same category.
    """
    from statsmodels.stats.inter_rater import cohens_kappa as kappa

    if not first:
        return None
    place = {name: number for number, name in enumerate(dict.fromkeys([*first, *second]))}
    if len(place) == 1:
        return 1.0
    table = np.zeros((len(place), len(place)))
    np.add.at(table, ([place[one] for one in first], [place[other] for other in second]), 1)
    return float(kappa(table, return_results=False))


def _decision(adjudication: str | None, stands: Any, first: Any) -> str:
    shown = ", ".join(map(str, stands)) if isinstance(stands, (list, tuple)) else stands
    if adjudication is not None:
        return f"{adjudication}: {shown}"
    if first is None:
        return "not adjudicated; left unknown"
    return "not adjudicated; the first coding stands"


def agreement(database: Database | None = None) -> Agreement:
    """Compare the two codings in the database.

    Parameters
    ----------
    database
        An open database; None opens the default one.
    """
    with lent(database) as base:
        rows = query.codings(base)
        stands = read_studies(base)
    read: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for row in rows:
        read[row["key"], row["field"]][row["coder"]] = row["value"]
    notes = {(row["key"], row["field"]): row["adjudication"] for row in rows}
    by_field: dict[str, list[tuple[str, str, dict[int, Any]]]] = defaultdict(list)
    for (key, field), values in read.items():
        by_field[HEADLINE if field.startswith("headline ") else field].append((key, field, values))
    fields, differences = [], []
    for name, entries in by_field.items():
        both = [entry for entry in entries if len(entry[2]) == 2]
        first = [_category(values[1]) for _, _, values in both]
        second = [_category(values[2]) for _, _, values in both]
        fields.append(
            FieldAgreement(
                name,
                len(both),
                sum(one == other for one, other in zip(first, second, strict=True)),
                sum(set(values) == {1} for _, _, values in entries),
                sum(set(values) == {2} for _, _, values in entries),
                cohens_kappa(first, second) if name in CATEGORICAL else None,
            )
        )
        for key, field, values in entries:
            one, other, study = values.get(1), values.get(2), stands[key]
            if _category(one) != _category(other):
                decision = _decision(notes[key, field], getattr(study, field, one), one)
                differences.append(Difference(key, study.ref, field, one, other, decision))
    order = {name: place for place, name in enumerate(FIELDS)}
    fields.sort(key=lambda field: order[field.field])
    differences.sort(key=lambda d: (order.get(d.field, len(order)), d.field, d.ref or 0))
    return Agreement(len({key for key, _ in read}), fields, differences)
