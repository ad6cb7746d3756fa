"""What a reader should know before using a study: retracted, disputed, or not about transfer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from db.literature import Reported, Study
from db.vocabulary import OWN_NETWORK, RANDOM
from db.wording import listed as in_words
from metaanalysis.audit.finding import SUSPICIOUS, Finding, on_study


def retractions(study: Study) -> Iterator[Finding]:
    """Find studies that have been retracted."""
    if study.retracted:
        yield on_study(study, "retraction", "retracted")(
            SUSPICIOUS,
            "The study has been retracted: leave it out of any analysis.",
            reported="retracted",
            source=study.source("retracted"),
        )


def _plain(value: Any) -> str | None:
    """Return a value in words: lists with semicolons, what has fields by their contents."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return "; ".join(_plain(item) or "unknown" for item in value)
    if isinstance(value, dict):
        return " ".join(str(item) for item in value.values() if not isinstance(item, bool))
    return str(value)


def disagreements(study: Study) -> Iterator[Finding]:
    """Find values on which sources disagree."""
    for position, row in enumerate(study.disagreements, start=1):
        note = f" {row.note}" if row.note else ""
        ours, theirs = _plain(study.value(row.field)), _plain(row.value)
        yield on_study(study, "disagreement", f"{row.field}.{position}")(
            SUSPICIOUS,
            f"Another source gives {theirs} for {row.field}, this database has "
            f"{ours or 'no value'}.{note}",
            reported=ours,
            recomputed=theirs,
            source=row.source,
        )


def _others(study: Study, metric: Reported) -> list[Reported]:
    """Return the values of the same metric and part of the data for transferred networks."""
    return [
        row
        for row in study.metrics
        if row.metric == metric.metric
        and row.split == metric.split
        and row.same_task == metric.same_task
        and row.backbone not in (None, OWN_NETWORK)
        and row.tl_type != RANDOM
    ]


def headlines(study: Study) -> Iterator[Finding]:
    """Find headline values that are no result of transfer learning."""
    for metric in study.metrics:
        if not metric.headline:
            continue
        if metric.tl_type == RANDOM:
            text = "The headline value belongs to a network that starts from random weights"
        elif metric.backbone == OWN_NETWORK:
            text = "The headline value belongs to a network of the authors' own"
        else:
            continue
        others = _others(study, metric)
        if others:
            values = in_words(f"{row.value} ({row.backbone})" for row in others)
            text += f"; others beside it reach {values}"
        else:
            text += "; no row has another one beside it"
        yield on_study(study, "headline", metric)(
            SUSPICIOUS,
            f"{text}.",
            recomputed=None if not others else in_words(str(row.value) for row in others),
            rows=[(study, row) for row in (metric, *others)],
        )
