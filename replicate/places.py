"""Where things are kept: caches that can be deleted, runs and weights that cannot."""

from __future__ import annotations

import os
from pathlib import Path

from db.errors import UsageError

CACHE = "MEDTL_META_CACHE"
RUNS = "MEDTL_META_RUNS"
WEIGHTS = "MEDTL_META_WEIGHTS"


def cache_folder() -> Path:
    """Return the folder of features and decoded images; deleting it costs time only."""
    return _folder(CACHE, "cache", "")


def runs_folder() -> Path:
    """Return the folder of running and finished replications, one subfolder each."""
    return _folder(RUNS, "data", "runs")


def fold_folder(run: Path, seed: int, repeat: int, fold: int) -> Path:
    """Return the folder of one fold's files in that of its run."""
    return run / f"seed-{seed}" / f"fold-{repeat}-{fold}"


def weights_folder() -> Path:
    """Return the folder in which weight files are looked for."""
    return _folder(WEIGHTS, "data", "weights")


def number_of(variable: str, default: float, most: float, unit: str) -> float:
    """Return the number that an environment variable sets, above 0 and at most `most`.

    Raises
    ------
    UsageError
        It holds no such number.
    """
    given = os.environ.get(variable)
    try:
        number = default if given is None else float(given)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise UsageError(
            f"{variable}: no number of {unit} {given!r}.", f"Give one from 0 to {most:.0f}."
        )
    return number


def _folder(variable: str, kind: str, below: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path, user_data_path

    base = user_cache_path if kind == "cache" else user_data_path
    return base("medtl-meta", appauthor=False) / below
