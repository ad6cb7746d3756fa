"""Analyses as rows: rounded for people, in full for CSV."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

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
from metaanalysis.stats.results import (
    PoolResult,
    RegressionResult,
    SubgroupResult,
    degrees,
    number,
    p_text,
)

Row = dict[str, Any]
Rows = list[Row]


def text(value: float | None, digits: int = 3) -> str | None:
    """Return a number for a table; None (shown as unknown) for NaN."""
    return None if value is None or math.isnan(value) else number(value, digits)


def span(low: float, high: float, digits: int = 3) -> str | None:
    """Return ``low to high``; None where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return None
    return f"{number(low, digits)} to {number(high, digits)}"


def natural_text(value: float, scale: str) -> str | None:
    """Return a value on its natural scale: a share with three decimals, however small."""
    if math.isnan(value):
        return None
    return number(value, 3) if scale in ("identity", "exp") else f"{value:.3f}"


def natural_span(low: float, high: float, scale: str) -> str | None:
    """Return an interval on the natural scale; None where there is none."""
    ends = natural_text(low, scale), natural_text(high, scale)
    return None if None in ends else f"{ends[0]} to {ends[1]}"


def p_cell(p: float) -> str | None:
    """Return a p for a table."""
    return None if math.isnan(p) else p_text(p).removeprefix("p ").removeprefix("= ")


def _percent(level: float) -> str:
    return f"{100 * level:g} % interval"


def _pool(analysis: Analysis) -> tuple[Rows, list[str]]:
    outcome = analysis.sample.outcome
    if isinstance(analysis.result, MultilevelResult):
        return _several(analysis, analysis.result)
    result = cast("PoolResult", analysis.result)
    natural = result.back_transformed
    interval = _percent(result.level)
    scale = "" if result.back.scale == "identity" else f" ({result.back.scale} scale)"
    rows: Rows = [
        {
            "": f"{outcome}, pooled",
            "value": natural_text(natural["estimate"], result.back.scale),
            interval: natural_span(natural["ci_low"], natural["ci_high"], result.back.scale),
            "p": p_cell(result.p) if result.back.scale in ("identity", "exp") else None,
        }
    ]
    if not math.isnan(natural["pi_low"]):
        rows.append(
            {
                "": f"{outcome} of a new study",
                "value": None,
                interval: natural_span(natural["pi_low"], natural["pi_high"], result.back.scale),
                "p": None,
            }
        )
    rows += [
        {
            "": f"tau2{scale}",
            "value": text(result.tau2),
            interval: span(*result.tau2_ci),
            "p": None,
        },
        {"": "I2, %", "value": text(result.i2, 1), interval: span(*result.i2_ci, 1), "p": None},
        {
            "": result.q_label,
            "value": text(result.q, 1),
            interval: None,
            "p": p_cell(result.q_p),
        },
        {"": "studies (k)", "value": str(result.k), interval: None, "p": None},
    ]
    return rows, []


def _several(analysis: Analysis, result: MultilevelResult) -> tuple[Rows, list[str]]:
    outcome, interval = analysis.sample.outcome, _percent(result.level)
    natural = analysis.values["back_transformed"]
    nan = float("nan")
    of = {name: nan if value is None else value for name, value in natural.items()}
    scale = natural["scale"]
    first = result.coefficients[0]
    # Elsewhere the test is of 50 % or the like, which nobody asked.
    p = p_cell(first.p) if scale in ("identity", "exp") else None
    on = "" if scale == "identity" else f" ({scale} scale)"
    lines: list[tuple[str, str | None, str | None, str | None]] = [
        (
            f"{outcome}, pooled",
            natural_text(of["estimate"], scale),
            natural_span(of["ci_low"], of["ci_high"], scale),
            p,
        ),
        (
            f"{outcome} of a new study",
            None,
            natural_span(of["pi_low"], of["pi_high"], scale),
            None,
        ),
        (f"variance between studies{on}", text(result.sigma2_between), None, None),
        (f"variance within studies{on}", text(result.sigma2_within), None, None),
        ("I2, %", text(result.i2_between + result.i2_within, 1), None, None),
        ("I2 between studies, %", text(result.i2_between, 1), None, None),
        ("I2 within studies, %", text(result.i2_within, 1), None, None),
        (f"Q ({result.qe_df} df)", text(result.qe, 1), None, p_cell(result.qe_p)),
        ("effects", str(result.k), None, None),
        ("studies", str(result.clusters), None, None),
    ]
    return [dict(zip(("", "value", interval, "p"), cells, strict=True)) for cells in lines], []


