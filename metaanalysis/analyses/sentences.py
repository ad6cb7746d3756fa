"""Results in plain words, for a reader who treats patients rather than data."""

from __future__ import annotations

import math
from collections.abc import Sequence

from db.wording import p_words, percent, plural
from metaanalysis.stats.wording import level_words

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
