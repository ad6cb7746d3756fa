"""Counts of the review's bar charts, reported and curated side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import Recount, curated
from metaanalysis.review.labels import BACKBONE_BARS, TL_BARS, backbone_bar, single_label


def recount(
    labels: Iterable[str | None],
    order: Sequence[str],
    reported: Mapping[str, int],
    coverage: query.Coverage,
) -> Recount:
    """Count labels and set them beside the printed counts, in the review's order.

    Returns
    -------
    Recount
        Its table has one row a category: ``category, reported, curated, difference``; `reported`
        and `difference` (curated minus reported) are missing where the review prints no count.
    """
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
    counted = sum(counts.values())
    return Recount(table=frame, counted=counted, unknown=unknown, coverage=coverage)


def backbones(database: Database) -> Recount:
    """Count the studies by backbone in the review's single-label view (its Figure 4b)."""
    group_of = {row["name"]: row["review_group"] for row in query.backbones(database)}
    labels = [
        backbone_bar(values, group_of) for values in curated(database, ["backbones"])["backbones"]
    ]
    reported = query.review_facts(database, "figure_4b")
    return recount(labels, BACKBONE_BARS, reported, query.coverage(database))


def tl_types(database: Database) -> Recount:
    """Count the studies by TL type in the review's single-label view (its Figure 4c)."""
    labels = [single_label(values) for values in curated(database, ["tl_types"])["tl_types"]]
    reported = query.review_facts(database, "figure_4c")
    return recount(labels, TL_BARS, reported, query.coverage(database))
