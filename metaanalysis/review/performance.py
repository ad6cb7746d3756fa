"""Performance against data size per class (the review's Figure 6), and which studies it shows.

The review leaves out studies with several models (57), then those with several TL types (14), then
those of minor models such as LeNet (9), and shows the other 41 of 121. It does not print which
models are minor. The nine can only be its Figure 4b's 7 "other" and 2 Inception-ResNet studies: the
seven alone are too few, and the four bars that remain (Inception, AlexNet, VGG, ResNet: 55 studies)
less the 14 of several TL types are the 41. The same rule is applied here to the curated studies in
the single-label view of :mod:`metaanalysis.review.labels`. What we do not know of a study is a
reason of our own, named after the review's.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from db.database import Database
from db.vocabulary import lexicon
from metaanalysis import query
from metaanalysis.review.counts import recount
from metaanalysis.review.curated import curated
from metaanalysis.review.labels import MANY, backbone_bar, single_label
from metaanalysis.review.sizes import with_size

#: The review's reasons, in its order, with the name of its printed count.
SEVERAL_MODELS = "several models"
SEVERAL_TL_TYPES = "several TL types"
MINOR_MODEL = "minor model"
RULE = {
    SEVERAL_MODELS: "excluded_multiple_models",
    SEVERAL_TL_TYPES: "excluded_multiple_tl_types",
    MINOR_MODEL: "excluded_minor_models",
}

#: Our reasons: the rule cannot be applied.
MODEL_UNKNOWN = "model not known"
TL_TYPE_UNKNOWN = "TL type not known"

#: Our reasons: the rule lets the study in, and a coordinate is missing.
CLASSES_UNKNOWN = "number of classes not known"

SHOWN = "shown"

#: Bars of Figure 4b that are minor models (see above).
MINOR_BARS = ("Inception-ResNet", "other")

#: The two metrics of the figure, with the column of each.
METRIC_COLUMNS = {"AUC": "auc", "accuracy": "accuracy"}

#: Columns of :func:`points`.
POINT_COLUMNS = (
    "key",
    "ref",
    "x",
    "y",
    "metric",
    "basis",
    "size",
    "counted",
    "n_classes",
    "modality",
    "backbone",
    "tl_type",
    "group",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Which studies the figure shows and why the others are left out.

    Attributes
    ----------
    studies
        One row a curated study: ``key, ref, modality, backbone`` and ``tl_type`` (single labels,
        None where unknown), ``n_classes, n_images, n_patients, counted, size, size_per_class, auc,
        auc_basis, accuracy, accuracy_basis``; then ``by_rule`` (the review's rule lets it in),
        ``reason`` (the first that leaves it out by the rule, or that keeps the rule from being
        applied; None where it is in), and for each metric ``in_auc, reason_auc, in_accuracy,
        reason_accuracy``: drawn or not and the first reason, missing values included.
    table
        ``reason, reported, curated, difference``: the count of each reason, and of what is left.
    both_metrics
        Studies shown with both metrics: as the review prints it, and curated.
    coverage
        How much of the reviewed literature is curated.
    """

    studies: pd.DataFrame
    table: pd.DataFrame
    both_metrics: tuple[int, int]
    coverage: query.Coverage


def rule_reason(backbone: str | None, tl_type: str | None) -> str | None:
    """Return the first reason that keeps a study out, or None.

    Parameters
    ----------
    backbone
        The bar of Figure 4b, ``many``, or None where unknown.
    tl_type
        The single TL type, ``many``, or None where unknown.
    """
    if backbone == MANY:
        return SEVERAL_MODELS
    if tl_type == MANY:
        return SEVERAL_TL_TYPES
    if backbone in MINOR_BARS:
        return MINOR_MODEL
    if backbone is None:
        return MODEL_UNKNOWN
    return TL_TYPE_UNKNOWN if tl_type is None else None


def _labels(values: Iterable[str | None], index: pd.Index[Any] | None = None) -> pd.Series[Any]:
    # Of type object: None stays None, and does not turn into a NaN that passes for a label.
    return pd.Series(list(values), index=index, dtype="object")


def _missing(study: dict[Hashable, Any], metric: str) -> str | None:
    """Return the first missing coordinate of a study, or None."""
    if pd.isna(study["n_classes"]):
        return CLASSES_UNKNOWN
    if pd.isna(study["size"]):
        return f"number of {study['counted'] or 'images or patients'} not known"
    return f"no headline {metric}" if pd.isna(study[METRIC_COLUMNS[metric]]) else None


