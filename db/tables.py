"""The tables of the literature database.

One row of ``study`` is one reviewed study. What a study has several of (backbones, TL types, data
sets, metrics) are rows of their own. Where each value was read stands in ``evidence``; further
sources that agree in ``confirmation``, those that do not in ``disagreement``.

Vocabularies are TEXT with a CHECK: readable in any client, and the same on SQLite and PostgreSQL
(native enumerations cannot be altered in a transaction on one and do not exist on the other).
A column that is NULL is unknown.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlmodel import Field, SQLModel

from db import vocabulary as v
from db.columns import JsonText, fraction, metadata, of_study, one_of
from db.run_tables import Run, RunMetric, RunSetting

__all__ = [
    "Backbone",
    "BackboneSynonym",
    "Coding",
    "Confirmation",
    "Dataset",
    "Disagreement",
    "Evidence",
    "LoadState",
    "ReportedMetric",
    "ReviewClaim",
    "ReviewFact",
    "Run",
    "RunMetric",
    "RunSetting",
    "Study",
    "StudyBackbone",
    "StudyDataset",
    "StudyTlType",
    "metadata",
]

ORIGINS = ("packaged", "user")


class Study(SQLModel, table=True):
    """A reviewed study: citation, what was imaged and classified, how much data."""

    __tablename__ = "study"
    __table_args__ = (
        one_of("origin", ORIGINS),
        one_of("modality", v.MODALITIES),
        one_of("subject", v.SUBJECTS),
        one_of("split_unit", v.SPLIT_UNITS),
        one_of("inclusion", v.INCLUSIONS),
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
    tl_seen: bool = False
    retracted: bool = False
    data_note: str | None = Field(default=None, sa_type=Text)
    tl_note: str | None = Field(default=None, sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)
    #: What `--text` searches, in lower case: one comparison a row instead of one a column.
    search_text: str = Field(sa_type=Text)


class Backbone(SQLModel, table=True):
    """A network by its canonical name, placed in the review's groups."""

    __tablename__ = "backbone"
    __table_args__ = (one_of("family", v.FAMILIES), one_of("depth_group", v.DEPTH_GROUPS))

    name: str = Field(primary_key=True)
    family: str = Field(index=True)
    review_group: str
    review_model: str | None = None
    depth_group: str | None = None
    year: int | None = None
    reference: str | None = None
    note: str | None = None


class BackboneSynonym(SQLModel, table=True):
    """Another spelling of a backbone's name; ``folded`` is its letters and digits."""

    __tablename__ = "backbone_synonym"

    folded: str = Field(primary_key=True)
    word: str
    backbone: str = Field(
        sa_column=Column(
            "backbone", ForeignKey("backbone.name", ondelete="CASCADE"), nullable=False, index=True
        )
    )


class StudyBackbone(SQLModel, table=True):
    """A backbone that a study tests, in the order in which the study lists them."""

    __tablename__ = "study_backbone"
    __table_args__ = (Index("ix_study_backbone_search", "backbone", "study_id"),)

    study_id: int = Field(
        sa_column=Column("study_id", ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    )
    backbone: str = Field(
        sa_column=Column("backbone", ForeignKey("backbone.name"), primary_key=True)
    )
    position: int


class StudyTlType(SQLModel, table=True):
    """A TL type that a study tests."""

    __tablename__ = "study_tl_type"
    __table_args__ = (
        one_of("tl_type", v.TL_TYPES),
        Index("ix_study_tl_type_search", "tl_type", "study_id"),
    )

    study_id: int = Field(
        sa_column=Column("study_id", ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    )
    tl_type: str = Field(primary_key=True)
    position: int


class Dataset(SQLModel, table=True):
    """A public medical image data set."""

    __tablename__ = "dataset"
    __table_args__ = (
        one_of("origin", ORIGINS),
        one_of("modality", v.MODALITIES),
        one_of("access", v.ACCESS),
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


class StudyDataset(SQLModel, table=True):
    """A data set as a study names it, linked to the public data set where it is one we list."""

    __tablename__ = "study_dataset"
    __table_args__ = (one_of("basis", v.BASES),)

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    position: int
    name: str
    public: bool | None = None
    url: str | None = None
    dataset: str | None = Field(
        default=None,
        sa_column=Column("dataset", ForeignKey("dataset.name", ondelete="SET NULL"), index=True),
    )
    basis: str
    source: str | None = None


class ReportedMetric(SQLModel, table=True):
    """An outcome as a study prints it (a fraction, 0..1); at most one headline a metric."""

    __tablename__ = "reported_metric"
    __table_args__ = (
        one_of("metric", v.METRICS),
        one_of("tl_type", v.TL_TYPES),
        one_of("split", v.SPLITS),
        one_of("basis", v.BASES),
        fraction("value"),
        fraction("ci_low"),
        fraction("ci_high"),
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

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    position: int
    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    sd: float | None = None
    backbone: str | None = Field(
        default=None, sa_column=Column("backbone", ForeignKey("backbone.name"), index=True)
    )
    tl_type: str | None = None
    task: str | None = None
    split: str | None = None
    n: int | None = None
    headline: bool = False
    basis: str
    source: str | None = None


class Evidence(SQLModel, table=True):
    """Where a value of a study was read. ``value`` is JSON: null means looked for and not seen."""

    __tablename__ = "evidence"
    __table_args__ = (
        one_of("basis", v.BASES),
        Index("uq_evidence", "study_id", "field", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    field: str
    value: Any = Field(sa_column=Column("value", JsonText, nullable=True))
    basis: str
    source: str | None = None
    note: str | None = Field(default=None, sa_type=Text)


class Confirmation(SQLModel, table=True):
    """A further source that gives the same value."""

    __tablename__ = "confirmation"

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    field: str
    source: str


class Disagreement(SQLModel, table=True):
    """A source that gives another value, and what is known about the difference."""

    __tablename__ = "disagreement"

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    field: str
    other_value: Any = Field(sa_column=Column("other_value", JsonText, nullable=True))
    source: str
    note: str | None = Field(default=None, sa_type=Text)


class Coding(SQLModel, table=True):
    """What one of two coders read, blind to the other; for the agreement between them."""

    __tablename__ = "coding"
    __table_args__ = (
        Index("uq_coding", "study_id", "coder", "field", unique=True),
        CheckConstraint("coder IN (1, 2)", name="coder_term"),
    )

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = of_study()
    coder: int
    field: str
    value: Any = Field(sa_column=Column("value", JsonText, nullable=True))
    adjudication: str | None = Field(default=None, sa_type=Text)


class ReviewFact(SQLModel, table=True):
    """A number or a word that the review prints, under a dotted name such as ``figure_4b.many``."""

    __tablename__ = "review_fact"

    name: str = Field(primary_key=True)
    place: str
    value: Any = Field(sa_column=Column("value", JsonText, nullable=True))


class ReviewClaim(SQLModel, table=True):
    """A statement of the review that the evidence can support or contradict."""

    __tablename__ = "review_claim"

    id: str = Field(primary_key=True)
    claim: str = Field(sa_type=Text)
    refs: Any = Field(sa_column=Column("refs", JsonText, nullable=True))


class LoadState(SQLModel, table=True):
    """What was loaded last: the hash of the packaged data and the release that loaded it."""

    __tablename__ = "load_state"

    name: str = Field(primary_key=True)
    value: str
