"""Every defensible analysis of the same data, side by side.

Source: Steegen et al. (2016), Perspect Psychol Sci 11:702; Voracek, Kossmeier & Tran (2019),
Z Psychol 227:64 for meta-analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats.effects import ProportionScale, proportions
from metaanalysis.stats.glmm import glmm
from metaanalysis.stats.pool import method_name, model_test, pool_studies
from metaanalysis.stats.result_tables import MultiverseResult
from metaanalysis.stats.results import PoolResult, Row
from metaanalysis.stats.studies import (
    BoolArray,
    EffectSizes,
    Exclusion,
    Missing,
    as_effect_sizes,
    checked_counts,
    choose,
    vector,
)
from metaanalysis.stats.transforms import BackTransform

DEFAULT_TRANSFORMS = ("glmm", "logit", "arcsine", "freeman-tukey", "raw")
DEFAULT_METHODS = ("REML", "PM", "DL", "common")
DEFAULT_TESTS = ("knapp-hartung", "z")
_NATURAL = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


def multiverse(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    tests: Sequence[str] = DEFAULT_TESTS,
    inclusion: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    measure: str | None = None,
    missing: Missing = "error",
) -> MultiverseResult:
    """Pool effects by each combination of method, test and set of studies.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`.
    methods, tests
        As in `pool`. The common effect goes with z alone.
    inclusion
        Name to mask of shape (k,) over the input rows; ``"all"`` is always there.
    level, labels, back_transform, measure, missing
        As in `pool`.

    Returns
    -------
    MultiverseResult
        One row an analysis, by rising estimate on the natural scale; `summary` holds the
        range. An analysis that failed (too few studies, no convergence) is not a row but
        listed in `warnings`.
    """
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        measure=measure, minimum=2, what="A multiverse",
    )  # fmt: skip
    given = effect.k if isinstance(effect, EffectSizes) else vector(effect, "effect").size
    index = np.arange(given) if isinstance(effect, EffectSizes) else np.array(studies.rows) - 1
    rows: list[Row] = []
    failed: list[str] = []
    for set_name, mask in _sets(inclusion, given).items():
        part = studies.take(mask[index])
        _pooled(part, studies.measure, set_name, methods, tests, level, rows, failed)
    return _finish(rows, failed, studies.excluded, studies.warnings)


def multiverse_proportions(
    events: ArrayLike,
    n: ArrayLike,
    *,
    transforms: Sequence[str] = DEFAULT_TRANSFORMS,
    methods: Sequence[str] = DEFAULT_METHODS,
    tests: Sequence[str] = DEFAULT_TESTS,
    inclusion: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> MultiverseResult:
    """Pool proportions by each combination of scale, method, test and set of studies.

    Parameters
    ----------
    events, n
        Shape (k,).
    transforms
        Scales of `proportions`, and ``"glmm"``. The GLMM is fitted by ML alone, once with z
        and, if `tests` has Knapp-Hartung, once with t (k - 1).
    methods, tests, inclusion, level, labels, missing
        As in `multiverse`.
    """
    for transform in transforms:
        choose(transform, (*get_args(ProportionScale), "glmm"), "transform")
    count, size, check = checked_counts(events, n, labels, missing)
    check.require(2, "A multiverse")
    kept, total = count[check.keep], size[check.keep]
    shown = check.kept_labels()
    rows: list[Row] = []
    failed: list[str] = []
    for set_name, mask in _sets(inclusion, count.size).items():
        chosen = mask[check.keep]
        part, part_n = kept[chosen], total[chosen]
        names = [label for label, use in zip(shown, chosen, strict=True) if use]
        for transform in transforms:
            if transform == "glmm":
                _modelled(part, part_n, names, set_name, tests, level, rows, failed)
                continue
            try:
                studies = proportions(
                    part, part_n, cast("ProportionScale", transform), labels=names
                )
            except StatisticsError as error:
                failed.append(f"{set_name}, {transform}: {error.message}")
                continue
            _pooled(studies, transform, set_name, methods, tests, level, rows, failed)
    return _finish(rows, failed, tuple(check.excluded), ())


def _sets(inclusion: Mapping[str, ArrayLike] | None, length: int) -> dict[str, BoolArray]:
    sets: dict[str, BoolArray] = {"all": np.ones(length, dtype=np.bool_)}
    for name, mask in (inclusion or {}).items():
        cells = np.asarray(mask)
        if cells.shape != (length,) or cells.dtype.kind != "b":
            raise StatisticsError(f"Inclusion set {name!r} must hold {length} times true or false.")
        sets[name] = cells
    return sets


def _row(pooled: PoolResult, transform: str, set_name: str) -> Row:
    natural = pooled.back_transformed
    return (
        {"transform": transform, "method": pooled.method, "test": pooled.test}
        | {"inclusion": set_name, "k": pooled.k}
        | {name: natural[name] for name in _NATURAL}
        | {"tau2": pooled.tau2, "i2": pooled.i2, "p": pooled.p}
    )


def _combinations(methods: Sequence[str], tests: Sequence[str]) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for method in methods:
        name = method_name(method)
        for test in tests:
            pair = (name, "z") if name == "common" else (name, model_test(name, test))
            if pair not in out:
                out.append(pair)
    return out


def _pooled(
    studies: EffectSizes,
    transform: str,
    set_name: str,
    methods: Sequence[str],
    tests: Sequence[str],
    level: float,
    rows: list[Row],
    failed: list[str],
) -> None:
    if studies.k < 2:
        failed.append(f"{set_name}, {transform}: only {studies.k} studies")
        return
    for method, test in _combinations(methods, tests):
        try:
            pooled = pool_studies(studies, method, test, level=level)
        except StatisticsError as error:
            failed.append(f"{set_name}, {transform}, {method}, {test}: {error.message}")
            continue
        rows.append(_row(pooled, transform, set_name))


def _modelled(
    events: ArrayLike,
    n: ArrayLike,
    names: Sequence[str],
    set_name: str,
    tests: Sequence[str],
    level: float,
    rows: list[Row],
    failed: list[str],
) -> None:
    kinds = [("t" if "knapp" in model_test("REML", test) else "z") for test in tests]
    for kind in dict.fromkeys(kinds):
        try:
            pooled = glmm(
                events,
                n,
                test=cast("Literal['z', 't']", kind),
                labels=names,
                level=level,
                tau2_interval="none",
            )
        except StatisticsError as error:
            failed.append(f"{set_name}, glmm, {kind}: {error.message}")
            continue
        rows.append(_row(pooled, "glmm", set_name))


def _finish(
    rows: list[Row],
    failed: list[str],
    excluded: tuple[Exclusion, ...],
    warnings: tuple[str, ...],
) -> MultiverseResult:
    if not rows:
        raise StatisticsError(f"No analysis succeeded: {'; '.join(failed[:3])}")
    rows.sort(key=lambda row: float(row["estimate"]))
    estimates = np.array([row["estimate"] for row in rows])
    for rank, row in enumerate(rows, start=1):
        row["rank"] = rank
    summary = {
        "analyses": len(rows),
        "failed": len(failed),
        "median": float(np.median(estimates)),
        "smallest": float(estimates[0]),
        "largest": float(estimates[-1]),
        "lowest_ci": min(float(row["ci_low"]) for row in rows),
        "highest_ci": max(float(row["ci_high"]) for row in rows),
    }
    return MultiverseResult(
        kind="multiverse",
        method="several",
        test="several",
        table=tuple(rows),
        summary=summary,
        excluded=excluded,
        warnings=(*warnings, *(f"not shown: {text}" for text in failed)),
    )