def account_for(frame: pd.DataFrame) -> pd.DataFrame:
    """Decide for each study whether and why it is shown.

    Parameters
    ----------
    frame
        With columns ``backbone, tl_type`` (single labels), ``modality, n_classes, n_images,
        n_patients, auc, accuracy``.

    Returns
    -------
    pandas.DataFrame
        The frame with the columns that :class:`Account` names, except those of the basis.
    """
    studies = with_size(frame).drop(columns="no_size")
    studies["size_per_class"] = studies["size"] / studies["n_classes"]
    pairs = zip(frame["backbone"], frame["tl_type"], strict=True)
    studies["reason"] = _labels(
        (rule_reason(*(None if pd.isna(label) else label for label in pair)) for pair in pairs),
        frame.index,
    )
    studies["by_rule"] = studies["reason"].isna()
    for metric, column in METRIC_COLUMNS.items():
        rows = studies.to_dict("records")
        reasons = (row["reason"] or _missing(row, metric) for row in rows)
        studies[f"reason_{column}"] = _labels(reasons, frame.index)
        studies[f"in_{column}"] = studies[f"reason_{column}"].isna()
    return studies


def selection(database: Database) -> Account:
    """Account for every curated study: shown in Figure 6 or left out, and why.

    Parameters
    ----------
    database
        An open database.
    """
    labelled = ["backbones", "tl_types"]
    plain = ["key", "ref", "modality", "n_classes", "n_images", "n_patients", "auc", "accuracy"]
    frame = curated(database, [*plain, *labelled])
    group_of = {row["name"]: row["review_group"] for row in query.backbones(database)}
    frame["backbone"] = _labels(backbone_bar(v, group_of) for v in frame.pop("backbones"))
    frame["tl_type"] = _labels(single_label(v) for v in frame.pop("tl_types"))
    basis = {
        (row["key"], row["metric"]): row["basis"]
        for row in query.metrics(database)
        if row["headline"]
    }
    studies = account_for(frame)
    for metric, column in METRIC_COLUMNS.items():
        studies[f"{column}_basis"] = _labels(basis.get((key, metric)) for key in studies["key"])
    facts = query.review_facts(database, "figure_6")
    printed = {reason: facts[name] for reason, name in RULE.items()} | {SHOWN: facts["shown"]}
    order = [*RULE, MODEL_UNKNOWN, TL_TYPE_UNKNOWN, SHOWN]
    coverage = query.coverage(database)
    counts = recount(studies["reason"].fillna(SHOWN), order, printed, coverage).table
    both = int((studies["in_auc"] & studies["in_accuracy"]).sum())
    return Account(
        studies,
        counts.rename(columns={"category": "reason"}),
        (int(facts["both_metrics"]), both),
        coverage,
    )


def points(
    database: Database, metric: str, *, left_out: bool = False, account: Account | None = None
) -> pd.DataFrame:
    """Return the points of Figure 6: a metric against data size per class.

    Parameters
    ----------
    database
        An open database.
    metric
        ``AUC`` or ``accuracy``, by any synonym.
    left_out
        Also return the studies that only the review's rule leaves out (several models, several TL
        types, minor model) and that have a value and a size.
    account
        As :func:`selection` returns it, where it is at hand.

    Returns
    -------
    pandas.DataFrame
        ``key, ref, x`` (data size per class), ``y`` (headline value, a fraction), ``metric, basis``
        (where the value was read), ``size, counted`` (patients or images), ``n_classes, modality,
        backbone, tl_type`` and ``group`` (``shown``, or the reason for which the rule leaves the
        study out), by `x`.

    Raises
    ------
    UnknownTermError
        There is no such metric.
    ValueError
        The figure does not show that metric.
    """
    name = lexicon("metric").resolve(metric)
    if name not in METRIC_COLUMNS:
        raise ValueError(f"Figure 6 shows {' and '.join(METRIC_COLUMNS)}, not {name}.")
    column = METRIC_COLUMNS[name]
    studies = (account or selection(database)).studies
    groups = [SHOWN, *RULE] if left_out else [SHOWN]
    frame = studies.assign(
        x=studies["size_per_class"],
        y=studies[column],
        metric=name,
        basis=studies[f"{column}_basis"],
        group=studies["reason"].fillna(SHOWN),
    )
    drawn = frame[frame["group"].isin(groups)].dropna(subset=["x", "y"])
    return drawn.sort_values(["x", "ref"])[list(POINT_COLUMNS)].reset_index(drop=True)
