"""Several effects of one study: three-level model and cluster-robust variance.

Vocabulary: a *cluster* is a study (or team, or data set) that gives several effects. The
three-level model has a variance between clusters and one between the effects of a cluster;
cluster-robust (sandwich) errors stay valid when that working model is wrong.

Sources: Konstantopoulos (2011), Res Synth Methods 2:61; Bell & McCaffrey (2002), Surv
Methodol 28:169; Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672 (CR2, Satterthwaite).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.design import Design, build_design
from metaanalysis.stats.least_squares import fit_one, intercept_only
from metaanalysis.stats.pool import check_level, wald_statistic
from metaanalysis.stats.result_tables import MultilevelResult
from metaanalysis.stats.results import NAN, Coefficient
from metaanalysis.stats.studies import (
    BoolArray,
    EffectSizes,
    FloatArray,
    IntArray,
    Missing,
    RowCheck,
    as_effect_sizes,
    is_missing,
    names,
    vector,
)
from metaanalysis.stats.three_level import State, ThreeLevel, maximise

Correction = Literal["model", "CR0", "CR1", "CR2"]
FEWEST_CLUSTERS = 4


def pool_multilevel(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    cluster: Sequence[object] | None = None,
    moderators: Mapping[str, ArrayLike] | None = None,
    method: Literal["REML", "ML"] = "REML",
    *,
    correction: Correction = "model",
    test: Literal["t", "z"] = "t",
    working: Literal["three-level", "two-level"] = "three-level",
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    measure: str | None = None,
    missing: Missing = "error",
) -> MultilevelResult:
    """Fit the three-level model, with model-based or cluster-robust inference.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`.
    cluster
        Shape (k,): the cluster of each effect.
    moderators
        As in `regress`; None for a pooled effect.
    method
        ``"REML"`` or ``"ML"``.
    correction
        ``"model"``: errors from the fitted model. ``"CR0"``, ``"CR1"`` (times m/(m-p) for m
        clusters and p coefficients, metafor's ``robust``), ``"CR2"`` (bias-reduced, with
        Satterthwaite degrees of freedom).
    test
        ``"t"``: m - p (model, CR0, CR1) or Satterthwaite (CR2) degrees of freedom; ``"z"``:
        normal, metafor's default for the model.
    working
        ``"three-level"``, or ``"two-level"``: one variance between effects, clusters ignored
        by the model and left to the robust errors.

    Raises
    ------
    StatisticsError
        For fewer than four clusters: a variance between so few is guesswork and robust
        errors are far too small.
    ConvergenceError
        If the likelihood does not settle.
    """
    if method not in ("REML", "ML"):
        raise StatisticsError(f"method must be 'REML' or 'ML', not {method!r}.")
    if correction not in ("model", "CR0", "CR1", "CR2"):
        raise StatisticsError(
            f"No such correction: {correction!r}.", "Known: model, CR0, CR1, CR2."
        )
    if cluster is None:
        raise StatisticsError("'cluster' is missing: it says which effects belong together.")
    check_level(level)
    studies, codes, design = _align(effect, variance, cluster, moderators, labels, measure, missing)
    clusters = int(codes.max()) + 1
    if clusters < FEWEST_CLUSTERS:
        raise StatisticsError(
            f"{clusters} cluster{'s' if clusters != 1 else ''} in {studies.k} effects: at least "
            f"{FEWEST_CLUSTERS} are needed, since neither a variance between clusters nor robust "
            "errors can be estimated from so few.",
            "Pool one effect a study instead.",
        )
    model = ThreeLevel(studies.effect, studies.variance, codes, design.matrix, method == "REML")
    if working == "two-level":
        sigma = np.array(
            [0.0, tau2.estimate_tau2(studies.effect, studies.variance, method, design.matrix)]
        )
    else:
        sigma = maximise(model)
    state = model.solve(sigma)
    covariance, dfs = _covariance(model, state, sigma, correction, clusters)
    return _result(
        studies, design, state, sigma, covariance, dfs, clusters, method, test, correction,
        level, working,
    )  # fmt: skip


def _align(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None,
    cluster: Sequence[object],
    moderators: Mapping[str, ArrayLike] | None,
    labels: Sequence[object] | None,
    measure: str | None,
    missing: Missing,
) -> tuple[EffectSizes, IntArray, Design]:
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, measure=measure, minimum=2,
        what="A multilevel model",
    )  # fmt: skip
    given = effect.k if isinstance(effect, EffectSizes) else vector(effect, "effect").size
    if len(cluster) != given:
        raise StatisticsError(f"'cluster' has {len(cluster)} rows where {given} are expected.")
    shown = effect.labels if isinstance(effect, EffectSizes) else names(labels, given)
    index = np.arange(given) if isinstance(effect, EffectSizes) else np.array(studies.rows) - 1
    used: BoolArray = np.zeros(given, dtype=np.bool_)
    used[index] = True
    check = RowCheck(given, shown, missing)
    blank = [is_missing(cell) for cell in cluster]
    check.keep &= used
    check.gap(np.array(blank), "cluster", "missing")
    for name, values in (moderators or {}).items():
        cells = np.asarray(values, dtype=object).ravel()
        if cells.size != given:
            raise StatisticsError(f"{name!r} has {cells.size} rows where {given} are expected.")
        check.gap(np.array([is_missing(cell) for cell in cells]), name, "missing")
    kept = studies.take(check.keep[index])
    if check.excluded:
        kept = EffectSizes(
            kept.effect, kept.variance, kept.labels, kept.rows, kept.measure, kept.back,
            kept.size, (*kept.excluded, *check.excluded), kept.warnings,
        )  # fmt: skip
    texts = [str(c) for c, keep in zip(cluster, check.keep, strict=True) if keep]
    codes = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    if moderators:
        columns = {
            name: np.array(np.asarray(values, dtype=object).ravel()[check.keep].tolist())
            for name, values in moderators.items()
        }
        design = build_design(columns, np.ones(kept.k, dtype=np.bool_))
    else:
        design = Design(intercept_only(kept.k), ("intercept",), (), True, {})
    return kept, codes, design


def _covariance(
    model: ThreeLevel, state: State, sigma: FloatArray, correction: Correction, clusters: int
) -> tuple[FloatArray, FloatArray]:
    """Covariance (p, p) of the coefficients and degrees of freedom (p,)."""
    p = model.design.shape[1]
    if correction == "model":
        # Clusters, not effects: the mean varies from cluster to cluster (metafor's default is z).
        return state.covariance, np.full(p, float(clusters - p))
    if correction == "CR2":
        return _bias_reduced(model, state, sigma)
    residual = model.effect - model.design @ state.beta
    lines = model.sums(state.weighted_design * residual[:, None])
    meat = lines.T @ lines
    sandwich = state.covariance @ meat @ state.covariance
    if correction == "CR1":
        sandwich = sandwich * clusters / (clusters - p)
    return sandwich, np.full(p, float(clusters - p))


def _bias_reduced(
    model: ThreeLevel, state: State, sigma: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """CR2: adjust each cluster's residuals so that the sandwich is unbiased under V."""
    k, p = model.design.shape
    residual = model.effect - model.design @ state.beta
    meat = np.zeros((p, p))
    # Row i of `reach[j]` is the i-th cluster's share in coefficient j, as a function of y.
    reach = np.zeros((p, model.clusters, k))
    for code in range(model.clusters):
        rows = np.flatnonzero(model.codes == code)
        x = model.design[rows]
        v = np.diag(model.variance[rows] + sigma[1]) + sigma[0]
        root = np.linalg.cholesky(v).T
        centre = root @ (v - x @ state.covariance @ x.T) @ root.T
        values, vectors = np.linalg.eigh(centre)
        # A cluster that alone carries a coefficient has eigenvalues of 0: Moore-Penrose.
        kept = values > 1e-10 * values.max(initial=0.0)
        power = np.zeros_like(values)
        power[kept] = values[kept] ** -0.5
        adjust = root.T @ (vectors * power) @ vectors.T @ root
        line = state.covariance @ state.weighted_design[rows].T @ adjust
        own = line @ residual[rows]
        meat += np.outer(own, own)
        # adjust (I - H)_rows y: what the fit leaves of the cluster, adjusted and weighted.
        reach[:, code, rows] += line
        reach[:, code, :] -= line @ x @ state.covariance @ state.weighted_design.T
    dfs = np.empty(p)
    for j in range(p):
        spread = _times_v(model, reach[j].T, sigma)
        gram = reach[j] @ spread
        dfs[j] = np.trace(gram) ** 2 / float((gram**2).sum())
    return meat, dfs


def _times_v(model: ThreeLevel, values: FloatArray, sigma: FloatArray) -> FloatArray:
    diagonal = (model.variance + sigma[1])[:, None] * values
    return np.asarray(diagonal + sigma[0] * model.sums(values)[model.codes])


def _result(
    studies: EffectSizes,
    design: Design,
    state: State,
    sigma: FloatArray,
    covariance: FloatArray,
    dfs: FloatArray,
    clusters: int,
    method: str,
    test: str,
    correction: str,
    level: float,
    working: str,
) -> MultilevelResult:
    k, p = design.matrix.shape
    coefficients = []
    for j, name in enumerate(design.names):
        se = math.sqrt(covariance[j, j])
        df = float(dfs[j]) if test == "t" else None
        statistic = wald_statistic(float(state.beta[j]), se)
        half = distributions.critical_value(level, df) * se
        coefficients.append(
            Coefficient(
                name=name,
                estimate=float(state.beta[j]),
                se=se,
                statistic=statistic,
                df=df,
                p=distributions.two_sided_p(statistic, df),
                ci_low=float(state.beta[j]) - half,
                ci_high=float(state.beta[j]) + half,
            )
        )
    residual = fit_one(studies.effect, 1.0 / studies.variance, design.matrix)
    qe = float(residual.q[0])
    typical = (k - p) / float(residual.trace_projection()[0])
    whole = float(sigma.sum()) + typical
    low = high = NAN
    distribution = "none"
    warnings = list(studies.warnings)
    if p == 1:
        first = coefficients[0]
        wide = distributions.critical_value(level, first.df) * math.sqrt(
            first.se**2 + float(sigma.sum())
        )
        low, high = first.estimate - wide, first.estimate + wide
        distribution = "z" if first.df is None else f"t({first.df:.4g})"
    if test == "t" and correction == "CR2" and float(np.min(dfs)) < 4.0:
        warnings.append("Satterthwaite degrees of freedom below 4: p values are unreliable")
    if clusters == k:
        warnings.append("every cluster has one effect: the two variances cannot be told apart")
    return MultilevelResult(
        coefficients=tuple(coefficients),
        sigma2_between=float(sigma[0]),
        sigma2_within=float(sigma[1]),
        qe=qe,
        qe_df=k - p,
        qe_p=distributions.chi2_p(qe, k - p),
        k=k,
        clusters=clusters,
        method=f"{method} ({working})",
        test=test,
        correction=correction,
        level=level,
        log_likelihood=state.height,
        i2_between=100.0 * float(sigma[0]) / whole,
        i2_within=100.0 * float(sigma[1]) / whole,
        pi_low=low,
        pi_high=high,
        pi_distribution=distribution,
        measure=studies.measure,
        excluded=studies.excluded,
        warnings=tuple(warnings),
    )
