"""Likelihood of the binomial-normal model, with its derivatives and its ascent.

The integral over z_i is done by adaptive Gauss-Hermite quadrature around each study's own
mode; with 61 nodes it is exact to about ten digits. Where tau is large the integrand of a
study at 0 % or 100 % is half a bell with a steep side, which Gauss-Hermite follows poorly:
there a trapezoid rule over the whole support takes over (it converges exponentially for such
integrands). The score and the Hessian are posterior expectations under the same nodes
(Fisher's and Louis's identities), so that Newton's method settles to machine precision.

Sources: Pinheiro & Bates (1995), J Comput Graph Stat 4:12 (quadrature); Louis (1982).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

from db.errors import ConvergenceError, StatisticsError
from metaanalysis.stats.columns import FloatArray

_MAX_STEPS = 200
#: Newton's method settles in a dozen steps or so; one that creeps on does not settle at all, and
#: the rule for steep integrands is tried.
_MOST_CLIMBS = 50
_LARGEST_TAU = 30.0
_GRID_POINTS = 241
_NEGLIGIBLE = 45.0
_BOTH = (True, True)
_ALL = slice(None)
#: Cells of a table of studies by nodes that are computed at a time: what fits a processor's cache.
_CELLS = 1 << 13


@lru_cache(maxsize=8)
def hermite(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return points and weights of Gauss-Hermite quadrature."""
    if nodes < 1:
        raise StatisticsError(f"nodes must be at least 1, not {nodes}.")
    points, weights = np.polynomial.hermite.hermgauss(nodes)
    return points.astype(np.float64), weights.astype(np.float64)


