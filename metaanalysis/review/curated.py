"""The curated studies as the review's figures count them: one row a reviewed study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.frames import tidy


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What a figure of the review counts, recounted over the curated studies.

    Attributes
    ----------
    table
        The counts, or the studies in their places; who makes it says with which columns.
    counted
        Curated studies in the table.
    unknown
        Curated studies that are not in it: what the figure asks for is not known of them.
    coverage
        How much of the reviewed literature is curated.
    """

    table: pd.DataFrame
    counted: int
    unknown: int = 0
    coverage: query.Coverage


def curated(database: Database, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of the curated studies of the review, by reference number.

    Studies that were added beside the review's are left out.

    Parameters
    ----------
    database
        An open database.
    columns
        Names out of ``metaanalysis.query.COLUMNS``.

    Returns
    -------
    pandas.DataFrame
        Unknown values are missing (``pd.NA``, or None in a column of lists or text).
    """
    selection = query.select(database, columns=[*columns, "inclusion"])
    rows = [row for row in selection.rows if row["inclusion"] != "added"]
    return tidy(rows, columns)


def by_frequency(terms: Iterable[str], last: Sequence[str] = ("many", "else")) -> list[str]:
    """Return the terms that occur, most frequent first; ties by name, collective terms last."""
    counts = pd.Series(list(terms), dtype="str").value_counts()
    return sorted(counts.index, key=lambda term: (term in last, -counts[term], term.lower()))
