"""The review's Table 1 of backbones, with how many curated studies test each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import Recount, curated

#: Columns that the review prints, in its order.
REPORTED = (
    "model_type",
    "model",
    "released",
    "parameters",
    "parameters_fe_only",
    "trainable_layers",
    "dataset",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table1(Recount):
    """The review's Table 1; its counted studies are those of which a backbone is known.

    Attributes
    ----------
    table
        One row a model of the review, in its order: what it prints (:data:`REPORTED`), and ours:
        ``backbone`` and ``family`` (the model by our names), ``studies`` and ``studies_family``
        (curated studies that test the model, and any of its family).
    groups
        One row a model type: ``model_type, studies``, the curated studies that test any backbone
        of that depth, also one that the table does not list.
    """

    groups: pd.DataFrame


def count_any(studies: Iterable[Sequence[str] | None], names: Iterable[str]) -> int:
    """Count the studies that list at least one of the names; each study counts once."""
    wanted = set(names)
    return sum(1 for listed in studies if listed and wanted & set(listed))


def table_1(database: Database) -> Table1:
    """Return the review's Table 1 with the number of curated studies that test each model.

    A study that tests several models counts for each, so the numbers add up to more than the
    studies.
    """
    known = query.backbone_names(database)
    backbones = query.backbones(database)
    by_name = {row["name"]: row for row in backbones}
    studies = curated(database, ["backbones"])["backbones"].tolist()

    def tested(column: str, value: str) -> int:
        return count_any(studies, [row["name"] for row in backbones if row[column] == value])

    rows: list[dict[str, Any]] = []
    depth_of: dict[str, str] = {}
    for printed in query.review_facts(database, "table_1")["rows"]:
        backbone = by_name[known.resolve(printed["model"])]
        depth_of[printed["model_type"]] = backbone["depth_group"]
        rows.append(
            {column: printed[column] for column in REPORTED}
            | {"backbone": backbone["name"], "family": backbone["family"]}
            | {"studies": tested("name", backbone["name"])}
            | {"studies_family": tested("family", backbone["family"])}
        )
    groups = [(kind, tested("depth_group", depth)) for kind, depth in depth_of.items()]
    counted = sum(1 for listed in studies if listed)
    return Table1(
        table=pd.DataFrame(rows),
        groups=pd.DataFrame(groups, columns=["model_type", "studies"]),
        counted=counted,
        unknown=len(studies) - counted,
        coverage=query.coverage(database),
    )
