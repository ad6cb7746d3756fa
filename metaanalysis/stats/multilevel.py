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
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from db.wording import plural
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.columns import FloatArray, check_level, choose
from metaanalysis.stats.design import build_design
from metaanalysis.stats.inference import prediction, wald
from metaanalysis.stats.least_squares import fit_one
from metaanalysis.stats.notes import Note
from metaanalysis.stats.result_tables import MultilevelResult
from metaanalysis.stats.results import Coefficient
from metaanalysis.stats.studies import EffectSizes, studies_of
from metaanalysis.stats.three_level import State, ThreeLevel, maximise

Correction = Literal["model", "CR0", "CR1", "CR2"]
Working = Literal["three-level", "two-level"]
FEWEST_CLUSTERS = 4
#: With fewer Satterthwaite degrees of freedom a p value is not to be relied on.
FEWEST_DEGREES = 4


@dataclass(frozen=True, slots=True)
class Errors:
    """Where the errors of a multilevel model come from, and how it is tested.

    Attributes
    ----------
    correction
        ``"model"``: errors from the fitted model. ``"CR0"``, ``"CR1"`` (times m/(m-p) for m
        clusters and p coefficients, metafor's ``robust``), ``"CR2"`` (bias-reduced, with
        Satterthwaite degrees of freedom).
    test
        ``"t"``: m - p (model, CR0, CR1) or Satterthwaite (CR2) degrees of freedom; ``"z"``:
        normal, metafor's default for the model.
    """

    correction: Correction = "model"
    test: Literal["t", "z"] = "t"

    def __post_init__(self) -> None:
        choose(self.correction, get_args(Correction), "correction")
        choose(self.test, ("t", "z"), "test")


def pool_multilevel(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    cluster: Sequence[object] | None = None,
    moderators: Mapping[str, ArrayLike] | None = None,
    method: Literal["REML", "ML"] = "REML",
    *,
    errors: Errors | None = None,
    working: Working = "three-level",
    level: float = 0.95,
) -> MultilevelResult:
    """Fit the three-level model, with model-based or cluster-robust inference.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`, whose `missing` also decides about missing clusters.
    cluster
        The cluster of each row of the input, or of each effect.
    moderators
        As in `regress`; None for a pooled effect.
    method
        ``"REML"`` or ``"ML"``.
    errors
        Model-based with t unless asked otherwise.
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
    choose(method, ("REML", "ML"), "method")
    choose(working, get_args(Working), "working model")
    if cluster is None:
        raise StatisticsError("'cluster' is missing: it says which effects belong together.")
    check_level(level)
    studies = studies_of(effect, variance, 2, "A multilevel model")
    # A moderator may be called "cluster" too.
    name = "cluster" if "cluster" not in (moderators or {}) else "the cluster"
    beside = {name: np.array(cluster, dtype=object), **(moderators or {})}
    studies, columns = studies.complete(beside)
    codes = np.unique([str(cell) for cell in columns.pop(name)], return_inverse=True)[1]
    clusters = int(codes.max(initial=-1)) + 1
    if clusters < FEWEST_CLUSTERS:
        raise StatisticsError(
            f"{plural(clusters, 'cluster')} in {studies.k} effects: at least "
            f"{FEWEST_CLUSTERS} are needed, since neither a variance between clusters nor robust "
            "errors can be estimated from so few.",
            "Pool one effect a study instead.",
        )
    design = build_design(columns, studies.k)
    effects, variances = studies.effect, studies.variance
    model = ThreeLevel(effects, variances, codes.astype(np.int64), design.matrix, method == "REML")
    if working == "two-level":
        between = tau2.estimate_tau2(effects, variances, method, design.matrix)
        sigma = np.array([0.0, between])
    else:
        sigma = maximise(model)
    state = model.solve(sigma)
    errors = errors or Errors()
    covariance, dfs = _covariance(model, state, sigma, errors.correction, clusters)
    k, p = design.matrix.shape
    coefficients = [
        Coefficient(
            name=column,
            **wald(
                float(state.beta[j]),
                math.sqrt(covariance[j, j]),
                float(dfs[j]) if errors.test == "t" else None,
                level,
            ),
        )
        for j, column in enumerate(design.names)
    ]
    residual = fit_one(effects, 1.0 / variances, design.matrix)
    qe = float(residual.q[0])
    whole = float(sigma.sum()) + (k - p) / float(residual.trace_projection()[0])
    first = coefficients[0]
    expected = prediction(first.estimate, first.se, float(sigma.sum()), first.df, level)
    warnings = list(studies.warnings)
    few = float(np.min(dfs)) < FEWEST_DEGREES
    if errors == Errors("CR2", "t") and few:
        warnings.append(Note.of("few-degrees", least=FEWEST_DEGREES))
    if clusters == k:
        warnings.append(Note.of("single-effects"))
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
        test=errors.test,
        correction=errors.correction,
        level=level,
        log_likelihood=state.height,
        i2_between=100.0 * float(sigma[0]) / whole,
        i2_within=100.0 * float(sigma[1]) / whole,
        **(expected if p == 1 else {}),
        measure=studies.measure,
        excluded=studies.excluded,
        warnings=tuple(warnings),
    )


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
