"""Likelihood of the three-level model: variance between clusters and within them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from db.errors import ConvergenceError
from metaanalysis.stats import tau2
from metaanalysis.stats.columns import BoolArray, FloatArray, IntArray

_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Solution at given variances: coefficients, (X'V^-1X)^-1, Py and the likelihood."""

    beta: FloatArray
    covariance: FloatArray
    projected: FloatArray
    weighted_design: FloatArray
    height: float


class ThreeLevel:
    """Likelihood of V = diag(v + s_within) + s_between J within clusters.

    V^-1 is a diagonal minus a rank one a cluster (Sherman-Morrison), so that everything
    costs a few passes over the data.
    """

    def __init__(
        self,
        effect: FloatArray,
        variance: FloatArray,
        codes: IntArray,
        design: FloatArray,
        restricted: bool,
    ) -> None:
        self.effect, self.variance, self.codes = effect, variance, codes
        self.design, self.restricted = design, restricted
        self.clusters = int(codes.max()) + 1

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum within clusters the columns, shape (clusters, columns)."""
        out = np.zeros((self.clusters, values.shape[1]))
        np.add.at(out, self.codes, values)
        return out

    def _inverse_times(self, values: FloatArray, sigma: FloatArray) -> FloatArray:
        diagonal = 1.0 / (self.variance + sigma[1])
        scaled = diagonal[:, None] * values
        total = self.sums(diagonal[:, None])
        factor = sigma[0] / (1.0 + sigma[0] * total)
        return np.asarray(scaled - diagonal[:, None] * (factor * self.sums(scaled))[self.codes])

    def solve(self, sigma: FloatArray) -> State:
        """Generalised least squares and the log-likelihood at (between, within)."""
        diagonal = 1.0 / (self.variance + sigma[1])
        total = self.sums(diagonal[:, None])[:, 0]
        logs = -np.log(diagonal).sum() + np.log1p(sigma[0] * total).sum()
        weighted = self._inverse_times(self.design, sigma)
        information = self.design.T @ weighted
        covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
        beta = covariance @ (weighted.T @ self.effect)
        residual = self.effect - self.design @ beta
        projected = self._inverse_times(residual[:, None], sigma)[:, 0]
        height = -0.5 * (float(logs) + float(residual @ projected))
        count = self.effect.size
        if self.restricted:
            height -= 0.5 * float(np.linalg.slogdet(information)[1])
            height += 0.5 * float(np.linalg.slogdet(self.design.T @ self.design)[1])
            count -= self.design.shape[1]
        return State(beta, covariance, projected, weighted, height - 0.5 * count * _LOG_2PI)

    def score(self, sigma: FloatArray) -> FloatArray:
        """Differentiate the log-likelihood by (between, within), shape (2,)."""
        state = self.solve(sigma)
        diagonal = 1.0 / (self.variance + sigma[1])
        total = self.sums(diagonal[:, None])[:, 0]
        squares = self.sums((diagonal**2)[:, None])[:, 0]
        factor = sigma[0] / (1.0 + sigma[0] * total)
        trace_between = float((total - factor * total**2).sum())
        trace_within = float(diagonal.sum() - (factor * squares).sum())
        by_cluster = self.sums(state.projected[:, None])[:, 0]
        if self.restricted:
            lines = self.sums(state.weighted_design)
            trace_between -= float(np.einsum("cp,pq,cq->", lines, state.covariance, lines))
            wide = state.weighted_design
            trace_within -= float(np.einsum("kp,pq,kq->", wide, state.covariance, wide))
        return np.array(
            [
                0.5 * (float(by_cluster @ by_cluster) - trace_between),
                0.5 * (float(state.projected @ state.projected) - trace_within),
            ]
        )


def maximise(model: ThreeLevel) -> FloatArray:
    """Global maximum over both variances >= 0, polished to a root of the score."""
    from scipy import optimize  # slow to import; other models do without

    scale = max(tau2.estimate_tau2(model.effect, model.variance, "DL", model.design), 1e-3)

    def cost(share: FloatArray) -> tuple[float, FloatArray]:
        sigma = share * scale
        return -model.solve(sigma).height, -scale * model.score(sigma)

    best, height = np.zeros(2), model.solve(np.zeros(2)).height
    for start in ((0.5, 0.5), (1.0, 0.02), (0.02, 1.0)):
        found = optimize.minimize(
            cost, np.array(start), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 2,
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 500},
        )  # fmt: skip
        if np.isfinite(found.fun) and -float(found.fun) > height:
            best, height = np.asarray(found.x, dtype=np.float64) * scale, -float(found.fun)
    best = np.where(best < 1e-9 * scale, 0.0, best)
    free = best > 0
    if free.any():
        best = _polish(model, best, free, scale)
    slope = model.score(best) * scale
    # Inside, the score must vanish; on the boundary it must not point inwards.
    if np.any(np.abs(slope[best > 0]) > 1e-6) or np.any(slope[best == 0] > 1e-6):
        raise ConvergenceError("The three-level likelihood did not settle.")
    return best


def _polish(model: ThreeLevel, best: FloatArray, free: BoolArray, scale: float) -> FloatArray:
    from scipy import optimize  # see above

    def equation(share: FloatArray) -> FloatArray:
        sigma = best.copy()
        sigma[free] = np.abs(share) * scale
        return np.asarray(model.score(sigma)[free] * scale, dtype=np.float64)

    found = optimize.root(equation, best[free] / scale, method="hybr", options={"xtol": 1e-14})
    polished = best.copy()
    polished[free] = np.abs(found.x) * scale
    before, after = model.solve(best).height, model.solve(polished).height
    return polished if after >= before - 1e-9 else best
