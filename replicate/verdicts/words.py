"""Why a verdict is what it is: codes with their values, and the only place that words them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from db.wording import listed, minus

#: Where a margin comes from.
OWN, MEASURED, CHOSEN, CONVENTION = "own reruns", "measured reruns", "chosen", "convention"
#: How each verdict would be at these margins is told, too, under these names.
MARGINS = (0.01, 0.02, 0.03)
AT = tuple(f"at_{one:g}" for one in MARGINS)


class Code(StrEnum):
    """What decides a verdict, keeps a value from being compared, or must be known of a pair."""

    # Nothing is compared.
    PHANTOM = "phantom"
    NO_STUDY = "no study"
    STUDY_GONE = "study not in the database"
    NOT_REPORTED = "not reported"
    OTHER_ARM = "other arm"
    OTHER_METRIC = "other metric"
    NO_INTERVAL = "no interval"
    # Why a reported value is of another arm.
    OF_BACKBONE = "of another backbone"
    OF_TL_TYPE = "of another TL type"
    NOT_FROM_RANDOM = "not from random weights"
    NOT_A_CONTROL = "not a control"
    OF_CLASSES = "of another number of classes"
    OF_ABSENT_CLASS = "of a class that the run lacks"
    # What decides.
    IMPOSSIBLE = "contradicts itself"
    NOT_ABOVE_BASELINE = "not above the baseline"
    UNSKILLED = "run without skill"
    BLIND = "class not told apart"
    COVERED = "covered, within the margin"
    COVERED_APART = "covered, beyond the margin"
    UNCERTAIN = "within the uncertainty"
    APART = "significantly apart"
    # What must be known of the pair.
    PROXY = "proxy"
    SAME_TASK = "same task"
    NOTE = "note of the setup"
    MEAN_OVER_CLASSES = "mean over classes"
    STANDS_IN = "stands in"
    OTHER_BACKBONE = "value of another backbone"
    OTHER_TL_TYPE = "value of another TL type"
    OTHER_CLASSES = "another number of classes"
    ONE_CLASS = "one class against the others"
    OTHER_CLASS = "value of another class"
    OTHER_SPLIT = "value of another split"


_INTERVAL = "[{ci_low:.3f}, {ci_high:.3f}]"
_OF_ANOTHER = "Reported is the value of {reported}, not of {run}."
_SENTENCES: Mapping[Code, str] = {
    Code.PHANTOM: "The run is of a phantom: it checks the pipeline and is no evidence on a study.",
    Code.NO_STUDY: "The run is of no study: nothing is reported.",
    Code.STUDY_GONE: "The study {study} is not in the database.",
    Code.NOT_REPORTED: "No {metric} of the study is on record.",
    Code.OTHER_ARM: "No {metric} that is reported is of the same arm: {against}.",
    Code.OTHER_METRIC: "Reported is the {reported}, replicated the {replicated}.",
    Code.NO_INTERVAL: "The replicated value has no interval.",
    Code.OF_BACKBONE: "of {reported}",
    Code.OF_TL_TYPE: "of {reported}",
    Code.NOT_A_CONTROL: "of an arm that learns or transfers; frozen random weights do neither",
    Code.NOT_FROM_RANDOM: "of an arm that is not said to start from random weights",
    Code.OF_CLASSES: "of {reported} classes (the run has {run})",
    Code.OF_ABSENT_CLASS: "of {reported} (the run has no such class)",
    Code.IMPOSSIBLE: "The reported value contradicts itself: {explanation}",
    Code.NOT_ABOVE_BASELINE: (
        f"The replicated value, interval {_INTERVAL}, is not significantly above {{baseline:.3f}}, "
        "which takes no skill."
    ),
    Code.UNSKILLED: (
        "The run's balanced accuracy is not significantly above {baseline:.3f}, which takes no "
        "skill: a {metric} of such a run says nothing."
    ),
    Code.BLIND: (
        "The run does not tell {of_class} from the others (the interval of its AUC reaches down to "
        "0.5): a {metric} of such a run says nothing."
    ),
    Code.COVERED: (
        f"The interval {_INTERVAL} covers the reported value, and they differ by {{distance:.3f}}, "
        "not more than the margin of {limit}."
    ),
    Code.COVERED_APART: (
        f"The interval {_INTERVAL} covers the reported value, but they differ by {{distance:.3f}}, "
        "more than the margin of {limit}."
    ),
    Code.UNCERTAIN: (
        f"The interval {_INTERVAL} does not cover the reported value, but the difference {{span}} "
        "is within what both are uncertain by{spread}."
    ),
    Code.APART: (
        "The replicated value lies {distance:.3f} {side} the reported one{near}; the difference "
        "{span} is significant.{exact}"
    ),
    Code.PROXY: (
        "A proxy: other images of a like task, so this speaks on whether the setup carries over, "
        "not on the study's own number."
    ),
    Code.SAME_TASK: "Same task on other images: the difference is also one between data sets.",
    Code.NOTE: "Note: {note}",
    Code.MEAN_OVER_CLASSES: "The replicated {metric} is the mean over {classes} classes.",
    Code.STANDS_IN: "{run} stands in for {reported}.",
    Code.OTHER_BACKBONE: _OF_ANOTHER,
    Code.OTHER_TL_TYPE: _OF_ANOTHER,
    Code.OTHER_CLASSES: "The study tells {reported} classes apart, the run {run}.",
    Code.ONE_CLASS: "Both values are of {of_class} against {others}.",
    Code.OTHER_CLASS: "Reported is the value of {reported}, replicated that of {run}.",
    Code.OTHER_SPLIT: "Reported is a value of {reported}, replicated one of {run}.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with the values that it speaks of; ``str`` words it."""

    code: Code
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return _SENTENCES[self.code].format(**{**self.values, **_parts(self)})

    def to_dict(self) -> dict[str, Any]:
        """Return code and values, JSON-able."""
        return {
            "code": str(self.code),
            **{
                name: [one.to_dict() if isinstance(one, Reason) else one for one in value]
                if isinstance(value, tuple)
                else value
                for name, value in self.values.items()
            },
        }


