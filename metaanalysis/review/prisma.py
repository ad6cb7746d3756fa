"""The flow of the review's literature search (its Figure 3), with what is curated here.

The review prints each number of the flow. Whether they add up is computed: at each step, what went
in less what was taken out must be what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from db.database import Database
from metaanalysis import query
from metaanalysis.review.curated import curated

#: Each step of the flow: what goes in, what is taken out, what is left.
STEPS = (
    ("retrieved", "duplicates", "screened"),
    ("screened", "excluded_at_screening", "full_text_assessed"),
    ("full_text_assessed", "excluded_at_full_text", "included"),
)

#: Names of the reported numbers, as words.
LABELS = {
    "retrieved": "records retrieved",
    "duplicates": "duplicates removed",
    "screened": "records screened",
    "excluded_at_screening": "excluded at screening",
    "full_text_assessed": "full texts assessed",
    "excluded_at_full_text": "excluded at full text",
    "included": "studies included",
}


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow of the search.

    Attributes
    ----------
    table
        One row a number: ``name, label, n, kind``; `kind` is reported or curated.
    checks
        One row a step, as of :func:`check_steps`.
    inclusion
        How many curated studies stand in each class of ``inclusion`` (how sure it is that a study
        is one of those that the review counts).
    search
        What the review prints of its search: when each source was searched, until when published.
    coverage
        How much of the reviewed literature is curated.
    """

    table: pd.DataFrame
    checks: pd.DataFrame
    inclusion: dict[str, int]
    search: dict[str, str]
    coverage: query.Coverage


def check_steps(printed: Mapping[str, int]) -> pd.DataFrame:
    """Compute what each step leaves and set it beside what is printed.

    Parameters
    ----------
    printed
        The numbers of the flow by the names in :data:`STEPS`.

    Returns
    -------
    pandas.DataFrame
        ``step, entered, removed, computed, printed, difference``; the difference is printed minus
        computed, 0 where the step adds up.
    """
    rows = []
    for entered, removed, left in STEPS:
        there, out, stated = printed[entered], printed[removed], printed[left]
        rows.append((left, there, out, there - out, stated, stated - (there - out)))
    columns = ["step", "entered", "removed", "computed", "printed", "difference"]
    return pd.DataFrame(rows, columns=columns)


def flow(database: Database) -> Flow:
    """Return the flow of the review's search and what of it is curated (its Figure 3)."""
    facts = query.review_facts(database, "figure_3")
    printed = {name: int(facts[name]) for name in LABELS}
    coverage = query.coverage(database)
    missing = coverage.reviewed - coverage.curated
    rows = [(name, label, printed[name], "reported") for name, label in LABELS.items()]
    rows.append(("curated", "identified and curated", coverage.curated, "curated"))
    rows.append(("not_identified", "not identifiable", missing, "curated"))
    inclusion = Counter(curated(database, ["inclusion"])["inclusion"])
    search = {name: str(day) for name, day in query.review_facts(database, "search").items()}
    return Flow(
        pd.DataFrame(rows, columns=["name", "label", "n", "kind"]),
        check_steps(printed),
        dict(inclusion),
        search,
        coverage,
    )
