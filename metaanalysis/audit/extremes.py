"""Values at the ends: perfect ones, and those that no image is needed for."""

from __future__ import annotations

from collections.abc import Iterator

from db.literature import Reported, Study
from metaanalysis.audit.arms import arms, cases
from metaanalysis.audit.averages import OF_ALL
from metaanalysis.audit.finding import CONSISTENT, NOT_CHECKABLE, SUSPICIOUS, Finding, on_study
from metaanalysis.audit.joint import judge
from metaanalysis.audit.printed import fraction

_CHANCE = 0.5


def extremes(study: Study) -> Iterator[Finding]:
    """Find values of 100%, and AUCs below one half."""
    for metric in study.metrics:
        say = on_study(study, "extreme", metric)
        if metric.value == 1.0:
            text = "Perfect. A leak from training to test data, or few cases, would explain it"
            found = cases(study, metric)
            recomputed = None
            if metric.metric in OF_ALL and found is not None:
                # All right out of n: the lower end of Clopper and Pearson's interval.
                least = 0.025 ** (1 / found.n)
                text += f"; all of {found.said} right has a 95% interval from {least:.3f} on"
                recomputed = f"95% interval from {least:.3f}"
            yield say(SUSPICIOUS, f"{text}.", recomputed=recomputed)
        elif metric.metric == "AUC" and fraction(metric.value).high < _CHANCE:
            yield say(SUSPICIOUS, "Worse than chance: the classes may be exchanged.")


def _majority(study: Study) -> dict[int, tuple[float, float]]:
    """Return, by position of the accuracy, the range of the majority class's share."""
    known = {}
    for arm in arms(study):
        if "accuracy" not in arm.rows or study.n_classes != 2:
            continue
        found = judge(study, arm)
        if found is None or not found.fits:
            continue
        if (span := found.positives) is not None:
            low, high = span.low / span.n, span.high / span.n
        elif found.shares is not None:
            low, high = found.shares
        else:
            continue
        ends = (max(low, 1 - low), max(high, 1 - high))
        least = 0.5 if low <= 0.5 <= high else min(ends)
        known[arm.rows["accuracy"].position] = (least, max(ends))
    return known


def _judge(study: Study, metric: Reported, share: tuple[float, float] | None) -> Finding:
    accuracy = fraction(metric.value)
    say = on_study(study, "baseline", metric)
    if share is not None:
        low, high = share
        said = f"{low:.1%}" if round(low, 3) == round(high, 3) else f"{low:.1%} to {high:.1%}"
        recomputed = f"majority class {said}"
        said += " of the cases by sensitivity and specificity"
        if accuracy.high < low:
            text = f"Always the larger class would do better: it has {said}."
            return say(SUSPICIOUS, text, recomputed=recomputed)
        if accuracy.low >= high:
            text = f"Above the larger class alone, which has {said}."
            return say(CONSISTENT, text, recomputed=recomputed)
        text = f"The larger class has {said}: it may do as well alone."
        return say(NOT_CHECKABLE, text, recomputed=recomputed)
    if study.n_classes is not None and accuracy.high < 1 / study.n_classes:
        text = (
            f"The largest of {study.n_classes} classes has at least {1 / study.n_classes:.1%} of "
            "the cases, so that always naming it would do better."
        )
        recomputed = f"majority class at least {1 / study.n_classes:.1%}"
        return say(SUSPICIOUS, text, recomputed=recomputed)
    return say(
        NOT_CHECKABLE,
        "No row tells how many cases each class has, so what the larger class alone would give is "
        "not known.",
    )


def baselines(study: Study) -> Iterator[Finding]:
    """Compare every accuracy with what always naming the largest class would give."""
    known = _majority(study)
    for metric in study.metrics:
        if metric.metric == "accuracy":
            yield _judge(study, metric, known.get(metric.position))
