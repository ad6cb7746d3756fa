"""Ask the literature on transfer learning for medical images, redraw its review, pool its results.

Examples
--------
>>> from metaanalysis import figure, studies
>>> studies(modality="OCT")["ref"].tolist()
[49, 112, 113, 115, 116, 122]
>>> from metaanalysis import pool
>>> round(pool([0.1, 0.3, 0.35], [0.01, 0.02, 0.015], method="DL", test="z").estimate, 4)
0.2323
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from db import __version__

if TYPE_CHECKING:
    from db.database import Database, open_database
    from metaanalysis.coder_agreement import agreement
    from metaanalysis.figures import figure
    from metaanalysis.frames import reported_metrics, studies
    from metaanalysis.samples.csv_file import from_csv
    from metaanalysis.samples.literature import from_literature, pairs_from_literature
    from metaanalysis.stats.accuracy import bivariate
    from metaanalysis.stats.bias import begg, deeks, egger, pet_peese, trim_and_fill
    from metaanalysis.stats.correlation import check_printed_correlation, spearman
    from metaanalysis.stats.effects import (
        auc,
        from_interval,
        paired_differences,
        proportions,
        two_groups,
    )
    from metaanalysis.stats.glmm import glmm
    from metaanalysis.stats.influence import cumulative, influence, leave_one_out
    from metaanalysis.stats.multilevel import pool_multilevel
    from metaanalysis.stats.multiverse import multiverse, multiverse_proportions
    from metaanalysis.stats.pool import pool, pool_many
    from metaanalysis.stats.regression import predict, regress
    from metaanalysis.stats.subgroups import subgroups

__all__ = [
    "Database",
    "__version__",
    "agreement",
    "auc",
    "begg",
    "bivariate",
    "check_printed_correlation",
    "cumulative",
    "deeks",
    "egger",
    "figure",
    "from_csv",
    "from_interval",
    "from_literature",
    "glmm",
    "influence",
    "leave_one_out",
    "multiverse",
    "multiverse_proportions",
    "open_database",
    "paired_differences",
    "pairs_from_literature",
    "pet_peese",
    "pool",
    "pool_many",
    "pool_multilevel",
    "predict",
    "proportions",
    "regress",
    "reported_metrics",
    "spearman",
    "studies",
    "subgroups",
    "trim_and_fill",
    "two_groups",
]

#: Imported at first use: `medtl-meta --help` must not wait for pandas and Altair.
_HOMES = {
    "Database": "db.database",
    "open_database": "db.database",
    "agreement": "metaanalysis.coder_agreement",
    "figure": "metaanalysis.figures",
    "reported_metrics": "metaanalysis.frames",
    "studies": "metaanalysis.frames",
    "auc": "metaanalysis.stats.effects",
    "begg": "metaanalysis.stats.bias",
    "bivariate": "metaanalysis.stats.accuracy",
    "check_printed_correlation": "metaanalysis.stats.correlation",
    "cumulative": "metaanalysis.stats.influence",
    "deeks": "metaanalysis.stats.bias",
    "egger": "metaanalysis.stats.bias",
    "from_csv": "metaanalysis.samples.csv_file",
    "from_interval": "metaanalysis.stats.effects",
    "from_literature": "metaanalysis.samples.literature",
    "glmm": "metaanalysis.stats.glmm",
    "influence": "metaanalysis.stats.influence",
    "leave_one_out": "metaanalysis.stats.influence",
    "multiverse": "metaanalysis.stats.multiverse",
    "multiverse_proportions": "metaanalysis.stats.multiverse",
    "paired_differences": "metaanalysis.stats.effects",
    "pairs_from_literature": "metaanalysis.samples.literature",
    "pet_peese": "metaanalysis.stats.bias",
    "pool": "metaanalysis.stats.pool",
    "pool_many": "metaanalysis.stats.pool",
    "pool_multilevel": "metaanalysis.stats.multilevel",
    "predict": "metaanalysis.stats.regression",
    "proportions": "metaanalysis.stats.effects",
    "regress": "metaanalysis.stats.regression",
    "spearman": "metaanalysis.stats.correlation",
    "subgroups": "metaanalysis.stats.subgroups",
    "trim_and_fill": "metaanalysis.stats.bias",
    "two_groups": "metaanalysis.stats.effects",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
