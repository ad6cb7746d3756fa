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

__all__ = [
    "Database",
    "__version__",
    "agreement",
    "figure",
    "open_database",
    "reported_metrics",
    "studies",
]

#: Imported at first use: `medtl-meta --help` must not wait for pandas and Altair.
_HOMES = {
    "Database": "db.database",
    "open_database": "db.database",
    "agreement": "metaanalysis.coder_agreement",
    "figure": "metaanalysis.figures",
    "reported_metrics": "metaanalysis.frames",
    "studies": "metaanalysis.frames",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
