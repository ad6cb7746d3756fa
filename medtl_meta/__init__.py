"""Ask the literature on transfer learning for medical images, pool it, rerun it: the front door.

What the commands do is one call from here; the packages behind it have the rest. Importing this
loads nothing: a name is fetched when it is used, and torch only for a run.

Examples
--------
>>> import medtl_meta as mm
>>> mm.studies(modality="OCT")["ref"].tolist()
[49, 112, 113, 115, 116, 122]
>>> mm.study("treder2018").value("modality")
'OCT'
>>> found = mm.pool("accuracy")
>>> found.result.k, round(found.result.back_transformed["estimate"], 3)
(16, 0.891)
>>> mm.plan("deepak2019", epochs=5).specified.spec.transfer.tl_type
'feature extractor hybrid'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from db import __version__ as __version__
from db.lazy import fetched

if TYPE_CHECKING:
    from db.database import open_database as open_database
    from medtl_meta.calls import compare as compare
    from medtl_meta.calls import plan as plan
    from medtl_meta.calls import pool as pool
    from medtl_meta.calls import predict as predict
    from medtl_meta.calls import replicate as replicate
    from medtl_meta.calls import study as study
    from metaanalysis.audit import audit as audit
    from metaanalysis.figures import figure as figure
    from metaanalysis.frames import reported_metrics as reported_metrics
    from metaanalysis.frames import studies as studies
    from replicate.contest.call import hold_contest as hold_contest
    from replicate.images.opening import open_images as open_images

#: Name -> the module that has it. None is called like a module of this package, which would stand
#: in its place once it is imported.
_HOMES = {
    "audit": "metaanalysis.audit",
    "compare": "medtl_meta.calls",
    "figure": "metaanalysis.figures",
    "hold_contest": "replicate.contest.call",
    "open_database": "db.database",
    "open_images": "replicate.images.opening",
    "plan": "medtl_meta.calls",
    "pool": "medtl_meta.calls",
    "predict": "medtl_meta.calls",
    "replicate": "medtl_meta.calls",
    "reported_metrics": "metaanalysis.frames",
    "studies": "metaanalysis.frames",
    "study": "medtl_meta.calls",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = fetched(__name__, _HOMES)
