"""What the checks work from: the rows of the database, read once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from db.database import Database
from db.reader import Row
from metaanalysis import query
from metaanalysis.audit.finding import REVIEW, Finding

_STUDY_COLUMNS = (
    "key",
    "ref",
    "origin",
    "year",
    "n_classes",
    "n_images",
    "n_patients",
    "n_train",
    "n_val",
    "n_test",
    "split_unit",
    "cv_folds",
    "finetune_detail",
    "retracted",
    "backbones",
    "families",
    "tl_types",
)

_IN_BRACKETS = re.compile(r"\s*\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Metric:
    """One reported value of a study; `position` counts from 1 in the study's file."""

    position: int
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    sd: float | None
    headline: bool
    backbone: str | None
    family: str | None
    tl_type: str | None
    task: str | None
    split: str | None
    n: int | None
    basis: str
    source: str | None

    @property
    def name(self) -> str:
        """Return metric and value, with the interval where there is one."""
        interval = "" if self.ci_low is None else f" [{self.ci_low}, {self.ci_high}]"
        return f"{self.metric} {self.value}{interval}"

    @property
    def same_task(self) -> str:
        """Return the task without its remarks in brackets: what arms of one comparison share."""
        return _IN_BRACKETS.sub("", self.task or "").strip(" ,;")

    def described(self, study: Study) -> str:
        """Return the row in words."""
        parts = (self.backbone, self.tl_type, self.task, self.split)
        n = f"n = {self.n}" if self.n is not None else None
        return f"{study.name}: {'; '.join(part for part in (self.name, *parts, n) if part)}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a curated value was read."""

    basis: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Study:
    """A study with its reported values; what is unknown is None."""

    key: str
    ref: int | None
    origin: str
    year: int
    n_classes: int | None
    n_images: int | None
    n_patients: int | None
    n_train: int | None
    n_val: int | None
    n_test: int | None
    split_unit: str | None
    cv_folds: int | None
    finetune_detail: str | None
    retracted: bool
    backbones: Sequence[str] | None
    families: Sequence[str] | None
    tl_types: Sequence[str] | None
    metrics: tuple[Metric, ...] = ()
    disagreements: tuple[Row, ...] = ()
    evidence: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return key and reference number."""
        return self.key if self.ref is None else f"{self.key} [{self.ref}]"

    @property
    def total(self) -> int | None:
        """Return the cases in all, of the kind that the split counts."""
        if self.split_unit == "images":
            return self.n_images
        return self.n_patients if self.split_unit == "patients" else None

    def source(self, name: str) -> str | None:
        """Return where a curated value was read."""
        origin = self.evidence.get(name)
        return origin.source if origin else None

    def inferred(self, name: str) -> bool:
        """Return whether a curated value was concluded, not read."""
        origin = self.evidence.get(name)
        return origin is not None and origin.basis == "inferred"

    def finding(
        self,
        check: str,
        what: str | Metric,
        verdict: str,
        explanation: str,
        *,
        reported: str | None = None,
        recomputed: str | None = None,
        source: str | None = None,
        rows: Sequence[str] = (),
    ) -> Finding:
        """Return a finding on this study; of a metric the printed value and source are its own."""
        if isinstance(what, Metric):
            reported = what.name if reported is None else reported
            source = what.source if source is None else source
            rows = rows or (what.described(self),)
            what = f"{what.metric}.{what.position}"
        return Finding(
            f"{check}.{self.key}.{what}".replace(" ", "-"),
            self.key,
            self.ref,
            check,
            verdict,
            reported,
            recomputed,
            explanation,
            source,
            tuple(rows),
        )


@dataclass(frozen=True)
class Material:
    """Everything that a check may look at.

    Attributes
    ----------
    database
        For checks that set the review against its own recomputed figures.
    studies
        All studies, the user's own too.
    facts, places
        What the review prints, by section and name, and where.
    claims
        Its statements: id, claim, refs.
    backbones
        Rows of the backbones, by name.
    coverage
        How much of the reviewed literature is curated.
    """

    database: Database
    studies: tuple[Study, ...]
    facts: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, str]
    claims: tuple[Row, ...]
    backbones: Mapping[str, Row]
    coverage: query.Coverage

    @cached_property
    def reviewed(self) -> tuple[Study, ...]:
        """Return the studies of the review, without the user's own."""
        return tuple(study for study in self.studies if study.origin == "packaged")

    def cited(self, refs: Sequence[int]) -> list[Study]:
        """Return the studies with these numbers in the review's reference list."""
        by_ref = {study.ref: study for study in self.reviewed}
        return [by_ref[ref] for ref in refs if ref in by_ref]

    def finding(
        self,
        check: str,
        what: str,
        verdict: str,
        explanation: str,
        *,
        reported: str | None = None,
        recomputed: str | None = None,
        place: str | None = None,
        rows: Sequence[str] = (),
    ) -> Finding:
        """Return a finding on the review; `place` is where in the review it stands."""
        doi = self.facts["review"]["doi"]
        source = f"https://doi.org/{doi}" + (f", {place}" if place else "")
        return Finding(
            f"{check}.{what}".replace(" ", "-"),
            REVIEW,
            None,
            check,
            verdict,
            reported,
            recomputed,
            explanation,
            source,
            tuple(rows),
        )


def gather(database: Database) -> Material:
    """Read everything that the checks work from."""
    backbones = {row["name"]: row for row in query.backbones(database)}
    metrics: dict[str, list[Metric]] = defaultdict(list)
    for row in query.metrics(database):
        mine = metrics[row["key"]]
        family = backbones[row["backbone"]]["family"] if row["backbone"] else None
        own = {name: row[name] for name in query.METRIC_FIELDS[2:]}
        mine.append(Metric(position=len(mine) + 1, family=family, **own))
    evidence: dict[str, dict[str, Origin]] = defaultdict(dict)
    for row in query.evidence(database):
        evidence[row["key"]][row["field"]] = Origin(row["basis"], row["source"])
    others: dict[str, list[Row]] = defaultdict(list)
    for row in query.disagreements(database):
        others[row["key"]].append(row)
    studies = tuple(
        Study(
            **row,
            metrics=tuple(metrics[row["key"]]),
            disagreements=tuple(others[row["key"]]),
            evidence=evidence[row["key"]],
        )
        for row in query.select(database, columns=_STUDY_COLUMNS).rows
    )
    facts: dict[str, dict[str, Any]] = defaultdict(dict)
    places = {}
    for row in query.printed(database):
        facts[row["section"]][row["name"]] = row["value"]
        places[row["section"]] = row["place"]
    return Material(
        database,
        studies,
        dict(facts),
        places,
        tuple(query.review_claims(database)),
        backbones,
        query.coverage(database),
    )