def because(code: Code, **values: Any) -> Reason:
    """Return a reason."""
    return Reason(code, values)


def text_of(reasons: Iterable[Reason]) -> str:
    """Return reasons as sentences, each with its full stop."""
    texts = (str(reason).strip() for reason in reasons)
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in texts)


def _parts(reason: Reason) -> dict[str, str]:
    """Return the parts of a sentence that are more than a value."""
    values = reason.values
    if reason.code is Code.OTHER_ARM:
        return {"against": "; ".join(dict.fromkeys(map(str, values["against"])))}
    if reason.code is Code.ONE_CLASS:
        return {"others": " and ".join(values["others"])}
    if reason.code in (Code.COVERED, Code.COVERED_APART):
        return {"limit": margin_words(values)}
    if reason.code not in (Code.UNCERTAIN, Code.APART):
        return {}
    low, high = values["difference_low"], values["difference_high"]
    span = {"span": minus(f"[{low:+.3f}, {high:+.3f}]")}
    if reason.code is Code.UNCERTAIN:
        return {**span, "spread": _spread(values)}
    return {
        **span,
        "side": "below" if values["difference"] < 0 else "above",
        "near": f" (within the margin of {margin_words(values)})"
        if values["within_margin"]
        else "",
        "exact": " The reported value has no n and is taken as exact." if values["exact"] else "",
    }


#: What changes between reruns.
_CHANGES = {
    "hold-out": "seeds and test images",
    "k-fold": "seeds and folds",
    "seeds": "seeds",
}


def margin_words(values: Mapping[str, Any]) -> str:
    """Return a margin with what it rests on."""
    source, text = values.get("margin_source"), f"{values['margin']:.3f}"
    if source == OWN:
        return f"{text} (by which its own {values['margin_seeds']} seeds let one more differ)"
    if source == MEASURED:
        change = _CHANGES[values["margin_division"]]
        n = values["margin_n"]
        return f"{text} (by which reruns with other {change} differ on other sets, n = {n:.0f})"
    return f"{values['margin']:g}{' (a convention)' if source == CONVENTION else ''}"


def standing_words(told: Mapping[str, Any]) -> str:
    """Return a verdict's margin and what it would be at others; "" of one that was told without."""
    if not all(told.get(name) for name in AT):
        return ""
    words, margins = [told[name] for name in AT], listed([f"{one:g}" for one in MARGINS])
    if set(words) == {told["verdict"]}:
        there = f"the same at {margins}"
    else:
        there = f"at {margins} it would be {listed(list(map(str, words)))}"
    return f"Margin {margin_words(told)}; {there}."


def _spread(values: Mapping[str, Any]) -> str:
    """Say where it is the spread over seeds alone that keeps a difference from significance."""
    if not values["by_spread"]:
        return ""
    without = "the two intervals do not overlap, and " if values["intervals_apart"] else ""
    return (
        f" and the spread over {values['seeds']} seeds (SD {values['sd']:.3f}) together: "
        f"{without}without the spread the difference would be significant"
    )