class Counts:
    """The data, and the log-likelihood with its first two derivatives by (mu, tau)."""

    def __init__(
        self, events: FloatArray, n: FloatArray, nodes: int, *, grid: bool = False
    ) -> None:
        for edge, share, limit in ((0 * n, "0 %", "upper"), (n, "100 %", "lower")):
            if (events == edge).all():
                raise StatisticsError(
                    f"Column 'events': all {events.size} studies are at {share}, so the logit has "
                    "no finite estimate.",
                    f"Report the pooled {limit} limit (rule of three) instead.",
                )
        self.events, self.n, self.nodes, self.grid = events, n, nodes, grid
        points, weights = hermite(nodes)
        self.points = points
        self.log_weights = np.log(weights) + points**2
        ways = (
            special.gammaln(n + 1) - special.gammaln(events + 1) - special.gammaln(n - events + 1)
        )
        self.constant = float(ways.sum())
        step = max(_CELLS // (_GRID_POINTS if grid else nodes), 1)
        self._slices = [slice(start, start + step) for start in range(0, events.size, step)]

    def refined(self) -> Counts:
        """Return the same data with the rule for steep integrands."""
        return Counts(self.events, self.n, self.nodes, grid=True)

    def modes(self, mu: float, tau: float, rows: slice = _ALL) -> FloatArray:
        """Most likely z of each study, shape (k,); the log density is concave in z."""
        events, n = self.events[rows], self.n[rows]
        z = np.zeros(events.size)
        for _ in range(_MAX_STEPS):
            p = special.expit(mu + tau * z)
            slope = tau * (events - n * p) - z
            curve = tau**2 * n * p * (1.0 - p) + 1.0
            # Steps beyond one logit unit leave the region where the quadratic holds.
            limit = 1.0 / max(abs(tau), 0.2)
            step = np.clip(slope / curve, -limit, limit)
            z = z + step
            if np.max(np.abs(step)) < 1e-9:
                break
        return z

    def _rule(
        self, mu: float, tau: float, rows: slice
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Nodes (k, m), log weights (m,) and the factor (k,) that turns sums to integrals."""
        z_mode = self.modes(mu, tau, rows)
        if self.grid:
            low, high = (self._end(mu, tau, z_mode, side, rows) for side in (-1.0, 1.0))
            steps = np.linspace(0.0, 1.0, _GRID_POINTS)
            z = low[:, None] + (high - low)[:, None] * steps
            # The caller divides by sqrt(pi) for Gauss-Hermite; here the constant is sqrt(2 pi).
            return z, np.zeros(steps.size), (high - low) * steps[1] / math.sqrt(2.0)
        p_mode = special.expit(mu + tau * z_mode)
        spread = 1.0 / np.sqrt(tau**2 * self.n[rows] * p_mode * (1.0 - p_mode) + 1.0)
        z = z_mode[:, None] + math.sqrt(2.0) * spread[:, None] * self.points
        return z, self.log_weights, spread

    def _end(self, mu: float, tau: float, mode: FloatArray, side: float, rows: slice) -> FloatArray:
        """Where the density has fallen to nothing on one side of the mode, by bisection.

        The log density curves at least as much as -z^2/2, so that the end is never farther
        from the mode than that of a standard normal density.
        """

        def density(z: FloatArray) -> FloatArray:
            eta = mu + tau * z
            value = self.events[rows] * eta - self.n[rows] * np.logaddexp(0.0, eta) - 0.5 * z**2
            return np.asarray(value, dtype=np.float64)

        floor = density(mode) - _NEGLIGIBLE
        inner = np.zeros(mode.size)
        outer = np.full(mode.size, math.sqrt(2.0 * _NEGLIGIBLE))
        for _ in range(12):
            middle = 0.5 * (inner + outer)
            beyond = density(mode + side * middle) < floor
            outer = np.where(beyond, middle, outer)
            inner = np.where(beyond, inner, middle)
        return np.asarray(mode + side * outer, dtype=np.float64)

    def evaluate(self, mu: float, tau: float) -> tuple[float, FloatArray, FloatArray]:
        """Log-likelihood, gradient of shape (2,) and Hessian of shape (2, 2)."""
        height, gradient, hessian = self._of(mu, tau, self._slices[0])
        for rows in self._slices[1:]:
            more = self._of(mu, tau, rows)
            height, gradient, hessian = height + more[0], gradient + more[1], hessian + more[2]
        return height + self.constant, gradient, hessian

    def _of(self, mu: float, tau: float, rows: slice) -> tuple[float, FloatArray, FloatArray]:
        """Return what some of the studies add."""
        z, log_weights, spread = self._rule(mu, tau, rows)
        eta = mu + tau * z
        events, n = self.events[rows, None], self.n[rows, None]
        terms = events * eta - n * np.logaddexp(0.0, eta) - 0.5 * z**2 + log_weights
        top = terms.max(axis=1, keepdims=True)
        shares = np.exp(terms - top)
        total = shares.sum(axis=1, keepdims=True)
        shares /= total
        parts = top[:, 0] + np.log(total[:, 0] * spread / math.sqrt(math.pi))
        height = float(parts.sum())
        p = special.expit(eta)
        residual = events - n * p
        first = (shares * residual).sum(axis=1)
        second = (shares * residual * z).sum(axis=1)
        gradient = np.array([first.sum(), second.sum()])
        bend = -n * p * (1.0 - p) + residual**2
        cross = float((shares * bend * z).sum() - first @ second)
        hessian = np.array(
            [
                [float((shares * bend).sum() - first @ first), cross],
                [cross, float((shares * bend * z**2).sum() - second @ second)],
            ]
        )
        return height, gradient, hessian


def climb(
    data: Counts, mu: float, tau: float, free: tuple[bool, bool] = _BOTH
) -> tuple[float, float, float]:
    """Damped Newton ascent over the free parameters; returns mu, tau and the height.

    Where the Hessian is not negative definite its eigenvalues are turned negative, so that
    each step still climbs.
    """
    picked = [index for index, kept in enumerate(free) if kept]
    at = np.array([mu, tau])
    height, gradient, hessian = data.evaluate(*at)
    for _ in range(_MOST_CLIMBS):
        values, vectors = np.linalg.eigh(hessian[np.ix_(picked, picked)])
        bent = np.maximum(np.abs(values), 1e-8)
        step = np.zeros(2)
        step[picked] = vectors @ ((vectors.T @ gradient[picked]) / bent)
        length = float(np.linalg.norm(step))
        step *= min(1.0, 2.0 / length) if length > 0 else 1.0
        # Newton converges quadratically: after a step this small the next is below rounding.
        settled = length < 1e-9 * (1.0 + float(np.linalg.norm(at)))
        for _ in range(40):
            new = at + step
            found = data.evaluate(*new)
            if found[0] >= height - 1e-12 * (1.0 + abs(height)):
                break
            step *= 0.5
        else:
            settled = True
            new, found = at, (height, gradient, hessian)
        at, (height, gradient, hessian) = new, found
        if abs(at[1]) > _LARGEST_TAU or abs(at[0]) > 100.0:
            raise ConvergenceError(
                "The binomial-normal likelihood keeps rising towards an infinite variance: "
                "the studies are all (nearly) at 0 % or 100 %."
            )
        if settled:
            if float(np.max(np.abs(gradient[picked]))) > 1e-5 * (1.0 + abs(height)):
                break
            return float(at[0]), float(at[1]), height
    raise ConvergenceError("The binomial-normal likelihood did not settle.")
