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
    with_classes
        Data sets with class labels.
    without_images
        Of these, how many state no number of images.
    """

    table: pd.DataFrame
    modalities: tuple[str, ...]
    reported: int
    with_classes: int
    without_images: int


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
    labelled = table["task_group"].isin([CLASSES_ONLY, CLASSES_TOO])
    classes, total = table[labelled]["modality"].value_counts(), table["modality"].value_counts()
    last = {"many": 1, UNKNOWN: 2}
    modalities = tuple(
        sorted(
            total.index,
            key=lambda name: (last.get(name, 0), -classes.get(name, 0), -total[name], name),
        )
    )
    ranks = {
        "modality": {name: rank for rank, name in enumerate(modalities)},
        "task_group": {name: rank for rank, name in enumerate(TASK_GROUPS)},
        "access": {name: rank for rank, name in enumerate((*ACCESS, UNKNOWN))},
    }
    table = table.sort_values(
        ["modality", "task_group", "access", "has_loader", "name"],
        key=lambda column: (
            column.map(ranks[column.name])
            if column.name in ranks
            else (~column if column.name == "has_loader" else column.str.casefold())
        ),
        ignore_index=True,
    )
    return table, modalities


def public_datasets(database: Database) -> PublicDatasets:
    """Return the packaged list of public data sets, grouped and ordered."""
    rows = [row for row in query.public_datasets(database) if row["origin"] == "packaged"]
    table, modalities = tabulate(rows)
    labelled = table[table["task_group"].isin([CLASSES_ONLY, CLASSES_TOO])]
    return PublicDatasets(
        table,
        modalities,
        int(query.review_facts(database, "totals")["public_datasets"]),
        len(labelled),
        int(labelled["n_images"].isna().sum()),
    )
