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

from typing import TYPE_CHECKING

from db.lazy import fetched

if TYPE_CHECKING:
    from db import __version__ as __version__
    from db.database import Database as Database
    from db.database import open_database as open_database
    from metaanalysis.coder_agreement import agreement as agreement
    from metaanalysis.figures import figure as figure
    from metaanalysis.frames import reported_metrics as reported_metrics
    from metaanalysis.frames import studies as studies
    from metaanalysis.samples.csv_file import from_csv as from_csv
    from metaanalysis.samples.literature import from_literature as from_literature
    from metaanalysis.samples.literature import pairs_from_literature as pairs_from_literature
    from metaanalysis.stats.accuracy import bivariate as bivariate
    from metaanalysis.stats.bias import begg as begg
    from metaanalysis.stats.bias import deeks as deeks
    from metaanalysis.stats.bias import egger as egger
    from metaanalysis.stats.bias import pet_peese as pet_peese
    from metaanalysis.stats.correlation import (
        check_printed_correlation as check_printed_correlation,
    )
    from metaanalysis.stats.correlation import spearman as spearman
    from metaanalysis.stats.diagnostic_pairs import TwoByTwo as TwoByTwo
    from metaanalysis.stats.effects import auc as auc
    from metaanalysis.stats.effects import from_interval as from_interval
    from metaanalysis.stats.effects import paired_differences as paired_differences
    from metaanalysis.stats.effects import proportions as proportions
    from metaanalysis.stats.effects import two_groups as two_groups
    from metaanalysis.stats.glmm import glmm as glmm
    from metaanalysis.stats.influence import cumulative as cumulative
    from metaanalysis.stats.influence import influence as influence
    from metaanalysis.stats.influence import leave_one_out as leave_one_out
    from metaanalysis.stats.multilevel import pool_multilevel as pool_multilevel
    from metaanalysis.stats.multiverse import multiverse as multiverse
    from metaanalysis.stats.multiverse import multiverse_proportions as multiverse_proportions
    from metaanalysis.stats.pool import pool as pool
    from metaanalysis.stats.pool import pool_many as pool_many
    from metaanalysis.stats.regression import predict as predict
    from metaanalysis.stats.regression import regress as regress
    from metaanalysis.stats.studies import EffectSizes as EffectSizes
    from metaanalysis.stats.subgroups import subgroups as subgroups
    from metaanalysis.stats.trim_fill import trim_and_fill as trim_and_fill

#: Module -> what it gives, imported at first use: `medtl-meta --help` must not wait for pandas and
#: Altair.
_GIVEN = {
    "db": "__version__",
    "db.database": "Database open_database",
    "metaanalysis.coder_agreement": "agreement",
    "metaanalysis.figures": "figure",
    "metaanalysis.frames": "reported_metrics studies",
    "metaanalysis.samples.csv_file": "from_csv",
    "metaanalysis.samples.literature": "from_literature pairs_from_literature",
    "metaanalysis.stats.accuracy": "bivariate",
    "metaanalysis.stats.bias": "begg deeks egger pet_peese",
    "metaanalysis.stats.correlation": "check_printed_correlation spearman",
    "metaanalysis.stats.diagnostic_pairs": "TwoByTwo",
    "metaanalysis.stats.effects": "auc from_interval paired_differences proportions two_groups",
    "metaanalysis.stats.glmm": "glmm",
    "metaanalysis.stats.influence": "cumulative influence leave_one_out",
    "metaanalysis.stats.multilevel": "pool_multilevel",
    "metaanalysis.stats.multiverse": "multiverse multiverse_proportions",
    "metaanalysis.stats.pool": "pool pool_many",
    "metaanalysis.stats.regression": "predict regress",
    "metaanalysis.stats.studies": "EffectSizes",
    "metaanalysis.stats.subgroups": "subgroups",
    "metaanalysis.stats.trim_fill": "trim_and_fill",
}
_HOMES = {name: module for module, names in _GIVEN.items() for name in names.split()}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = fetched(__name__, _HOMES)
