"""Ask the literature on transfer learning for medical images, and redraw its review's figures.

Examples
--------
>>> from metaanalysis import figure, studies
>>> studies(modality="OCT")["ref"].tolist()
[49, 112, 113, 115, 116, 122]
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
    from metaanalysis.stats.accuracy import bivariate
    from metaanalysis.stats.bias import egger
    from metaanalysis.stats.correlation import spearman
    from metaanalysis.stats.effects import auc, proportions
    from metaanalysis.stats.glmm import glmm
    from metaanalysis.stats.influence import influence
    from metaanalysis.stats.multilevel import pool_multilevel
    from metaanalysis.stats.multiverse import multiverse
    from metaanalysis.stats.pool import pool, pool_many
    from metaanalysis.stats.regression import regress
    from metaanalysis.stats.subgroups import subgroups
    from metaanalysis.stats.trim_fill import trim_and_fill

__all__ = [
    "Database",
    "__version__",
    "agreement",
    "auc",
    "bivariate",
    "egger",
    "figure",
    "glmm",
    "influence",
    "multiverse",
    "open_database",
    "pool",
    "pool_many",
    "pool_multilevel",
    "proportions",
    "regress",
    "reported_metrics",
    "spearman",
    "studies",
    "subgroups",
    "trim_and_fill",
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
    "bivariate": "metaanalysis.stats.accuracy",
    "egger": "metaanalysis.stats.bias",
    "glmm": "metaanalysis.stats.glmm",
    "influence": "metaanalysis.stats.influence",
    "multiverse": "metaanalysis.stats.multiverse",
    "pool": "metaanalysis.stats.pool",
    "pool_many": "metaanalysis.stats.pool",
    "pool_multilevel": "metaanalysis.stats.multilevel",
    "proportions": "metaanalysis.stats.effects",
    "regress": "metaanalysis.stats.regression",
    "spearman": "metaanalysis.stats.correlation",
    "subgroups": "metaanalysis.stats.subgroups",
    "trim_and_fill": "metaanalysis.stats.trim_fill",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
