"""Analyses as rows: rounded for people, in full for CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from db.wording import fixed, p_cell
from metaanalysis.analyses.analysis import Analysis
from metaanalysis.stats.result_tables import (
    BiasTestResult,
    BivariateResult,
    InfluenceResult,
    MultilevelResult,
    MultiverseResult,
    TableResult,
    TrimFillResult,
)
from metaanalysis.stats.results import NATURAL, PoolResult, RegressionResult, SubgroupResult
from metaanalysis.stats.wording import fraction_scale, level_words, q_words, wald_words

Row = dict[str, Any]
Rows = list[Row]
Table = tuple[Rows, list[str]]


def text(value: float | None, digits: int = 3) -> str | None:
    """Return a number for a table; None (shown as unknown) for NaN."""
    return None if value is None or math.isnan(value) else fixed(value, digits)


def span(low: float | None, high: float | None, digits: int = 3) -> str | None:
    """Return ``low to high``; None where there is no interval."""
    return _to(text(low, digits), text(high, digits))


def _to(low: str | None, high: str | None) -> str | None:
    return None if low is None or high is None else f"{low} to {high}"


def _natural(values: Mapping[str, Any], scale: str) -> tuple[str | None, str | None, str | None]:
    """Return estimate, interval and prediction interval on their natural scale.

    A share has three decimals, however small.
    """
    told = {name: text(values[name]) for name in NATURAL}
    if fraction_scale(scale):
        told = {name: told[name] and f"{values[name]:.3f}" for name in NATURAL}
    return (
        told["estimate"],
        _to(told["ci_low"], told["ci_high"]),
        _to(told["pi_low"], told["pi_high"]),
    )


def _of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Rows:
    return [dict(zip(columns, cells, strict=True)) for cells in rows]


def _without_empty(rows: Rows, name: str) -> Rows:
    """Return the rows without a column in which nothing stands."""
    if any(row[name] is not None for row in rows):
        return rows
    return [{key: cell for key, cell in row.items() if key != name} for row in rows]


def _interval(level: float) -> str:
    return f"{level_words(level)} interval"


def _pool(analysis: Analysis) -> Table:
    outcome, result = analysis.sample.outcome, analysis.result
    if isinstance(result, MultilevelResult):
        values = analysis.values["back_transformed"]
        scale, p = values["scale"], result.coefficients[0].p
    else:
        result = cast("PoolResult", result)
        values, scale, p = result.back_transformed, result.back.scale, result.p
    on = "" if scale == "identity" else f" ({scale} scale)"
    # A test of 0 on another scale is one of 50 % or the like, which nobody asked.
    tested = None if fraction_scale(scale) else p_cell(p)
    estimate, interval, expected = _natural(values, scale)
    lines: list[Sequence[Any]] = [(f"{outcome}, pooled", estimate, interval, tested)]
    if expected is not None or isinstance(result, MultilevelResult):
        lines.append((f"{outcome} of a new study", None, expected, None))
    if isinstance(result, MultilevelResult):
        lines += [
            (f"variance between studies{on}", text(result.sigma2_between), None, None),
            (f"variance within studies{on}", text(result.sigma2_within), None, None),
            ("I2, %", text(result.i2_between + result.i2_within, 1), None, None),
            ("I2 between studies, %", text(result.i2_between, 1), None, None),
            ("I2 within studies, %", text(result.i2_within, 1), None, None),
            (q_words("", result.qe_df), text(result.qe, 1), None, p_cell(result.qe_p)),
            ("effects", str(result.k), None, None),
            ("studies", str(result.clusters), None, None),
        ]
    else:
        lines += [
            (f"tau2{on}", text(result.tau2), span(*result.tau2_ci), None),
            ("I2, %", text(result.i2, 1), span(*result.i2_ci, 1), None),
            (result.q_label, text(result.q, 1), None, p_cell(result.q_p)),
            ("studies (k)", str(result.k), None, None),
        ]
    return _of(("", "value", _interval(result.level), "p"), lines), []


def _subgroup(analysis: Analysis) -> Table:
    result = cast("SubgroupResult", analysis.result)
    level = _interval(result.overall.level)
    columns = (result.factor, "k", analysis.sample.outcome, level, "new study", "I2, %")
    named = zip([*result.names, "all"], [*result.groups, result.overall], strict=True)
    rows = [
        (name, one.k, *_natural(one.back_transformed, one.back.scale), text(one.i2, 1))
        for name, one in named
    ]
    if math.isnan(result.p):
        return _of(columns, rows), ["Difference: not tested."]
    tested = wald_words(result.statistic, result.df, result.df_residual, result.p)
    lines = [f"Difference between the groups: {tested}."]
    other = analysis.values["other_tau2_mode"]
    if other is not None:
        common = other["tau2_mode"] == "common"
        how = f"{other['method']}, {other['scale']} scale"
        if common and other["one_study"]:
            how += ", groups of one study included"
        tested = wald_words(other["statistic"], other["df"], other["df_residual"], other["p"])
        lines.append(f"With {'a common' if common else 'separate'} tau2 ({how}): {tested}.")
    return _of(columns, rows), lines


def _regress(analysis: Analysis) -> Table:
    result = cast("RegressionResult | MultilevelResult", analysis.result)
    columns = ("term", "slope", "se", _interval(result.level), "p", "permutation p")
    found = [
        (
            item.name,
            text(item.estimate),
            text(item.se),
            span(item.ci_low, item.ci_high),
            p_cell(item.p),
            p_cell(item.permutation_p),
        )
        for item in result.coefficients
    ]
    rows = _without_empty(_of(columns, found), "permutation p")
    if isinstance(result, MultilevelResult):
        return rows, []
    lines = [
        f"All moderators: {wald_words(result.qm, result.qm_df, result.df, result.qm_p, chi2='QM')}."
        f" R2 {fixed(result.r2, 1)} %. tau2 {fixed(result.tau2)} ({fixed(result.tau2_without)} "
        "without moderators). Residual heterogeneity "
        f"{wald_words(result.qe, result.qe_df, None, result.qe_p, chi2='QE', decimals=1)}."
    ]
    for row in analysis.values["expected"]:
        name, place = next(iter(row.items()))
        where = f"{10**place:.0f} images" if name == "log10_images" else f"{name} {place:g}"
        estimate, interval, expected = _natural(row, result.back.scale)
        lines.append(f"Expected at {where}: {estimate} ({interval}); a new study {expected}.")
    for name, counts in result.levels.items():
        listed = ", ".join(f"{level} ({count})" for level, count in counts.items())
        lines.append(f"{name}: {listed}; the first is the reference.")
    return rows, lines


def _bias(analysis: Analysis) -> Table:
    rows: list[Sequence[str | None]] = []
    for result in analysis.results.values():
        if isinstance(result, TrimFillResult):
            at = analysis.values["natural"]
            moved = f"{fixed(at['unadjusted'])} becomes {fixed(at['adjusted'])}"
            name = f"trim-and-fill ({result.estimator}, {result.side})"
            rows.append((name, f"{result.k0} filled in", None, moved))
            continue
        one = cast("BiasTestResult", result)
        df = "" if one.df is None else f"({one.df:g})"
        reading = None
        # On the scale of a model Egger's limit is a number that nobody reads.
        on_model_scale = (
            result is analysis.results.get("egger") and analysis.sample.kind != "effect"
        )
        if not math.isnan(one.limit) and not on_model_scale:
            reading = f"at se 0: {fixed(one.limit)} ({span(one.limit_low, one.limit_high)})"
        statistic = f"{one.statistic_name}{df} = {fixed(one.statistic)}"
        rows.append((one.name, statistic, p_cell(one.p), reading))
    return _of(("test", "statistic", "p", "reading"), rows), []


def _influence(analysis: Analysis) -> Table:
    marks = cast("InfluenceResult", analysis.results["influence"])
    left = cast("TableResult", analysis.results["leave_one_out"])
    columns = (
        "without", "weight, %", analysis.sample.outcome, "interval", "rstudent", "Cook",
        "stands out by",
    )  # fmt: skip
    found = [
        (
            mark["label"],
            text(mark["weight"], 1),
            text(without["natural_estimate"]),
            span(without["natural_ci_low"], without["natural_ci_high"]),
            text(mark["rstudent"], 2),
            text(mark["cook"], 2),
            ", ".join(marks.influential.get(mark["label"], ())) or None,
        )
        for mark, without in zip(marks.table, left.table, strict=True)
    ]
    rows = _without_empty(_of(columns, found), "stands out by")
    if left.full is None:
        return rows, []
    at = left.full.back_transformed
    whole = f"All {left.full.k}: {fixed(at['estimate'])} ({span(at['ci_low'], at['ci_high'])})."
    return rows, [whole]


def _cumulative(analysis: Analysis) -> Table:
    result = cast("TableResult", analysis.result)
    order = analysis.values["order"]
    columns = (order["name"], "added", "k", analysis.sample.outcome, "interval", "I2, %")
    rows = [
        (
            f"{key:g}",
            row["label"],
            row["k"],
            text(row["natural_estimate"]),
            span(row["natural_ci_low"], row["natural_ci_high"]),
            text(row["i2"], 1),
        )
        for key, row in zip(order["values"], result.table, strict=True)
    ]
    return _of(columns, rows), []


def _accuracy(analysis: Analysis) -> Table:
    result = cast("BivariateResult", analysis.result)
    rows = [
        (row["quantity"], text(row["estimate"]), span(row["ci_low"], row["ci_high"]))
        for row in result.rows()
    ]
    line = (
        f"tau2 {fixed(result.tau2_sensitivity)} (logit sensitivity), {fixed(result.tau2_fpr)} "
        f"(logit false positive rate), correlation {fixed(result.rho, 2)}. k = {result.k}."
    )
    return _of(("", "value", _interval(result.level)), rows), [line]


def _multiverse(analysis: Analysis) -> Table:
    """Return one row a scale and choice of studies: the range over methods and tests."""
    result = cast("MultiverseResult", analysis.result)
    groups: dict[tuple[str, str], Rows] = {}
    for row in result.table:
        groups.setdefault((row["inclusion"], row["transform"]), []).append(row)
    rows = [
        (
            studies,
            members[0]["k"],
            scale,
            len(members),
            span(min(row["estimate"] for row in members), max(row["estimate"] for row in members)),
            span(min(row["ci_low"] for row in members), max(row["ci_high"] for row in members)),
        )
        for (studies, scale), members in sorted(
            groups.items(), key=lambda group: (group[0][0] != "all", group[0])
        )
    ]
    line = (
        f"{result.summary['analyses']} analyses, median {fixed(result.summary['median'])}; "
        "--format csv or json has each of them."
    )
    return _of(("studies", "k", "scale", "analyses", "estimates", "widest interval"), rows), [line]


_TABLES: dict[str, Callable[[Analysis], Table]] = {
    "pool": _pool,
    "subgroup": _subgroup,
    "regress": _regress,
    "bias": _bias,
    "influence": _influence,
    "cumulative": _cumulative,
    "accuracy": _accuracy,
    "multiverse": _multiverse,
}


def table(analysis: Analysis) -> Table:
    """Return an analysis as rows for people, and the lines that belong right below them."""
    return _TABLES[analysis.kind](analysis)


def records(analysis: Analysis) -> Rows:
    """Return an analysis as rows in full precision."""
    if analysis.kind == "bias":
        found: Rows = []
        for name, result in analysis.results.items():
            found += [{"test": name, **row} for row in result.rows()]
        names = dict.fromkeys(key for row in found for key in row)
        return [{key: row.get(key) for key in names} for row in found]
    if analysis.kind == "influence":
        left = cast("TableResult", analysis.results["leave_one_out"]).rows()
        marks = analysis.result.rows()
        return [
            {**mark, **{f"without_{key}": cell for key, cell in row.items() if key != "label"}}
            for mark, row in zip(marks, left, strict=True)
        ]
    return analysis.result.rows()