def _subgroup(analysis: Analysis) -> tuple[Rows, list[str]]:
    result = cast("SubgroupResult", analysis.result)
    rows: Rows = []
    for name, group in zip([*result.names, "all"], [*result.groups, result.overall], strict=True):
        natural, scale = group.back_transformed, group.back.scale
        rows.append(
            {
                result.factor: name,
                "k": group.k,
                analysis.sample.outcome: natural_text(natural["estimate"], scale),
                _percent(group.level): natural_span(natural["ci_low"], natural["ci_high"], scale),
                "new study": natural_span(natural["pi_low"], natural["pi_high"], scale),
                "I2, %": text(group.i2, 1),
            }
        )
    if math.isnan(result.p):
        return rows, ["Difference: not tested."]
    tested = _difference(result.statistic, result.df, result.df_residual, result.p)
    lines = [f"Difference between the groups: {tested}."]
    other = analysis.values["other_tau2_mode"]
    if other is not None:
        mode = "a common" if other["tau2_mode"] == "common" else "separate"
        how = f"{other['method']}, {other['scale']} scale"
        if other["tau2_mode"] == "common" and other["one_study"]:
            how += ", groups of one study included"
        tested = _difference(other["statistic"], other["df"], other["df_residual"], other["p"])
        lines.append(f"With {mode} tau2 ({how}): {tested}.")
    return rows, lines


def _difference(statistic: float, df: int, df_residual: float | None, p: float) -> str:
    kind = "chi2" if df_residual is None else "F"
    return f"{kind}({degrees(df, df_residual)}) = {number(statistic, 2)}, {p_text(p)}"


def _regress(analysis: Analysis) -> tuple[Rows, list[str]]:
    result = cast("RegressionResult | MultilevelResult", analysis.result)
    rows: Rows = [
        {
            "term": item.name,
            "slope": text(item.estimate),
            "se": text(item.se),
            _percent(result.level): span(item.ci_low, item.ci_high),
            "p": p_cell(item.p),
            "permutation p": p_cell(item.permutation_p),
        }
        for item in result.coefficients
    ]
    if all(row["permutation p"] is None for row in rows):
        rows = [{key: cell for key, cell in row.items() if key != "permutation p"} for row in rows]
    lines = []
    if isinstance(result, RegressionResult):
        df = f"{result.qm_df}" if result.df is None else f"{result.qm_df}, {result.df:g}"
        kind = "QM" if result.df is None else "F"
        lines.append(
            f"All moderators: {kind}({df}) = {number(result.qm, 2)}, {p_text(result.qm_p)}. "
            f"R2 {number(result.r2, 1)} %. tau2 {number(result.tau2, 3)} "
            f"({number(result.tau2_without, 3)} without moderators). Residual heterogeneity "
            f"QE({result.qe_df}) = {number(result.qe, 1)}, {p_text(result.qe_p)}."
        )
        scale = result.back.scale
        for row in analysis.values["expected"]:
            name, place = next(iter(row.items()))
            where = f"{10**place:.0f} images" if name == "log10_images" else f"{name} {place:g}"
            lines.append(
                f"Expected at {where}: {natural_text(row['estimate'], scale)} "
                f"({natural_span(row['ci_low'], row['ci_high'], scale)}); a new study "
                f"{natural_span(row['pi_low'], row['pi_high'], scale)}."
            )
        for name, counts in result.levels.items():
            listed = ", ".join(f"{level} ({count})" for level, count in counts.items())
            lines.append(f"{name}: {listed}; the first is the reference.")
    return rows, lines


def _bias(analysis: Analysis) -> tuple[Rows, list[str]]:
    rows: Rows = []
    for result in analysis.results.values():
        if isinstance(result, TrimFillResult):
            natural = analysis.values["natural"]
            rows.append(
                {
                    "test": f"trim-and-fill ({result.estimator}, {result.side})",
                    "statistic": f"{result.k0} filled in",
                    "p": None,
                    "reading": f"{number(natural['unadjusted'], 3)} becomes "
                    f"{number(natural['adjusted'], 3)}",
                }
            )
            continue
        one = cast("BiasTestResult", result)
        df = "" if one.df is None else f"({one.df:g})"
        reading = None
        if not math.isnan(one.limit):
            limit = span(one.limit_low, one.limit_high)
            reading = f"at se 0: {number(one.limit, 3)} ({limit})"
        if one.name.startswith("Egger") and analysis.sample.kind != "effect":
            reading = None  # on the scale of the model, where nobody reads it
        rows.append(
            {
                "test": one.name,
                "statistic": f"{one.statistic_name}{df} = {number(one.statistic, 3)}",
                "p": p_cell(one.p),
                "reading": reading,
            }
        )
    return rows, []


