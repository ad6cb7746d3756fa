"""The review's counts and statements against the same counts over the curated studies."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from db.vocabulary import EXTENT_UNREPORTED
from db.wording import listed as in_words
from metaanalysis.audit.finding import (
    CONSISTENT,
    CONTRADICTED,
    NOT_CHECKABLE,
    SUPPORTED,
    SUSPICIOUS,
    Finding,
)
from metaanalysis.audit.material import Material
from metaanalysis.review import counts
from metaanalysis.review.classes import STATED_CLASSES, classes
from metaanalysis.review.curated import Recount
from metaanalysis.review.sizes import sizes
from metaanalysis.review.statements import Majority
from metaanalysis.review.subjects import INTEGUMENT, NAMED_ORGANS, subjects
from metaanalysis.review.years import studies_by_year

#: Bars of Figure 4c among which a study that is fine-tuned, nobody knows how far, may be.
_FINE_TUNED = ("fine-tuning", "fine-tuning from scratch")


def _bars(
    material: Material, section: str, found: Recount, open_to: dict[str, int]
) -> Iterator[Finding]:
    missing = material.coverage.reviewed - material.coverage.curated
    for row in found.table.dropna(subset=["reported"]).itertuples():
        low, printed = int(row.curated), int(row.reported)
        free = found.unknown + missing + open_to.get(row.category, 0)
        fits = low <= printed <= low + free
        why = f"{found.unknown} curated studies have no known label and {missing} are not curated"
        if open_to.get(row.category):
            why += f"; {open_to[row.category]} are fine-tuned to an unreported extent"
        yield material.on("recount", f"{section}.{row.category}".replace("_", "-"), section)(
            CONSISTENT if fits else SUSPICIOUS,
            f"{low} curated studies have this label alone; {why}, so {low} to {low + free} are "
            f"possible. Our rule of one label a study need not be the review's.",
            reported=str(printed),
            recomputed=f"{low} to {low + free}",
        )


def recounts(material: Material) -> Iterator[Finding]:
    """Check that each printed count can be, given what is curated and what is not known."""
    yield from _bars(material, "figure_4b", counts.backbones(material.database), {})
    tl_types = counts.tl_types(material.database)
    table = tl_types.table.set_index("category")["curated"]
    extent = int(table[EXTENT_UNREPORTED])
    yield from _bars(material, "figure_4c", tl_types, dict.fromkeys(_FINE_TUNED, extent))


_SPOKEN = {"holds": SUPPORTED, "does not hold": CONTRADICTED, "open": NOT_CHECKABLE}


def _majority(material: Material, what: str, statement: str, kind: str, found: Majority) -> Finding:
    text = f"{found.count} of the {found.known} studies of which it is known {kind}"
    if found.verdict == "open":
        text += (
            f"; a majority of {found.total} takes {found.missing} more among the {found.unknown} "
            "that are not known"
        )
    return material.on("statement", what, "figure_5")(
        _SPOKEN[found.verdict],
        f"{text}.",
        reported=statement,
        recomputed=f"{found.count} of {found.known}",
    )


def statements(material: Material) -> Iterator[Finding]:
    """Check what the review says in words of its Figures 4a and 5."""
    years = studies_by_year(material.database)
    for position, row in enumerate(years.checks.itertuples(), start=1):
        if row.safe:
            verdict = SUPPORTED if row.holds else CONTRADICTED
            safe = "" if pd.isna(row.turned_by) else " and the studies not curated cannot turn it"
        else:
            verdict = NOT_CHECKABLE
            safe = f", and {row.turned_by} of the studies not curated could turn it"
        yield material.on("statement", f"figure-4a.{position}", "figure_4a")(
            verdict,
            f"Curated: {row.evidence}{safe}.",
            reported=row.claim,
            recomputed=str(row.evidence),
        )
    found = subjects(material.database)
    ahead = sorted({organ for name in NAMED_ORGANS for organ in found.ahead_of(name)})
    ahead = [organ for organ in ahead if organ not in NAMED_ORGANS]
    numbers = in_words(f"{name} {found.of_organ(name)}" for name in NAMED_ORGANS)
    of_both = found.of_subject(INTEGUMENT)
    top = [name for name in found.subjects if found.of_subject(name) > of_both]
    # Where subject and organs say different things, it hangs on what the review calls a subject.
    verdict = CONTRADICTED if top else NOT_CHECKABLE if ahead else SUPPORTED
    before = in_words(f"{name} {found.of_organ(name)}" for name in ahead)
    yield material.on("statement", "figure-5a", "figure_5")(
        verdict,
        f"By organ, {numbers} curated studies"
        + (f"; ahead of one of them: {before}" if ahead else ", and no organ has more")
        + f". The review's own subject for both, {INTEGUMENT}, has {of_both}, "
        + (f"{in_words(top)} more." if top else "more than any other."),
        reported=found.statement,
        recomputed=numbers,
    )
    of_classes = classes(material.database)
    kind = f"have {STATED_CLASSES} classes"
    yield _majority(material, "figure-5b", of_classes.statement, kind, of_classes.two_classes)
    of_sizes = sizes(material.database)
    kind = f"are of a size up to {of_sizes.bin_width}"
    yield _majority(material, "figure-5c", of_sizes.statement, kind, of_sizes.first_bin)
