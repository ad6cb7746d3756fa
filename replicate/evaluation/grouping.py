"""Values of a run as they are printed, out of an evaluation or out of the database's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any


def grouped(rows: Iterable[Mapping[str, Any]], spread: Mapping[str, float]) -> dict[str, Any]:
    """Return values as ``metrics`` (pooled), ``per_class``, ``per_seed`` and ``per_fold``.

    Parameters
    ----------
    rows
        The fields of :class:`replicate.evaluation.values.MetricValue`, one a row.
    spread
        Metric -> standard deviation over seeds, with more than one.
    """
    found: dict[str, Any] = {"metrics": {}, "per_class": {}, "per_seed": {}, "per_fold": []}
    folds = found["per_fold"]
    for row in rows:
        # The database has the vocabulary's spelling: AUC, F1.
        metric = row["metric"].lower()
        value = {name: row[name] for name in ("value", "ci_low", "ci_high", "n", "method")}
        if row["class_label"] is not None:
            found["per_class"].setdefault(row["class_label"], {})[metric] = value
        elif row["fold"] is not None:
            place = {name: row[name] for name in ("seed", "repeat", "fold")}
            if not folds or not place.items() <= folds[-1].items():
                folds.append({**place, "n": row["n"]})
            folds[-1][metric] = row["value"]
        elif row["seed"] is not None:
            found["per_seed"].setdefault(str(row["seed"]), {})[metric] = row["value"]
        else:
            sd = {"sd_over_seeds": spread[metric]} if metric in spread else {}
            found["metrics"][metric] = {**value, **sd}
    # Folds are tested by models whose scores can differ in scale, which an area pooled over them
    # takes for errors; the mean of their own areas stands beside it.
    areas = [one["auc"] for one in folds if one.get("auc") is not None]
    if "auc" in found["metrics"] and areas and len(areas) == len(folds):
        found["metrics"]["auc"]["mean_over_folds"] = mean_of(areas)
    return found


def mean_of(values: Iterable[float | None]) -> float:
    """Return the mean of values that are known."""
    return fmean(value for value in values if value is not None)
