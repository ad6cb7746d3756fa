"""Effect sizes and sampling variances from what a study reports.

Proportions (accuracy, sensitivity, specificity) from counts, AUC from the numbers of cases
with and without the finding, a standard error from a confidence interval, two-group counts,
and differences between arms of one study. A missing n is refused or listed as left out; it
is never made up. Explicit assumptions stand in the result's ``warnings``.

Sources: metafor's ``escalc`` documentation for the measures PR, PLN, PLO, PAS, PFT, RR, OR,
RD; Hanley & McNeil (1982), Radiology 143:29 for the AUC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from db.errors import StatisticsError
from metaanalysis.stats import distributions
from metaanalysis.stats.studies import (
    BoolArray,
    EffectSizes,
    FloatArray,
    Missing,
    RowCheck,
    RowNote,
    checked_counts,
    choose,
    fraction_warning,
    names,
    vector,
)
from metaanalysis.stats.transforms import BackTransform, Scale, freeman_tukey, harmonic_mean, logit

ProportionScale = Literal["raw", "log", "logit", "arcsine", "freeman-tukey"]
GroupMeasure = Literal["log-risk-ratio", "log-odds-ratio", "risk-difference"]
_BACK: dict[str, Scale] = {
    "raw": "identity",
    "log": "exp",
    "logit": "logit",
    "arcsine": "arcsine",
    "freeman-tukey": "freeman-tukey",
}


def proportions(
    events: ArrayLike,
    n: ArrayLike,
    transform: ProportionScale = "logit",
    *,
    correction: float = 0.5,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> EffectSizes:
    """Proportions from counts on one of five scales.

    Parameters
    ----------
    events, n
        Shape (k,): how many of how many.
    transform
        ``"raw"``, ``"log"``, ``"logit"``, ``"arcsine"`` or ``"freeman-tukey"`` (metafor's PR,
        PLN, PLO, PAS, PFT).
    correction
        Added to events and non-events of a study at 0 % or 100 %, on the scales that have no
        value or no variance there (raw, log, logit); such rows stand in ``warnings``.
    labels, missing
        See `as_effect_sizes`.

    Returns
    -------
    EffectSizes
        Its `back` inverts the scale; Freeman-Tukey at the harmonic mean of n.

    Raises
    ------
    StatisticsError
        For counts that cannot be, and for a missing n unless ``missing="exclude"``.
    """
    choose(transform, get_args(ProportionScale), "transform")
    count, size, check = checked_counts(events, n, labels, missing)
    check.require(1, "An analysis of proportions")
    warnings = list(fraction_warning(count, check, "events"))
    if transform in ("raw", "log", "logit"):
        edge = check.keep & ((count == 0) | (count == size))
        if edge.any():
            if correction <= 0:
                row = int(np.flatnonzero(edge)[0]) + 1
                raise StatisticsError(
                    f"Row {row}, column 'events': {count[row - 1]:g} of {size[row - 1]:g} has no "
                    f"{transform} value with a variance.",
                    "Give a correction, or use the GLMM, which needs none.",
                )
            words = f"{correction:g} added to events and non-events (0 % or 100 %): "
            warnings.append(RowNote(words, np.flatnonzero(edge) + 1))
        count = np.where(edge, count + correction, count)
        size_used = np.where(edge, size + 2 * correction, size)
    else:
        size_used = size
    keep = check.keep
    effect, variance = _proportion_effect(count[keep], size_used[keep], transform)
    back = BackTransform(
        _BACK[transform],
        harmonic_mean(size[keep]) if transform == "freeman-tukey" else float("nan"),
    )
    return EffectSizes(
        effect,
        variance,
        check.kept_labels(),
        check.kept_rows(),
        f"{transform} proportion",
        back,
        size[keep],
        tuple(check.excluded),
        tuple(warnings),
    )


def _proportion_effect(
    count: FloatArray, size: FloatArray, transform: str
) -> tuple[FloatArray, FloatArray]:
    share = count / size
    if transform == "raw":
        return share, share * (1.0 - share) / size
    if transform == "log":
        return np.log(share), 1.0 / count - 1.0 / size
    if transform == "logit":
        rest = size - count
        return np.log(count / rest), 1.0 / count + 1.0 / rest
    if transform == "arcsine":
        return np.arcsin(np.sqrt(share)), 0.25 / size
    return freeman_tukey(count, size), 1.0 / (4.0 * size + 2.0)


def counts_from_rates(proportion: ArrayLike, n: ArrayLike) -> FloatArray:
    """Whole numbers of events nearest to ``proportion * n``; NaN where either is missing.

    For rates that a study prints with rounding. Whether a printed rate can come from n cases
    at all is the audit's question, not this function's.
    """
    share = vector(proportion, "proportion")
    size = vector(n, "n", share.size)
    check = RowCheck(share.size, names(None, share.size))
    check.fault((share < 0) | (share > 1), "proportion", share, "is not between 0 and 1")
    return np.round(share * size)


def auc(
    area: ArrayLike,
    n_positive: ArrayLike | None = None,
    n_negative: ArrayLike | None = None,
    transform: Literal["raw", "logit"] = "logit",
    *,
    n: ArrayLike | None = None,
    assumed_prevalence: float | None = None,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> EffectSizes:
    """Areas under the ROC curve with Hanley and McNeil's variance.

    Parameters
    ----------
    area
        Shape (k,), between 0 and 1.
    n_positive, n_negative
        Shape (k,): cases with and without the finding.
    transform
        ``"raw"`` or ``"logit"`` (variance by the delta method).
    n, assumed_prevalence
        Where a study gives only its total n, it is split by this share of positives: an
        explicit assumption that the result's ``warnings`` repeat with the rows.
    labels, missing
        See `as_effect_sizes`. An AUC of exactly 0 or 1 has no variance and counts as missing.
    """
    choose(transform, ("raw", "logit"), "transform")
    values = vector(area, "auc")
    absent = np.full(values.size, np.nan)
    positive = absent if n_positive is None else vector(n_positive, "n_positive", values.size)
    negative = absent if n_negative is None else vector(n_negative, "n_negative", values.size)
    check = RowCheck(values.size, names(labels, values.size), missing)
    warnings: list[str] = []
    if n is not None and assumed_prevalence is not None:
        if not 0 < assumed_prevalence < 1:
            raise StatisticsError("assumed_prevalence must lie between 0 and 1.")
        total = vector(n, "n", values.size)
        split = (np.isnan(positive) | np.isnan(negative)) & ~np.isnan(total)
        positive = np.where(split, assumed_prevalence * total, positive)
        negative = np.where(split, total - assumed_prevalence * total, negative)
        if split.any():
            words = f"prevalence {assumed_prevalence:g} assumed to split n: "
            warnings.append(RowNote(words, np.flatnonzero(split) + 1))
    check.finite(values, "auc")
    check.fault((values < 0) | (values > 1), "auc", values, "is not between 0 and 1")
    check.finite(positive, "n_positive")
    check.finite(negative, "n_negative")
    check.fault(positive <= 0, "n_positive", positive, "is not a number of cases")
    check.fault(negative <= 0, "n_negative", negative, "is not a number of cases")
    check.gap((values == 0) | (values == 1), "auc", "an AUC of exactly 0 or 1 has no variance")
    check.require(1, "An analysis of AUC")
    keep = check.keep
    effect = values[keep]
    variance = hanley_mcneil(effect, positive[keep], negative[keep])
    if transform == "logit":
        variance = variance / (effect * (1.0 - effect)) ** 2
        effect = logit(effect)
    return EffectSizes(
        effect,
        variance,
        check.kept_labels(),
        check.kept_rows(),
        f"{transform} AUC",
        BackTransform(_BACK[transform]),
        positive[keep] + negative[keep],
        tuple(check.excluded),
        tuple(warnings),
    )


def hanley_mcneil(area: FloatArray, positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Variance of an AUC under negative exponential score distributions, shape (k,)."""
    q1 = area / (2.0 - area)
    q2 = 2.0 * area**2 / (1.0 + area)
    spread = (positive - 1.0) * (q1 - area**2) + (negative - 1.0) * (q2 - area**2)
    return np.asarray((area * (1.0 - area) + spread) / (positive * negative), dtype=np.float64)


