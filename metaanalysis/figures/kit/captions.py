"""What must be said beside a statistical figure: model, heterogeneity, what was left out."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.natural import number, p_words, scale_words

if TYPE_CHECKING:
    from metaanalysis.stats.results import PoolResult, Result, SubgroupResult

#: Characters a line of the subtitle and of the small print.
SUBTITLE_LENGTH, NOTE_LENGTH = 138, 160

#: Kind of a study's value -> its colour and how it is called.
KINDS = {
    "reported": (theme.REPORTED, "Reported study values"),
    "curated": (theme.CURATED, "Curated study values"),
    "replicated": (theme.REPLICATED, "Replicated values"),
    "given": (theme.CURATED, "Study values as given"),
}

_TESTS = {
    "knapp-hartung": "Knapp–Hartung",
    "knapp-hartung-adhoc": "Knapp–Hartung, never narrower than z",
    "t": "t",
    "z": "z",
}


def subtitle_lines(subtitle: str | Sequence[str], reading: str) -> list[str]:
    """Return the caller's subtitle and how the figure is read, in lines that fit."""
    given = [subtitle] if isinstance(subtitle, str) else list(subtitle)
    return [line for text in (*given, reading) for line in textwrap.wrap(text, SUBTITLE_LENGTH)]


def model_name(method: str) -> str:
    """Return the model of a pooled estimate in words."""
    if method == "common":
        return "Common effect"
    if method == "GLMM":
        return "Binomial–normal model (GLMM)"
    return f"Random effects ({method})"


def test_name(test: str, df: float | None) -> str:
    """Return the test of an estimate in words, with its degrees of freedom."""
    freedom = "" if df is None else f", t({df:g})" if test != "t" else f"({df:g})"
    return f"{_TESTS.get(test, test)}{freedom}"


def percent(level: float) -> str:
    """Return a confidence level as ``95%``."""
    return f"{100 * level:g}%"


def heterogeneity(result: PoolResult) -> str:
    """Return tau², I² and Q with their intervals and p, as one sentence."""
    scale = scale_words(result.back.scale)
    parts = []
    if not math.isnan(result.tau2) and result.method != "common":
        where = f" ({scale})" if scale else ""
        parts.append(f"τ² {number(result.tau2)}{_span(result.tau2_ci)}{where}")
    if not math.isnan(result.i2):
        parts.append(f"I² {result.i2:.1f}%{_span(result.i2_ci)}")
    if result.q_df > 0 and not math.isnan(result.q):
        parts.append(f"{result.q_label} = {number(result.q, 4)}, {p_words(result.q_p)}")
    return f"Heterogeneity: {'; '.join(parts)}." if parts else "Heterogeneity: not defined."


def _span(interval: tuple[float, float]) -> str:
    if math.isnan(interval[0]) or math.isnan(interval[1]):
        return ""
    return f" [{number(interval[0])}, {number(interval[1])}]"


def model(result: PoolResult, *, prediction: bool = True) -> str:
    """Return model, test and, if it is drawn, what the prediction interval rests on."""
    scale = scale_words(result.back.scale)
    where = f" on the {scale}" if scale else ""
    text = f"Model: {model_name(result.method).replace('Random', 'random', 1)}{where}"
    text = text.replace("Common", "common", 1).replace("Binomial", "binomial", 1)
    text += f"; {percent(result.level)} interval by {test_name(result.test, result.df)}"
    if prediction and not math.isnan(result.pi_low):
        text += f"; prediction interval by {result.pi_distribution}"
    return f"{text}."


def difference(result: SubgroupResult) -> str:
    """Return the test that the subgroups differ, as one sentence."""
    if math.isnan(result.statistic):
        return "Difference between groups: not defined (fewer than two groups can be tested)."
    name = "χ²" if result.df_residual is None else "F"
    return (
        f"Difference between groups: {name}({result.df_text}) = {number(result.statistic)}, "
        f"{p_words(result.p)}; {result.tau2_mode} τ²."
    )


def left_out(result: Result) -> list[str]:
    """Return one sentence on what was left out, by reason; nothing if all is in."""
    if not result.excluded:
        return []
    reasons = Counter(item.reason.replace(" (NaN)", "") for item in result.excluded)
    count = len(result.excluded)
    listed = "; ".join(
        reason if number == count else f"{reason} ({number})"
        for reason, number in reasons.most_common()
    )
    return [f"Left out: {count} row{'s' if count != 1 else ''} ({listed})."]


def small_print(given: Sequence[str], own: Sequence[str], result: Result) -> list[str]:
    """Return the notes under a figure: the caller's, the figure's, and the result's own.

    A sentence that the caller gave already is not said twice.
    """
    warnings = [f"{text[:1].upper()}{text[1:].rstrip(' .')}." for text in result.warnings]
    lines = [*given, *own, *left_out(result), *warnings]
    return list(dict.fromkeys(line for line in lines if line))
