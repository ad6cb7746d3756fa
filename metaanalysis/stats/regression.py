"""Meta-regression: several moderators, factors, omnibus tests, permutation p.

Sources: Thompson & Higgins (2002), Stat Med 21:1559; Knapp & Hartung (2003), Stat Med
22:2693; Raudenbush (2009) for R2; Higgins & Thompson (2004), Stat Med 23:1663 for the
permutation test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.design import Design, Moderator, build_design, check_moderators
from metaanalysis.stats.least_squares import Fit, fit, fit_one
from metaanalysis.stats.pool import check_level, method_name, model_test, wald_statistic
from metaanalysis.stats.results import (
    NAN,
    NO_INTERVAL,
    Coefficient,
    RegressionResult,
    Row,
    TermTest,
)
from metaanalysis.stats.studies import (
    BoolArray,
    EffectSizes,
    Exclusion,
    FloatArray,
    IntArray,
    Missing,
    as_effect_sizes,
    names,
    vector,
)
from metaanalysis.stats.transforms import BackTransform

_CHUNK = 500


def regress(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    moderators: Mapping[str, ArrayLike] | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    intercept: bool = True,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    back_transform: str | BackTransform | None = None,
    measure: str | None = None,
    missing: Missing = "error",
    permutations: int = 0,
    seed: int = 1,
) -> RegressionResult:
    """Regress effects on study-level moderators.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes` (then `moderators` are aligned with its studies).
    moderators
        Name to values, shape (k,). Text and booleans are factors.
    method, test, level
        As in `pool`.
    intercept, reference
        See `build_design`.
    labels, back_transform, measure, missing
        See `as_effect_sizes`; `missing` also decides about missing moderators.
    permutations, seed
        How often to permute the moderators among the studies (0: not at all). Where there
        are fewer orders than that, all are used and p is exact.

    Raises
    ------
    StatisticsError
        For one-level or collinear moderators (named), too few studies, and bad rows.
    ConvergenceError
        If tau2 does not settle.
    """
    studies, chosen, excluded = align(
        effect, variance, moderators or {}, labels, missing, back_transform, measure
    )
    everything = np.ones(studies.k, dtype=np.bool_)
    design = build_design(chosen, everything, intercept=intercept, reference=reference)
    return regress_design(
        studies, design, chosen, method, test, level=level, permutations=permutations, seed=seed,
        excluded=excluded,
    )  # fmt: skip


def align(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None,
    moderators: Mapping[str, ArrayLike],
    labels: Sequence[object] | None,
    missing: Missing,
    back_transform: str | BackTransform | None,
    measure: str | None,
) -> tuple[EffectSizes, dict[str, ArrayLike], tuple[Exclusion, ...]]:
    """Keep the studies that have an effect and all moderators; list the others.

    Returns the studies, their moderators, and everything that was left out.
    """
    given = effect.k if isinstance(effect, EffectSizes) else vector(effect, "effect").size
    shown = effect.labels if isinstance(effect, EffectSizes) else names(labels, given)
    studies = as_effect_sizes(
        effect, variance, labels=labels, missing=missing, back_transform=back_transform,
        measure=measure, what="A meta-regression",
    )  # fmt: skip
    check = check_moderators(moderators, given, shown, missing)
    if isinstance(effect, EffectSizes):
        has_effect: BoolArray = np.ones(given, dtype=np.bool_)
    else:
        has_effect = np.zeros(given, dtype=np.bool_)
        has_effect[np.array(studies.rows) - 1] = True
    both = check.keep & has_effect
    kept = studies.take(both[has_effect])
    columns: dict[str, ArrayLike] = {
        name: np.array(np.asarray(values, dtype=object).ravel()[both].tolist())
        for name, values in moderators.items()
    }
    late = tuple(item for item in check.excluded if has_effect[item.row - 1])
    return kept, columns, (*studies.excluded, *late)


def regress_design(
    studies: EffectSizes,
    design: Design,
    moderators: Mapping[str, ArrayLike],
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    permutations: int = 0,
    seed: int = 1,
    excluded: tuple[Exclusion, ...] = (),
) -> RegressionResult:
    """Fit an encoded design to checked studies."""
    name = method_name(method)
    chosen = model_test(name, test)
    check_level(level)
    effect, variance, matrix = studies.effect, studies.variance, design.matrix
    k, p = matrix.shape
    between = 0.0 if name == "common" else tau2.estimate_tau2(effect, variance, name, matrix)
    without = 0.0 if name == "common" else tau2.estimate_tau2(effect, variance, name)
    fitted = fit_one(effect, 1.0 / (variance + between), matrix)
    residual = fit_one(effect, 1.0 / variance, matrix)
    scale = float(_dispersion(fitted, chosen, k - p)[0])
    covariance = fitted.covariance[0] * scale
    df = None if chosen == "z" else float(k - p)
    typical = float((k - p) / residual.trace_projection()[0])
    i2, h2 = tau2.i2_h2(between, typical)
    qe = float(residual.q[0])
    if name == "common":
        h2 = qe / (k - p)
        i2 = 100.0 * max(0.0, 1.0 - 1.0 / h2) if h2 > 0 else 0.0
    r2 = 100.0 * max(0.0, (without - between) / without) if without > 0 else NAN
    slopes = [column for item in design.moderators for column in item.columns]
    beta = fitted.coefficients[0]
    permuted = _permutation_p(studies, design, name, chosen, permutations, seed)
    qm, qm_p = _omnibus(beta, covariance, slopes, df)
    bounds = NO_INTERVAL
    if name != "common":
        bounds = tau2.q_profile(effect, variance, matrix, level)
    warnings = list(studies.warnings)
    for factor, counts in design.level_counts.items():
        single = [text for text, count in counts.items() if count == 1]
        if single:
            warnings.append(f"one study only in {factor}: {', '.join(single)}")
    return RegressionResult(
        coefficients=_coefficients(design.names, beta, covariance, df, level, permuted),
        terms=tuple(
            _term(item, beta, covariance, df, permuted.get(item.name, NAN))
            for item in design.moderators
        ),
        tau2=between,
        i2=i2,
        h2=h2,
        tau2_without=without,
        tau2_ci=bounds,
        r2=r2,
        qm=qm,
        qm_df=len(slopes),
        qm_p=qm_p,
        qe=qe,
        qe_df=k - p,
        qe_p=distributions.chi2_p(qe, k - p),
        df=df,
        k=k,
        method=name,
        test=chosen,
        level=level,
        intercept=design.intercept,
        permutations=int(permuted.get("", 0)),
        qm_permutation_p=permuted.get("all", NAN),
        measure=studies.measure,
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        levels=design.level_counts,
        moderators={key: tuple(np.asarray(v).tolist()) for key, v in moderators.items()},
        effect=tuple(effect.tolist()),
        variance=tuple(variance.tolist()),
        fitted=tuple((matrix @ beta).tolist()),
        weights=tuple((100.0 * fitted.weights[0] / fitted.weights[0].sum()).tolist()),
        labels=studies.labels,
        rows_used=studies.rows,
        back=studies.back,
        excluded=excluded,
        warnings=tuple(warnings),
    )


def _dispersion(fitted: Fit, test: str, df: int) -> FloatArray:
    """Factor on the covariance, shape (B,): 1 for z, Q/(k-p) for Knapp-Hartung."""
    if test == "z":
        return np.ones(fitted.q.size)
    dispersion = fitted.q / df
    return np.maximum(1.0, dispersion) if test.endswith("adhoc") else dispersion


def _coefficients(
    columns: Sequence[str],
    beta: FloatArray,
    covariance: FloatArray,
    df: float | None,
    level: float,
    permuted: Mapping[str, float],
) -> tuple[Coefficient, ...]:
    critical = distributions.critical_value(level, df)
    out = []
    for j, column in enumerate(columns):
        se = math.sqrt(covariance[j, j])
        statistic = wald_statistic(float(beta[j]), se)
        out.append(
            Coefficient(
                name=column,
                estimate=float(beta[j]),
                se=se,
                statistic=statistic,
                df=df,
                p=distributions.two_sided_p(statistic, df),
                ci_low=float(beta[j]) - critical * se,
                ci_high=float(beta[j]) + critical * se,
                permutation_p=permuted.get(f"column {j}", NAN),
            )
        )
    return tuple(out)


def _omnibus(
    beta: FloatArray, covariance: FloatArray, columns: Sequence[int], df: float | None
) -> tuple[float, float]:
    picked = beta[list(columns)]
    block = covariance[np.ix_(list(columns), list(columns))]
    m = len(columns)
    if not np.any(block):
        return NAN, NAN
    wald = float(picked @ np.linalg.solve(block, picked))
    if df is None:
        return wald, distributions.chi2_p(wald, m)
    return wald / m, distributions.f_p(wald / m, m, df)


def _term(
    item: Moderator, beta: FloatArray, covariance: FloatArray, df: float | None, permuted: float
) -> TermTest:
    statistic, p = _omnibus(beta, covariance, item.columns, df)
    return TermTest(
        term=item.name, statistic=statistic, df=len(item.columns), df_residual=df, p=p,
        permutation_p=permuted,
    )  # fmt: skip


def _permutation_p(
    studies: EffectSizes, design: Design, method: str, test: str, permutations: int, seed: int
) -> dict[str, float]:
    """Share of moderator orders whose statistic reaches the observed one.

    Keys: ``"column j"``, each moderator's name, ``"all"`` (omnibus) and ``""`` (how many).
    """
    if permutations <= 0:
        return {}
    slopes = [column for item in design.moderators for column in item.columns]
    groups = {item.name: list(item.columns) for item in design.moderators}
    groups |= {f"column {j}": [j] for j in range(design.matrix.shape[1])}
    groups["all"] = slopes
    identity = np.arange(studies.k)[None, :]
    observed = _statistics(studies, design.matrix, method, test, identity, groups)
    reached = dict.fromkeys(groups, 0)
    total = 0
    for orders in _orders(studies.k, permutations, seed):
        values = _statistics(studies, design.matrix, method, test, orders, groups)
        total += orders.shape[0]
        for key in groups:
            # A relative slack, for ties that differ by rounding alone.
            reached[key] += int(np.sum(values[key] >= observed[key] * (1.0 - 1e-9)))
    return {"": float(total)} | {key: count / total for key, count in reached.items()}


def _orders(k: int, permutations: int, seed: int) -> Iterator[IntArray]:
    if k <= 12 and math.factorial(k) <= permutations:
        yield np.array(list(itertools.permutations(range(k))), dtype=np.int64)
        return
    random = np.random.default_rng(seed)
    # The observed order counts as one of them, so that p is never 0.
    yield np.arange(k, dtype=np.int64)[None, :]
    left = permutations - 1
    while left > 0:
        size = min(left, _CHUNK)
        yield random.permuted(np.tile(np.arange(k, dtype=np.int64), (size, 1)), axis=1)
        left -= size


def _statistics(
    studies: EffectSizes,
    matrix: FloatArray,
    method: str,
    test: str,
    orders: IntArray,
    groups: Mapping[str, list[int]],
) -> dict[str, FloatArray]:
    k, p = matrix.shape
    batch = orders.shape[0]
    designs = matrix[orders]
    effect = np.broadcast_to(studies.effect, (batch, k))
    variance = np.broadcast_to(studies.variance, (batch, k))
    if method == "common":
        between = np.zeros(batch)
    else:
        between = tau2.estimate_tau2_batch(effect, variance, method, designs)
    fitted = fit(effect, 1.0 / (variance + between[:, None]), designs)
    scale = _dispersion(fitted, test, k - p)
    out: dict[str, FloatArray] = {}
    for key, columns in groups.items():
        beta = fitted.coefficients[:, columns]
        block = fitted.covariance[:, columns][:, :, columns]
        solved = np.linalg.solve(block, beta[:, :, None])[:, :, 0]
        out[key] = (beta * solved).sum(axis=1) / scale
    return out


def predict(result: RegressionResult, moderators: Mapping[str, ArrayLike]) -> list[Row]:
    """Predict effects at new values of the moderators.

    Parameters
    ----------
    result
        A regression.
    moderators
        A value or a column of values for each moderator of the regression.

    Returns
    -------
    list of dict
        `estimate, se, ci_low, ci_high, pi_low, pi_high` and their ``natural_*`` forms; `pi_*` is
        NaN for the common-effect model, which expects no study to differ.
    """
    lengths = {np.asarray(values, dtype=object).size for values in moderators.values()}
    if set(moderators) != set(result.moderators) or len(lengths) != 1:
        raise StatisticsError(
            f"Give equally many values of each moderator: {', '.join(result.moderators)}."
        )
    blocks = [np.ones((lengths.pop(), 1))] if result.intercept else []
    start = len(blocks)
    for name in result.moderators:
        levels = tuple(result.levels.get(name, ()))
        own = [
            c.name for c in result.coefficients if c.name == name or c.name.startswith(f"{name}[")
        ]
        width = len(own) if levels else 1
        item = Moderator(name, levels, tuple(range(start, start + width)))
        blocks.append(item.encode(moderators[name]))
        start += width
    matrix = np.hstack(blocks)
    beta = np.array([item.estimate for item in result.coefficients])
    covariance = np.array(result.covariance)
    critical = distributions.critical_value(result.level, result.df)
    rows: list[Row] = []
    for line in matrix:
        estimate = float(line @ beta)
        se = math.sqrt(float(line @ covariance @ line))
        half, wide = critical * se, critical * math.sqrt(se**2 + result.tau2)
        if result.method == "common":
            wide = NAN
        row: Row = {"estimate": estimate, "se": se}
        row |= {"ci_low": estimate - half, "ci_high": estimate + half}
        row |= {"pi_low": estimate - wide, "pi_high": estimate + wide}
        natural = {f"natural_{key}": result.back(v) for key, v in row.items() if key != "se"}
        rows.append(row | natural)
    return rows
