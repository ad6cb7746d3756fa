"""Tidy pandas frames of the literature, for notebooks and for the statistics.

``studies`` has one row a study, ``reported_metrics`` one row a reported value. Both carry in
``.attrs["selection"]`` the sentences that say what was selected and what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from db.database import Database, lent
from metaanalysis import query
from metaanalysis.query.filters import Filters

_INTEGERS = (
    "ref",
    "year",
    "n_classes",
    "n_images",
    "n_patients",
    "n_train",
    "n_val",
    "n_test",
    "n",
    "seeds",
)


def tidy(rows: list[dict[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """Return rows as a frame in which an unknown number is missing, not a NaN among floats."""
    frame = pd.DataFrame(rows, columns=list(columns))
    for name in _INTEGERS:
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    for name in query.METRIC_COLUMNS:
        if name in frame:
            frame[name] = frame[name].astype("Float64")
    return frame


def studies(
    database: Database | None = None, *, columns: Iterable[str] | None = None, **filters: Any
) -> pd.DataFrame:
    """Return the studies that match, one row each.

    Parameters
    ----------
    database
        An open database; None opens the default one.
    columns
        Names out of ``metaanalysis.query.COLUMNS``; None takes the usual ones.
    **filters
        As of ``medtl-meta query``: modality, subject, backbone, family, tl, year, classes, size,
        metric, dataset, text; a word or a list of alternatives.

    Returns
    -------
    pandas.DataFrame
        Unknown values are missing (``pd.NA`` or None). Lists stay lists.

    Raises
    ------
    UsageError
        An unknown word, column or range.

    Examples
    --------
    >>> studies(modality="OCT")["ref"].tolist()
    [49, 112, 113, 115, 116, 122]
    """
    with lent(database) as base:
        selection = query.select(base, Filters.of(filters), columns=columns)
    frame = tidy(selection.rows, columns or query.DEFAULT_COLUMNS)
    frame.attrs["selection"] = selection.sentences()
    return frame


def reported_metrics(database: Database | None = None, **filters: Any) -> pd.DataFrame:
    """Return every reported value of the studies that match, one row each.

    Parameters
    ----------
    database
        An open database; None opens the default one.
    **filters
        As of :func:`studies`.

    Returns
    -------
    pandas.DataFrame
        key, ref, metric, value, ci_low, ci_high, sd, headline, backbone, tl_type, task, split, n,
        basis, source; values are fractions (0..1).
    """
    with lent(database) as base:
        chosen = query.select(base, Filters.of(filters), columns=["key"])
        rows = query.metrics(base, Filters.of(filters))
    frame = tidy(rows, query.METRIC_FIELDS)
    frame.attrs["selection"] = chosen.sentences()
    return frame


def replications(database: Database | None = None, *, phantom: bool = False) -> pd.DataFrame:
    """Return what finished runs replicated, one row a run and metric.

    Parameters
    ----------
    database
        An open database; None opens the default one.
    phantom
        Whether to take runs of made images too; their ``kind`` says so.

    Returns
    -------
    pandas.DataFrame
        With the columns ``metaanalysis.query.REPLICATED_COLUMNS``: replicated values only, with
        their intervals, over all seeds and folds. ``replicate.verdicts.compare`` sets them beside
        the reported ones.
    """
    with lent(database) as base:
        rows = query.replicated(base, phantom=phantom)
    return tidy(rows, query.REPLICATED_COLUMNS)
