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
from metaanalysis.stats.columns import (
    BoolArray,
    FloatArray,
    Missing,
    RowCheck,
    choose,
    vector,
    vectors,
)
from metaanalysis.stats.notes import Note
from metaanalysis.stats.studies import EffectSizes
from metaanalysis.stats.transforms import (
    BackTransform,
    arcsine,
    back_transform_named,
    freeman_tukey,
)

ProportionScale = Literal["raw", "log", "logit", "arcsine", "freeman-tukey"]
GroupMeasure = Literal["log-risk-ratio", "log-odds-ratio", "risk-difference"]


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
        See `EffectSizes.of`.

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
    count, size = vectors(("events", events), ("n", n))
    check = RowCheck.of(count.size, labels, missing)
    check.counts(count, size)
    check.require(1, "An analysis of proportions")
    whole = np.isclose(count, np.round(count), rtol=0, atol=1e-9)
    check.note(~whole, "fractions", column="events")
    used, total = count, size
    edge = (count == 0) | (count == size)
    if transform in ("raw", "log", "logit") and (check.keep & edge).any():
        if correction <= 0:
            row = int(np.flatnonzero(check.keep & edge)[0])
            raise StatisticsError(
                f"Row {row + 1}, column 'events': {count[row]:g} of {size[row]:g} has no "
                f"{transform} value with a variance.",
                "Give a correction, or use the GLMM, which needs none.",
            )
        check.note(edge, "edge-corrected", correction=correction)
        used = np.where(edge, count + correction, count)
        total = np.where(edge, size + 2 * correction, size)
    keep = check.keep
    effect, variance = _proportion_effect(used[keep], total[keep], transform)
    # A pooled double arcsine is inverted at the harmonic mean of n.
    middle = float(keep.sum() / np.sum(1.0 / size[keep]))
    return EffectSizes.kept(
        check,
        effect,
        variance,
        f"{transform} proportion",
        back_transform_named(transform, middle),
        size=size[keep],
        events=count[keep],
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
        return arcsine(share), 0.25 / size
    return freeman_tukey(count, size), 1.0 / (4.0 * size + 2.0)


def counts_of(
    events: ArrayLike | EffectSizes, n: ArrayLike | None
) -> tuple[EffectSizes, FloatArray, FloatArray]:
    """Return the studies that a function of counts was given, with their events and n.

    Parameters
    ----------
    events, n
        Shape (k,); or what `proportions` returns, and no n.
    """
    if not isinstance(events, EffectSizes):
        if n is None:
            raise StatisticsError("'n' is missing: every count needs the number of its cases.")
        # On this scale no count needs a correction.
        events = proportions(events, n, "arcsine")
    elif n is not None:
        raise StatisticsError("'events' already holds its numbers of cases; leave 'n' out.")
    if events.events is None or events.size is None:
        raise StatisticsError(
            f"A {events.measure} holds no counts.",
            "Pass events and n, or what proportions() gives.",
        )
    return events, events.events, events.size


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
        See `EffectSizes.of`. An AUC of exactly 0 or 1 has no variance and counts as missing.
    """
    choose(transform, ("raw", "logit"), "transform")
    values = vector(area, "auc")
    absent = np.full(values.size, np.nan)
    positive = absent if n_positive is None else vector(n_positive, "n_positive", values.size)
    negative = absent if n_negative is None else vector(n_negative, "n_negative", values.size)
    check = RowCheck.of(values.size, labels, missing)
    if n is not None and assumed_prevalence is not None:
        if not 0 < assumed_prevalence < 1:
            raise StatisticsError("assumed_prevalence must lie between 0 and 1.")
        total = vector(n, "n", values.size)
        split = (np.isnan(positive) | np.isnan(negative)) & ~np.isnan(total)
        positive = np.where(split, assumed_prevalence * total, positive)
        negative = np.where(split, total - assumed_prevalence * total, negative)
        check.note(split, "prevalence-assumed", prevalence=assumed_prevalence)
    check.finite(auc=values)
    check.fault((values < 0) | (values > 1), "auc", values, "is not between 0 and 1")
    check.finite(n_positive=positive, n_negative=negative)
    check.fault(positive <= 0, "n_positive", positive, "is not a number of cases")
    check.fault(negative <= 0, "n_negative", negative, "is not a number of cases")
    check.gap((values == 0) | (values == 1), "auc", "area-at-edge")
    check.require(1, "An analysis of AUC")
    keep = check.keep
    effect = values[keep]
    variance = hanley_mcneil(effect, positive[keep], negative[keep])
    if transform == "logit":
        variance = variance / (effect * (1.0 - effect)) ** 2
        effect = special.logit(effect)
    back = back_transform_named(transform)
    size = positive[keep] + negative[keep]
    return EffectSizes.kept(check, effect, variance, f"{transform} AUC", back, size=size)


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
    given = {"estimate": estimate, "ci_low": ci_low, "ci_high": ci_high}
    cells = dict(zip(given, vectors(*given.items()), strict=True))
    values, low, high = cells.values()
    check = RowCheck.of(values.size, labels, missing)
    check.finite(**cells)
    check.fault(high <= low, "ci_high", high, "is not above 'ci_low' of the same row")
    outside = (values < low) | (values > high)
    check.fault(outside, "estimate", values, "lies outside its own interval")
    for column, numbers in cells.items():
        if transform == "log":
            check.fault(numbers <= 0, column, numbers, "has no logarithm")
        if transform == "logit":
            check.gap((numbers <= 0) | (numbers >= 1), column, "no-logit")
    check.require(1, "An analysis of intervals")
    move = {"raw": np.asarray, "log": np.log, "logit": special.logit}[transform]
    with np.errstate(divide="ignore", invalid="ignore"):  # of rows that are left out
        effect, lower, upper = (np.asarray(move(numbers)) for numbers in cells.values())
        width = upper - lower
        skewed = np.abs(effect - 0.5 * (lower + upper)) > 0.1 * width
    check.note(skewed, "interval-lopsided", scale=transform)
    variance = (width / (2.0 * distributions.z_quantile(0.5 + 0.5 * level))) ** 2
    return EffectSizes.kept(
        check,
        effect[check.keep],
        variance[check.keep],
        "effect" if transform == "raw" else f"{transform} effect",
        back_transform_named(transform),
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
    treated, size_t, control, size_c = vectors(
        ("events_treated", events_treated), ("n_treated", n_treated),
        ("events_control", events_control), ("n_control", n_control),
    )  # fmt: skip
    check = RowCheck.of(treated.size, labels, missing)
    check.counts(treated, size_t, ("events_treated", "n_treated"))
    check.counts(control, size_c, ("events_control", "n_control"))
    check.require(1, "An analysis of two groups")
    keep = check.keep
    cells = [treated, size_t - treated, control, size_c - control]
    zero: BoolArray = np.min(cells, axis=0) == 0
    check.note(zero, "zero-cell-corrected", correction=correction)
    a, b, c, d = (np.where(zero, cell + correction, cell)[keep] for cell in cells)
    n1, n2 = a + b, c + d
    if measure == "log-risk-ratio":
        effect, variance = np.log(a / n1) - np.log(c / n2), 1 / a - 1 / n1 + 1 / c - 1 / n2
    elif measure == "log-odds-ratio":
        effect, variance = np.log(a / b) - np.log(c / d), 1 / a + 1 / b + 1 / c + 1 / d
    else:
        effect, variance = a / n1 - c / n2, a * b / n1**3 + c * d / n2**3
    return EffectSizes.kept(
        check,
        effect,
        variance,
        measure.replace("-", " "),
        BackTransform("identity" if measure == "risk-difference" else "exp"),
        size=(size_t + size_c)[keep],
    )


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
    columns = (
        ("effect_first", effect_first), ("variance_first", variance_first),
        ("effect_second", effect_second), ("variance_second", variance_second),
    )  # fmt: skip
    first, spread1, second, spread2 = cells = vectors(*columns)
    check = RowCheck.of(first.size, labels, missing)
    for (column, _), numbers in zip(columns, cells, strict=True):
        check.finite(**{column: numbers})
        if column.startswith("variance"):
            check.fault(numbers <= 0, column, numbers, "is not a variance")
    variance = spread1 + spread2 - 2.0 * correlation * np.sqrt(spread1 * spread2)
    check.fault(
        variance <= 1e-14 * (spread1 + spread2), "variance_second", spread2,
        f"leaves no variance of the difference at correlation {correlation:g}",
    )  # fmt: skip
    check.require(1, "An analysis of differences")
    check.notes.append(Note.of("correlation-assumed", correlation=correlation))
    keep = check.keep
    return EffectSizes.kept(
        check,
        (first - second)[keep],
        variance[keep],
        "paired difference",
        BackTransform(),
    )
