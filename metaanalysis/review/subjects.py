"""Studies by anatomical subject and imaging modality (the review's Figure 5a)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from db.database import Database
from db.vocabulary import MODALITIES, SUBJECTS
from metaanalysis import query
from metaanalysis.organs import OTHER_ORGAN, organ
from metaanalysis.review.curated import Recount, by_frequency, curated

#: The review's subject that holds both organs of its statement, and those organs.
INTEGUMENT = "the integument"
NAMED_ORGANS = ("breast", "skin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects(Recount):
    """Counts of studies by subject, modality and organ.

    Attributes
    ----------
    table
        ``subject, modality, studies``: every pair of a subject and a modality that occur.
    subjects, modalities
        Those that occur, most frequent first; ``many`` and ``else`` last.
    organs
        ``organ, studies, rank``: finer than the subject, from the anatomy; equal counts share a
        rank. ``other`` comes last and has no rank.
    absent_subjects, absent_modalities
        Terms of the review's vocabulary that no curated study has.
    statement
        What the review says of the subjects (reported).
    """

    subjects: list[str]
    modalities: list[str]
    organs: pd.DataFrame
    absent_subjects: list[str]
    absent_modalities: list[str]
    statement: str

    def of_organ(self, name: str) -> int:
        """Return the number of studies of an organ."""
        return int(self.organs.loc[self.organs["organ"] == name, "studies"].sum())

    def of_subject(self, name: str) -> int:
        """Return the number of studies of a subject."""
        return int(self.table.loc[self.table["subject"] == name, "studies"].sum())

    def ahead_of(self, name: str) -> list[str]:
        """Return the organs with more studies than the one named, most frequent first."""
        ranked = self.organs[self.organs["rank"].notna()]
        return ranked.loc[ranked["studies"] > self.of_organ(name), "organ"].tolist()


def count_organs(anatomies: pd.Series[str]) -> pd.DataFrame:
    """Count the studies by organ: ``organ, studies, rank``, most frequent first, ``other`` last."""
    counts = anatomies.map(organ, na_action="ignore").dropna().value_counts()
    order = by_frequency(counts.index.repeat(counts), last=(OTHER_ORGAN,))
    frame = pd.DataFrame({"organ": order, "studies": [int(counts[name]) for name in order]})
    named = frame["studies"].where(frame["organ"] != OTHER_ORGAN)
    frame["rank"] = named.rank(method="min", ascending=False).astype("Int64")
    return frame


def subjects(database: Database) -> Subjects:
    """Count the curated studies by subject and modality, and by organ."""
    frame = curated(database, ["ref", "subject", "modality", "anatomy"])
    known = frame.dropna(subset=["subject", "modality"])
    rows, columns = by_frequency(known["subject"]), by_frequency(known["modality"])
    table = pd.crosstab(known["subject"], known["modality"]).reindex(index=rows, columns=columns)
    cells = table.reset_index().melt("subject", var_name="modality", value_name="studies")
    return Subjects(
        table=cells,
        subjects=rows,
        modalities=columns,
        organs=count_organs(frame["anatomy"]),
        absent_subjects=[term for term in SUBJECTS if term not in rows],
        absent_modalities=[term for term in MODALITIES if term not in columns],
        counted=len(known),
        unknown=len(frame) - len(known),
        statement=query.review_facts(database, "figure_5")["a"],
        coverage=query.coverage(database),
    )
