"""Studies by year of publication, and what the review says about them (its Figure 4a).

The review prints no counts, only a statement. Its parts are checked against the curated counts; a
check also says whether the studies that cannot be identified could turn its outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import Recount, curated

#: Years that the statement of the review's Figure 4a names: the first, and the two it compares.
FIRST, BEFORE, LAST = 2016, 2019, 2020


@dataclass(frozen=True, slots=True, kw_only=True)
class Years(Recount):
    """Curated studies by year of publication with the review's statement about them.

    No year is unknown: it is part of the citation.

    Attributes
    ----------
    table
        One row a year, without gaps: ``year, studies, named``; `named` lists the studies of a year
        that begins after the last day the review searched for, and is empty for other years.
    checks
        One row a part of the statement, as of :func:`check_statement`.
    statement
        What the review says, in the words of ``data/review.yaml``.
    published_until
        The last day of publication that the review searched for, as an ISO date.
    """

    checks: pd.DataFrame
    statement: str
    published_until: str


def by_year(studies: Iterable[tuple[int, str]], last_searched: int) -> pd.DataFrame:
    """Count studies by year; a year without any study stands in the table with 0.

    Parameters
    ----------
    studies
        The year of each study, and what to name it by.
    last_searched
        The last year that was searched; later studies are named.

    Returns
    -------
    pandas.DataFrame
        ``year, studies, named``, one row a year.
    """
    names: dict[int, list[str]] = {}
    for year, name in studies:
        names.setdefault(year, []).append(name)
    span = range(min(names), max(names) + 1) if names else range(0)
    rows = []
    for year in span:
        found = names.get(year, [])
        rows.append((year, len(found), ", ".join(found) if year > last_searched else ""))
    return pd.DataFrame(rows, columns=["year", "studies", "named"])


def _start(counts: Mapping[int, int]) -> tuple[str, bool, int | None]:
    first = min((year for year, count in counts.items() if count), default=FIRST)
    # A later find can only move the start to an earlier year, never to a later one.
    turned_by = None if first < FIRST else 1
    return f"the earliest is of {first}", first == FIRST, turned_by


def _rising(counts: Mapping[int, int]) -> tuple[str, bool, int | None]:
    span = [counts.get(year, 0) for year in range(FIRST, BEFORE + 1)]
    steps = [after - before for before, after in pairwise(span)]
    needed, level = 0, span[0]
    for count in span[1:]:
        level = max(count, level + 1)
        needed += level - count
    holds = needed == 0
    return ", ".join(map(str, span)), holds, min(steps) if holds else needed


def _fewer(counts: Mapping[int, int]) -> tuple[str, bool, int | None]:
    before, last = counts.get(BEFORE, 0), counts.get(LAST, 0)
    holds = last < before
    return f"{last} against {before}", holds, before - last if holds else last - before + 1


def check_statement(counts: Mapping[int, int], missing: int) -> pd.DataFrame:
    """Set each part of the review's statement against counts by year.

    How fast is "fast" the review does not say; what is checked is that each year up to 2019 has
    more studies than the one before it.

    Parameters
    ----------
    counts
        Curated studies by year.
    missing
        How many reviewed studies are missing from the counts.

    Returns
    -------
    pandas.DataFrame
        One row a part: ``claim, evidence, holds, turned_by, safe``; `turned_by` is the smallest
        number of further studies, in the years that matter, that would turn the outcome (missing
        where none can), `safe` whether that is more than are missing.
    """
    parts = [
        (f"Studies appear from {FIRST} on", *_start(counts)),
        (f"More from year to year, {FIRST} to {BEFORE}", *_rising(counts)),
        (f"Fewer in {LAST} than in {BEFORE}", *_fewer(counts)),
    ]
    table = pd.DataFrame(parts, columns=["claim", "evidence", "holds", "turned_by"])
    table["turned_by"] = table["turned_by"].astype("Int64")
    table["safe"] = [pd.isna(needed) or int(needed) > missing for needed in table["turned_by"]]
    return table


def studies_by_year(database: Database) -> Years:
    """Count the curated studies by year and check the review's statement (its Figure 4a)."""
    studies = curated(database, ["ref", "authors", "year"])
    until = str(query.review_facts(database, "search")["published_until"])
    coverage = query.coverage(database)
    named = (
        (int(year), f"{authors.split(' ')[0]} [{ref}]")
        for ref, authors, year in studies.itertuples(index=False)
    )
    table = by_year(named, int(until[:4]))
    counts = dict(zip(table["year"], table["studies"], strict=True))
    return Years(
        table=table,
        checks=check_statement(counts, coverage.reviewed - coverage.curated),
        statement=str(query.review_facts(database, "figure_4a")["statement"]),
        published_until=until,
        counted=len(studies),
        coverage=coverage,
    )
