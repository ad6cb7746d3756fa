"""How seed-averaged metrics would come out on other images or groups of the same kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from replicate.evaluation import intervals
from replicate.evaluation.intervals import Floats, Integers
from replicate.evaluation.joining import Tested
from replicate.evaluation.metrics import confusion_of, overall, per_class, tallies


@dataclass(frozen=True, eq=False, slots=True)
class Draws:
    """Bootstrap draws of the seed-averaged metrics: (draws,), and (draws, K) by class."""

    overall: dict[str, Floats]
    by_class: dict[str, Floats]


def bootstrap(tested: Tested, draws: int) -> Draws:
    """Resample units within classes; no draws where a class lies in a single unit.

    A draw can leave one of several models without a class, as hold-outs are not tested on all
    images alike: its metrics are then the mean over the models that have them, and undefined only
    where none has.
    """
    occurring = np.unique(tested.labels)
    if any(tested.units_with(label) < 2 for label in occurring.tolist()):
        return Draws({}, {})
    # The class of a unit is that of most of its images, the first of equals.
    table = np.zeros((tested.count, tested.k), dtype=np.int64)
    np.add.at(table, (tested.units, tested.labels), 1)
    strata = table.argmax(axis=1)
    kinds, sizes = np.unique(strata, return_counts=True)
    # A group that alone stands for its stratum would be in every draw: it joins the largest.
    for kind in kinds[sizes == 1]:
        strata[strata == kind] = kinds[sizes.argmax()]
    count = strata.size
    sums = []
    for model in tested.models:
        columns = tallies(model.probabilities, tested.labels[model.places])
        own = np.zeros((count, columns.shape[1]))
        np.add.at(own, tested.units[model.places], columns)
        sums.append(own)
    of_all: list[dict[str, Floats]] = []
    of_classes: list[dict[str, Floats]] = []
    for weights in intervals.resampled_weights(strata, draws=draws):
        drawn = [weights @ own for own in sums]
        of_all.append(_over_models([overall(one, tested.k, tested.positive) for one in drawn]))
        of_classes.append(_over_models([per_class(confusion_of(one, tested.k)) for one in drawn]))
    return Draws(
        *(
            {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
            for blocks in (of_all, of_classes)
        )
    )


def _over_models(values: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """Return of each metric the mean over the models in which a draw is defined; else NaN."""
    means = {}
    for name in values[0]:
        stacked = np.stack([model[name] for model in values])
        defined = np.isfinite(stacked)
        count = defined.sum(axis=0)
        total = np.where(defined, stacked, 0.0).sum(axis=0)
        means[name] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def areas_of(probabilities: Floats, labels: Integers, k: int) -> tuple[Floats, Floats]:
    """Return each class's area, shape (K,), NaN where undefined, and influences, shape (n, K)."""
    areas, influences = np.full(k, np.nan), np.zeros((labels.size, k))
    for label in range(k):
        positive = labels == label
        if 0 < positive.sum() < labels.size:
            areas[label], influences[:, label] = intervals.auc_influence(
                probabilities[:, label], positive
            )
    return areas, influences


def area_variance(classes: Sequence[int], tested: Tested) -> float:
    """Return the variance of an area, a mean over models and classes, by units."""
    # Each tested image's share in the error.
    influence = np.zeros(tested.labels.size)
    for model in tested.models:
        _, influences = areas_of(model.probabilities, tested.labels[model.places], tested.k)
        influence[model.places] += influences[:, list(classes)].mean(axis=1)
    influence /= len(tested.models)
    alone = None
    if not tested.grouped:
        alone = tested.labels if len(classes) > 1 else (tested.labels == classes[0]).astype(int)
    return intervals.influence_variance(influence, tested.units, alone)
