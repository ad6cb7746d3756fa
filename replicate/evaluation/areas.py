"""The area under the ROC curve over classes and models, and how far it would move.

Sources: DeLong et al. (1988), Biometrics 44:837; for groups Obuchowski (1997), Biometrics 53:567.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replicate.evaluation import intervals
from replicate.evaluation.joining import Tested
from replicate.evaluation.uncertainty import SMALLEST, Part, of_area, whole


def area_variance(classes: Sequence[int], tested: Tested) -> Part:
    """Return the variance of an area that is a mean over models and classes."""
    chosen = list(classes)
    kinds = tested.labels if len(chosen) > 1 else (tested.labels == chosen[0]).astype(np.int64)
    values, influences = [], []
    for model, (areas, own) in zip(tested.models, tested.areas, strict=True):
        influence = np.zeros(tested.labels.size)
        influence[model.places] = own[:, chosen].mean(axis=1)
        values.append(float(areas[chosen].mean()))
        influences.append(influence)
    return whole(influences, values, tested, lambda one: of_area(one, tested, kinds))


def area_limits(
    value: float, label: int | None, tested: Tested
) -> tuple[tuple[float, float] | None, str]:
    """Return the interval of an area, of one class or (None) the mean of all; and how."""
    classes = list(range(tested.k)) if label is None else [label]
    with_class = [tested.units_with(one) for one in range(tested.k)]
    if min(with_class) < 2:
        return None, f"no interval: a class lies in one of the {tested.unit} alone"
    found = area_variance(classes, tested)
    if not found.variance > SMALLEST or not 0 < value < 1:
        rarest = min(classes, key=lambda one: with_class[one])
        limits = intervals.newcombe_area(value, with_class[rarest], tested.units_without(rarest))
        return limits, f"Newcombe, by {tested.unit} (the area leaves DeLong no variance)"
    summed = ", summed within groups (Obuchowski)" if tested.grouped else ""
    limits = intervals.area_interval(value, found.variance, found.quantile)
    return limits, f"DeLong{summed}, logit scale{tested.beside}"
