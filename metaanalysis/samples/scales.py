"""From a sample to effects with variances, on the scale on which they are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import numpy as np

from db.errors import StatisticsError, UsageError
from metaanalysis.samples.sample import Sample
from metaanalysis.stats.effects import ProportionScale, auc, from_interval, proportions
from metaanalysis.stats.studies import EffectSizes, RowNote, as_effect_sizes
from metaanalysis.stats.transforms import BackTransform, Scale, arcsine

#: Kind of sample -> the scales that it can be pooled on, the usual one first.
SCALES: dict[str, tuple[str, ...]] = {
    "proportion": ("logit", "raw", "arcsine", "freeman-tukey"),
    "AUC": ("logit", "raw", "arcsine"),
    "effect": ("raw",),
    "two-by-two": ("log odds ratio",),
}

INTERVAL_AT_THE_EDGE = "the printed interval reaches 0 or 1, which has no logit"


def named(text: str, names: Sequence[str]) -> str:
    """Return a sentence of the numeric core with the names of its rows.

    The core numbers rows from 1 in the order in which it was given them; people know them by name.
    A sentence that is no ``RowNote`` has no rows to name, whatever it reads like: a label may well
    be called "row 4".
    """
    return text.named(names) if isinstance(text, RowNote) else text


def scale_of(sample: Sample, transform: str | None) -> str:
    """Return the scale to pool on.

    Raises
    ------
    UsageError
        The sample cannot be pooled on that scale.
    """
    scales = SCALES[sample.kind]
    if transform is None:
        return scales[0]
    if transform not in scales:
        raise UsageError(
            f"--transform {transform} does not go with {sample.outcome} ({sample.kind}).",
            f"Choose from {', '.join(scales)}.",
        )
    return transform


def effect_sizes(
    sample: Sample, transform: str | None = None
) -> tuple[EffectSizes, Sample, tuple[str, ...]]:
    """Return effects with variances, the rows that have them, and what must be said.

    Parameters
    ----------
    sample
        Of any kind; of two-by-two tables the log diagnostic odds ratio is taken.
    transform
        A scale out of :data:`SCALES`; None takes the usual one.

    Raises
    ------
    UsageError
        The sample has no such scale.
    StatisticsError
        No row has an effect.
    """
    scale = scale_of(sample, transform)
    if sample.kind == "AUC":
        return _areas(sample, scale)
    columns = sample.columns
    if sample.kind == "proportion":
        found = proportions(
            columns["events"],
            columns["n"],
            cast("ProportionScale", scale),
            labels=sample.labels,
        )
    elif sample.kind == "two-by-two":
        from metaanalysis.stats.diagnostic_pairs import diagnostic_pairs

        pairs = diagnostic_pairs(
            *(columns[name] for name in ("tp", "fn", "fp", "tn")),
            labels=sample.labels,
            zero_cells="only-affected",
        )
        found = pairs.log_dor()
    else:
        found = as_effect_sizes(
            columns["effect"], columns["variance"], labels=sample.labels, measure=sample.outcome
        )
    said = tuple(named(text, sample.shorts) for text in found.warnings)
    return _bare(found), sample, said


def _bare(found: EffectSizes) -> EffectSizes:
    """Return the effects without their warnings, which have been put into names."""
    return EffectSizes(
        found.effect,
        found.variance,
        found.labels,
        tuple(range(1, found.k + 1)),
        found.measure,
        found.back,
        found.size,
    )


def _numbers(values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _areas(sample: Sample, scale: str) -> tuple[EffectSizes, Sample, tuple[str, ...]]:
    """Return areas under the curve: by the printed interval where it can be used, else by cases.

    On the arcsine scale the raw variance is carried over by the delta method, v / (4 a (1 - a)).
    """
    columns = {name: _numbers(values) for name, values in sample.columns.items()}
    low, high = columns["ci_low"], columns["ci_high"]
    printed = ~np.isnan(low) & ~np.isnan(high)
    if scale == "logit":
        printed &= (low > 0) & (high < 1)
    counted = ~printed & ~np.isnan(columns["n_positive"]) & ~np.isnan(columns["n_negative"])
    effect, variance = np.full(sample.k, np.nan), np.full(sample.k, np.nan)
    said: list[str] = []
    move: Literal["raw", "logit"] = "logit" if scale == "logit" else "raw"
    if printed.any():
        names = _of(sample, printed)
        found = from_interval(
            columns["value"][printed], low[printed], high[printed], move, labels=names
        )
        effect[printed], variance[printed] = found.effect, found.variance
        said += _gathered(named(text, names) for text in found.warnings)
    if counted.any():
        names = _of(sample, counted)
        found = auc(
            columns["value"][counted],
            columns["n_positive"][counted],
            columns["n_negative"][counted],
            move,
            labels=names,
        )
        effect[counted], variance[counted] = found.effect, found.variance
        said += [named(text, names) for text in found.warnings]
    keep = printed | counted
    if not keep.any():
        raise StatisticsError(f"no value of {sample.outcome} is left: {INTERVAL_AT_THE_EDGE}.")
    used = sample.take(keep.tolist(), INTERVAL_AT_THE_EDGE)
    effect, variance = effect[keep], variance[keep]
    if scale == "arcsine":
        variance = variance / (4.0 * effect * (1.0 - effect))
        effect = arcsine(effect)
    moved = EffectSizes(
        effect,
        variance,
        used.labels,
        tuple(range(1, used.k + 1)),
        f"{scale} AUC",
        BackTransform(cast("Scale", "identity" if scale == "raw" else scale)),
        columns["n"][keep],
    )
    return moved, used, tuple(said)


def _gathered(warnings: Iterable[str]) -> list[str]:
    """Return warnings of the form ``name: what`` as one sentence for each what."""
    names: dict[str, list[str]] = {}
    for text in warnings:
        name, _, what = text.partition(": ")
        names.setdefault(what, []).append(name)
    return [f"{what}: {', '.join(listed)}" for what, listed in names.items()]


def _of(sample: Sample, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> list[str]:
    return [short for short, kept in zip(sample.shorts, keep, strict=True) if kept]
