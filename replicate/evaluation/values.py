"""The outcome of an evaluation: values with intervals, by class, seed and fold, with a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.errors import UsageError
from replicate.evaluation.grouping import grouped
from replicate.evaluation.metrics import OVERALL
from replicate.evaluation.thresholds import Threshold
from replicate.notes import Note

#: A value counts as above its baseline where chance explains it with at most this probability.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One value.

    Attributes
    ----------
    metric
        A word of :data:`replicate.evaluation.metrics.OVERALL`.
    value
        None where it is undefined; `method` then says why.
    ci_low, ci_high
        95% interval; None without one.
    n
        Images that the value rests on: of sensitivity those with the class, of specificity those
        without it.
    method
        How value and interval were made, in words.
    seed, repeat, fold, class_label
        Whose value it is; all None: pooled over all.
    """

    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    method: str
    seed: int | None = None
    repeat: int | None = None
    fold: int | None = None
    class_label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval, n and method."""
        return {name: getattr(self, name) for name in ("value", "ci_low", "ci_high", "n", "method")}


@dataclass(frozen=True, slots=True)
class Baseline:
    """What somebody reaches who does not look at the images.

    Attributes
    ----------
    majority
        The most frequent class of the tested images, the first of equals.
    accuracy
        Of always saying it, with its interval.
    prevalence
        Class -> its share of the tested images.
    """

    majority: str
    accuracy: MetricValue
    prevalence: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AboveBaseline:
    """Whether a value lies above what needs no images.

    `p` is one-sided and made on the same images or groups; `method` names the test.
    """

    metric: str
    baseline: float
    difference: float
    p: float
    method: str

    @property
    def above(self) -> bool:
        """Whether chance explains the difference with at most 5%."""
        return self.p <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able."""
        return {
            name: getattr(self, name) for name in ("baseline", "difference", "p", "above", "method")
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that the predictions of a replication are worth.

    Attributes
    ----------
    metrics
        Pooled values, then those by class, by seed and by fold.
    classes, positive
        The classes, and which of two counts as positive; None for more.
    confusion
        Counts, shape (K, K), true class first, summed over all `models`.
    baseline
        What needs no images.
    tests
        Metric -> its test against the baseline, where there is one.
    spread
        Metric -> standard deviation over seeds, with more than one.
    images, groups, models
        Tested images, their groups (None where not known), and how many models (seed and repeat)
        each was tested by.
    notes
        What a reader must know beside the numbers.
    thresholds
        One a model and fold, where they were chosen on validation images.
    """

    metrics: tuple[MetricValue, ...]
    classes: tuple[str, ...]
    positive: str | None
    confusion: NDArray[np.int64]
    baseline: Baseline
    tests: Mapping[str, AboveBaseline]
    spread: Mapping[str, float]
    images: int
    groups: int | None
    models: int
    notes: tuple[Note, ...]
    thresholds: tuple[Threshold, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes in words, one sentence each."""
        return tuple(map(str, self.notes))

    def pooled(self, metric: str) -> MetricValue:
        """Return a metric of everything together.

        Raises
        ------
        UsageError
            There is no such metric.
        """
        return self._one(metric, None)

    def of_class(self, metric: str, label: str) -> MetricValue:
        """Return a metric of one class against the rest; raises UsageError without one."""
        return self._one(metric, label)

    def _one(self, metric: str, label: str | None) -> MetricValue:
        for value in self.metrics:
            named = value.metric == metric and value.class_label == label
            if named and value.seed is None and value.fold is None:
                return value
        of_class = "" if label is None else f" of a class {label!r}"
        raise UsageError(f"metric: no {metric!r}{of_class}.", f"There are {', '.join(OVERALL)}.")

    def by_seed(self, metric: str) -> dict[int, float | None]:
        """Return a metric by seed; with one seed the pooled value."""
        return {
            value.seed: value.value
            for value in self.metrics
            if value.metric == metric and value.seed is not None and value.fold is None
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able: what is undefined is None."""
        found = grouped(map(asdict, self.metrics), self.spread)
        return {
            "metrics": found["metrics"],
            "per_class": {**{label: {} for label in self.classes}, **found["per_class"]},
            "confusion": {
                "classes": list(self.classes),
                "counts": self.confusion.tolist(),
                "models": self.models,
            },
            "baseline": {
                "majority": self.baseline.majority,
                "accuracy": self.baseline.accuracy.to_dict(),
                "prevalence": dict(self.baseline.prevalence),
                "above": {name: test.to_dict() for name, test in self.tests.items()},
            },
            "per_seed": found["per_seed"],
            "per_fold": found["per_fold"],
            "positive": self.positive,
            "thresholds": [one.to_dict() for one in self.thresholds],
            "images": self.images,
            "groups": self.groups,
            "remarks": list(self.remarks),
        }
