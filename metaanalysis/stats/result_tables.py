"""Result types of accuracy, bias, influence, correlation, multilevel and multiverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metaanalysis.stats.record import Record, Result, Row, plain
from metaanalysis.stats.results import NAN, Coefficient, Interval, PoolResult

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Estimate(Record):
    """A value with its interval."""

    name: str
    estimate: float
    ci_low: float = NAN
    ci_high: float = NAN
    se: float = NAN


@dataclass(frozen=True, kw_only=True, repr=False)
class BivariateResult(Result):
    """Reitsma's bivariate model of sensitivity and false positive rate.

    Attributes
    ----------
    logit_sensitivity, logit_fpr
        Means on the logit scale, with `se_*` and their covariance `mean_covariance`.
    tau2_sensitivity, tau2_fpr, rho
        Between-study variances and correlation (NaN where a variance is 0).
    sensitivity, specificity, fpr, lr_positive, lr_negative, dor
        Summary point with delta-method intervals.
    auc, partial_auc
        Area under the summary curve over (0, 1), and its mean height over the range of
        observed false positive rates (`fpr_range`).
    sroc, confidence_region, prediction_region
        Points (fpr, sensitivity) to draw.
    """

    k: int
    method: str
    level: float
    zero_cells: str
    correction: float
    corrected_rows: tuple[int, ...]
    logit_sensitivity: float
    logit_fpr: float
    se_sensitivity: float
    se_fpr: float
    mean_covariance: float
    tau2_sensitivity: float
    tau2_fpr: float
    rho: float
    log_likelihood: float
    sensitivity: Estimate
    specificity: Estimate
    fpr: Estimate
    lr_positive: Estimate
    lr_negative: Estimate
    dor: Estimate
    auc: float
    partial_auc: float
    fpr_range: Interval
    sroc_type: str
    sroc: Points
    confidence_region: Points
    prediction_region: Points
    study_points: Points
    study_sizes: tuple[float, ...]
    labels: tuple[str, ...]
    rows_used: tuple[int, ...]

    def rows(self) -> list[Row]:
        """One row a summary quantity."""
        found = [value for value in vars(self).values() if isinstance(value, Estimate)]
        areas = (("AUC", self.auc), ("partial AUC", self.partial_auc))
        found += [Estimate(name=name, estimate=area) for name, area in areas]
        shown = ("estimate", "ci_low", "ci_high")
        return [
            {"quantity": one.name} | {name: plain(getattr(one, name)) for name in shown}
            for one in found
        ]


@dataclass(frozen=True, kw_only=True, repr=False)
class BiasTestResult(Result):
    """A test for small-study effects, or an estimate corrected for them.

    Attributes
    ----------
    name
        ``"Egger (mixed-effects)"``, ``"Begg"``, ``"Deeks"`` ...
    statistic, statistic_name, df, p
        The test; ``z``, ``t``, ``Kendall tau`` ...
    slope, slope_se
        How much the effect moves with the standard error (or its stand-in).
    limit, limit_se, limit_low, limit_high
        Effect expected of an infinitely precise study (PET, PEESE: the corrected effect).
    """

    name: str
    statistic_name: str
    statistic: float
    df: float | None
    p: float
    k: int
    slope: float = NAN
    slope_se: float = NAN
    limit: float = NAN
    limit_se: float = NAN
    limit_low: float = NAN
    limit_high: float = NAN
    limit_p: float = NAN
    predictor: str = "standard error"
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, repr=False)
class TrimFillResult(Result):
    """Trim-and-fill: how many studies seem missing, and the estimate with them filled in.

    `filled_effect` and `filled_variance` are the imputed mirror images: a device of the
    method to show what asymmetry could mean, never data.
    """

    estimator: str
    side: str
    k0: int
    k0_se: float
    k0_p: float
    k: int
    adjusted: PoolResult
    unadjusted: PoolResult
    filled_effect: tuple[float, ...]
    filled_variance: tuple[float, ...]

    def rows(self) -> list[Row]:
        """One row: missing studies and both estimates."""
        row: Row = {"estimator": self.estimator, "side": self.side, "k0": self.k0}
        row |= {"k0_se": plain(self.k0_se), "k": self.k}
        for name, pooled in (("adjusted", self.adjusted), ("unadjusted", self.unadjusted)):
            for part in ("estimate", "ci_low", "ci_high"):
                row[f"{name}_{part}"] = plain(getattr(pooled, part))
        return [row]


@dataclass(frozen=True, kw_only=True, repr=False)
class TableResult(Result):
    """A result that is a table: influence, leave-one-out, cumulative, multiverse.

    Attributes
    ----------
    kind, method, test
        What the table is and how its rows were pooled.
    table
        One dict a row, with the same keys in each.
    full
        The analysis of all studies, where there is one.
    """

    kind: str
    method: str
    test: str
    table: tuple[Row, ...] = field(hash=False)
    full: PoolResult | None = None

    def rows(self) -> list[Row]:
        """JSON-safe rows."""
        return [{key: plain(value) for key, value in row.items()} for row in self.table]

    def column(self, name: str) -> tuple[Any, ...]:
        """One column of the table."""
        return tuple(row[name] for row in self.table)


@dataclass(frozen=True, kw_only=True, repr=False)
class InfluenceResult(TableResult):
    """Influence diagnostics.

    Attributes
    ----------
    influential
        The studies that stand out, and by which measures.
    cutoffs
        Measure -> value beyond which a study stands out (by its size, for signed measures).
    """

    influential: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    cutoffs: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, repr=False)
class MultiverseResult(TableResult):
    """Every defensible analysis as a row, in the order of its estimate."""

    summary: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, repr=False)
class MultilevelResult(Result):
    """Three-level model or cluster-robust inference for several effects of one study.

    Attributes
    ----------
    coefficients
        One a column of the design; the first is the pooled effect if there is no moderator.
    sigma2_between, sigma2_within
        Variance between clusters and between effects of one cluster.
    correction
        ``"model"`` (model-based), ``"CR0"``, ``"CR1"`` or ``"CR2"``.
    """

    coefficients: tuple[Coefficient, ...]
    sigma2_between: float
    sigma2_within: float
    qe: float
    qe_df: int
    qe_p: float
    k: int
    clusters: int
    method: str
    test: str
    correction: str
    level: float
    log_likelihood: float
    i2_between: float = NAN
    i2_within: float = NAN
    pi_low: float = NAN
    pi_high: float = NAN
    pi_distribution: str = "none"
    measure: str = "effect"

    @property
    def estimate(self) -> float:
        """First coefficient."""
        return self.coefficients[0].estimate

    @property
    def se(self) -> float:
        """Standard error of the first coefficient."""
        return self.coefficients[0].se

    @property
    def tau2(self) -> float:
        """Total between-effect variance."""
        return self.sigma2_between + self.sigma2_within

    def rows(self) -> list[Row]:
        """One row a coefficient."""
        return [item.cells() for item in self.coefficients]


@dataclass(frozen=True, kw_only=True, repr=False)
class CorrelationResult(Result):
    """Spearman's rank correlation.

    Attributes
    ----------
    p, p_method
        Two-sided p: exact enumeration, or seeded permutations.
    p_t
        The t approximation that most software prints.
    ci_low, ci_high
        Percentile bootstrap interval over studies.
    """

    rho: float
    n: int
    p: float
    p_method: str
    p_t: float
    ci_low: float
    ci_high: float
    level: float
    resamples: int
    seed: int


@dataclass(frozen=True, kw_only=True, repr=False)
class PrintedCorrelation(Result):
    """Whether a printed r and p fit together, and with which n.

    `n_low` and `n_high` are None where no n fits; `n_high` is None with `n_low` set where
    every larger n fits.
    """

    r: str
    p: str
    n_low: int | None
    n_high: int | None
    n: int | None
    p_at_n: float
    p_at_n_low: float
    p_at_n_high: float
    consistent: bool | None
    decision_error: bool | None