def _influence(analysis: Analysis) -> tuple[Rows, list[str]]:
    marks = cast("InfluenceResult", analysis.results["influence"])
    left = cast("TableResult", analysis.results["leave_one_out"])
    rows: Rows = []
    for mark, without in zip(marks.table, left.table, strict=True):
        flags = marks.influential.get(mark["label"], ())
        rows.append(
            {
                "without": mark["label"],
                "weight, %": text(mark["weight"], 1),
                analysis.sample.outcome: text(without["natural_estimate"]),
                "interval": span(without["natural_ci_low"], without["natural_ci_high"]),
                "rstudent": text(mark["rstudent"], 2),
                "Cook": text(mark["cook"], 2),
                "stands out by": ", ".join(flags) or None,
            }
        )
    if not marks.influential:
        rows = [{key: cell for key, cell in row.items() if key != "stands out by"} for row in rows]
    if left.full is None:
        return rows, []
    natural = left.full.back_transformed
    line = f"All {left.full.k}: {number(natural['estimate'], 3)}"
    return rows, [f"{line} ({span(natural['ci_low'], natural['ci_high'])})."]


def _cumulative(analysis: Analysis) -> tuple[Rows, list[str]]:
    result = cast("TableResult", analysis.result)
    order = analysis.values["order"]
    rows: Rows = [
        {
            order["name"]: f"{key:g}",
            "added": row["label"],
            "k": row["k"],
            analysis.sample.outcome: text(row["natural_estimate"]),
            "interval": span(row["natural_ci_low"], row["natural_ci_high"]),
            "I2, %": text(row["i2"], 1),
        }
        for key, row in zip(order["values"], result.table, strict=True)
    ]
    return rows, []


def _accuracy(analysis: Analysis) -> tuple[Rows, list[str]]:
    result = cast("BivariateResult", analysis.result)
    nan = float("nan")
    rows: Rows = [
        {
            "": row["quantity"],
            "value": text(row["estimate"]),
            _percent(result.level): span(
                nan if row["ci_low"] is None else row["ci_low"],
                nan if row["ci_high"] is None else row["ci_high"],
            ),
        }
        for row in result.rows()
    ]
    line = (
        f"tau2 {number(result.tau2_sensitivity, 3)} (logit sensitivity), "
        f"{number(result.tau2_fpr, 3)} (logit false positive rate), correlation "
        f"{number(result.rho, 2)}. k = {result.k}."
    )
    return rows, [line]


def _multiverse(analysis: Analysis) -> tuple[Rows, list[str]]:
    """Return one row a scale and choice of studies: the range over methods and tests."""
    result = cast("MultiverseResult", analysis.result)
    groups: dict[tuple[str, str], Rows] = {}
    for row in result.table:
        groups.setdefault((row["inclusion"], row["transform"]), []).append(row)
    rows: Rows = []
    for (studies, scale), members in sorted(
        groups.items(), key=lambda group: (group[0][0] != "all", group[0])
    ):
        low = min(row["estimate"] for row in members)
        high = max(row["estimate"] for row in members)
        rows.append(
            {
                "studies": studies,
                "k": members[0]["k"],
                "scale": scale,
                "analyses": len(members),
                "estimates": span(low, high),
                "widest interval": span(
                    min(row["ci_low"] for row in members), max(row["ci_high"] for row in members)
                ),
            }
        )
    summary = result.summary
    line = (
        f"{summary['analyses']} analyses, median {number(summary['median'], 3)}; "
        "--format csv or json has each of them."
    )
    return rows, [line]


_TABLES: dict[str, Callable[[Analysis], tuple[Rows, list[str]]]] = {
    "pool": _pool,
    "subgroup": _subgroup,
    "regress": _regress,
    "bias": _bias,
    "influence": _influence,
    "cumulative": _cumulative,
    "accuracy": _accuracy,
    "multiverse": _multiverse,
}


def table(analysis: Analysis) -> tuple[Rows, list[str]]:
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
