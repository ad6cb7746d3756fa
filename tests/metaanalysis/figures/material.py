"""Published data that the figures are tried on, and how their marks are read back."""

from __future__ import annotations

from typing import Any

import numpy as np

from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.kit.captions import Caption
from metaanalysis.stats.effects import proportions, two_groups
from metaanalysis.stats.studies import EffectSizes
from tests.metaanalysis.figures.drawn import layers

#: Colditz et al. 1994: tpos, tneg, cpos, cneg, latitude, allocation, year.
BCG = [
    (4, 119, 11, 128, 44, "random", 1948),
    (6, 300, 29, 274, 55, "random", 1949),
    (3, 228, 11, 209, 42, "random", 1960),
    (62, 13536, 248, 12619, 52, "random", 1977),
    (33, 5036, 47, 5761, 13, "alternate", 1973),
    (180, 1361, 372, 1079, 44, "alternate", 1953),
    (8, 2537, 10, 619, 19, "random", 1973),
    (505, 87886, 499, 87892, 13, "random", 1980),
    (29, 7470, 45, 7232, 27, "random", 1968),
    (17, 1699, 65, 1600, 42, "systematic", 1961),
    (186, 50448, 141, 27197, 18, "systematic", 1974),
    (5, 2493, 3, 2338, 33, "systematic", 1969),
    (27, 16886, 29, 17825, 33, "systematic", 1976),
]
LATITUDE = [float(row[4]) for row in BCG]
ALLOCATION = [str(row[5]) for row in BCG]
YEAR = [float(row[6]) for row in BCG]

#: Pritz 1997, with two studies at 100 %.
EVENTS = [16, 10, 4, 43, 10, 25, 13, 12, 22, 4, 5, 18, 58, 6]
N = [17, 12, 8, 58, 10, 42, 14, 12, 41, 5, 6, 23, 68, 10]
AT_THE_EDGE = [4, 7]  # places, from 0

#: AuditC of mada: tp, fn, fp, tn.
AUDIT_C = [
    (47, 9, 101, 738), (126, 51, 272, 1543), (19, 10, 12, 192), (36, 3, 78, 276),
    (130, 19, 211, 959), (84, 2, 68, 89), (68, 0, 112, 423), (752, 0, 3226, 2977),
    (59, 5, 55, 136), (142, 50, 571, 2788), (137, 24, 107, 358), (57, 3, 103, 437),
    (34, 1, 21, 56), (152, 51, 88, 264),
]  # fmt: skip

#: What each figure needs and these tests do not look at.
CAPTION = Caption("A title", "Of these studies.", ["A note."])


def bcg() -> EffectSizes:
    """Return log risk ratios of the trials."""
    a, b, c, d = np.array([row[:4] for row in BCG], dtype=float).T
    labels = [f"Trial {index} [{index}]" for index in range(1, 14)]
    return two_groups(a, a + b, c, c + d, "log-risk-ratio", labels=labels)


def pritz(transform: Any = "logit") -> EffectSizes:
    """Return the proportions on a scale."""
    return proportions(EVENTS, N, transform, labels=[f"Study {i}" for i in range(1, 15)])


def many(k: int) -> tuple[list[int], list[int]]:
    """Return events and n of k made-up studies, the first at 100 % and the second at 0 %."""
    random = np.random.default_rng(7)
    n = random.integers(20, 2000, k)
    share = 1 / (1 + np.exp(-random.normal(2.5, 1.0, k)))
    events = random.binomial(n, share)
    events[0], events[1:2] = n[0], 0
    return events.tolist(), n.tolist()


def marks(figure: Figure, kind: str, **look: Any) -> list[list[dict[str, Any]]]:
    """Return the rows of each layer, if any, of a kind of mark with the properties named."""
    return [
        rows
        for mark, rows, _ in layers(figure)
        if rows
        and mark["type"] == kind
        and all(mark.get(name) == value for name, value in look.items())
    ]


def axis_range(figure: Figure, field: str) -> tuple[list[float], list[float]]:
    """Return domain and pixel range of the scale of a horizontal field."""
    for _, _, encoding in layers(figure):
        x = encoding.get("x", {})
        if x.get("field") == field and x.get("scale"):
            return x["scale"]["domain"], x["scale"].get("range", [])
    raise AssertionError(f"no horizontal axis of {field}")
