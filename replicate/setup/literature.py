"""What the literature says of one study, as a setup needs it: facts with sources, outcomes, notes.

A study comes from the packaged files or, with those that a user has added, from the database; both
are brought to the same form here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from db.database import Database
from db.datafiles import read_record
from db.datafolder import folder
from db.packaged import use_backbones
from db.records import StudyRecord

#: Sources that stand for a place rather than an address.
_PLACES = {"title": "the study's title", "review text": "the review's text"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One curated value of a study, with how and where it was read."""

    value: Any
    basis: str
    source: str | None = None

    @property
    def where(self) -> str:
        """Where the value can be checked, with the strength of the evidence."""
        if self.source in _PLACES:
            return _PLACES[self.source]
        return f"{self.basis}, {self.source}" if self.source else self.basis


@dataclass(frozen=True, slots=True)
class ReportedValue:
    """An outcome as the study prints it; fractions from 0 to 1.

    `n` is the number of cases behind the value, as far as known; `note` says what a comparison with
    it should bear in mind; `of_class` is the class whose own value it is, as the setup names it.
    """

    metric: str
    value: float
    basis: str
    source: str
    ci_low: float | None = None
    ci_high: float | None = None
    sd: float | None = None
    n: int | None = None
    split: str | None = None
    backbone: str | None = None
    tl_type: str | None = None
    task: str | None = None
    headline: bool = False
    note: str | None = None
    of_class: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the value with all that is known of it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class UsedData:
    """A data set as the study names it."""

    name: str
    basis: str
    source: str | None = None
    public: bool | None = None
    url: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """One study of the literature.

    Attributes
    ----------
    key, ref
        Its key, and its number in the review's reference list (None: added by the user).
    citation
        Authors, title and year in one line.
    address
        Where the study itself is found.
    facts
        Curated values by field; a field that was looked for and not seen has the value None.
    outcomes
        Reported metrics.
    data
        Data sets that it used.
    notes
        ``data``, ``tl``, ``general``: what the curators say beside the values.
    """

    key: str
    ref: int | None
    citation: str
    address: str | None
    facts: Mapping[str, Fact]
    outcomes: tuple[ReportedValue, ...] = ()
    data: tuple[UsedData, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """Return a curated value; None where it is unknown."""
        return self.facts[name].value if name in self.facts else None


@cache
def packaged_study(key: str) -> Study:
    """Return a study of the packaged files.

    Raises
    ------
    NotFoundError
        No such file.
    """
    use_backbones()
    return study_of_record(read_record(StudyRecord, folder() / "studies" / f"{key}.yaml"))


def study_of_record(record: StudyRecord) -> Study:
    """Return what a study file holds."""
    citation = record.citation
    facts = {
        name: Fact(_plain(value.value), value.basis, value.source)
        for name, value in record.values
        if value is not None
    }
    return Study(
        key=record.key,
        ref=record.ref,
        citation=_citation(citation.authors, citation.title, citation.year),
        address=_address(citation.doi, citation.url),
        facts=facts,
        outcomes=tuple(ReportedValue(**metric.model_dump()) for metric in record.metrics),
        data=tuple(UsedData(**used.model_dump()) for used in record.datasets),
        notes={name: text for name, text in record.notes if text is not None},
    )


def study_of_database(database: Database, name: str) -> Study:
    """Return a study of the database by key, reference number, DOI or PubMed number.

    Raises
    ------
    NotFoundError
        No such study; names the nearest keys.
    """
    from metaanalysis.query import study_in_full

    found = study_in_full(database, name)
    row = found["study"]
    notes = {"data": row["data_note"], "tl": row["tl_note"], "general": row["note"]}
    return Study(
        key=row["key"],
        ref=row["ref"],
        citation=_citation(row["authors"], row["title"], row["year"]),
        address=_address(row["doi"], row["url"]),
        facts={
            field: Fact(_plain(entry["value"]), entry["basis"], entry["source"])
            for field, entry in found["values"].items()
        },
        outcomes=tuple(ReportedValue(**metric) for metric in found["metrics"]),
        data=tuple(UsedData(**used) for used in found["datasets"]),
        notes={name: text for name, text in notes.items() if text is not None},
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _citation(authors: str, title: str, year: int) -> str:
    return f"{authors.removesuffix('.')}. {title.removesuffix('.')}. {year}."


def _address(doi: str | None, url: str | None) -> str | None:
    return f"https://doi.org/{doi}" if doi else url
