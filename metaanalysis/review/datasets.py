"""Public medical image data sets, grouped so that one can choose (after the review's Appendix C).

The review's own table of public data sets is in an additional file that is not at hand; it prints
only how many there are. The list here is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from db.database import Database
from db.vocabulary import ACCESS
from metaanalysis import query

#: Groups of tasks: what sort of labels a data set comes with.
CLASSES_ONLY, CLASSES_TOO, SEGMENTATION, OTHER = (
    "classes only",
    "classes and more",
    "segmentation",
    "other",
)
TASK_GROUPS = (CLASSES_ONLY, CLASSES_TOO, SEGMENTATION, OTHER)

#: Groups of data sets with class labels.
_LABELLED = (CLASSES_ONLY, CLASSES_TOO)

UNKNOWN = "unknown"

#: What a reader of the table gets of each data set.
COLUMNS = (
    "name",
    "modality",
    "anatomy",
    "task",
    "year",
    "n_images",
    "n_classes",
    "access",
    "loader",
    "url",
)


@dataclass(frozen=True, slots=True)
class PublicDatasets:
    """The public data sets.

    Attributes
    ----------
    table
        One row a data set, ordered for drawing: :data:`COLUMNS` with ``task_group`` and
        ``has_loader``. Text that is not known is ``"unknown"``, a number that is not is missing.
    modalities
        The modalities, most data sets with class labels first; "many" and "unknown" last.
    reported
        How many public data sets the review counts.
    """

    table: pd.DataFrame
    modalities: tuple[str, ...]
    reported: int

    @property
    def labelled(self) -> pd.DataFrame:
        """Return the data sets with class labels."""
        return self.table[self.table["task_group"].isin(_LABELLED)]

    @property
    def sized(self) -> pd.DataFrame:
        """Return those with class labels of which the number of images is known."""
        return self.labelled.dropna(subset=["n_images"])


def task_group(task: str | None) -> str:
    """Return the group of a task such as ``classification/segmentation``.

    Where a data set offers class labels and more, that it has classes decides; of the others,
    segmentation decides before detection and registration.
    """
    parts = {part.strip() for part in (task or "").split("/")}
    if "classification" in parts:
        return CLASSES_ONLY if parts == {"classification"} else CLASSES_TOO
    return SEGMENTATION if "segmentation" in parts else OTHER


def tabulate(rows: Iterable[Mapping[str, Any]]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the data sets, grouped and ordered, and the order of the modalities.

    Within a modality and a task group the open ones come first, then those that a known package
    loads, then by name.
    """
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table.insert(4, "task_group", [task_group(task) for task in table["task"]])
    table["has_loader"] = table["loader"].notna()
    for column in ("modality", "access", "task", "anatomy"):
        table[column] = table[column].fillna(UNKNOWN)
    for column in ("year", "n_images", "n_classes"):
        table[column] = table[column].astype("Int64")
    classes = table.loc[table["task_group"].isin(_LABELLED), "modality"].value_counts()
    total = table["modality"].value_counts()
    last = {"many": 1, UNKNOWN: 2}
    modalities = sorted(
        total.index, key=lambda name: (last.get(name, 0), -classes.get(name, 0), -total[name], name)
    )
    orders = {
        "modality": modalities,
        "task_group": list(TASK_GROUPS),
        "access": [*ACCESS, UNKNOWN],
        "has_loader": [True, False],
    }
    table = table.sort_values(
        [*orders, "name"],
        key=lambda column: (
            column.map(orders[column.name].index)
            if column.name in orders
            else column.str.casefold()
        ),
        ignore_index=True,
    )
    return table, tuple(modalities)


def public_datasets(database: Database) -> PublicDatasets:
    """Return the packaged list of public data sets, grouped and ordered."""
    rows = [row for row in query.public_datasets(database) if row["origin"] == "packaged"]
    totals = query.review_facts(database, "totals")
    return PublicDatasets(*tabulate(rows), int(totals["public_datasets"]))
