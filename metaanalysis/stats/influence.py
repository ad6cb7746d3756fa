"""Which studies the answer hangs on: leave-one-out, cumulative, deletion diagnostics.

Source: Viechtbauer & Cheung (2010), Res Synth Methods 1:112, with metafor's cut-offs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.design import build_design
from metaanalysis.stats.least_squares import Fit, fit_one, intercept_only
from metaanalysis.stats.pool import method_name, model_test, pool_studies
from metaanalysis.stats.regression import align
from metaanalysis.stats.result_tables import InfluenceResult, TableResult
from metaanalysis.stats.results import PoolResult, Row
from metaanalysis.stats.studies import EffectSizes, FloatArray, Missing, as_effect_sizes
from metaanalysis.stats.transforms import BackTransform

_COLUMNS = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2", "q", "q_p", "k")
_NATURAL = ("estimate", "ci_low", "ci_high")


def _table_row(label: str, row: int, pooled: PoolResult) -> Row:
    natural = pooled.back_transformed
    return (
        {"label": label, "row": row}
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
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    missing: Missing = "error",
) -> TableResult:
    """Pool k times, each time without one of at least three studies."""
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        minimum=3, what="Leave-one-out",
    )  # fmt: skip
    full = pool_studies(studies, method, test, level=level, tau2_interval="q-profile")
    rows = []
    for index in range(studies.k):
        keep = np.arange(studies.k) != index
        without = pool_studies(studies.take(keep), method, test, level=level)
        rows.append(_table_row(studies.labels[index], studies.rows[index], without))
    return TableResult(
        kind="leave-one-out", method=full.method, test=full.test, table=tuple(rows), full=full,
        excluded=studies.excluded, warnings=studies.warnings,
    )  # fmt: skip


def cumulative(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    order: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    missing: Missing = "error",
) -> TableResult:
    """Pool the first study, the first two, and so on.

    Parameters
    ----------
    order
        Shape (k,): sort key, e.g. the year (ties keep their input order); default the input
        order. A missing key is an error.

    Notes
    -----
    With one study the row shows that study (z). With few, Knapp-Hartung intervals are wide:
    that is what so few studies can say.
    """
    if order is not None and not isinstance(effect, EffectSizes):
        keys = np.asarray(order, dtype=np.float64)
        values = np.asarray(effect, dtype=np.float64)
        if keys.shape != values.shape:
            raise StatisticsError(f"'order' has {keys.size} rows where {values.size} are expected.")
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        minimum=2, what="A cumulative meta-analysis",
    )  # fmt: skip
    if order is None:
        sorter = np.arange(studies.k)
    else:
        keys = np.asarray(order, dtype=np.float64)
        if not isinstance(effect, EffectSizes):
            keys = keys[np.array(studies.rows) - 1]
        if keys.size != studies.k:
            raise StatisticsError(f"'order' has {keys.size} rows where {studies.k} are expected.")
        if np.isnan(keys).any():
            row = studies.rows[int(np.flatnonzero(np.isnan(keys))[0])]
            raise StatisticsError(f"Row {row}, column 'order': missing (NaN).")
        sorter = np.argsort(keys, kind="stable")
    ordered = EffectSizes(
        studies.effect[sorter],
        studies.variance[sorter],
        tuple(studies.labels[i] for i in sorter),
        tuple(studies.rows[i] for i in sorter),
        studies.measure,
        studies.back,
    )
    name = method_name(method)
    chosen = model_test(name, test)
    rows = []
    for count in range(1, studies.k + 1):
        first = pool_studies(ordered.take(np.arange(studies.k) < count), name, chosen, level=level)
        rows.append(_table_row(ordered.labels[count - 1], ordered.rows[count - 1], first))
    full = pool_studies(studies, name, chosen, level=level, tau2_interval="q-profile")
    return TableResult(
        kind="cumulative", method=name, test=chosen, table=tuple(rows), full=full,
        excluded=studies.excluded, warnings=studies.warnings,
    )  # fmt: skip


def influence(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    moderators: Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> InfluenceResult:
    """Compute deletion diagnostics of each study, with or without moderators.

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
    name = method_name(method)
    chosen = model_test(name, test)
    if moderators is None:
        studies = as_effect_sizes(
            effect, variance, labels=labels, missing=missing, minimum=3, what="Influence analysis"
        )
        design, excluded = intercept_only(studies.k), studies.excluded
    else:
        studies, columns, excluded = align(
            effect, variance, moderators, labels, missing, None, None
        )
        design = build_design(columns, np.ones(studies.k, dtype=np.bool_)).matrix
    k, p = design.shape
    if k - 1 <= p:
        raise StatisticsError(f"{k} studies are too few to delete one beside {p} coefficients.")
    whole = _fitted(studies.effect, studies.variance, design, name, chosen)
    full_inverse = np.linalg.inv(whole.covariance)
    rows: list[Row] = []
    flags: dict[str, tuple[str, ...]] = {}
    hat = whole.fit.hat()[0]
    percent = 100.0 * whole.fit.weights[0] / whole.fit.weights[0].sum()
    for i in range(k):
        keep = np.arange(k) != i
        if np.linalg.matrix_rank(design[keep]) < p:
            raise StatisticsError(
                f"Row {studies.rows[i]} ({studies.labels[i]}) cannot be deleted: it alone "
                "carries a coefficient."
            )
        part = _fitted(studies.effect[keep], studies.variance[keep], design[keep], name, chosen)
        line = design[i]
        predicted = float(line @ part.beta)
        spread = studies.variance[i] + part.tau2
        error = math.sqrt(float(part.scale * spread + line @ part.covariance @ line))
        shift = whole.beta - part.beta
        # dffits and dfbetas scale by the full design at the deleted tau2.
        refit = fit_one(studies.effect, 1.0 / (studies.variance + part.tau2), design)
        unit = refit.covariance[0] * part.scale
        row: Row = {
            "label": studies.labels[i],
            "row": studies.rows[i],
            "rstudent": (float(studies.effect[i]) - predicted) / error,
            "dffits": float(line @ shift) / math.sqrt(part.scale * float(hat[i]) * spread),
            "cook": float(shift @ full_inverse @ shift),
            "cov_ratio": float(np.linalg.det(part.covariance) / np.linalg.det(whole.covariance)),
            "tau2_deleted": part.tau2,
            "q_deleted": part.q,
            "hat": float(hat[i]),
            "weight": float(percent[i]),
            "dfbetas": tuple((shift / np.sqrt(np.diag(unit))).tolist()),
        }
        rows.append(row)
        found = _flags(row, k, p)
        if found:
            flags[studies.labels[i]] = found
    full = pool_studies(studies, name, chosen, level=level) if p == 1 else None
    return InfluenceResult(
        kind="influence", method=name, test=chosen, table=tuple(rows), full=full,
        influential=flags, cutoffs=_cutoffs(k, p), excluded=excluded, warnings=studies.warnings,
    )  # fmt: skip


