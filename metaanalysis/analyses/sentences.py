"""Results in plain words, for a reader who treats patients rather than data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from db.wording import p_words, percent, plural
from metaanalysis.stats.wording import level_words

if TYPE_CHECKING:
    from metaanalysis.stats.result_tables import CorrelationResult, Estimate, PrintedCorrelation

PLAIN = "In plain words: "

#: Outcome -> what a share of it means.
_MEANING = {
    "accuracy": "{} of cases are classified correctly",
    "sensitivity": "{} of the cases with the finding are found",
    "specificity": "{} of the cases without the finding are cleared",
    "AUC": "a case with the finding scores above one without it {} of the time",
}

#: Moderator -> what it is called in a sentence or a title.
_CALLED = {
    "tl_type": "TL type",
    "log10_images": "number of images",
    "n_classes": "number of classes",
    "depth": "depth of the network",
    "basis": "place where it was read",
    "split": "kind of test data",
}

#: Fewer studies than these deserve a word of caution.
FEW = 5


def shown(value: float, kind: str) -> str:
    """Return a value as a reader knows it: a share in percent, anything else as a number."""
    if math.isnan(value):
        return "an unknown value"
    if kind in ("proportion", "AUC"):
        return percent(value)
    return f"{value:.3g}"


def called(moderator: str) -> str:
    """Return what a moderator is called in a sentence or a title."""
    return _CALLED.get(moderator, moderator)


def meaning(outcome: str, kind: str, value: str) -> str:
    """Return what a value of an outcome means."""
    if outcome in _MEANING:
        return _MEANING[outcome].format(value)
    if kind == "proportion":
        return f"{outcome} happen in {value} of cases"
    return f"{outcome} is {value}"


def between(low: float, high: float, kind: str) -> str:
    """Return ``between a and b``."""
    return f"between {shown(low, kind)} and {shown(high, kind)}"


def pooled(
    outcome: str,
    kind: str,
    natural: dict[str, float],
    *,
    k: int,
    level: float,
    q_p: float,
) -> str:
    """Return a pooled estimate in words, with what to expect of a new study."""
    text = (
        f"{PLAIN}in a typical study {meaning(outcome, kind, shown(natural['estimate'], kind))} "
        f"({between(natural['ci_low'], natural['ci_high'], kind)}, with "
        f"{level_words(level)} confidence)"
    )
    if not math.isnan(natural["pi_low"]):
        span = between(natural["pi_low"], natural["pi_high"], kind)
        if q_p < 0.1:
            text += (
                f"; the studies differ more than chance explains, so that a new one can be "
                f"expected anywhere {span}"
            )
        else:
            text += f"; the studies differ no more than chance explains, and a new one lies {span}"
    if k < FEW:
        these = "This is only" if k == 1 else "These are only"
        text += f". {these} {plural(k, 'study')}: a hint, no more"
    return f"{text}."


def differ(
    outcome: str,
    kind: str,
    factor: str,
    groups: Sequence[tuple[str, float, int]],
    p: float,
    other_p: float = math.nan,
) -> str:
    """Return a comparison of subgroups in words.

    Parameters
    ----------
    groups
        Name, estimate on the natural scale and number of studies of each that has more than one:
        a single study is no end that a range could rest on.
    p
        Of the test that they differ; NaN where there was none.
    other_p
        Of the same test with the other model of heterogeneity; NaN where there is none.
    """
    factor = called(factor)
    if math.isnan(p) or len(groups) < 2:
        return f"{PLAIN}too few studies in the groups to compare {outcome} by {factor}."
    ordered = sorted(groups, key=lambda group: group[1])
    (low, low_value, low_k), (high, high_value, high_k) = ordered[0], ordered[-1]
    ends = (
        f"from {shown(low_value, kind)} ({low}, {plural(low_k, 'study')}) to "
        f"{shown(high_value, kind)} ({high}, {plural(high_k, 'study')})"
    )
    if not math.isnan(other_p) and (p < 0.05) != (other_p < 0.05):
        return (
            f"{PLAIN}{outcome} runs {ends}; whether that is more than chance explains depends on "
            f"how heterogeneity is modelled ({p_words(p)} or {p_words(other_p)}), so these studies "
            "do not settle it."
        )
    if p < 0.05:
        return (
            f"{PLAIN}{outcome} differs by {factor} more than chance explains ({p_words(p)}), "
            f"{ends}; these studies were not randomised, so other differences can be behind it."
        )
    return (
        f"{PLAIN}{outcome} runs {ends}, no more than chance can explain ({p_words(p)}); that does "
        "not show that the groups are equal."
    )


def linked(outcome: str, terms: Sequence[tuple[str, float | None, float]]) -> str:
    """Return a regression in words.

    Parameters
    ----------
    terms
        Name, slope (None for a factor) and p of each moderator.
    """
    parts = []
    for term, slope, p in terms:
        name = called(term)
        if p < 0.05:
            way = "" if slope is None else f", {'higher' if slope > 0 else 'lower'} as it grows"
            parts.append(f"differs with {name} ({p_words(p)}{way})")
        else:
            parts.append(f"shows no clear link with {name} ({p_words(p)})")
    return (
        f"{PLAIN}{outcome} {' and '.join(parts)}; a link between studies need not hold within one."
    )


def asymmetry(kind: str, slope: float, p: float, filled: int, before: float, after: float) -> str:
    """Return what small studies do that large ones do not, and what filling in changes.

    Parameters
    ----------
    slope, p
        Of Egger's regression.
    filled, before, after
        How many studies trim-and-fill adds, and the estimate without and with them.
    """
    if p >= 0.05:
        lean = "nothing shows that small studies report other values than large ones"
    elif slope > 0:
        lean = (
            "small studies report higher values than large ones, as they do when small studies "
            "with poor results stay unpublished, though not only then"
        )
    else:
        lean = (
            "small studies report lower values than large ones, which is not what unpublished "
            "poor results would leave"
        )
    filling = "trim-and-fill finds no study to add"
    if filled:
        filling = (
            f"trim-and-fill adds {plural(filled, 'study')}, which moves the estimate from "
            f"{shown(before, kind)} to {shown(after, kind)}"
        )
    return f"{PLAIN}{lean} (Egger, {p_words(p)}); {filling}."


def lopsided(p: float) -> str:
    """Return Deeks' test in words."""
    other = "report other" if p < 0.05 else "do not clearly report other"
    return f"{PLAIN}small studies {other} accuracies than large ones (Deeks, {p_words(p)})."


