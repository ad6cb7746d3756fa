"""From which probability an image is called positive: chosen on validation images, never on test.

Youden (1950), Cancer 3:32, takes the threshold where sensitivity + specificity is largest; a
screening task names the sensitivity (or specificity) that it needs. Each model has a threshold of
its own, from the validation images of its own fold: scores of two models need not be on one scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from db.errors import ImagesError, UsageError
from replicate.evaluation.intervals import Bools, Floats, Integers
from replicate.evaluation.predictions import Predictions
from replicate.images.image_set import ImageSet
from replicate.notes import Note


@dataclass(frozen=True, slots=True)
class Threshold:
    """What was chosen for one model.

    Attributes
    ----------
    seed, repeat, fold
        Which model.
    value
        From this probability of the positive class on an image is called so.
    sensitivity, specificity
        What it reaches on the validation images, where it was chosen: too good by that choice.
    positives, negatives
        Validation images of the two classes.
    """

    seed: int
    repeat: int
    fold: int
    value: float
    sensitivity: float
    specificity: float
    positives: int
    negatives: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able."""
        return asdict(self)


def check_rule(
    rule: str | None, images: ImageSet, validated: Iterable[Integers], *, positive: str | None
) -> None:
    """Refuse, before anything is trained, a threshold that could not be chosen in the end.

    Parameters
    ----------
    rule
        As of :class:`replicate.spec.Evaluating`; None asks for nothing.
    images
        The task's images.
    validated
        Validation images of each fold.
    positive
        The positive class; None: the last.

    Raises
    ------
    UsageError
        More than two classes, or no validation images.
    ImagesError
        Validation images of one class only.
    """
    if rule is None:
        return
    if len(images.classes) != 2:
        raise UsageError(
            f"--threshold {rule}: {images.name} has {len(images.classes)} classes.",
            "A threshold tells two classes apart; of more, the most probable one is called.",
        )
    place = _place(images, positive)
    for indices in validated:
        if not len(indices):
            raise UsageError(
                f"--threshold {rule}: is chosen on validation images, and there are none.",
                "Give --validation a share, such as 0.1.",
            )
        found = images.labels[indices] == place
        if found.all() or not found.any():
            name = images.classes[1 - place if found.all() else place]
            raise ImagesError(
                f"--threshold {rule}: no validation image of {images.name} is of {name}.",
                "Take another split, or leave the threshold out.",
            )


def choose(
    rule: str, predictions: Sequence[Predictions], images: ImageSet, positive: str | None
) -> tuple[Threshold, ...]:
    """Choose the threshold of each model on its validation images.

    Parameters
    ----------
    rule
        As of :class:`replicate.spec.Evaluating`.
    positive
        The positive class; None: the last.
    """
    validated = [
        np.empty(0, np.int64) if p.val_indices is None else p.val_indices for p in predictions
    ]
    check_rule(rule, images, validated, positive=positive)
    place, found = _place(images, positive), []
    for one, indices in zip(predictions, validated, strict=True):
        assert one.val_probabilities is not None
        has = images.labels[indices] == place
        value, reached = best(rule, one.val_probabilities[:, place], has)
        counts = int(has.sum()), int((~has).sum())
        found.append(Threshold(one.seed, one.repeat, one.fold, value, *reached, *counts))
    return tuple(found)


def best(rule: str, scores: Floats, positive: Bools) -> tuple[float, tuple[float, float]]:
    """Return the threshold that a rule takes, and sensitivity and specificity there.

    Between two scores the middle is taken; of thresholds that serve equally the one nearest to
    0.5. A sensitivity that is asked for is reached at the best specificity, and the other way.
    """
    levels = np.unique(scores)
    cuts = np.concatenate([[levels[0] / 2], (levels[1:] + levels[:-1]) / 2, [(levels[-1] + 1) / 2]])
    if levels[-1] >= 1.0:  # to call none positive takes a threshold beyond any probability
        cuts[-1] = np.nextafter(1.0, 2.0)
    hits, alarms = np.sort(scores[positive]), np.sort(scores[~positive])
    sensitivity = 1.0 - np.searchsorted(hits, cuts, side="left") / hits.size
    specificity = np.searchsorted(alarms, cuts, side="left") / alarms.size
    kind, _, level = rule.partition("=")
    if kind == "youden":
        worth = sensitivity + specificity
    else:
        held, other = (
            (sensitivity, specificity) if kind == "sensitivity" else (specificity, sensitivity)
        )
        worth = np.where(held >= float(level) - 1e-12, other, -1.0)
    equal = np.flatnonzero(worth >= worth.max() - 1e-12)
    chosen = int(equal[np.argmin(np.abs(cuts[equal] - 0.5))])
    return float(cuts[chosen]), (float(sensitivity[chosen]), float(specificity[chosen]))


def note_of(rule: str, found: Sequence[Threshold], positive: str) -> Note:
    """Return what must be said beside numbers that a chosen threshold decides."""
    values = [one.value for one in found]
    said = {"rule": rule, "positive": positive, "low": min(values), "high": max(values)}
    if len(found) == 1:
        return Note("one threshold chosen", said)
    return Note("threshold chosen", {**said, "models": len(found)})


def _place(images: ImageSet, positive: str | None) -> int:
    return 1 if positive is None else images.classes.index(positive)
