"""From a sample to effects with variances, on the scale on which they are pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from db.errors import StatisticsError, UsageError
from metaanalysis.samples.sample import Sample
from metaanalysis.samples.wording import REASONS
from metaanalysis.stats.columns import BoolArray
from metaanalysis.stats.diagnostic_pairs import CELLS, TwoByTwo, diagnostic_pairs
from metaanalysis.stats.effects import ProportionScale, auc, from_interval, proportions
from metaanalysis.stats.notes import Note
from metaanalysis.stats.record import Result
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.transforms import arcsine

#: Kind of sample -> the scales that it can be pooled on, the usual one first.
SCALES: dict[str, tuple[str, ...]] = {
    "proportion": ("logit", "raw", "arcsine", "freeman-tukey"),
    "AUC": ("logit", "raw", "arcsine"),
    "effect": ("raw",),
    "two-by-two": ("log odds ratio",),
}


@dataclass(frozen=True, slots=True)
class Scaled:
    """A sample on a scale.

    Attributes
    ----------
    sample
        The rows that have an effect.
    effects
        One a row.
    scale
        Out of :data:`SCALES`.
    notes
        What must be said of the effects, by the names of the rows.
    """

    sample: Sample
    effects: EffectSizes
    scale: str
    notes: tuple[Note, ...] = ()

    def said(self, *results: Result) -> tuple[Note, ...]:
        """Return the notes, and those of results on these rows, each once and by name."""
        found = [note.named(self.sample.shorts) for one in results for note in one.warnings]
        return tuple(dict.fromkeys([*self.notes, *found]))


def tables_of(sample: Sample) -> TwoByTwo:
    """Return the two-by-two tables of a sample."""
    counts = np.array([sample.columns[name] for name in CELLS], dtype=object).T
    return TwoByTwo.of(counts, labels=sample.labels)


def on_scale(sample: Sample, transform: str | None = None) -> Scaled:
    """Return the effects of a sample with variances, and the rows that have them.

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
    scales = SCALES[sample.kind]
    scale = transform or scales[0]
    if scale not in scales:
        raise UsageError(
            f"--transform {transform} does not go with {sample.outcome} ({sample.kind}).",
            f"Choose from {', '.join(scales)}.",
        )
    if sample.kind == "AUC":
        return _areas(sample, scale)
    columns, labels = sample.columns, sample.labels
    if sample.kind == "proportion":
        move = cast("ProportionScale", scale)
        found = proportions(columns["events"], columns["n"], move, labels=labels)
    elif sample.kind == "two-by-two":
        found = diagnostic_pairs(tables_of(sample), zero_cells="only-affected").log_dor()
    else:
        found = EffectSizes.of(
            columns["effect"], columns["variance"], labels=labels, measure=sample.outcome
        )
    notes = tuple(note.named(sample.shorts) for note in found.warnings)
    return Scaled(sample, replace(found, warnings=()), scale, notes)


def _numbers(values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _areas(sample: Sample, scale: str) -> Scaled:
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
    notes: list[Note] = []
    move: Literal["raw", "logit"] = "logit" if scale == "logit" else "raw"
    makers: tuple[tuple[Callable[..., EffectSizes], tuple[str, ...], BoolArray], ...] = (
        (from_interval, ("value", "ci_low", "ci_high"), printed),
        (auc, ("value", "n_positive", "n_negative"), counted),
    )
    for make, names, rows in makers:
        if rows.any():
            shorts = [short for short, kept in zip(sample.shorts, rows, strict=True) if kept]
            found = make(*(columns[name][rows] for name in names), move, labels=shorts)
            effect[rows], variance[rows] = found.effect, found.variance
            notes += [note.named(shorts) for note in found.warnings]
    keep = printed | counted
    if not keep.any():
        raise StatisticsError(
            f"no value of {sample.outcome} is left: {REASONS['interval-at-edge']}."
        )
    used = sample.take(keep.tolist(), "interval-at-edge")
    effect, variance = effect[keep], variance[keep]
    if scale == "arcsine":
        variance = variance / (4.0 * effect * (1.0 - effect))
        effect = arcsine(effect)
    moved = EffectSizes.of(
        effect,
        variance,
        labels=used.labels,
        measure=f"{scale} AUC",
        back_transform=scale,
    )
    return Scaled(used, replace(moved, size=columns["n"][keep]), scale, tuple(notes))
