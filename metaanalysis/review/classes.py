"""Studies by number of classes (the review's Figure 5b)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import Recount, curated
from metaanalysis.review.statements import Majority

#: The number of classes of which the review says that most studies have it.
STATED_CLASSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes(Recount):
    """Counts of studies by number of classes.

    Attributes
    ----------
    table
        ``n_classes, studies, refs``: one row a number that occurs; `refs` lists the studies.
    statement
        What the review says of it (reported).
    two_classes
        The counts that speak to that statement.
    """

    statement: str
    two_classes: Majority


def count_classes(frame: pd.DataFrame) -> pd.DataFrame:
    """Count studies (``ref, n_classes``) by number of classes, unknown ones left out."""
    known = frame.dropna(subset=["n_classes"]).astype({"n_classes": int})
    grouped = known.sort_values("ref").groupby("n_classes")["ref"]
    table = grouped.agg(studies="size", refs=lambda refs: " ".join(map(str, refs.dropna())))
    return table.reset_index()


def classes(database: Database) -> Classes:
    """Count the curated studies by number of classes."""
    frame = curated(database, ["ref", "n_classes"])
    table = count_classes(frame)
    counted = int(table["studies"].sum())
    coverage = query.coverage(database)
    two = int(table.loc[table["n_classes"] == STATED_CLASSES, "studies"].sum())
    return Classes(
        table=table,
        counted=counted,
        unknown=len(frame) - counted,
        statement=query.review_facts(database, "figure_5")["b"],
        two_classes=Majority(two, counted, coverage.reviewed),
        coverage=coverage,
    )
