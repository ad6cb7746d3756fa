"""The tables of the literature database.

One row of ``study`` is one reviewed study. What a study has several of (backbones, TL types, data
sets, metrics) are rows of their own. Where each value was read stands in ``evidence``; further
sources that agree in ``confirmation``, those that do not in ``disagreement``. A ``run`` is a
replication, with its ledger and its metrics.

Vocabularies are TEXT with a CHECK: readable in any client, and the same on SQLite and PostgreSQL
(native enumerations cannot be altered in a transaction on one and do not exist on the other).
A column that is NULL is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, Index, MetaData, Table, Text, false, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import declared_attr
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from db import vocabulary as v

ORIGINS = ("packaged", "user")
#: What a user's study had in common with a packaged one when it was set aside.
CLASHES = ("doi", "ref", "key")

#: Every constraint has a name, so that Alembic can find and alter it on both databases.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def table(name: str) -> Table:
    """Return a table by name."""
    return metadata.tables[name]


class JsonText(TypeDecorator[Any]):
    """JSON as TEXT, so that a value reads back the same through any driver of any database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode; None is SQL's NULL, not JSON's null."""
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode."""
        return None if value is None else json.loads(value)


def _one_of(column: str, terms: Sequence[str]) -> CheckConstraint:
    """Constrain a text column to a vocabulary (NULL passes: unknown is not a term)."""
    listed = ", ".join("'" + term.replace("'", "''") + "'" for term in terms)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_term")


def _fraction(column: str) -> CheckConstraint:
    """Constrain a number to 0..1, the unit of every metric here."""
    return CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_fraction")


def _long() -> Any:
    """Return a column for text of any length, which may be unknown."""
    return Field(default=None, sa_type=Text)


def _json() -> Any:
    """Return a column for any value, which may be unknown."""
    return Field(default=None, sa_type=JsonText, nullable=True)


class _Row(SQLModel):
    """A row of the table that is called as its class: ``study_tl_type`` for ``StudyTlType``."""

    metadata = metadata

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class _OfStudy(_Row):
    """A numbered row that belongs to a study and is deleted with it."""

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE", index=True)