class _Fitted:
    """A fit with its tau2 and scaled covariance."""

    def __init__(self, fit: Fit, tau2_value: float, scale: float, q: float) -> None:
        self.fit = fit
        self.tau2 = tau2_value
        self.scale = scale
        self.q = q
        self.beta: FloatArray = fit.coefficients[0]
        self.covariance: FloatArray = fit.covariance[0] * scale


def _fitted(
    effect: FloatArray, variance: FloatArray, design: FloatArray, method: str, test: str
) -> _Fitted:
    between = 0.0
    if method != "common":
        between = tau2.estimate_tau2(effect, variance, method, design)
    fitted = fit_one(effect, 1.0 / (variance + between), design)
    scale = 1.0
    if test != "z":
        scale = float(fitted.q[0]) / (effect.size - design.shape[1])
        scale = max(1.0, scale) if test.endswith("adhoc") else scale
    return _Fitted(fitted, between, scale, float(fit_one(effect, 1.0 / variance, design).q[0]))


def _cutoffs(k: int, p: int) -> dict[str, float]:
    """Return what marks an outlier (rstudent) or an influential study (the others)."""
    return {
        "rstudent": distributions.z_quantile(0.975),
        "dffits": 3.0 * math.sqrt(p / (k - p)),
        "cook": distributions.chi2_quantile(0.5, p),
        "hat": 3.0 * p / k,
        "dfbetas": 1.0,
    }


def _flags(row: Row, k: int, p: int) -> tuple[str, ...]:
    cook, limits = row["cook"], _cutoffs(k, p)
    measures = {
        "dffits": abs(row["dffits"]) > limits["dffits"],
        "cook": math.isfinite(cook) and cook > limits["cook"],
        "hat": row["hat"] > limits["hat"],
        "dfbetas": max(abs(value) for value in row["dfbetas"]) > limits["dfbetas"],
    }
    return tuple(name for name, hit in measures.items() if hit)
