"""What must be said beside a statistical figure: model, heterogeneity, what was left out."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.wording import p_words, plural, significant
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.axes import quantity, scale_words
from metaanalysis.figures.kit.base import Figure, finish
from metaanalysis.stats.wording import degrees_words

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.stats.record import Result
    from metaanalysis.stats.results import PoolResult, RegressionResult, SubgroupResult, TermTest

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
}


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands over and under a figure of an analysis, and whose values it shows.

    Attributes
    ----------
    title, subtitle, notes
        What the figure says, of which studies, and what else must be said. How the figure is read,
        the model, what was left out and the result's warnings are added.
    data_hash
        Of the packaged data; None for a table of the caller's own.
    kind
        Where the studies' values come from, out of :data:`KINDS`. Pooled values are always
        recomputed.
    value
        What the values are, for axis and column, such as ``accuracy``; default by the measure.
    name
        Of the figure's files; default by the kind of figure.
    """

    title: str
    subtitle: str | Sequence[str] = ""
    notes: Sequence[str] = ()
    data_hash: str | None = None
    kind: str = "curated"
    value: str | None = None
    name: str | None = None

    @property
    def colour(self) -> str:
        """Return the colour of the studies' marks."""
        return KINDS[self.kind][0]

    @property
    def studies(self) -> str:
        """Return what the studies' values are called, such as ``Curated study values``."""
        return KINDS[self.kind][1]

    def what(self, measure: str) -> str:
        """Return what the values are, by the measure of a result where nobody says it."""
        return self.value or quantity(measure)

    def figure(
        self,
        name: str,
        body: Any,
        data: pd.DataFrame,
        *,
        reading: str,
        remarks: Sequence[str],
        result: Result,
    ) -> Figure:
        """Complete a figure of a result.

        Parameters
        ----------
        name
            Of the figure, where the caption has none.
        body, data
            As of :func:`metaanalysis.figures.kit.base.finish`.
        reading
            How the figure is read: the last lines of the subtitle.
        remarks
            The figure's own notes. They stand under the caller's, over those of the result; a
            sentence that the caller gave already is not said twice.
        result
            What is drawn; what it left out and warns of is added.
        """
        words = [str(note) for note in result.warnings]
        warnings = [f"{text[:1].upper()}{text[1:].rstrip(' .')}." for text in words]
        notes = [*self.notes, *remarks, *left_out(result), *warnings]
        return finish(
            self.name or name,
            self.title,
            subtitle_lines(self.subtitle, reading),
            body,
            data,
            list(dict.fromkeys(note for note in notes if note)),
            self.data_hash,
            line_length=NOTE_LENGTH,
        )


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


def model_on(result: PoolResult | RegressionResult) -> str:
    """Return a result's model with the scale that it works on, as part of a sentence."""
    name, scale = model_name(result.method), scale_words(result.back.scale)
    return f"{name[:1].lower()}{name[1:]}{f' on the {scale}' if scale else ''}"


def test_name(test: str, df: float | None) -> str:
    """Return the test of an estimate in words, with its degrees of freedom."""
    freedom = "" if df is None else f", t({df:g})" if test != "t" else f"({df:g})"
    return f"{_TESTS.get(test, test)}{freedom}"


def percent(level: float) -> str:
    """Return a confidence level as ``95%``."""
    return f"{100 * level:g}%"


def span(interval: tuple[float, float]) -> str:
    """Return ``[0.02, 0.3]``; nothing where an end is not known."""
    if math.isnan(interval[0]) or math.isnan(interval[1]):
        return ""
    return f"[{significant(interval[0])}, {significant(interval[1])}]"


def heterogeneity(result: PoolResult) -> str:
    """Return tau², I² and Q with their intervals and p, as one sentence."""
    scale = scale_words(result.back.scale)
    parts = []
    if not math.isnan(result.tau2) and result.method != "common":
        value = f"τ² {significant(result.tau2)} {span(result.tau2_ci)}".rstrip()
        parts.append(f"{value} ({scale})" if scale else value)
    if not math.isnan(result.i2):
        parts.append(f"I² {result.i2:.1f}% {span(result.i2_ci)}".rstrip())
    if result.q_df > 0 and not math.isnan(result.q):
        parts.append(f"{result.q_label} = {significant(result.q, 4)}, {p_words(result.q_p)}")
    return f"Heterogeneity: {'; '.join(parts)}." if parts else "Heterogeneity: not defined."


def model(result: PoolResult, *, prediction: bool = True) -> str:
    """Return model, test and, if it is drawn, what the prediction interval rests on."""
    text = f"Model: {model_on(result)}; {percent(result.level)} interval by "
    text += test_name(result.test, result.df)
    if prediction and not math.isnan(result.pi_low):
        text += f"; prediction interval by {result.pi_distribution}"
    return f"{text}."


def difference(result: SubgroupResult) -> str:
    """Return the test that the subgroups differ, as one sentence."""
    if math.isnan(result.statistic):
        return "Difference between groups: not defined (fewer than two groups can be tested)."
    found = f"{statistic(result)}, {p_words(result.p)}"
    return f"Difference between groups: {found}; {result.tau2_mode} τ²."


def statistic(test: SubgroupResult | TermTest) -> str:
    """Return the statistic of a test of means or slopes: ``F(1, 11) = 12.6``."""
    name = "χ²" if test.df_residual is None else "F"
    return f"{name}({degrees_words(test.df, test.df_residual)}) = {significant(test.statistic)}"


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
    return [f"Left out: {plural(count, 'row')} ({listed})."]
