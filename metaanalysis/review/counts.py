"""Counts of the review's bar charts, reported and curated side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import curated
from metaanalysis.review.labels import BACKBONE_BARS, TL_BARS, backbone_bar, single_label


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts a category, as the review prints them and as the curated studies give them.

    Attributes
    ----------
    table
        One row a category: ``category, reported, curated, difference``; `reported` and
        `difference` (curated minus reported) are missing where the review prints no count.
    counted
        Curated studies that have a label.
    unknown
        Curated studies whose label is not known.
    coverage
        How much of the reviewed literature is curated.
    """

    table: pd.DataFrame
    counted: int
    unknown: int
    coverage: query.Coverage


def compare(
    labels: Iterable[str | None],
    order: Sequence[str],
    reported: Mapping[str, int],
    coverage: query.Coverage,
) -> Comparison:
    """Count labels and set them beside the printed counts, in the review's order."""
    counts = Counter(labels)
    unknown = counts.pop(None, 0)
    frame = pd.DataFrame(
        {
            "category": list(order),
            "reported": pd.array([reported.get(name) for name in order], dtype="Int64"),
            "curated": pd.array([counts.get(name, 0) for name in order], dtype="Int64"),
        }
    )
    frame["difference"] = frame["curated"] - frame["reported"]
    return Comparison(frame, sum(counts.values()), unknown, coverage)


def backbones(database: Database) -> Comparison:
    """Count the studies by backbone in the review's single-label view (its Figure 4b)."""
    group_of = {row["name"]: row["review_group"] for row in query.backbones(database)}
    labels = [
        backbone_bar(values, group_of) for values in curated(database, ["backbones"])["backbones"]
    ]
    reported = query.review_facts(database, "figure_4b")
    return compare(labels, BACKBONE_BARS, reported, query.coverage(database))


def tl_types(database: Database) -> Comparison:
    """Count the studies by TL type in the review's single-label view (its Figure 4c)."""
    labels = [single_label(values) for values in curated(database, ["tl_types"])["tl_types"]]
    reported = query.review_facts(database, "figure_4c")
    return compare(labels, TL_BARS, reported, query.coverage(database))
