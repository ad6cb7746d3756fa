"""Results as frozen dataclasses: plain data that a figure, a table or a JSON file can take.

Every result answers ``to_dict()`` (JSON-safe: NaN and infinities become None), ``to_frame()``
(a pandas DataFrame, imported on demand) and a readable ``repr``. Results can be hashed; fields that
hold a mapping take no part in the hash, only in equality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.stats.studies import Exclusion
from metaanalysis.stats.transforms import IDENTITY, BackTransform

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
Interval = tuple[float, float]
NO_INTERVAL: Interval = (NAN, NAN)
Row = dict[str, Any]


def plain(value: Any) -> Any:
    """Turn a value into what ``json.dumps(..., allow_nan=False)`` accepts."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Exclusion):
        return {"row": value.row, "label": value.label, "reason": value.reason}
    if isinstance(value, BackTransform):
        return {"scale": value.scale, "n": plain(value.n)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def number(value: float, digits: int = 4) -> str:
    """Print a number the way a table wants it; a dash for NaN."""
    if math.isnan(value):
        return "–"
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}f}"


def p_text(p: float) -> str:
    """``p = 0.0312`` or ``p < 0.0001``."""
    if math.isnan(p):
        return "p = –"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def degrees(df: int, df_residual: float | None) -> str:
    """Degrees of freedom of a chi-square or an F, fractions with one digit."""
    if df_residual is None:
        return str(df)
    whole = float(df_residual).is_integer()
    return f"{df}, {df_residual:.{0 if whole else 1}f}"


def span(interval: Interval, digits: int = 4) -> str:
    """``[low, high]``."""
    return f"[{number(interval[0], digits)}, {number(interval[1], digits)}]"


@dataclass(frozen=True)
class Record:
    """A part of a result: plain values that turn into a dict."""

    def to_dict(self) -> Row:
        """All fields, JSON-safe."""
        return {item.name: plain(getattr(self, item.name)) for item in fields(self)}

    def cells(self) -> Row:
        """Return the fields that fit into a table's cell."""
        return {key: value for key, value in self.to_dict().items() if _is_cell(value)}


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Record):
    """What every result carries: what was left out, and what must be said beside it."""

    excluded: tuple[Exclusion, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> Row:
        """All fields, JSON-safe; what was left out and the warnings come last."""
        values = super().to_dict()
        return values | {name: values.pop(name) for name in ("excluded", "warnings")}

    def rows(self) -> list[Row]:
        """Return the result as table rows; one row unless a subclass has more."""
        return [self.cells()]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a pandas DataFrame."""
        import pandas as pd  # half a second that only a notebook wants to pay

        return pd.DataFrame(self.rows())

    def lines(self) -> list[str]:
        """Lines of the readable form; subclasses say what matters."""
        return [f"{key}: {value}" for key, value in self.rows()[0].items()]

    def __repr__(self) -> str:
        notes = [f"note: {text}" for text in self.warnings]
        out = [f"left out: {item}" for item in self.excluded]
        return "\n".join([*self.lines(), *out, *notes])


def _is_cell(value: Any) -> bool:
    return not isinstance(value, list | dict)


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

    estimate: float
    se: float
    ci_low: float
    ci_high: float
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
        kind = "likelihood ratio, " if self.method == "GLMM" else ""
        return f"Q ({kind}{self.q_df} df)"

    @property
    def back_transformed(self) -> dict[str, float]:
        """Estimate, interval and prediction interval on the natural scale."""
        names = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
        return {name: self.back(getattr(self, name)) for name in names}

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
        percent = f"{100 * self.level:g} %"
        shown = [
            f"{self.measure}, {self.method}, {self.test}, k = {self.k}",
            f"estimate {number(self.estimate)} (se {number(self.se)}), {percent} interval "
            f"{span((self.ci_low, self.ci_high))}, {p_text(self.p)}",
        ]
        if self.back.scale != "identity":
            shown.append(
                f"natural scale {number(natural['estimate'])} "
                f"{span((natural['ci_low'], natural['ci_high']))}"
            )
        if not math.isnan(self.pi_low):
            shown.append(
                f"prediction interval {span((self.back(self.pi_low), self.back(self.pi_high)))}"
                f" ({self.pi_distribution})"
            )
        shown.append(
            f"tau2 {number(self.tau2)} {span(self.tau2_ci)}, I2 {number(self.i2, 1)} %, "
            f"{self.q_label} = {number(self.q, 2)}, {p_text(self.q_p)}"
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

    def lines(self) -> list[str]:
        """Readable form."""
        kind = "QM" if self.df is None else "F"
        shown = [f"meta-regression, {self.method}, {self.test}, k = {self.k}"]
        shown += [
            f"  {item.name}: {number(item.estimate)} (se {number(item.se)}) "
            f"{span((item.ci_low, item.ci_high))}, {p_text(item.p)}"
            for item in self.coefficients
        ]
        shown.append(
            f"{kind}({self.qm_df}) = {number(self.qm, 3)}, {p_text(self.qm_p)}; "
            f"R2 {number(self.r2, 1)} %; tau2 {number(self.tau2)}; "
            f"QE({self.qe_df}) = {number(self.qe, 2)}, {p_text(self.qe_p)}"
        )
        return shown


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

    @property
    def df_text(self) -> str:
        """Degrees of freedom of the test: ``3``, ``3, 12`` or ``3, 2.7``."""
        return degrees(self.df, self.df_residual)

    def rows(self) -> list[Row]:
        """One row a subgroup, and one for all."""
        listed = zip([*self.names, "all"], [*self.groups, self.overall], strict=True)
        return [{self.factor: name, **group.rows()[0]} for name, group in listed]

    def lines(self) -> list[str]:
        """Readable form."""
        shown = [f"subgroups by {self.factor}, {self.tau2_mode} tau2"]
        for name, group in zip([*self.names, "all"], [*self.groups, self.overall], strict=True):
            natural = group.back_transformed
            shown.append(
                f"  {name} (k = {group.k}): {number(natural['estimate'])} "
                f"{span((natural['ci_low'], natural['ci_high']))}, tau2 {number(group.tau2)}"
            )
        kind = "chi2" if self.df_residual is None else "F"
        value = f"{kind}({self.df_text}) = {number(self.statistic, 3)}"
        shown.append(f"difference: {value}, {p_text(self.p)}")
        return shown
