"""The overview of the studies by modality, subject and TL type (the review's Appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

from db.database import Database
from db.vocabulary import TL_TYPES
from metaanalysis import query
from metaanalysis.review.curated import Recount, by_frequency, curated
from metaanalysis.review.labels import MANY, single_label

UNKNOWN = "not known"

#: Labels of the overview: from the least trained to the most, then those that name no single type.
TL_LABELS = (*TL_TYPES, MANY, UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview(Recount):
    """The curated studies with what places them in the overview.

    Attributes
    ----------
    table
        One row a study: ``key, ref, modality, subject, tl_type`` (the single label, or
        ``not known``), ordered by subject, modality, TL type and reference.
    subjects, modalities
        Those that occur, most frequent first; ``many`` and ``else`` last.
    """

    subjects: list[str]
    modalities: list[str]

    def of_tl_type(self, label: str) -> int:
        """Return the number of studies with a label out of :data:`TL_LABELS`."""
        return int((self.table["tl_type"] == label).sum())


def overview(database: Database) -> Overview:
    """Place the curated studies by modality, subject and TL type."""
    frame = curated(database, ["key", "ref", "modality", "subject", "tl_types"])
    known = frame.dropna(subset=["modality", "subject"]).copy()
    known["tl_type"] = [single_label(values) or UNKNOWN for values in known.pop("tl_types")]
    rows, columns = by_frequency(known["subject"]), by_frequency(known["modality"])
    orders = {"subject": rows, "modality": columns, "tl_type": list(TL_LABELS)}
    placed = known.sort_values(
        [*orders, "ref"],
        key=lambda terms: terms.map(orders[terms.name].index) if terms.name in orders else terms,
    )
    return Overview(
        table=placed[["key", "ref", "modality", "subject", "tl_type"]].reset_index(drop=True),
        subjects=rows,
        modalities=columns,
        counted=len(placed),
        unknown=len(frame) - len(placed),
        coverage=query.coverage(database),
    )