def from_interval(
    estimate: ArrayLike,
    ci_low: ArrayLike,
    ci_high: ArrayLike,
    transform: Literal["raw", "log", "logit"] = "raw",
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> EffectSizes:
    """Effects with variances from their confidence intervals.

    Parameters
    ----------
    estimate, ci_low, ci_high
        Shape (k,), on the printed scale.
    transform
        Scale on which the interval is taken to be symmetric; effects are returned on it.
    level
        Confidence level of the intervals.

    Notes
    -----
    se = (g(high) - g(low)) / (2 z). An estimate farther than a tenth of the interval's width
    from its middle on that scale is named in ``warnings``: another scale may be right.
    """
    choose(transform, ("raw", "log", "logit"), "transform")
    values = vector(estimate, "estimate")
    low, high = vector(ci_low, "ci_low", values.size), vector(ci_high, "ci_high", values.size)
    check = RowCheck(values.size, names(labels, values.size), missing)
    columns = (("estimate", values), ("ci_low", low), ("ci_high", high))
    for column, cells in columns:
        check.finite(cells, column)
    check.fault(high <= low, "ci_high", high, "is not above 'ci_low' of the same row")
    outside = (values < low) | (values > high)
    check.fault(outside, "estimate", values, "lies outside its own interval")
    for column, cells in columns:
        if transform == "log":
            check.fault(cells <= 0, column, cells, "has no logarithm")
        if transform == "logit":
            off = (cells <= 0) | (cells >= 1)
            check.gap(off, column, "a value of 0 or 1, or beyond, has no logit")
    check.require(1, "An analysis of intervals")
    keep = check.keep
    move = {"raw": np.asarray, "log": np.log, "logit": special.logit}[transform]
    effect, lower, upper = (np.asarray(move(cells[keep])) for _, cells in columns)
    width = upper - lower
    variance = (width / (2.0 * distributions.z_quantile(0.5 + 0.5 * level))) ** 2
    skewed = np.abs(effect - 0.5 * (lower + upper)) > 0.1 * width
    rows = check.kept_rows()
    warnings = tuple(
        RowNote("", [rows[index]], f": interval is not symmetric on the {transform} scale")
        for index in np.flatnonzero(skewed)
    )
    return EffectSizes(
        effect,
        variance,
        check.kept_labels(),
        rows,
        "effect" if transform == "raw" else f"{transform} effect",
        BackTransform(_BACK[transform]),
        None,
        tuple(check.excluded),
        warnings,
    )


def two_groups(
    events_treated: ArrayLike,
    n_treated: ArrayLike,
    events_control: ArrayLike,
    n_control: ArrayLike,
    measure: GroupMeasure = "log-odds-ratio",
    *,
    correction: float = 0.5,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> EffectSizes:
    """Log risk ratio, log odds ratio or risk difference of two independent groups.

    Notes
    -----
    `correction` goes to all four cells of each study that has a zero cell (metafor's
    ``to="only0"``). Studies without any event, or with nothing else, in both groups carry no
    information on a ratio; they are kept with the correction and named in ``warnings``.
    """
    choose(measure, get_args(GroupMeasure), "measure")
    treated, size_t, check = checked_counts(
        events_treated, n_treated, labels, missing, ("events_treated", "n_treated")
    )
    control = vector(events_control, "events_control", treated.size)
    size_c = vector(n_control, "n_control", treated.size)
    check.finite(control, "events_control")
    check.finite(size_c, "n_control")
    check.fault(size_c <= 0, "n_control", size_c, "is not a number of cases")
    check.fault(control < 0, "events_control", control, "is negative")
    check.fault(control > size_c, "events_control", control, "is more than 'n_control'")
    check.require(1, "An analysis of two groups")
    keep = check.keep
    cells = [treated[keep], (size_t - treated)[keep], control[keep], (size_c - control)[keep]]
    zero: BoolArray = np.min(cells, axis=0) == 0
    a, b, c, d = (np.where(zero, cell + correction, cell) for cell in cells)
    rows = check.kept_rows()
    warnings: tuple[str, ...] = ()
    if zero.any():
        listed = [rows[index] for index in np.flatnonzero(zero)]
        warnings = (RowNote(f"{correction:g} added to all cells (a cell is 0): ", listed),)
    n1, n2 = a + b, c + d
    if measure == "log-risk-ratio":
        effect, variance = np.log(a / n1) - np.log(c / n2), 1 / a - 1 / n1 + 1 / c - 1 / n2
    elif measure == "log-odds-ratio":
        effect, variance = np.log(a / b) - np.log(c / d), 1 / a + 1 / b + 1 / c + 1 / d
    else:
        effect, variance = a / n1 - c / n2, a * b / n1**3 + c * d / n2**3
    back = BackTransform("identity" if measure == "risk-difference" else "exp")
    size = (size_t + size_c)[keep]
    words = measure.replace("-", " ")
    return EffectSizes(
        effect, variance, check.kept_labels(), rows, words, back, size,
        tuple(check.excluded), warnings,
    )  # fmt: skip


def paired_differences(
    effect_first: ArrayLike,
    variance_first: ArrayLike,
    effect_second: ArrayLike,
    variance_second: ArrayLike,
    correlation: float,
    *,
    labels: Sequence[object] | None = None,
    missing: Missing = "error",
) -> EffectSizes:
    """Differences, first minus second, between two arms that share their test cases.

    Parameters
    ----------
    effect_first, variance_first, effect_second, variance_second
        Shape (k,), both arms on the same scale.
    correlation
        Sampling correlation of the two arms, -1 to 1. Studies hardly ever report it, so it
        is asked for, and repeated in the result's ``warnings``.
    """
    if not -1.0 <= correlation <= 1.0:
        raise StatisticsError(f"correlation must lie between -1 and 1, not {correlation:g}.")
    first = vector(effect_first, "effect_first")
    columns = {
        "effect_first": first,
        "variance_first": vector(variance_first, "variance_first", first.size),
        "effect_second": vector(effect_second, "effect_second", first.size),
        "variance_second": vector(variance_second, "variance_second", first.size),
    }
    check = RowCheck(first.size, names(labels, first.size), missing)
    for column, cells in columns.items():
        check.finite(cells, column)
        if column.startswith("variance"):
            check.fault(cells <= 0, column, cells, "is not a variance")
    spread1, spread2 = columns["variance_first"], columns["variance_second"]
    variance = spread1 + spread2 - 2.0 * correlation * np.sqrt(spread1 * spread2)
    check.fault(
        variance <= 1e-14 * (spread1 + spread2), "variance_second", spread2,
        f"leaves no variance of the difference at correlation {correlation:g}",
    )  # fmt: skip
    check.require(1, "An analysis of differences")
    keep = check.keep
    return EffectSizes(
        (first - columns["effect_second"])[keep],
        variance[keep],
        check.kept_labels(),
        check.kept_rows(),
        "paired difference",
        BackTransform(),
        None,
        tuple(check.excluded),
        (f"correlation {correlation:g} between the arms is an assumption",),
    )
