"""Where things are kept: caches that can be deleted, runs and weights that cannot."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = "MEDTL_META_CACHE"
RUNS = "MEDTL_META_RUNS"
WEIGHTS = "MEDTL_META_WEIGHTS"


def cache_folder() -> Path:
    """Return the folder of features and decoded images; deleting it costs time only."""
    return _folder(CACHE, "cache", "")


def runs_folder() -> Path:
    """Return the folder of running and finished replications, one subfolder each."""
    return _folder(RUNS, "data", "runs")


def weights_folder() -> Path:
    """Return the folder in which weight files are looked for."""
    return _folder(WEIGHTS, "data", "weights")


def _folder(variable: str, kind: str, below: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path, user_data_path

    base = user_cache_path if kind == "cache" else user_data_path
    return base("medtl-meta", appauthor=False) / below
