"""Which studies the answer hangs on: leave-one-out, cumulative, deletion diagnostics.

Source: Viechtbauer & Cheung (2010), Res Synth Methods 1:112, with metafor's cut-offs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions
from metaanalysis.stats.columns import BoolArray, FloatArray, vector
from metaanalysis.stats.design import build_design
from metaanalysis.stats.inference import Settings, settings
from metaanalysis.stats.least_squares import Fit, fit_one
from metaanalysis.stats.pool import pool_studies
from metaanalysis.stats.record import Row
from metaanalysis.stats.result_tables import InfluenceResult, TableResult
from metaanalysis.stats.results import PoolResult
from metaanalysis.stats.studies import EffectSizes, studies_of

_COLUMNS = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2", "q", "q_p", "k")
_NATURAL = ("estimate", "ci_low", "ci_high")


def _table_row(studies: EffectSizes, index: int, pooled: PoolResult) -> Row:
    natural = pooled.back_transformed
    return (
        {"label": studies.labels[index], "row": studies.rows[index]}
        | {name: getattr(pooled, name) for name in _COLUMNS}
        | {f"natural_{name}": natural[name] for name in _NATURAL}
    )


def leave_one_out(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
) -> TableResult:
    """Pool k times, each time without one of at least three studies.

    Parameters
    ----------
    effect, variance, method, test, level
        As in `pool`.
    """
    studies = studies_of(effect, variance, 3, "Leave-one-out")
    others = ~np.eye(studies.k, dtype=np.bool_)
    return _pooled_parts("leave-one-out", studies, studies, others, settings(method, test, level))


def cumulative(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    order: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
) -> TableResult:
    """Pool the first study, the first two, and so on.

    Parameters
    ----------
    effect, variance, method, test, level
        As in `pool`.
    order
        Sort key, one a row of the input or one a study, e.g. the year (ties keep their input
        order); default the input order. A missing key is an error.

    Notes
    -----
    With one study the row shows that study (z). With few, Knapp-Hartung intervals are wide:
    that is what so few studies can say.
    """
    studies = studies_of(effect, variance, 2, "A cumulative meta-analysis")
    ordered = replace(studies, warnings=(), excluded=())
    if order is not None:
        keys = vector(studies.beside(order, "order"), "order")
        if np.isnan(keys).any():
            row = studies.rows[int(np.flatnonzero(np.isnan(keys))[0])]
            raise StatisticsError(f"Row {row}, column 'order': missing (NaN).")
        ordered = ordered.take(np.argsort(keys, kind="stable"))
    first = np.tri(studies.k, dtype=np.bool_)
    return _pooled_parts("cumulative", studies, ordered, first, settings(method, test, level))


def _pooled_parts(
    kind: str, studies: EffectSizes, ordered: EffectSizes, parts: BoolArray, model: Settings
) -> TableResult:
    """Pool the part of the ordered studies that belongs to each of them, shape (k, k), and all."""
    rows = [
        _table_row(ordered, i, pool_studies(ordered.take(part), model))
        for i, part in enumerate(parts)
    ]
    full = pool_studies(studies, model, tau2_interval="q-profile")
    return TableResult(
        kind=kind,
        method=full.method,
        test=full.test,
        table=tuple(rows),
        full=full,
        excluded=studies.excluded,
        warnings=studies.warnings,
    )


def influence(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    moderators: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> InfluenceResult:
    """Compute deletion diagnostics of each study, with or without moderators.

    Parameters
    ----------
    effect, variance, method, test, level
        As in `pool`.
    moderators
        As in `regress`.

    Returns
    -------
    InfluenceResult
        Rows with `rstudent, dffits, cook, cov_ratio, tau2_deleted, q_deleted, hat, weight,
        dfbetas`; `influential` maps the studies that exceed a cut-off to the measures that
        say so, `cutoffs` holds the cut-offs.

    Notes
    -----
    Cut-offs (p coefficients): |dffits| > 3 sqrt(p/(k-p)); chi-square(p) probability of
    Cook's distance > 50 %; hat > 3p/k; |dfbetas| > 1. |rstudent| > 1.96 marks an outlier,
    not yet an influential study.
    """
    model = settings(method, test, level)
    studies = studies_of(effect, variance, 3, "Influence analysis")
    studies, columns = studies.complete(moderators or {})
    design = build_design(columns, studies.k).matrix
    k, p = design.shape
    if k - 1 <= p:
        raise StatisticsError(f"{k} studies are too few to delete one beside {p} coefficients.")
    whole = _Fitted(studies.effect, studies.variance, design, model)
    rows = [_diagnostics(studies, design, whole, model, i) for i in range(k)]
    limits = _cutoffs(k, p)
    flags = {row["label"]: found for row in rows if (found := _flags(row, limits))}
    return InfluenceResult(
        kind="influence",
        method=model.method,
        test=model.test,
        table=tuple(rows),
        full=pool_studies(studies, model) if p == 1 else None,
        influential=flags,
        cutoffs=limits,
        excluded=studies.excluded,
        warnings=studies.warnings,
    )


class _Fitted:
    """A fit with its tau2, the factor on its covariance, and Q."""

    def __init__(
        self, effect: FloatArray, variance: FloatArray, design: FloatArray, model: Settings
    ) -> None:
        self.tau2 = model.between(effect, variance, design)
        self.fit: Fit = fit_one(effect, 1.0 / (variance + self.tau2), design)
        df = effect.size - design.shape[1]
        self.scale = float(model.dispersion(self.fit.q, df)[0])
        self.q = float(fit_one(effect, 1.0 / variance, design).q[0])
        self.beta: FloatArray = self.fit.coefficients[0]
        self.covariance: FloatArray = self.fit.covariance[0] * self.scale


def _diagnostics(
    studies: EffectSizes, design: FloatArray, whole: _Fitted, model: Settings, i: int
) -> Row:
    """Return what deleting study `i` does."""
    keep = np.arange(studies.k) != i
    if np.linalg.matrix_rank(design[keep]) < design.shape[1]:
        raise StatisticsError(
            f"Row {studies.rows[i]} ({studies.labels[i]}) cannot be deleted: it alone "
            "carries a coefficient."
        )
    part = _Fitted(studies.effect[keep], studies.variance[keep], design[keep], model)
    line = design[i]
    spread = studies.variance[i] + part.tau2
    error = math.sqrt(float(part.scale * spread + line @ part.covariance @ line))
    shift = whole.beta - part.beta
    # dffits and dfbetas scale by the full design at the deleted tau2.
    refit = fit_one(studies.effect, 1.0 / (studies.variance + part.tau2), design)
    unit = refit.covariance[0] * part.scale
    hat = float(whole.fit.hat()[0][i])
    weights = whole.fit.weights[0]
    return {
        "label": studies.labels[i],
        "row": studies.rows[i],
        "rstudent": (float(studies.effect[i]) - float(line @ part.beta)) / error,
        "dffits": float(line @ shift) / math.sqrt(part.scale * hat * spread),
        "cook": float(shift @ np.linalg.inv(whole.covariance) @ shift),
        "cov_ratio": float(np.linalg.det(part.covariance) / np.linalg.det(whole.covariance)),
        "tau2_deleted": part.tau2,
        "q_deleted": part.q,
        "hat": hat,
        "weight": float((100.0 * weights / weights.sum())[i]),
        "dfbetas": tuple((shift / np.sqrt(np.diag(unit))).tolist()),
    }


def _cutoffs(k: int, p: int) -> dict[str, float]:
    """Return what marks an outlier (rstudent) or an influential study (the others)."""
    return {
        "rstudent": distributions.z_quantile(0.975),
        "dffits": 3.0 * math.sqrt(p / (k - p)),
        "cook": distributions.chi2_quantile(0.5, p),
        "hat": 3.0 * p / k,
        "dfbetas": 1.0,
    }


def _flags(row: Row, limits: Mapping[str, float]) -> tuple[str, ...]:
    sizes = {
        "dffits": abs(row["dffits"]),
        "cook": row["cook"] if math.isfinite(row["cook"]) else 0.0,
        "hat": row["hat"],
        "dfbetas": max(abs(value) for value in row["dfbetas"]),
    }
    return tuple(name for name, size in sizes.items() if size > limits[name])
