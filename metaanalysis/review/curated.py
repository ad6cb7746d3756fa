"""The curated studies as the review's figures count them: one row a reviewed study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.frames import tidy


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
