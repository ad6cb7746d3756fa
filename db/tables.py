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
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from db import vocabulary as v

ORIGINS = ("packaged", "user")

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


def _known(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Return columns of a kind that are always filled."""
    return [Column(name, kind, nullable=False) for name in names]


def _open(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Return columns of a kind that may be unknown."""
    return [Column(name, kind) for name in names]


def _one_of(column: str, terms: Sequence[str]) -> CheckConstraint:
    """Constrain a text column to a vocabulary (NULL passes: unknown is not a term)."""
    listed = ", ".join("'" + term.replace("'", "''") + "'" for term in terms)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_term")


def _fraction(column: str) -> CheckConstraint:
    """Constrain a number to 0..1, the unit of every metric here."""
    return CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_fraction")


def _number() -> Column[int]:
    """Return the number of a row."""
    return Column("id", Integer, primary_key=True)


def _of(table: str, **more: Any) -> Column[Any]:
    """Return a column that belongs to a study or run, and is deleted with it."""
    return Column(f"{table}_id", ForeignKey(f"{table}.id", ondelete="CASCADE"), **more)


def _of_study() -> Column[Any]:
    """Return the study of a row that has a number of its own."""
    return _of("study", nullable=False, index=True)


_COUNTS = ("n_classes", "n_images", "n_patients", "n_train", "n_val", "n_test")

# A reviewed study: citation, what was imaged and classified, how much data. `search_text` is what
# `--text` searches, in lower case: one comparison a row instead of one a column.
study = Table(
    "study",
    metadata,
    _number(),
    Column("key", String, nullable=False, unique=True),
    Column("ref", Integer, unique=True),
    Column("origin", String, nullable=False, index=True),
    *_known(String, "authors", "title"),
    *_open(String, "journal"),
    Column("year", Integer, nullable=False, index=True),
    *_open(String, "volume", "pages"),
    Column("doi", String, index=True),
    *_open(String, "pmid", "pmcid", "url"),
    Column("modality", String, index=True),
    Column("subject", String, index=True),
    *_open(String, "anatomy", "task"),
    Column("n_classes", Integer, index=True),
    Column("n_images", Integer, index=True),
    *_open(Integer, "n_patients", "n_train", "n_val", "n_test"),
    *_open(String, "split_unit"),
    *_open(Integer, "cv_folds"),
    *_open(String, "pretrained_on", "classifier", "finetune_detail"),
    Column("inclusion", String, nullable=False, index=True),
    *_known(Boolean, "tl_seen", "retracted"),
    *_open(Text, "data_note", "tl_note", "note"),
    *_known(Text, "search_text"),
    _one_of("origin", ORIGINS),
    _one_of("modality", v.MODALITIES),
    _one_of("subject", v.SUBJECTS),
    _one_of("split_unit", v.SPLIT_UNITS),
    _one_of("inclusion", v.INCLUSIONS),
    CheckConstraint(
        " AND ".join(f"({column} IS NULL OR {column} > 0)" for column in _COUNTS),
        name="counts_positive",
    ),
)

# A network by its canonical name, placed in the review's groups.
backbone = Table(
    "backbone",
    metadata,
    Column("name", String, primary_key=True),
    Column("family", String, nullable=False, index=True),
    *_known(String, "review_group"),
    *_open(String, "review_model", "depth_group"),
    *_open(Integer, "year"),
    *_open(String, "reference", "note"),
    _one_of("family", v.FAMILIES),
    _one_of("depth_group", v.DEPTH_GROUPS),
)

# Another spelling of a backbone's name; `folded` is its letters and digits.
backbone_synonym = Table(
    "backbone_synonym",
    metadata,
    Column("folded", String, primary_key=True),
    *_known(String, "word"),
    Column("backbone", ForeignKey("backbone.name", ondelete="CASCADE"), nullable=False, index=True),
)

# A backbone that a study tests, in the order in which the study lists them.
study_backbone = Table(
    "study_backbone",
    metadata,
    _of("study", primary_key=True),
    Column("backbone", ForeignKey("backbone.name"), primary_key=True),
    *_known(Integer, "position"),
    Index("ix_study_backbone_search", "backbone", "study_id"),
)

# A TL type that a study tests.
study_tl_type = Table(
    "study_tl_type",
    metadata,
    _of("study", primary_key=True),
    Column("tl_type", String, primary_key=True),
    *_known(Integer, "position"),
    _one_of("tl_type", v.TL_TYPES),
    Index("ix_study_tl_type_search", "tl_type", "study_id"),
)

# A public medical image data set.
dataset = Table(
    "dataset",
    metadata,
    Column("name", String, primary_key=True),
    *_known(String, "origin"),
    Column("modality", String, index=True),
    *_open(String, "modality_detail", "anatomy", "task"),
    *_open(Integer, "year"),
    *_open(String, "year_basis", "url"),
    *_open(Integer, "n_images", "n_cases", "n_classes"),
    *_open(String, "licence", "access", "loader"),
    *_known(String, "evidence"),
    *_open(String, "note"),
    _one_of("origin", ORIGINS),
    _one_of("modality", v.MODALITIES),
    _one_of("access", v.ACCESS),
)

# A data set as a study names it, linked to the public data set where it is one we list.
study_dataset = Table(
    "study_dataset",
    metadata,
    _number(),
    _of_study(),
    *_known(Integer, "position"),
    *_known(String, "name"),
    *_open(Boolean, "public"),
    *_open(String, "url"),
    Column("dataset", ForeignKey("dataset.name", ondelete="SET NULL"), index=True),
    *_known(String, "basis"),
    *_open(String, "source"),
    _one_of("basis", v.BASES),
)

# An outcome as a study prints it (a fraction, 0..1); at most one headline a metric.
reported_metric = Table(
    "reported_metric",
    metadata,
    _number(),
    _of_study(),
    *_known(Integer, "position"),
    *_known(String, "metric"),
    *_known(Float, "value"),
    *_open(Float, "ci_low", "ci_high", "sd"),
    Column("backbone", ForeignKey("backbone.name"), index=True),
    *_open(String, "tl_type", "task", "split"),
    *_open(Integer, "n"),
    *_known(Boolean, "headline"),
    *_known(String, "basis"),
    *_open(String, "source"),
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

# Where a value of a study was read. `value` is JSON: null means looked for and not seen.
evidence = Table(
    "evidence",
    metadata,
    _number(),
    _of_study(),
    *_known(String, "field"),
    *_open(JsonText, "value"),
    *_known(String, "basis"),
    *_open(String, "source"),
    *_open(Text, "note"),
    _one_of("basis", v.BASES),
    Index("uq_evidence", "study_id", "field", unique=True),
)

# A further source that gives the same value.
confirmation = Table(
    "confirmation", metadata, _number(), _of_study(), *_known(String, "field", "source")
)

# A source that gives another value, and what is known about the difference.
disagreement = Table(
    "disagreement",
    metadata,
    _number(),
    _of_study(),
    *_known(String, "field"),
    *_open(JsonText, "other_value"),
    *_known(String, "source"),
    *_open(Text, "note"),
)

# What one of two coders read, blind to the other; for the agreement between them.
coding = Table(
    "coding",
    metadata,
    _number(),
    _of_study(),
    *_known(Integer, "coder"),
    *_known(String, "field"),
    *_open(JsonText, "value"),
    *_open(Text, "adjudication"),
    Index("uq_coding", "study_id", "coder", "field", unique=True),
    CheckConstraint("coder IN (1, 2)", name="coder_term"),
)

# A number or a word that the review prints, under a dotted name such as `figure_4b.many`.
review_fact = Table(
    "review_fact",
    metadata,
    Column("name", String, primary_key=True),
    *_known(String, "place"),
    *_open(JsonText, "value"),
)

# A statement of the review that the evidence can support or contradict.
review_claim = Table(
    "review_claim",
    metadata,
    Column("id", String, primary_key=True),
    *_known(Text, "claim"),
    *_open(JsonText, "refs"),
)

# What was loaded last: the hash of the packaged data and the release that loaded it.
load_state = Table(
    "load_state", metadata, Column("name", String, primary_key=True), *_known(String, "value")
)

# A replication: one specification, named by its hash, with its outcome and surroundings.
# `backbone` is what was run, `backbone_reported` what it stands in for. `phantom` runs are of made
# images: they check the pipeline and say nothing on a study. `outcome` holds what is not a metric:
# classes, confusion, baseline, timing, memory, what was frozen.
run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True),
    Column("study_id", ForeignKey("study.id", ondelete="SET NULL"), index=True),
    *_open(String, "study_key", "setup"),
    *_known(String, "state"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    *_known(JsonText, "spec"),
    *_open(JsonText, "environment"),
    *_open(String, "data_hash"),
    *_open(Text, "error"),
    Column("phantom", Boolean, nullable=False, server_default=false()),
    *_open(String, "dataset", "backbone", "backbone_reported", "tl_type", "fidelity"),
    *_open(JsonText, "leakage", "outcome"),
    _one_of("state", v.RUN_STATES),
    _one_of("fidelity", v.FIDELITIES),
    _one_of("tl_type", v.RUN_TL_TYPES),
)

# One line of a run's ledger: a setting, and whether the paper gives it or we assumed it.
run_setting = Table(
    "run_setting",
    metadata,
    _of("run", primary_key=True),
    Column("name", String, primary_key=True),
    *_open(JsonText, "value"),
    *_known(String, "mark"),
    *_open(Text, "reason"),
    _one_of("mark", v.LEDGER_MARKS),
)

# A replicated outcome with its interval; seed, fold and class where it is of one of them. `method`
# is that of the interval. A row without seed, fold and class is of all of them.
run_metric = Table(
    "run_metric",
    metadata,
    _number(),
    _of("run", nullable=False, index=True),
    *_known(String, "metric"),
    *_known(Float, "value"),
    *_open(Float, "ci_low", "ci_high"),
    *_open(Integer, "n"),
    *_open(String, "split"),
    *_open(Integer, "seed", "fold"),
    *_open(String, "class_label", "method"),
    *_open(Integer, "repeat"),
)
