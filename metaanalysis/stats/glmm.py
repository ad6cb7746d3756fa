"""Binomial-normal model of proportions: exact likelihood, no continuity correction.

Events of study i are binomial with log odds mu + tau z_i, z_i standard normal; both are
estimated by maximum likelihood (`metaanalysis.stats.binomial_normal`).

Sources: Stijnen, Hamza & Özdemir (2010), Stat Med 29:3046; Hamza, van Houwelingen & Stijnen
(2008), J Clin Epidemiol 61:41; Self & Liang (1987), J Am Stat Assoc 82:605 for the test on
the boundary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from db.errors import ConvergenceError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.binomial_normal import Counts, climb, hermite
from metaanalysis.stats.columns import FloatArray, check_level, choose, require
from metaanalysis.stats.effects import counts_of, proportions
from metaanalysis.stats.inference import heterogeneity_intervals, prediction, wald
from metaanalysis.stats.notes import Note
from metaanalysis.stats.results import PoolResult
from metaanalysis.stats.studies import EffectSizes

DEFAULT_NODES = 61
# Beyond this tau the two rules differ in the eighth digit; see tests/metaanalysis/test_glmm.py.
_STEEP_TAU = 1.5
#: With more studies than this the profile of tau is followed by its slope.
_MANY = 1000
_MOST_STEPS = 30

#: A study so many times as large as the median one is named where a likelihood does not settle.
_OUT_OF_PROPORTION = 10_000


def glmm(
    events: ArrayLike | EffectSizes,
    n: ArrayLike | None = None,
    *,
    test: Literal["z", "t"] = "z",
    interval: Literal["wald", "profile"] = "wald",
    level: float = 0.95,
    nodes: int = DEFAULT_NODES,
    tau2_interval: Literal["profile-likelihood", "none"] = "profile-likelihood",
) -> PoolResult:
    """Pool proportions by the binomial-normal model, estimated by maximum likelihood.

    Parameters
    ----------
    events, n
        Shape (k,): how many of how many, k >= 2; or what `proportions` returns, on any scale.
        Studies at 0 % or 100 % enter as they are.
    test
        ``"z"`` (metafor's default) or ``"t"`` with k - 1 degrees of freedom; also the
        distribution of the prediction interval.
    interval
        Of the estimate: ``"wald"``, or ``"profile"`` (profile likelihood, chi-square with 1).
    level
        As in `pool`.
    nodes
        Quadrature nodes a study.
    tau2_interval
        ``"profile-likelihood"`` or ``"none"``.

    Returns
    -------
    PoolResult
        On the logit scale. `q` is the likelihood ratio statistic of one proportion a study
        against one for all; `details` holds the ratio test of tau2 = 0 (p on the boundary:
        half a chi-square with 1). I2 compares tau2 with the typical logit variance (0.5
        added at 0 % and 100 %, for this description only). The back-transformed estimate is
        the proportion of the median study.

    Raises
    ------
    StatisticsError
        For impossible counts, and if all studies are at 0 % or all at 100 %: the estimate
        would be infinite.
    ConvergenceError
        If the likelihood has no maximum within reach.
    """
    choose(test, ("z", "t"), "test of the GLMM")
    choose(interval, ("wald", "profile"), "interval of the GLMM")
    choose(tau2_interval, ("profile-likelihood", "none"), "interval for tau2")
    check_level(level)
    studies, count, size = counts_of(events, n)
    k = studies.k
    require(k, 2, "The binomial-normal model", studies.excluded)
    data = Counts(count, size, nodes)
    try:
        best = _maximum(data)
    except ConvergenceError as error:
        raise _naming_the_largest(error, studies, size) from None
    described = proportions(count, size, "logit")
    df = float(k - 1) if test == "t" else None
    se = math.sqrt(best.covariance[0, 0])
    values = wald(best.mu, se, df, level)
    if interval == "profile":
        values["ci_low"], values["ci_high"] = _profile_mu(data, best, level)
    values |= prediction(best.mu, se, best.tau**2, df, level)
    typical = tau2.typical_variance(described.effect, described.variance)
    notes = _notes(data, best, studies)
    if tau2_interval != "none":
        values |= _heterogeneity_bounds(data, best, level, typical, notes)
    i2, h2 = tau2.i2_h2(best.tau**2, typical)
    common = _common(data)
    lrt = max(0.0, 2.0 * (best.height - common.height))
    q = max(0.0, 2.0 * (_saturated(data) - common.height))
    analysed = replace(
        studies,
        effect=described.effect,
        variance=described.variance,
        measure="logit proportion (binomial-normal)",
        back=described.back,
    )
    return PoolResult(
        **analysed.used(),
        **values,
        tau2=best.tau**2,
        i2=i2,
        h2=h2,
        tau2_ci_method=tau2_interval,
        q=q,
        q_df=k - 1,
        q_p=distributions.chi2_p(q, k - 1),
        k=k,
        method="GLMM",
        test=test,
        level=level,
        log_likelihood=best.height,
        details={
            "q_kind": "likelihood ratio",
            "events": tuple(count.tolist()),
            "n": tuple(size.tolist()),
            "interval": interval,
            "tau2_lrt": lrt,
            "tau2_lrt_p": 0.5 * distributions.chi2_p(lrt, 1.0) if lrt > 0 else 1.0,
            "mean_proportion": mean_proportion(best.mu, best.tau**2),
            "nodes": nodes,
        },
        warnings=tuple(notes),
    )


def _naming_the_largest(
    error: ConvergenceError, studies: EffectSizes, size: FloatArray
) -> ConvergenceError:
    """Name the study whose number of cases is out of all proportion, if one is."""
    largest = int(np.argmax(size))
    if size[largest] < _OUT_OF_PROPORTION * float(np.median(size)):
        return error
    name = studies.labels[largest]
    return ConvergenceError(
        error.message, f"{name} counts {size[largest]:,.0f} cases: check it, or leave it out."
    )


def mean_proportion(mu: float, between: float) -> float:
    """Mean over studies of expit(mu + tau z), below the median study's where that is high."""
    points, weights = hermite(DEFAULT_NODES)
    values = special.expit(mu + math.sqrt(2.0 * between) * points)
    return float((weights * values).sum() / math.sqrt(math.pi))


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    mu: float
    tau: float
    height: float
    covariance: FloatArray


def _common(data: Counts) -> _Fit:
    """Return the fit with tau = 0, a closed form."""
    share = float(data.events.sum() / data.n.sum())
    mu = float(special.logit(share))
    height, _, _ = data.evaluate(mu, 0.0)
    information = float(data.n.sum()) * share * (1.0 - share)
    return _Fit(mu, 0.0, height, np.array([[1.0 / information, 0.0], [0.0, math.inf]]))


def _saturated(data: Counts) -> float:
    rest = data.n - data.events
    share = special.xlogy(data.events, data.events / data.n) + special.xlogy(rest, rest / data.n)
    return float(share.sum()) + data.constant


def _maximum(data: Counts) -> _Fit:
    logits = proportions(data.events, data.n, "logit")
    start = math.sqrt(tau2.estimate_tau2(logits.effect, logits.variance, "DL"))
    centre = float(np.average(logits.effect, weights=1.0 / (logits.variance + start**2)))
    best = _common(data)
    for first in sorted({max(start, 0.3), 1.5}):
        used = data
        try:
            mu, tau, height = climb(data, centre, first)
        except ConvergenceError:
            mu, tau = centre, math.inf
        if abs(tau) > _STEEP_TAU:
            used = data.refined()
            mu, tau, height = climb(used, mu, tau if math.isfinite(tau) else first)
        if height > best.height + 1e-10 and abs(tau) > 1e-6:
            tau = abs(tau)
            hessian = used.evaluate(mu, tau)[2]
            if np.linalg.eigvalsh(hessian)[-1] >= 0:
                raise ConvergenceError("The binomial-normal likelihood is flat at its maximum.")
            inverse = np.asarray(np.linalg.inv(-hessian), dtype=np.float64)
            best = _Fit(mu, tau, height, inverse)
    return best


def _profile_mu(data: Counts, best: _Fit, level: float) -> tuple[float, float]:
    floor = best.height - 0.5 * distributions.chi2_quantile(level, 1.0)
    fine = data.refined() if best.tau > 0.5 * _STEEP_TAU else data

    def excess(mu: float) -> float:
        _, _, height = climb(fine, mu, max(best.tau, 0.3), (False, True))
        return max(height, fine.evaluate(mu, 0.0)[0]) - floor

    step = 2.0 * math.sqrt(best.covariance[0, 0])
    return _border(excess, best.mu, -step), _border(excess, best.mu, step)


def _heterogeneity_bounds(
    data: Counts, best: _Fit, level: float, typical: float, notes: list[Note]
) -> dict[str, Any]:
    floor = best.height - 0.5 * distributions.chi2_quantile(level, 1.0)
    fine = data.refined()

    def excess(tau: float) -> float:
        return climb(fine, best.mu, tau, (True, False))[2] - floor

    low = 0.0
    far = best.tau > 5.0 * math.sqrt(best.covariance[1, 1])
    try:
        if far and data.n.size > _MANY:
            low, high = (_steered(data, best, floor, side) for side in (-1.0, 1.0))
            return heterogeneity_intervals((low**2, high**2), typical)
        if best.tau > 0 and excess(0.0) < 0:
            low = _root(excess, 0.0, best.tau)
        high = _border(excess, best.tau, max(0.5 * best.tau, 0.2))
    except ConvergenceError:
        notes.append(Note.of("tau2-unbounded"))
        return {}
    return heterogeneity_intervals((low**2, high**2), typical)


def _steered(data: Counts, best: _Fit, floor: float, side: float) -> float:
    """Return where the profile likelihood of tau falls to `floor`, by its slope.

    Of many studies the profile is nearly a parabola, so that a handful of steps settle it; a search
    for a change of sign takes dozens, of which each sums over all studies.
    """
    mu = best.mu
    tau = best.tau + side * math.sqrt(2.0 * (best.height - floor) * best.covariance[1, 1])
    for _ in range(_MOST_STEPS):
        rule = data.refined() if tau > _STEEP_TAU else data
        mu, _, height = climb(rule, mu, tau, (True, False))
        step = (floor - height) / float(rule.evaluate(mu, tau)[1][1])
        tau += step
        if abs(step) < 1e-9:
            return tau
    raise ConvergenceError("The profile likelihood did not settle.")


def _border(excess: Callable[[float], float], start: float, step: float) -> float:
    """Go out from `start` until `excess` is negative, then return where it changes sign."""
    inside, outside = start, start + step
    for _ in range(60):
        if excess(outside) < 0:
            return _root(excess, inside, outside)
        inside, outside = outside, outside + step
        step *= 1.5
    raise ConvergenceError("The profile likelihood has no end within reach.")


def _root(excess: Callable[[float], float], first: float, second: float) -> float:
    from scipy import optimize  # slow to import, and only intervals need it

    low, high = min(first, second), max(first, second)
    return float(optimize.brentq(excess, low, high, xtol=1e-10, rtol=1e-10))


def _notes(data: Counts, best: _Fit, studies: EffectSizes) -> list[Note]:
    notes = []
    if best.tau == 0.0:
        notes.append(Note.of("tau2-zero"))
    edge = int(np.count_nonzero((data.events == 0) | (data.events == data.n)))
    if edge:
        notes.append(Note.of("edge-kept", edge=edge, k=data.n.size))
    # Corrections of a scale do not concern the counts.
    return notes + [note for note in studies.warnings if note.code == "fractions"]
