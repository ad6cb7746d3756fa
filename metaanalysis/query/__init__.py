"""Questions to the literature. The only package here that reads the database.

Rows are plain dictionaries, so that a command can print them without loading pandas;
:mod:`metaanalysis.frames` makes data frames of them.
"""

from metaanalysis.query.facts import (
    Coverage,
    backbone_names,
    backbones,
    codings,
    contents,
    coverage,
    packaged_keys,
    printed,
    public_datasets,
    review_claims,
    review_facts,
)
from metaanalysis.query.runs import (
    REPLICATED_COLUMNS,
    RUN_COLUMNS,
    find_run,
    find_runs,
    replicated,
    run_details,
    runs,
)
from metaanalysis.query.select import (
    COLUMNS,
    DEFAULT_COLUMNS,
    METRIC_COLUMNS,
    METRIC_FIELDS,
    Selection,
    metrics,
    select,
)
from metaanalysis.query.study import find_study, study_in_full, study_named

__all__ = [
    "COLUMNS",
    "DEFAULT_COLUMNS",
    "METRIC_COLUMNS",
    "METRIC_FIELDS",
    "REPLICATED_COLUMNS",
    "RUN_COLUMNS",
    "Coverage",
    "Selection",
    "backbone_names",
    "backbones",
    "codings",
    "contents",
    "coverage",
    "find_run",
    "find_runs",
    "find_study",
    "metrics",
    "packaged_keys",
    "printed",
    "public_datasets",
    "replicated",
    "review_claims",
    "review_facts",
    "run_details",
    "runs",
    "select",
    "study_in_full",
    "study_named",
]
