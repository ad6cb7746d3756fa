"""Every defensible analysis of the same data, side by side.

Source: Steegen et al. (2016), Perspect Psychol Sci 11:702; Voracek, Kossmeier & Tran (2019),
Z Psychol 227:64 for meta-analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from db.wording import plural
from metaanalysis.stats.columns import BoolArray, choose, require
from metaanalysis.stats.effects import ProportionScale, counts_of, proportions
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.inference import Settings, settings
from metaanalysis.stats.notes import Note
from metaanalysis.stats.pool import pool_studies
from metaanalysis.stats.record import Row
from metaanalysis.stats.result_tables import MultiverseResult
from metaanalysis.stats.results import NATURAL, PoolResult
from metaanalysis.stats.studies import EffectSizes, studies_of

DEFAULT_TRANSFORMS = ("glmm", "logit", "arcsine", "freeman-tukey", "raw")
DEFAULT_METHODS = ("REML", "PM", "DL", "common")
DEFAULT_TESTS = ("knapp-hartung", "z")


def multiverse(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    tests: Sequence[str] = DEFAULT_TESTS,
    inclusion: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> MultiverseResult:
    """Pool effects by each combination of method, test and set of studies.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`.
    methods, tests
        As in `pool`. The common effect goes with z alone.
    inclusion
        Name to a mask, one cell a row of the input or one a study; ``"all"`` is always there.
    level
        As in `pool`.

    Returns
    -------
    MultiverseResult
        One row an analysis, by rising estimate on the natural scale; `summary` holds the
        range. An analysis that failed (too few studies, no convergence) is not a row but
        listed in `warnings`.
    """
    studies = studies_of(effect, variance, 2, "A multiverse")
    found = _Analyses(_models(methods, tests, level))
    for name, mask in _sets(studies, inclusion).items():
        found.pool(studies.take(mask), name, studies.measure)
    return found.result(studies, studies.warnings)


def multiverse_proportions(
    events: ArrayLike | EffectSizes,
    n: ArrayLike | None = None,
    *,
    transforms: Sequence[str] = DEFAULT_TRANSFORMS,
    methods: Sequence[str] = DEFAULT_METHODS,
    tests: Sequence[str] = DEFAULT_TESTS,
    inclusion: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> MultiverseResult:
    """Pool proportions by each combination of scale, method, test and set of studies.

    Parameters
    ----------
    events, n
        Shape (k,); or what `proportions` returns.
    transforms
        Scales of `proportions`, and ``"glmm"``. The GLMM is fitted by ML alone, once with z
        and, if `tests` has Knapp-Hartung, once with t (k - 1).
    methods, tests, inclusion, level
        As in `multiverse`.
    """
    for transform in transforms:
        choose(transform, (*get_args(ProportionScale), "glmm"), "transform")
    studies, count, size = counts_of(events, n)
    require(studies.k, 2, "A multiverse", studies.excluded)
    kinds: list[Literal["z", "t"]] = [
        "z" if settings("REML", test).test == "z" else "t" for test in tests
    ]
    found = _Analyses(_models(methods, tests, level))
    for name, mask in _sets(studies, inclusion).items():
        for transform in transforms:
            if transform == "glmm":
                part = studies.take(mask)
                for kind in dict.fromkeys(kinds):
                    fit = partial(glmm, part, test=kind, level=level, tau2_interval="none")
                    found.add(fit, name, transform, kind)
                continue
            scale = cast("ProportionScale", transform)
            try:
                part = proportions(count[mask], size[mask], scale)
            except StatisticsError as error:
                found.fail(error.message, name, transform)
                continue
            found.pool(part, name, transform)
    return found.result(studies)


def _sets(studies: EffectSizes, inclusion: Mapping[str, ArrayLike] | None) -> dict[str, BoolArray]:
    sets: dict[str, BoolArray] = {"all": np.ones(studies.k, dtype=np.bool_)}
    for name, mask in (inclusion or {}).items():
        cells = np.asarray(mask)
        if cells.shape not in ((studies.given,), (studies.k,)) or cells.dtype.kind != "b":
            raise StatisticsError(
                f"Inclusion set {name!r} must hold {studies.given} times true or false."
            )
        sets[name] = studies.beside(cells, name).astype(np.bool_)
    return sets


def _models(methods: Sequence[str], tests: Sequence[str], level: float) -> list[Settings]:
    """Return each combination once; the common effect goes with z alone."""
    found = [
        settings(method, None if settings(method).common else test, level)
        for method in methods
        for test in tests
    ]
    return list(dict.fromkeys(found))


@dataclass
class _Analyses:
    """The analyses that succeeded, as rows, and notes on those that did not."""

    models: list[Settings]
    rows: list[Row] = field(default_factory=list)
    failed: list[Note] = field(default_factory=list)

    def fail(self, reason: str, *analysis: str) -> None:
        self.failed.append(Note.of("not-shown", analysis=analysis, reason=reason))

    def add(self, pool: Callable[[], PoolResult], name: str, transform: str, *model: str) -> None:
        try:
            pooled = pool()
        except StatisticsError as error:
            self.fail(error.message, name, transform, *model)
            return
        natural = pooled.back_transformed
        self.rows.append(
            {"transform": transform, "method": pooled.method, "test": pooled.test}
            | {"inclusion": name, "k": pooled.k}
            | {part: natural[part] for part in NATURAL}
            | {"tau2": pooled.tau2, "i2": pooled.i2, "p": pooled.p}
        )

    def pool(self, studies: EffectSizes, name: str, transform: str) -> None:
        if studies.k < 2:
            self.fail(f"only {plural(studies.k, 'study')}", name, transform)
            return
        for model in self.models:
            fit = partial(pool_studies, studies, model)
            self.add(fit, name, transform, model.method, model.test)

    def result(self, studies: EffectSizes, warnings: tuple[Note, ...] = ()) -> MultiverseResult:
        if not self.rows:
            raise StatisticsError(f"No analysis succeeded: {'; '.join(map(str, self.failed[:3]))}")
        self.rows.sort(key=lambda row: float(row["estimate"]))
        estimates = np.array([row["estimate"] for row in self.rows])
        for rank, row in enumerate(self.rows, start=1):
            row["rank"] = rank
        return MultiverseResult(
            kind="multiverse",
            method="several",
            test="several",
            table=tuple(self.rows),
            summary={
                "analyses": len(self.rows),
                "failed": len(self.failed),
                "median": float(np.median(estimates)),
                "smallest": float(estimates[0]),
                "largest": float(estimates[-1]),
                "lowest_ci": min(float(row["ci_low"]) for row in self.rows),
                "highest_ci": max(float(row["ci_high"]) for row in self.rows),
            },
            excluded=studies.excluded,
            warnings=(*warnings, *self.failed),
        )
