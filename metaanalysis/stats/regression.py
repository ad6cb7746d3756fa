"""Meta-regression: several moderators, factors, omnibus tests, permutation p.

Sources: Thompson & Higgins (2002), Stat Med 21:1559; Knapp & Hartung (2003), Stat Med
22:2693; Raudenbush (2009) for R2; Higgins & Thompson (2004), Stat Med 23:1663 for the
permutation test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.errors import StatisticsError
from metaanalysis.stats import distributions, tau2
from metaanalysis.stats.columns import FloatArray, IntArray
from metaanalysis.stats.design import Coding, Design, build_design, encoded
from metaanalysis.stats.inference import Settings, omnibus, prediction, settings, wald
from metaanalysis.stats.least_squares import fit, fit_one
from metaanalysis.stats.notes import Note
from metaanalysis.stats.record import Row
from metaanalysis.stats.results import (
    NAN,
    NATURAL,
    NO_INTERVAL,
    Coefficient,
    RegressionResult,
    TermTest,
)
from metaanalysis.stats.studies import EffectSizes, studies_of

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Permutations:
    """How often to permute the moderators among the studies, and from which seed.

    Where there are fewer orders than `count`, all are used and p is exact; 0 permutes not at all.
    """

    count: int = 0
    seed: int = 1


def regress(
    effect: ArrayLike | EffectSizes,
    variance: ArrayLike | None = None,
    moderators: Mapping[str, ArrayLike] | None = None,
    method: str = "REML",
    test: str | None = None,
    *,
    level: float = 0.95,
    coding: Coding | None = None,
    permutations: Permutations | None = None,
) -> RegressionResult:
    """Regress effects on study-level moderators.

    Parameters
    ----------
    effect, variance
        Shape (k,); or one `EffectSizes`, whose `missing` also decides about missing moderators.
    moderators
        Name to values, one a row of the input or one a study. Text and booleans are factors.
    method, test, level
        As in `pool`.
    coding
        Intercept and reference levels.
    permutations
        For a permutation p.

    Raises
    ------
    StatisticsError
        For no, one-level or collinear moderators (named), too few studies, and bad rows.
    ConvergenceError
        If tau2 does not settle.
    """
    if not moderators:
        raise StatisticsError("A regression needs at least one moderator.")
    studies, columns = studies_of(effect, variance, what="A meta-regression").complete(moderators)
    design = build_design(columns, studies.k, coding)
    return regress_design(studies, design, columns, settings(method, test, level), permutations)


def regress_design(
    studies: EffectSizes,
    design: Design,
    moderators: Mapping[str, NDArray[Any]],
    model: Settings,
    permutations: Permutations | None = None,
) -> RegressionResult:
    """Fit an encoded design to checked studies."""
    effect, variance, matrix = studies.effect, studies.variance, design.matrix
    k, p = matrix.shape
    between = model.between(effect, variance, matrix)
    without = model.between(effect, variance)
    fitted = fit_one(effect, 1.0 / (variance + between), matrix)
    residual = fit_one(effect, 1.0 / variance, matrix)
    covariance = fitted.covariance[0] * float(model.dispersion(fitted.q, k - p)[0])
    df = None if model.test == "z" else float(k - p)
    i2, h2 = tau2.i2_h2(between, float((k - p) / residual.trace_projection()[0]))
    qe = float(residual.q[0])
    if model.common:
        h2 = qe / (k - p)
        i2 = 100.0 * max(0.0, 1.0 - 1.0 / h2) if h2 > 0 else 0.0
    beta = fitted.coefficients[0]
    permuted = _permutation_p(studies, design, model, permutations or Permutations())
    qm, qm_p = omnibus(beta, covariance, design.slopes, df)
    warnings = list(studies.warnings)
    for factor, counts in design.level_counts.items():
        single = [text for text, count in counts.items() if count == 1]
        if single:
            warnings.append(Note.of("level-of-one", factor=factor, levels=single))
    terms = []
    for item in design.moderators:
        statistic, chance = omnibus(beta, covariance, item.columns, df)
        terms.append(
            TermTest(
                term=item.name,
                statistic=statistic,
                df=len(item.columns),
                df_residual=df,
                p=chance,
                permutation_p=permuted.get(item.name, NAN),
            )
        )
    return RegressionResult(
        **studies.used(),
        coefficients=tuple(
            Coefficient(
                name=name,
                permutation_p=permuted.get(f"column {j}", NAN),
                **wald(float(beta[j]), math.sqrt(covariance[j, j]), df, model.level),
            )
            for j, name in enumerate(design.names)
        ),
        terms=tuple(terms),
        tau2=between,
        i2=i2,
        h2=h2,
        tau2_without=without,
        tau2_ci=NO_INTERVAL
        if model.common
        else tau2.q_profile(effect, variance, matrix, model.level),
        r2=100.0 * max(0.0, (without - between) / without) if without > 0 else NAN,
        qm=qm,
        qm_df=len(design.slopes),
        qm_p=qm_p,
        qe=qe,
        qe_df=k - p,
        qe_p=distributions.chi2_p(qe, k - p),
        df=df,
        k=k,
        **asdict(model),
        intercept=design.intercept,
        permutations=int(permuted.get("", 0)),
        qm_permutation_p=permuted.get("all", NAN),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        levels=design.level_counts,
        moderators={name: tuple(cells.tolist()) for name, cells in moderators.items()},
        fitted=tuple((matrix @ beta).tolist()),
        weights=tuple((100.0 * fitted.weights[0] / fitted.weights[0].sum()).tolist()),
        warnings=tuple(warnings),
    )


def _permutation_p(
    studies: EffectSizes, design: Design, model: Settings, permutations: Permutations
) -> dict[str, float]:
    """Share of moderator orders whose statistic reaches the observed one.

    Keys: ``"column j"``, each moderator's name, ``"all"`` (omnibus) and ``""`` (how many).
    """
    if permutations.count <= 0:
        return {}
    groups = {item.name: list(item.columns) for item in design.moderators}
    groups |= {f"column {j}": [j] for j in range(design.matrix.shape[1])}
    groups["all"] = design.slopes
    identity = np.arange(studies.k)[None, :]
    observed = _statistics(studies, design.matrix, model, identity, groups)
    reached = dict.fromkeys(groups, 0)
    total = 0
    for orders in _orders(studies.k, permutations.count, permutations.seed):
        values = _statistics(studies, design.matrix, model, orders, groups)
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
    model: Settings,
    orders: IntArray,
    groups: Mapping[str, list[int]],
) -> dict[str, FloatArray]:
    k, p = matrix.shape
    batch = orders.shape[0]
    designs = matrix[orders]
    effect = np.broadcast_to(studies.effect, (batch, k))
    variance = np.broadcast_to(studies.variance, (batch, k))
    if model.common:
        between = np.zeros(batch)
    else:
        between = tau2.estimate_tau2_batch(effect, variance, model.method, designs)
    fitted = fit(effect, 1.0 / (variance + between[:, None]), designs)
    scale = model.dispersion(fitted.q, k - p)
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
    # As in `build_design`: what comes first, intercept or factor, keeps all of its columns.
    whole = not result.intercept
    for name in result.moderators:
        levels = tuple(result.levels.get(name, ()))
        blocks.append(encoded(name, moderators[name], levels, whole=whole))
        whole = whole and not levels
    matrix = np.hstack(blocks)
    beta = np.array([item.estimate for item in result.coefficients])
    covariance = np.array(result.covariance)
    rows: list[Row] = []
    for line in matrix:
        estimate, se = float(line @ beta), math.sqrt(float(line @ covariance @ line))
        row: Row = wald(estimate, se, result.df, result.level)
        row |= prediction(estimate, se, result.tau2, result.df, result.level)
        if result.method == "common":
            row |= {"pi_low": NAN, "pi_high": NAN}
        natural = {f"natural_{name}": result.back(row[name]) for name in NATURAL}
        shown = ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high")
        rows.append({name: row[name] for name in shown} | natural)
    return rows
