"""Estimators of the between-study variance tau2, for one meta-analysis or thousands.

Moment estimators are closed forms; ML, REML and Paule-Mandel are found as roots of their
estimating equations by Newton's method inside a shrinking bracket, to machine precision.
metafor stops earlier at its defaults (see tests/golden/README.md).

Sources: DerSimonian & Laird (1986), Control Clin Trials 7:177 (DL); Hedges & Olkin (1985)
(HE); Hunter & Schmidt (2004) (HS); Sidik & Jonkman (2005), Appl Stat 54:367 (SJ); Paule &
Mandel (1982) (PM); Morris (1983) (EB, the same equation as PM); DerSimonian & Kacker (2007),
Contemp Clin Trials 28:105 (two-step and generalised moments); Viechtbauer (2005), J Educ
Behav Stat 30:261 (ML, REML) and (2007), Stat Med 26:37 (Q-profile and profile likelihood).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from db.errors import ConvergenceError, StatisticsError
from metaanalysis.stats import distributions
from metaanalysis.stats.columns import BoolArray, FloatArray, IntArray
from metaanalysis.stats.least_squares import Fit, fit, fit_one, intercept_only

_ALIASES = {"CA": "HE", "CA2": "HE2", "MP": "PM"}
_MAX_STEPS = 200
_GRID_POINTS = 24


def estimator_name(method: str) -> str:
    """Return the canonical name of a tau2 estimator, whatever its case.

    Raises
    ------
    StatisticsError
        For an unknown name.
    """
    name = _ALIASES.get(method.upper(), method.upper())
    if name not in ESTIMATORS:
        raise StatisticsError(
            f"No such tau2 estimator: {method!r}.", f"Known: {', '.join(ESTIMATORS)}."
        )
    return name


def estimate_tau2(
    effect: FloatArray, variance: FloatArray, method: str = "REML", design: FloatArray | None = None
) -> float:
    """Between-study variance of one meta-analysis.

    Parameters
    ----------
    effect, variance
        Shape (k,).
    method
        One of `ESTIMATORS`.
    design
        Shape (k, p); default an intercept alone.

    Raises
    ------
    ConvergenceError
        If the estimating equation has no root that can be reached.
    """
    return float(_solved(_Batch.single(effect, variance, design), method)[0])


def estimate_tau2_batch(
    effect: FloatArray,
    variance: FloatArray,
    method: str = "REML",
    design: FloatArray | None = None,
    used: BoolArray | None = None,
) -> FloatArray:
    """Between-study variances of B meta-analyses at once.

    Parameters
    ----------
    effect, variance
        Shape (B, k).
    method
        One of `ESTIMATORS`.
    design
        Shape (B or 1, k, p); default an intercept alone.
    used
        Shape (B, k); False marks padding. Default all cells are used.

    Returns
    -------
    ndarray of shape (B,)
        Never negative; exactly 0 where the equation's solution is at or below 0. 0 where
        there are no more studies than coefficients.
    """
    return _solved(_Batch(effect, variance, design, used), method)


def _solved(data: _Batch, method: str) -> FloatArray:
    estimator = _BY_NAME[estimator_name(method)]
    result = np.zeros(data.df.size)
    solvable = np.flatnonzero(data.df > 0)
    if solvable.size:
        result[solvable] = estimator(data.subset(solvable))
    return result


class _Batch:
    """B data sets with the quantities that do not depend on tau2."""

    def __init__(
        self,
        effect: FloatArray,
        variance: FloatArray,
        design: FloatArray | None,
        used: BoolArray | None = None,
    ) -> None:
        self.used = np.ones(effect.shape, dtype=np.bool_) if used is None else used
        self.effect = np.where(self.used, effect, 0.0)
        self.variance = np.where(self.used, variance, 1.0)
        self.design = np.ones((1, effect.shape[1], 1)) if design is None else design
        self.k = self.used.sum(axis=1).astype(np.float64)
        self.df = self.k - self.design.shape[2]

    @classmethod
    def single(cls, effect: FloatArray, variance: FloatArray, design: FloatArray | None) -> _Batch:
        return cls(effect[None], variance[None], None if design is None else design[None])

    def subset(self, index: IntArray) -> _Batch:
        if index.size == self.df.size:
            return self
        design = self.design if self.design.shape[0] == 1 else self.design[index]
        return _Batch(self.effect[index], self.variance[index], design, self.used[index])

    def weights(self, tau2: FloatArray) -> FloatArray:
        inverse = 1.0 / (self.variance + tau2[:, None])
        return np.asarray(np.where(self.used, inverse, 0.0), dtype=np.float64)

    def fit(self, tau2: FloatArray) -> Fit:
        return fit(self.effect, self.weights(tau2), self.design)

    def common(self) -> Fit:
        return self.fit(np.zeros(self.df.size))

    def unweighted(self) -> Fit:
        return fit(self.effect, self.used.astype(np.float64), self.design)


def _moment(data: _Batch, fitted: Fit) -> FloatArray:
    """Generalised method of moments: E(Q) = tr(PV) + tau2 tr(P) for any fixed weights."""
    expected = fitted.trace_projected(data.variance)
    return np.maximum((fitted.q - expected) / fitted.trace_projection(), 0.0)


def _hunter_schmidt(data: _Batch) -> FloatArray:
    first = data.common()
    excess = (first.q - data.k) / first.weights.sum(axis=1)
    return np.asarray(np.maximum(excess, 0.0), dtype=np.float64)


def _sidik_jonkman(data: _Batch) -> FloatArray:
    total = (data.effect * data.used).sum(axis=1) / data.k
    centred = np.where(data.used, data.effect - total[:, None], 0.0)
    start = (centred**2).sum(axis=1) / data.k
    # Equal effects leave nothing to scale: the estimate is 0, as its limit is.
    safe = np.where(start > 0, start, 1.0)
    return np.where(start > 0, safe * data.fit(safe).q / data.df, 0.0)


_BY_NAME: dict[str, Callable[[_Batch], FloatArray]] = {
    "DL": lambda data: _moment(data, data.common()),
    "PM": lambda data: solve_q(data, data.df),
    "REML": lambda data: _likelihood(data, restricted=True),
    "ML": lambda data: _likelihood(data, restricted=False),
    "EB": lambda data: solve_q(data, data.df),
    "HE": lambda data: _moment(data, data.unweighted()),
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "DL2": lambda data: _moment(data, data.fit(_moment(data, data.common()))),
    "HE2": lambda data: _moment(data, data.fit(_moment(data, data.unweighted()))),
}
ESTIMATORS = tuple(_BY_NAME)


def solve_q(data: _Batch, target: FloatArray) -> FloatArray:
    """Return the tau2 at which the generalised Q equals `target`; 0 where Q(0) is below it.

    Q falls strictly and is convex, and Q(t) <= RSS / (min(v) + t) bounds the root above.
    """
    rss = data.unweighted().q
    smallest = np.where(data.used, data.variance, np.inf).min(axis=1)
    upper = np.maximum(rss / target - smallest, 0.0) * (1.0 + 1e-12)

    def equation(index: IntArray, tau2: FloatArray) -> tuple[FloatArray, FloatArray]:
        fitted = data.subset(index).fit(tau2)
        return fitted.q - target[index], -fitted.squared_projection()

    return _bracketed_newton(equation, np.zeros(upper.size), upper, "Paule-Mandel")


def _likelihood(data: _Batch, *, restricted: bool) -> FloatArray:
    """Global maximum of the (restricted) likelihood over tau2 >= 0.

    The likelihood can have more than one peak: a grid finds the highest, Newton's method on
    the score finishes it. No peak lies above the bound: y'PPy <= RSS/(min(v)+t)^2 and
    tr(P) >= (k-p)/(max(v)+t), so the score is negative beyond the root of a quadratic.
    """
    ratio = data.unweighted().q / data.df
    smallest = np.where(data.used, data.variance, np.inf).min(axis=1)
    largest = np.where(data.used, data.variance, 0.0).max(axis=1)
    linear = ratio - 2.0 * smallest
    inside = linear**2 + 4.0 * (ratio * largest - smallest**2)
    bound = 0.5 * (linear + np.sqrt(np.maximum(inside, 0.0)))
    bound = np.where(inside > 0, np.maximum(bound, 0.0), 0.0) * (1.0 + 1e-9)

    fractions = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, _GRID_POINTS - 1)])
    heights = np.array([_log_likelihood(data, f * bound, restricted) for f in fractions])
    peak = heights.argmax(axis=0)
    rows = np.arange(bound.size)
    here = fractions[peak] * bound
    slope_here = _score(data, here, restricted)[0]
    left = fractions[np.maximum(peak - 1, 0)] * bound
    right = fractions[np.minimum(peak + 1, _GRID_POINTS - 1)] * bound
    low = np.where(slope_here > 0, here, left)
    high = np.where(slope_here > 0, right, here)
    at_zero = (bound[rows] == 0) | ((peak == 0) & (slope_here <= 0))
    high = np.where(at_zero, low, high)

    def equation(index: IntArray, tau2: FloatArray) -> tuple[FloatArray, FloatArray]:
        return _score(data.subset(index), tau2, restricted)

    return _bracketed_newton(equation, low, high, "REML" if restricted else "ML")


def _log_likelihood(data: _Batch, tau2: FloatArray, restricted: bool) -> FloatArray:
    fitted = data.fit(tau2)
    logs = np.where(data.used, np.log(data.variance + tau2[:, None]), 0.0).sum(axis=1)
    value = -0.5 * (logs + fitted.q)
    if restricted:
        value = value - 0.5 * fitted.log_determinant()
    return value


def _score(data: _Batch, tau2: FloatArray, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """Twice the derivative of the log-likelihood by tau2, and its own derivative."""
    fitted = data.fit(tau2)
    weights = fitted.weights
    trace = fitted.trace_projection() if restricted else weights.sum(axis=1)
    curve = fitted.trace_projection_squared() if restricted else (weights**2).sum(axis=1)
    score = fitted.squared_projection() - trace
    return score, curve - 2.0 * fitted.cubed_projection()


def _bracketed_newton(
    equation: Callable[[IntArray, FloatArray], tuple[FloatArray, FloatArray]],
    low: FloatArray,
    high: FloatArray,
    what: str,
) -> FloatArray:
    """Roots of decreasing functions, one a data set, to the last representable digits.

    Where the function is not positive at `low` the answer is `low`. Every Newton step that
    would leave the bracket becomes a bisection, so that the bracket always shrinks.
    """
    low, high = low.copy(), np.maximum(high, low)
    every = np.arange(low.size, dtype=np.int64)
    value, slope = equation(every, low)
    root = low.copy()
    active = every[(value > 0) & (high > low)]
    value, slope = value[active], slope[active]
    for _ in range(_MAX_STEPS):
        if active.size == 0:
            return root
        at = root[active]
        low[active] = np.where(value > 0, at, low[active])
        high[active] = np.where(value <= 0, at, high[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = at - value / slope
        middle = 0.5 * (low[active] + high[active])
        inside = (newton > low[active]) & (newton < high[active]) & (slope < 0)
        step = np.where(inside, newton, middle)
        width = high[active] - low[active]
        done = (np.abs(step - at) <= 4e-16 * np.abs(at)) | (width <= 4e-16 * high[active])
        done |= value == 0
        root[active] = np.where(value == 0, at, step)
        active = active[~done]
        if active.size:
            value, slope = equation(active, root[active])
    raise ConvergenceError(
        f"{what} did not settle for {active.size} of {low.size} data sets.",
        "Choose a closed-form estimator (DL, HE) and look for extreme variances.",
    )


def log_likelihood(
    effect: FloatArray,
    variance: FloatArray,
    tau2: float,
    design: FloatArray | None = None,
    *,
    restricted: bool = True,
) -> float:
    """(Restricted) log-likelihood at `tau2`, coefficients profiled out, with its constant.

    The restricted form has the + log|X'X|/2 that makes it free of the moderators' scale.
    """
    matrix = intercept_only(effect.size) if design is None else design
    data = _Batch.single(effect, variance, matrix)
    value = float(_log_likelihood(data, np.array([tau2]), restricted)[0])
    count = effect.size - matrix.shape[1] if restricted else effect.size
    value -= 0.5 * count * float(np.log(2.0 * np.pi))
    if restricted:
        value += 0.5 * float(np.linalg.slogdet(matrix.T @ matrix)[1])
    return value


def typical_variance(effect: FloatArray, variance: FloatArray) -> float:
    """Variance of a typical study, (k-1)/tr(P) at tau2 = 0, that I2 and H2 are built on."""
    fitted = fit_one(effect, 1.0 / variance)
    return float((effect.size - 1) / fitted.trace_projection()[0])


def i2_h2(tau2: float, typical: float) -> tuple[float, float]:
    """I2 in percent and H2 from tau2 and the typical variance (Higgins & Thompson 2002)."""
    return 100.0 * tau2 / (tau2 + typical), 1.0 + tau2 / typical


def q_profile(
    effect: FloatArray,
    variance: FloatArray,
    design: FloatArray | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Q-profile confidence interval of tau2; (nan, nan) where the interval is empty.

    Notes
    -----
    The interval holds each tau2 >= 0 for which Q(tau2) lies between the chi-square quantiles.
    When the effects agree better than chance allows, Q(0) is below the lower quantile and
    no tau2 qualifies: the interval is empty, which is not the same as [0, 0].
    """
    data = _Batch.single(effect, variance, design)
    df = float(data.df[0])
    if df <= 0:
        return float("nan"), float("nan")
    tail = 0.5 * (1.0 - level)
    upper_target = distributions.chi2_quantile(tail, df)
    if float(data.common().q[0]) < upper_target:
        return float("nan"), float("nan")
    low = solve_q(data, np.array([distributions.chi2_quantile(1.0 - tail, df)]))
    high = solve_q(data, np.array([upper_target]))
    return float(low[0]), float(high[0])


def profile_likelihood(
    effect: FloatArray,
    variance: FloatArray,
    method: str = "REML",
    design: FloatArray | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Profile-likelihood confidence interval of tau2 for ML or REML."""
    name = estimator_name(method)
    if name not in ("ML", "REML"):
        raise StatisticsError(f"{name} has no likelihood.", "Use the Q-profile interval.")
    restricted = name == "REML"
    peak = estimate_tau2(effect, variance, name, design)

    def height(tau2: float) -> float:
        return log_likelihood(effect, variance, tau2, design, restricted=restricted)

    floor = height(peak) - 0.5 * distributions.chi2_quantile(level, 1.0)
    low = 0.0 if height(0.0) >= floor else _bisect(lambda t: height(t) >= floor, peak, 0.0)
    outer = 2.0 * peak + float(np.mean(variance))
    while height(outer) >= floor:
        outer *= 2.0
        if outer > 1e12 * (1.0 + peak):
            raise ConvergenceError("The profile likelihood of tau2 has no upper end.")
    return low, _bisect(lambda t: height(t) >= floor, peak, outer)


def _bisect(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the border between a point where `holds` is true and one where it is not."""
    for _ in range(_MAX_STEPS):
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
