"""What statistics find, in words: notes, reasons, models, tests. The one place that has them.

The numeric core gives codes with rows and values; tables, captions, JSON and the plain sentences
take their words from here. All functions take plain values, so that anyone may use them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.wording import fixed, p_words

#: Code of a note -> its words; ``{rows}`` are the rows that it speaks of, the rest its values.
NOTES = {
    # of the data
    "fractions": "{column} is not a whole number in {rows}",
    "edge-corrected": "{correction:g} added to events and non-events (0 % or 100 %): {rows}",
    "edge-kept": "{edge} of {k} studies at 0 % or 100 %, used as they are",
    "zero-cell-corrected": "{correction:g} added to all cells (a cell is 0): {rows}",
    "cells-corrected": "{correction:g} added to all four cells of {rows}",
    "prevalence-assumed": "prevalence {prevalence:g} assumed to split n: {rows}",
    "correlation-assumed": "correlation {correlation:g} between the arms is an assumption",
    "interval-lopsided": "interval is not symmetric on the {scale} scale: {rows}",
    # of one estimate
    "one-study": "one study: it stands for itself, with no between-study variance",
    "equal-effects": "the effects are equal: Knapp-Hartung's standard error is 0 and its interval "
    "a point",
    "tau2-interval-empty": "the effects agree so closely that no tau2 >= 0 fits them: its "
    "confidence interval is empty",
    "tau2-zero": "tau2 is estimated as 0: the studies vary no more than by chance",
    "tau2-unbounded": "the likelihood sets no upper limit to tau2 within reach: no interval given",
    "few-degrees": "Satterthwaite degrees of freedom below {least}: p values are unreliable",
    "single-effects": "every cluster has one effect: the two variances cannot be told apart",
    "rho-undefined": "a between-study variance is 0, so their correlation is not defined",
    "rho-at-limit": "the correlation is at its limit ({rho:.0f}): too few studies for it",
    "no-curve": "no summary curve: a between-study variance is 0",
    # of groups, tests and tables
    "level-of-one": "one study only in {factor}: {levels}",
    "group-of-one": "one study only in {groups}: shown, but not part of the difference test",
    "small-groups": "fewer than {least} studies in {groups}: what such a group says about its mean "
    "and its heterogeneity is uncertain, and so is any difference",
    "no-estimate": "{factor} {group} has no estimate and is not part of the difference test: "
    "{reason}",
    "few-studies": "k = {k} is below {least}: such a test can hardly tell bias from chance",
    "few-to-fill": "k = {k} is below {least}: trim-and-fill is unreliable",
    "not-shown": "not shown: {analysis}: {reason}",
}

#: Code of a reason to leave a row out -> its words.
REASONS = {
    "missing": "missing (NaN)",
    "area-at-edge": "an AUC of exactly 0 or 1 has no variance",
    "no-logit": "a value of 0 or 1, or beyond, has no logit",
}

#: So many rows are named of those that the code speaks of; of other codes all of them.
_MOST_NAMED = {"cells-corrected": 20}

_METHODS = {
    "GLMM": "binomial-normal model (GLMM, maximum likelihood) of the counts",
    "common": "common effect",
}
_TESTS = {
    "z": "normal (z)",
    "t": "t with k - 1",
    "knapp-hartung": "Knapp-Hartung",
    "knapp-hartung-adhoc": "Knapp-Hartung, never narrower than z",
}


def note_words(
    code: str, rows: Sequence[int], values: Mapping[str, Any], names: Sequence[str] = ()
) -> str:
    """Return a note as a sentence without its full stop.

    Parameters
    ----------
    code
        Out of `NOTES`.
    rows
        The rows that it speaks of, from 1.
    values
        What its words need.
    names
        What the rows are called; without them their numbers are given.
    """
    most = _MOST_NAMED.get(code, len(rows))
    more = " ..." if len(rows) > most else ""
    word = "" if names else "row " if len(rows) == 1 else "rows "
    listed = ", ".join(str(item) for item in (names or rows)[:most])
    shown = {name: _listed(value) for name, value in values.items()}
    return NOTES[code].format(rows=f"{word}{listed}{more}", **shown)


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({count})" for name, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def method_words(method: str, test: str, scale: str, level: float) -> str:
    """Return how was pooled: model, scale, test and level.

    Parameters
    ----------
    method, test
        As of a result.
    scale
        On which the effects were pooled; ``raw`` is not worth a word.
    level
        Confidence level of the intervals.
    """
    name = _METHODS.get(method, f"random effects, tau2 by {method}")
    where = "" if method == "GLMM" or scale == "raw" else f", on the {scale} scale"
    return f"{name}{where}; intervals {_TESTS[test]}, {level_words(level)}"


def level_words(level: float) -> str:
    """Return a confidence level: ``95 %``."""
    return f"{100 * level:g} %"


def degrees_words(df: int, df_residual: float | None) -> str:
    """Return degrees of freedom of a chi-square or an F: ``3``, ``3, 12`` or ``3, 2.7``."""
    if df_residual is None:
        return str(df)
    return f"{df}, {df_residual:.{0 if float(df_residual).is_integer() else 1}f}"


def wald_words(
    statistic: float,
    df: int,
    df_residual: float | None,
    p: float,
    *,
    chi2: str = "chi2",
    decimals: int = 2,
) -> str:
    """Return a test of several means or slopes: ``F(2, 10) = 1.57, p = 0.26``.

    Parameters
    ----------
    df_residual
        Of the F; None where the statistic is a chi-square.
    chi2
        What the chi-square is called: ``QM`` in a regression.
    decimals
        Of the statistic.
    """
    kind = chi2 if df_residual is None else "F"
    return f"{kind}({degrees_words(df, df_residual)}) = {fixed(statistic, decimals)}, {p_words(p)}"


def q_words(method: str, df: int) -> str:
    """Return what Q is: ``Q (5 df)``; the GLMM's is a likelihood ratio."""
    return f"Q ({'likelihood ratio, ' if method == 'GLMM' else ''}{df} df)"


def fraction_scale(scale: str) -> bool:
    """Tell whether a test of 0 on a scale is one of 50 % or the like, which nobody asked."""
    return scale not in ("identity", "exp")