class Study(_Row, table=True):
    """A reviewed study: citation, what was imaged and classified, how much data."""

    __table_args__ = (
        _one_of("origin", ORIGINS),
        _one_of("modality", v.MODALITIES),
        _one_of("subject", v.SUBJECTS),
        _one_of("split_unit", v.SPLIT_UNITS),
        _one_of("inclusion", v.INCLUSIONS),
        CheckConstraint(
            " AND ".join(
                f"({column} IS NULL OR {column} > 0)"
                for column in ("n_classes", "n_images", "n_patients", "n_train", "n_val", "n_test")
            ),
            name="counts_positive",
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    ref: int | None = Field(default=None, unique=True)
    origin: str = Field(index=True)
    authors: str
    title: str
    journal: str | None = None
    year: int = Field(index=True)
    volume: str | None = None
    pages: str | None = None
    doi: str | None = Field(default=None, index=True)
    pmid: str | None = None
    pmcid: str | None = None
    url: str | None = None
    modality: str | None = Field(default=None, index=True)
    subject: str | None = Field(default=None, index=True)
    anatomy: str | None = None
    task: str | None = None
    n_classes: int | None = Field(default=None, index=True)
    n_images: int | None = Field(default=None, index=True)
    n_patients: int | None = None
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None
    split_unit: str | None = None
    cv_folds: int | None = None
    pretrained_on: str | None = None
    classifier: str | None = None
    finetune_detail: str | None = None
    inclusion: str = Field(index=True)
    tl_seen: bool
    retracted: bool
    data_note: str | None = _long()
    tl_note: str | None = _long()
    note: str | None = _long()
    #: What `--text` searches, in lower case: one comparison a row instead of one a column.
    search_text: str = Field(sa_type=Text)


class Backbone(_Row, table=True):
    """A network by its canonical name, placed in the review's groups."""

    __table_args__ = (_one_of("family", v.FAMILIES), _one_of("depth_group", v.DEPTH_GROUPS))

    name: str = Field(primary_key=True)
    family: str = Field(index=True)
    review_group: str
    review_model: str | None = None
    depth_group: str | None = None
    year: int | None = None
    reference: str | None = None
    note: str | None = None


class BackboneSynonym(_Row, table=True):
    """Another spelling of a backbone's name; ``folded`` is its letters and digits."""

    folded: str = Field(primary_key=True)
    word: str
    backbone: str = Field(foreign_key="backbone.name", ondelete="CASCADE", index=True)


class StudyBackbone(_Row, table=True):
    """A backbone that a study tests, in the order in which the study lists them."""

    __table_args__ = (Index("ix_study_backbone_search", "backbone", "study_id"),)

    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE", primary_key=True)
    backbone: str = Field(foreign_key="backbone.name", primary_key=True)
    position: int


class StudyTlType(_Row, table=True):
    """A TL type that a study tests."""

    __table_args__ = (
        _one_of("tl_type", v.TL_TYPES),
        Index("ix_study_tl_type_search", "tl_type", "study_id"),
    )

    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE", primary_key=True)
    tl_type: str = Field(primary_key=True)
    position: int


class Dataset(_Row, table=True):
    """A public medical image data set."""

    __table_args__ = (
        _one_of("origin", ORIGINS),
        _one_of("modality", v.MODALITIES),
        _one_of("access", v.ACCESS),
    )

    name: str = Field(primary_key=True)
    origin: str
    modality: str | None = Field(default=None, index=True)
    modality_detail: str | None = None
    anatomy: str | None = None
    task: str | None = None
    year: int | None = None
    year_basis: str | None = None
    url: str | None = None
    n_images: int | None = None
    n_cases: int | None = None
    n_classes: int | None = None
    licence: str | None = None
    access: str | None = None
    loader: str | None = None
    evidence: str
    note: str | None = None


class StudyDataset(_OfStudy, table=True):
    """A data set as a study names it, linked to the public data set where it is one we list."""

    __table_args__ = (_one_of("basis", v.BASES),)

    position: int
    name: str
    public: bool | None = None
    url: str | None = None
    dataset: str | None = Field(
        default=None, foreign_key="dataset.name", ondelete="SET NULL", index=True
    )
    basis: str
    source: str | None = None


class ReportedMetric(_OfStudy, table=True):
    """An outcome as a study prints it (a fraction, 0..1); at most one headline a metric."""

    __table_args__ = (
        _one_of("metric", v.METRICS),
        _one_of("tl_type", v.TL_TYPES),
        _one_of("split", v.SPLITS),
        _one_of("basis", v.BASES),
        _fraction("value"),
        _fraction("ci_low"),
        _fraction("ci_high"),
        # With the study in the index a filter by metric need not visit the rows.
        Index("ix_reported_metric_search", "metric", "headline", "value", "study_id"),
        Index(
            "uq_reported_metric_headline",
            "study_id",
            "metric",
            unique=True,
            sqlite_where=text("headline"),
            postgresql_where=text("headline"),
        ),
    )

    position: int
    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    sd: float | None = None
    backbone: str | None = Field(default=None, foreign_key="backbone.name", index=True)
    tl_type: str | None = None
    task: str | None = None
    split: str | None = None
    n: int | None = None
    headline: bool
    basis: str
    source: str | None = None


class Evidence(_OfStudy, table=True):
    """Where a value of a study was read. ``value`` is JSON: null means looked for and not seen."""

    __table_args__ = (
        _one_of("basis", v.BASES),
        Index("uq_evidence", "study_id", "field", unique=True),
    )

    field: str
    value: Any = _json()
    basis: str
    source: str | None = None
    note: str | None = _long()


class Confirmation(_OfStudy, table=True):
    """A further source that gives the same value."""

    field: str
    source: str


class Disagreement(_OfStudy, table=True):
    """A source that gives another value, and what is known about the difference."""

    field: str
    other_value: Any = _json()
    source: str
    note: str | None = _long()


class Coding(_OfStudy, table=True):
    """What one of two coders read, blind to the other; for the agreement between them."""

    __table_args__ = (
        Index("uq_coding", "study_id", "coder", "field", unique=True),
        CheckConstraint("coder IN (1, 2)", name="coder_term"),
    )

    coder: int
    field: str
    value: Any = _json()
    adjudication: str | None = _long()


class ReviewFact(_Row, table=True):
    """A number or a word that the review prints, under a dotted name such as ``figure_4b.many``."""

    name: str = Field(primary_key=True)
    place: str
    value: Any = _json()


class ReviewClaim(_Row, table=True):
    """A statement of the review that the evidence can support or contradict."""

    id: str = Field(primary_key=True)
    claim: str = Field(sa_type=Text)
    refs: Any = _json()


class SetAside(_Row, table=True):
    """A study of the user's that made way for a packaged one of the same paper.

    `record` is its study file; it is in no query and no count, and lost in no release.
    """

    __table_args__ = (_one_of("why", CLASHES),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)
    taken_by: str
    why: str
    release: str
    record: Any = Field(sa_type=JsonText, nullable=False)


class LoadState(_Row, table=True):
    """What was loaded last: the hash of the packaged data and the release that loaded it."""

    name: str = Field(primary_key=True)
    value: str


class Run(_Row, table=True):
    """A replication: one specification, named by its hash, with its outcome and surroundings.

    `backbone` is what was run, `backbone_reported` what it stands in for. `phantom` runs are of
    made images: they check the pipeline and say nothing on a study. `outcome` holds what is not a
    metric: classes, confusion, baseline, timing, memory, what was frozen.
    """

    __table_args__ = (
        _one_of("state", v.RUN_STATES),
        _one_of("fidelity", v.FIDELITIES),
        _one_of("tl_type", v.RUN_TL_TYPES),
    )

    id: str = Field(primary_key=True)
    study_id: int | None = Field(
        default=None, foreign_key="study.id", ondelete="SET NULL", index=True
    )
    study_key: str | None = None
    setup: str | None = None
    state: str
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    finished_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    spec: Any = Field(sa_type=JsonText, nullable=False)
    environment: Any = _json()
    data_hash: str | None = None
    error: str | None = _long()
    phantom: bool = Field(sa_column_kwargs={"server_default": false()})
    dataset: str | None = None
    backbone: str | None = None
    backbone_reported: str | None = None
    tl_type: str | None = None
    fidelity: str | None = None
    leakage: Any = _json()
    outcome: Any = _json()


class RunSetting(_Row, table=True):
    """One line of a run's ledger: a setting, and whether the paper gives it or we assumed it."""

    __table_args__ = (_one_of("mark", v.LEDGER_MARKS),)

    run_id: str = Field(foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    name: str = Field(primary_key=True)
    value: Any = _json()
    mark: str
    reason: str | None = _long()


class RunMetric(_Row, table=True):
    """A replicated outcome with its interval; seed, fold and class where it is of one of them.

    `method` is that of the interval. A row without seed, fold and class is of all of them.
    """

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(foreign_key="run.id", ondelete="CASCADE", index=True)
    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    split: str | None = None
    seed: int | None = None
    fold: int | None = None
    class_label: str | None = None
    method: str | None = None
    repeat: int | None = None
