"""Results of pooling, regression and subgroups, as frozen dataclasses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.wording import fixed, p_words
from metaanalysis.stats.record import Record, Result, Row, plain
from metaanalysis.stats.transforms import IDENTITY, BackTransform
from metaanalysis.stats.wording import level_words, q_words

NAN = float("nan")
Interval = tuple[float, float]
NO_INTERVAL: Interval = (NAN, NAN)
#: What has a meaning on the natural scale.
NATURAL = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


def span(interval: Interval) -> str:
    """``[low, high]``."""
    return f"[{fixed(interval[0], 4)}, {fixed(interval[1], 4)}]"


@dataclass(frozen=True, kw_only=True, repr=False)
class PoolResult(Result):
    """One pooled estimate.

    Attributes
    ----------
    estimate, se, ci_low, ci_high, pi_low, pi_high
        On the scale on which the effects were pooled; `pi_*` is where the true effect of a
        new study is expected (NaN for the common-effect model).
    statistic, df, p
        Test of estimate = 0: z (df None) or t.
    tau2, i2, h2
        Between-study variance; I2 in percent (0 to 100); H2.
    tau2_ci, i2_ci, h2_ci
        Confidence intervals; NaN where empty, with a warning that says so.
    q, q_df, q_p
        Cochran's Q; for the GLMM, the likelihood ratio statistic against one proportion a
        study. ``details["q_kind"]`` says which, `q_label` names it.
    method, test, pi_distribution
        Which estimator, which test and interval, which distribution the prediction uses.
    weights
        Percent, one a study; none (None in JSON) for the GLMM, which weights no study.
    effect, variance, labels, rows_used
        The studies as analysed.
    back
        How to get back to the natural scale; `back_transformed` holds the values.
    """

    estimate: float = NAN
    se: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN
    pi_low: float = NAN
    pi_high: float = NAN
    statistic: float = NAN
    df: float | None = None
    p: float = NAN
    tau2: float = NAN
    i2: float = NAN
    h2: float = NAN
    tau2_ci: Interval = NO_INTERVAL
    i2_ci: Interval = NO_INTERVAL
    h2_ci: Interval = NO_INTERVAL
    tau2_ci_method: str = "none"
    q: float = NAN
    q_df: int = 0
    q_p: float = NAN
    k: int
    method: str
    test: str
    level: float = 0.95
    pi_distribution: str = "none"
    measure: str = "effect"
    log_likelihood: float = NAN
    weights: tuple[float, ...] = ()
    effect: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    rows_used: tuple[int, ...] = ()
    back: BackTransform = IDENTITY
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def tau(self) -> float:
        """Between-study standard deviation."""
        return math.sqrt(self.tau2)

    @property
    def q_label(self) -> str:
        """What `q` is, with its degrees of freedom: ``Q (5 df)``, likelihood ratios named."""
        return q_words(self.method, self.q_df)

    @property
    def back_transformed(self) -> dict[str, float]:
        """Estimate, interval and prediction interval on the natural scale."""
        return {name: self.back(getattr(self, name)) for name in NATURAL}

    def to_dict(self) -> Row:
        """All fields and the back-transformed values, JSON-safe."""
        values = super().to_dict()
        values["weights"] = values["weights"] or None
        values["back_transformed"] = plain({"scale": self.back.scale, **self.back_transformed})
        return values

    def rows(self) -> list[Row]:
        """One row, with back-transformed values as ``natural_*`` columns."""
        row = self.cells()
        natural = {f"natural_{name}": plain(v) for name, v in self.back_transformed.items()}
        return [{**row, **natural}]

    def lines(self) -> list[str]:
        """Readable form."""
        natural = self.back_transformed
        shown = [
            f"{self.measure}, {self.method}, {self.test}, k = {self.k}",
            f"estimate {fixed(self.estimate, 4)} (se {fixed(self.se, 4)}), "
            f"{level_words(self.level)} interval {span((self.ci_low, self.ci_high))}, "
            f"{p_words(self.p)}",
        ]
        if self.back.scale != "identity":
            shown.append(
                f"natural scale {fixed(natural['estimate'], 4)} "
                f"{span((natural['ci_low'], natural['ci_high']))}"
            )
        if not math.isnan(self.pi_low):
            ends = (natural["pi_low"], natural["pi_high"])
            shown.append(f"prediction interval {span(ends)} ({self.pi_distribution})")
        shown.append(
            f"tau2 {fixed(self.tau2, 4)} {span(self.tau2_ci)}, I2 {fixed(self.i2, 1)} %, "
            f"{self.q_label} = {fixed(self.q, 2)}, {p_words(self.q_p)}"
        )
        return shown


@dataclass(frozen=True, kw_only=True)
class TermTest(Record):
    """Omnibus test of one moderator (all dummy columns of a factor together)."""

    term: str
    statistic: float
    df: int
    df_residual: float | None
    p: float
    permutation_p: float = NAN


@dataclass(frozen=True, kw_only=True)
class Coefficient(Record):
    """One coefficient of a regression."""

    name: str
    estimate: float
    se: float
    statistic: float
    df: float | None
    p: float
    ci_low: float
    ci_high: float
    permutation_p: float = NAN


@dataclass(frozen=True, kw_only=True, repr=False)
class RegressionResult(Result):
    """A meta-regression.

    Attributes
    ----------
    coefficients, terms
        One a column of the design, one a moderator.
    qm, qm_df, qm_p
        Omnibus test of all moderators: chi-square for z; an F of (qm_df, df) for
        Knapp-Hartung.
    qe, qe_df, qe_p
        Residual heterogeneity.
    r2
        Percent of the between-study variance that the moderators explain; NaN where there is
        none to explain.
    tau2_without
        Between-study variance of the same studies without moderators.
    levels
        Levels of each factor, the reference first, with their numbers of studies.
    """

    coefficients: tuple[Coefficient, ...]
    terms: tuple[TermTest, ...]
    tau2: float
    i2: float
    h2: float
    tau2_without: float
    tau2_ci: Interval = NO_INTERVAL
    r2: float
    qm: float
    qm_df: int
    qm_p: float
    qe: float
    qe_df: int
    qe_p: float
    df: float | None
    k: int
    method: str
    test: str
    level: float
    intercept: bool
    permutations: int = 0
    qm_permutation_p: float = NAN
    measure: str = "effect"
    covariance: tuple[tuple[float, ...], ...] = ()
    levels: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)
    moderators: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, hash=False)
    effect: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    fitted: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    rows_used: tuple[int, ...] = ()
    back: BackTransform = IDENTITY

    def rows(self) -> list[Row]:
        """One row a coefficient."""
        return [item.cells() for item in self.coefficients]


@dataclass(frozen=True, kw_only=True, repr=False)
class SubgroupResult(Result):
    """Pooled estimates by subgroup and the test that they differ.

    Attributes
    ----------
    names, groups
        The subgroups and their pooled estimates.
    overall
        All studies pooled.
    tau2_mode
        ``"common"`` (one tau2 for all groups) or ``"separate"``.
    statistic, df, df_residual, p
        Test of equal means: chi-square (`df_residual` None) or F; see ``difference_test``.
    """

    factor: str
    names: tuple[str, ...]
    groups: tuple[PoolResult, ...]
    overall: PoolResult
    tau2_mode: str
    statistic: float
    df: int
    df_residual: float | None
    p: float
    r2: float = NAN

    def rows(self) -> list[Row]:
        """One row a subgroup, and one for all."""
        listed = zip([*self.names, "all"], [*self.groups, self.overall], strict=True)
        return [{self.factor: name, **group.rows()[0]} for name, group in listed]
