"""Weighted least squares with known variances, for one data set or a batch of them.

Everything the variance estimators and tests need comes from here. With weights w, design X
and effects y: b = (X'WX)^-1 X'Wy, and P = W - WX(X'WX)^-1X'W projects the fit out.
All arrays carry a leading batch axis B; a single fit has B = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metaanalysis.stats.columns import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A weighted fit of B data sets with k studies and p coefficients.

    Attributes
    ----------
    weights, residuals
        Shape (B, k).
    coefficients, covariance
        Shapes (B, p) and (B, p, p); the covariance is (X'WX)^-1.
    design
        Shape (B or 1, k, p).
    q
        Weighted residual sum of squares, shape (B,).
    """

    weights: FloatArray
    residuals: FloatArray
    coefficients: FloatArray
    covariance: FloatArray
    design: FloatArray
    q: FloatArray

    def trace_projection(self) -> FloatArray:
        """Trace of P, shape (B,)."""
        return self.weights.sum(axis=1) - _trace(
            self.covariance @ _cross(self.design, self.weights**2)
        )

    def trace_projection_squared(self) -> FloatArray:
        """Trace of PP, shape (B,)."""
        second = self.covariance @ _cross(self.design, self.weights**2)
        third = self.covariance @ _cross(self.design, self.weights**3)
        return (self.weights**2).sum(axis=1) - 2.0 * _trace(third) + _trace(second @ second)

    def trace_projected(self, variances: FloatArray) -> FloatArray:
        """Trace of PV for diagonal V, shape (B,)."""
        inner = _cross(self.design, self.weights**2 * variances)
        return (self.weights * variances).sum(axis=1) - _trace(self.covariance @ inner)

    def squared_projection(self) -> FloatArray:
        """y'PPy, shape (B,): minus the derivative of Q by tau2."""
        return ((self.weights * self.residuals) ** 2).sum(axis=1)

    def cubed_projection(self) -> FloatArray:
        """y'PPPy, shape (B,)."""
        projected = self.weights * self.residuals
        moment = np.einsum("bkp,bk->bp", self.design, self.weights * projected)
        inside = np.einsum("bp,bpq,bq->b", moment, self.covariance, moment)
        return (self.weights * projected**2).sum(axis=1) - inside

    def hat(self) -> FloatArray:
        """Leverages, shape (B, k)."""
        quadratic = np.einsum("bkp,bpq,bkq->bk", self.design, self.covariance, self.design)
        return self.weights * quadratic

    def log_determinant(self) -> FloatArray:
        """Log determinant of X'WX, shape (B,)."""
        return -np.linalg.slogdet(self.covariance)[1]


def fit(effect: FloatArray, weights: FloatArray, design: FloatArray) -> Fit:
    """Fit B data sets at once.

    Parameters
    ----------
    effect, weights
        Shape (B, k). A weight of 0 takes a cell out of the data set.
    design
        Shape (B or 1, k, p), of full rank.
    """
    cross = _cross(design, weights)
    if design.shape[2] == 1:
        covariance = 1.0 / cross
    else:
        inverse = np.asarray(np.linalg.inv(cross), dtype=np.float64)
        covariance = 0.5 * (inverse + np.swapaxes(inverse, 1, 2))
    moment = _apply(design, weights * effect)
    coefficients = np.einsum("bpq,bq->bp", covariance, moment)
    residuals = effect - _predict(design, coefficients)
    # One step of iterative refinement: with weights of very different size the normal
    # equations lose digits, and the score equations below need them.
    refinement = np.einsum("bpq,bq->bp", covariance, _apply(design, weights * residuals))
    coefficients = np.asarray(coefficients + refinement, dtype=np.float64)
    residuals = effect - _predict(design, coefficients)
    q = (weights * residuals**2).sum(axis=1)
    return Fit(weights, residuals, coefficients, covariance, design, q)


def fit_one(effect: FloatArray, weights: FloatArray, design: FloatArray | None = None) -> Fit:
    """Fit one data set: shapes (k,), (k,), (k, p), else an intercept; the result has B = 1."""
    matrix = intercept_only(effect.size) if design is None else design
    return fit(effect[None, :], weights[None, :], matrix[None, :, :])


def intercept_only(k: int) -> FloatArray:
    """Design of a model without moderators, shape (k, 1)."""
    return np.ones((k, 1), dtype=np.float64)


def _cross(design: FloatArray, weights: FloatArray) -> FloatArray:
    if design.shape[2] == 1:
        total = (weights * design[:, :, 0] ** 2).sum(axis=1)
        return np.asarray(total[:, None, None], dtype=np.float64)
    if design.shape[0] == 1:
        k, p = design.shape[1:]
        outer = (design[0][:, :, None] * design[0][:, None, :]).reshape(k, p * p)
        return np.asarray(weights @ outer, dtype=np.float64).reshape(-1, p, p)
    moment = np.swapaxes(design, 1, 2) @ (weights[:, :, None] * design)
    return np.asarray(moment, dtype=np.float64)


def _apply(design: FloatArray, values: FloatArray) -> FloatArray:
    if design.shape[0] == 1:
        return np.asarray(values @ design[0], dtype=np.float64)
    return np.einsum("bkp,bk->bp", design, values)


def _predict(design: FloatArray, coefficients: FloatArray) -> FloatArray:
    if design.shape[0] == 1:
        return np.asarray(coefficients @ design[0].T, dtype=np.float64)
    return np.einsum("bkp,bp->bk", design, coefficients)


def _trace(matrices: FloatArray) -> FloatArray:
    return np.trace(matrices, axis1=1, axis2=2)
