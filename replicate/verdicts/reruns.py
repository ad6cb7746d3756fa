"""What reruns of one setup differ by: the measure of whether a replicated value is the same.

The limit is that below which 95% of differences between two reruns lie, as the repeatability
coefficient of Bland & Altman (1999), Stat Methods Med Res 8:135: a quantile times the standard
deviation between reruns times the square root of two, or of 1 + 1/k where a mean of k is held
against one more. A run with enough seeds has a standard deviation of its own (Student's quantile);
else it is that of runs on other image sets, measured by ``benchmarks/rerun_spread.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from metaanalysis.stats.distributions import critical_value
from replicate.verdicts.words import CONVENTION, MEASURED, OWN

#: From so many seeds on the spread of a run is its own: with fewer it is hardly known itself.
LEAST_SEEDS = 5
#: Where nothing is known of a run: two points of a hundred.
BY_CONVENTION = 0.02
#: What a split of a spec makes differ between reruns with other seeds.
DIVISIONS = {"hold-out": "hold-out", "k-fold": "k-fold", "official": "seeds"}

#: By what reruns change (the division of the images, or seeds alone) and metric: a and b of
#: SD² = a² p (1 - p) / n + b², for a value p that rests on n cases.
RULE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "hold-out": {
        "accuracy": (0.877, 0.0),
        "AUC": (0.928, 0.0),
        "precision": (1.689, 0.0),
        "F1": (1.256, 0.0),
        "sensitivity": (1.102, 0.0),
        "specificity": (0.832, 0.0),
    },
    "k-fold": {
        "accuracy": (0.628, 0.0),
        "AUC": (0.566, 0.0),
        "precision": (1.076, 0.0),
        "F1": (0.922, 0.0),
        "sensitivity": (0.691, 0.0),
        "specificity": (0.611, 0.0),
    },
    "seeds": {
        "accuracy": (0.527, 0.0),
        "AUC": (0.444, 0.0),
        "precision": (1.022, 0.0),
        "F1": (0.881, 0.0),
        "sensitivity": (0.716, 0.0),
        "specificity": (0.547, 0.0),
    },
}


@dataclass(frozen=True, slots=True)
class Margin:
    """A largest difference that is still called the same, and where it comes from.

    Attributes
    ----------
    value
        The limit.
    source
        ``own reruns``, ``measured reruns``, ``chosen`` (by the caller) or ``convention``.
    sd
        Standard deviation between reruns; None where it was chosen.
    seeds
        Of a run's own reruns, how many.
    division, n
        Of measured ones, what changes between them, and the cases that a value rests on.
    """

    value: float
    source: str
    sd: float | None = None
    seeds: int | None = None
    division: str | None = None
    n: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, with ``margin`` before each."""
        found = asdict(self)
        return {"margin": found.pop("value")} | {
            f"margin_{name}": one for name, one in found.items()
        }


def margin_of(
    metric: str,
    value: float,
    *,
    seeds: int | None = None,
    sd: float | None = None,
    division: str | None = None,
    n: float | None = None,
) -> Margin:
    """Return by what one more rerun may differ from a value.

    Parameters
    ----------
    seeds, sd
        How many reruns the value is the mean of, and the standard deviation between them.
    division
        One of :data:`RULE`; None where it is not known.
    n
        Cases of one run: all tested images, or of a sensitivity those with the class.
    """
    beside = math.sqrt(1 + 1 / (seeds or 1))
    if seeds is not None and sd is not None and seeds >= LEAST_SEEDS:
        return Margin(critical_value(0.95, seeds - 1) * sd * beside, OWN, sd=sd, seeds=seeds)
    if division is None or division not in RULE or not n:
        return Margin(BY_CONVENTION, CONVENTION)
    measured = spread(metric, value, division, n)
    limit = critical_value(0.95, None) * measured * beside
    return Margin(limit, MEASURED, sd=measured, division=division, n=n)


def spread(metric: str, value: float, division: str, n: float) -> float:
    """Return the measured standard deviation between reruns.

    A metric that was not measured takes the largest of those that were.
    """
    rule = RULE[division]
    variance = towards_half(value, n)
    constants = [rule[metric]] if metric in rule else list(rule.values())
    return max(math.sqrt(a * a * variance + b * b) for a, b in constants)


def towards_half(value: float, n: float) -> float:
    """Return p (1 - p) / n with two cases of either kind added: at 1 it must not be 0."""
    p = (value * n + 2) / (n + 4)
    return p * (1 - p) / n