def without_each(kind: str, low: float, high: float, stand_out: Sequence[str]) -> str:
    """Return in which range leaving out a study keeps the estimate, and which ones stand out."""
    who = "none stands out"
    if stand_out:
        who = f"{', '.join(stand_out)} pull{'s' if len(stand_out) == 1 else ''} hardest"
    return (
        f"{PLAIN}whichever single study is left out, the estimate stays "
        f"{between(low, high, kind)}; {who}."
    )


def in_order(kind: str, name: str, half: float, end: float, k: int) -> str:
    """Return what the estimate was after half of the studies and is after all."""
    return (
        f"{PLAIN}in the order of {name}, the estimate was {shown(half, kind)} after half "
        f"of the studies and is {shown(end, kind)} after all {k}."
    )


def spread(kind: str, summary: Mapping[str, Any]) -> str:
    """Return the range of a multiverse in words."""
    low, high, middle = (shown(summary[name], kind) for name in ("smallest", "largest", "median"))
    return (
        f"{PLAIN}in {summary['analyses']} defensible analyses the estimate runs from {low} to "
        f"{high}, half of them above {middle}."
    )


def found_and_cleared(sens: Estimate, spec: Estimate) -> str:
    """Return a pair of sensitivity and specificity in words."""
    (sick, sick_span), (well, well_span) = (
        (percent(one.estimate), between(one.ci_low, one.ci_high, "proportion"))
        for one in (sens, spec)
    )
    return (
        f"{PLAIN}in a typical study {sick} of the cases with the finding are found ({sick_span}) "
        f"and {well} of the cases without it are cleared ({well_span})."
    )


def more_data(
    metric: str,
    ours: CorrelationResult,
    printed: PrintedCorrelation,
    at: PrintedCorrelation,
    figure: int,
) -> str:
    """Return a rank correlation of the review, recomputed; without saying that words are plain.

    Parameters
    ----------
    printed, at
        What was printed, with the n that it needs, and with the `figure` studies shown at most.
    """
    link = (
        f"more data went with {'higher' if ours.rho > 0 else 'lower'} {metric}"
        if ours.p < 0.05
        else f"nothing shows that more data went with higher {metric}"
    )
    text = f"in {ours.n} curated studies {link} ({p_words(ours.p)})"
    if at.consistent is False:
        text += (
            f"; the review's rho of {printed.r} and p of {printed.p} do not fit each other: with "
            f"at most {figure} studies the p of that rho is {at.p_at_n_low:.2f} or more"
        )
        if printed.n_low is not None:
            many = f"{printed.n_low} to {printed.n_high} studies"
            if printed.n_high is None:
                many = f"{printed.n_low} studies or more"
            text += f", and it would take {many}"
    return f"{text}."


def goes_with(x: str, y: str, ours: CorrelationResult) -> str:
    """Return a rank correlation of two columns in words."""
    link = (
        f"{y} tends to be {'higher' if ours.rho > 0 else 'lower'} where {x} is higher"
        if ours.p < 0.05
        else f"nothing shows that {y} goes up or down with {x}"
    )
    return f"{PLAIN}{link} (rank correlation {ours.rho:.2f}, {p_words(ours.p)})."
