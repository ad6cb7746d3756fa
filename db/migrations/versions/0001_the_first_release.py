"""The tables of the first release (0.1.0).

A migration is history: tables and vocabularies stand here as they were, not as the code has them
now.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
MODALITY = (
    "'CT', 'endoscopy', 'mammography', 'microscopy', 'MRI', 'OCT', 'PET', 'photography', "
    "'sonography', 'SPECT', 'X-ray', 'many'"
)
SUBJECT = (
    "'abdominopelvic cavity', 'alimentary system', 'bones', 'cardiovascular system', "
    "'endocrine glands', 'genital systems', 'joints', 'lymphoid system', 'muscles', "
    "'nervous system', 'tissue specimen', 'respiratory system', 'sense organs', "
    "'the integument', 'thoracic cavity', 'urinary system', 'many', 'else'"
)
TL_TYPE = (
    "'feature extractor', 'feature extractor hybrid', 'fine-tuning', "
    "'fine-tuning from scratch', 'fine-tuning (extent unreported)', 'random initialisation'"
)
FAMILY = (
    "'AlexNet', 'DenseNet', 'EfficientNet', 'Inception', 'Inception-ResNet', 'LeNet', "
    "'MobileNet', 'ResNet', 'SqueezeNet', 'VGG', 'Xception', 'ensemble', 'other'"
)
METRIC = (
    "'accuracy', 'AUC', 'sensitivity', 'specificity', 'precision', 'NPV', 'F1', "
    "'surveillance interval concordance'"
)
BASIS = (
    "'abstract', 'fulltext', 'title', 'review text', 'secondary', 'inferred', 'record', "
    "'description', 'not_found'"
)
COUNTS = ("n_classes", "n_images", "n_patients", "n_train", "n_val", "n_test")


Type = type[TypeEngine[Any]] | TypeEngine[Any]


def known(kind: Type, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def maybe(kind: Type, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=True) for name in names]


def one_of(column: str, terms: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({terms})", name=f"{column}_term")


def fraction(column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_fraction")


def number() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, primary_key=True)


def of(table: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(f"{table}_id", sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), **more)


def upgrade() -> None:
    tables = sa.MetaData(naming_convention=NAMES)

    def table(name: str, *parts: SchemaItem) -> None:
        sa.Table(name, tables, *parts)

    table(
        "backbone",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("family", sa.String, nullable=False, index=True),
        *known(sa.String, "review_group"),
        *maybe(sa.String, "review_model", "depth_group"),
        *maybe(sa.Integer, "year"),
        *maybe(sa.String, "reference", "note"),
        one_of("depth_group", "'shallow', 'deep'"),
        one_of("family", FAMILY),
    )
    table(
        "dataset",
        sa.Column("name", sa.String, primary_key=True),
        *known(sa.String, "origin"),
        sa.Column("modality", sa.String, index=True),
        *maybe(sa.String, "modality_detail", "anatomy", "task"),
        *maybe(sa.Integer, "year"),
        *maybe(sa.String, "year_basis", "url"),
        *maybe(sa.Integer, "n_images", "n_cases", "n_classes"),
        *maybe(sa.String, "licence", "access", "loader"),
        *known(sa.String, "evidence"),
        *maybe(sa.String, "note"),
        one_of("access", "'open', 'registration', 'credentialed'"),
        one_of("modality", MODALITY),
        one_of("origin", "'packaged', 'user'"),
    )
    table("load_state", sa.Column("name", sa.String, primary_key=True), *known(sa.String, "value"))
    table(
        "review_claim",
        sa.Column("id", sa.String, primary_key=True),
        *known(sa.Text, "claim"),
        *maybe(sa.Text, "refs"),
    )
    table(
        "review_fact",
        sa.Column("name", sa.String, primary_key=True),
        *known(sa.String, "place"),
        *maybe(sa.Text, "value"),
    )
    table(
        "study",
        number(),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("ref", sa.Integer, unique=True),
        sa.Column("origin", sa.String, nullable=False, index=True),
        *known(sa.String, "authors", "title"),
        *maybe(sa.String, "journal"),
        sa.Column("year", sa.Integer, nullable=False, index=True),
        *maybe(sa.String, "volume", "pages"),
        sa.Column("doi", sa.String, index=True),
        *maybe(sa.String, "pmid", "pmcid", "url"),
        sa.Column("modality", sa.String, index=True),
        sa.Column("subject", sa.String, index=True),
        *maybe(sa.String, "anatomy", "task"),
        sa.Column("n_classes", sa.Integer, index=True),
        sa.Column("n_images", sa.Integer, index=True),
        *maybe(sa.Integer, "n_patients", "n_train", "n_val", "n_test"),
        *maybe(sa.String, "split_unit"),
        *maybe(sa.Integer, "cv_folds"),
        *maybe(sa.String, "pretrained_on", "classifier", "finetune_detail"),
        sa.Column("inclusion", sa.String, nullable=False, index=True),
        *known(sa.Boolean, "tl_seen", "retracted"),
        *maybe(sa.Text, "data_note", "tl_note", "note"),
        *known(sa.Text, "search_text"),
        one_of("inclusion", "'overview block', 'cited', 'uncertain', 'added'"),
        one_of("modality", MODALITY),
        one_of("origin", "'packaged', 'user'"),
        one_of("split_unit", "'images', 'patients'"),
        one_of("subject", SUBJECT),
        sa.CheckConstraint(
            " AND ".join(f"({column} IS NULL OR {column} > 0)" for column in COUNTS),
            name="counts_positive",
        ),
    )
    table(
        "backbone_synonym",
        sa.Column("folded", sa.String, primary_key=True),
        *known(sa.String, "word"),
        sa.Column(
            "backbone",
            sa.ForeignKey("backbone.name", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
    )
    table(
        "coding",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.Integer, "coder"),
        *known(sa.String, "field"),
        *maybe(sa.Text, "value", "adjudication"),
        sa.CheckConstraint("coder IN (1, 2)", name="coder_term"),
        sa.Index("uq_coding", "study_id", "coder", "field", unique=True),
    )
    table(
        "confirmation",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.String, "field", "source"),
    )
    table(
        "disagreement",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.String, "field"),
        *maybe(sa.Text, "other_value"),
        *known(sa.String, "source"),
        *maybe(sa.Text, "note"),
    )
    table(
        "evidence",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.String, "field"),
        *maybe(sa.Text, "value"),
        *known(sa.String, "basis"),
        *maybe(sa.String, "source"),
        *maybe(sa.Text, "note"),
        one_of("basis", BASIS),
        sa.Index("uq_evidence", "study_id", "field", unique=True),
    )
    table(
        "reported_metric",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.Integer, "position"),
        *known(sa.String, "metric"),
        *known(sa.Float, "value"),
        *maybe(sa.Float, "ci_low", "ci_high", "sd"),
        sa.Column("backbone", sa.ForeignKey("backbone.name"), index=True),
        *maybe(sa.String, "tl_type", "task", "split"),
        *maybe(sa.Integer, "n"),
        *known(sa.Boolean, "headline"),
        *known(sa.String, "basis"),
        *maybe(sa.String, "source"),
        one_of("basis", BASIS),
        one_of("metric", METRIC),
        one_of("split", "'test', 'validation', 'cross-validation', 'external'"),
        one_of("tl_type", TL_TYPE),
        *map(fraction, ("value", "ci_low", "ci_high")),
        sa.Index("ix_reported_metric_search", "metric", "headline", "value", "study_id"),
        sa.Index(
            "uq_reported_metric_headline",
            "study_id",
            "metric",
            unique=True,
            sqlite_where=sa.text("headline"),
            postgresql_where=sa.text("headline"),
        ),
    )
    table(
        "run",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("study_id", sa.ForeignKey("study.id", ondelete="SET NULL"), index=True),
        *maybe(sa.String, "study_key", "setup"),
        *known(sa.String, "state"),
        *known(sa.DateTime(timezone=True), "created_at"),
        *maybe(sa.DateTime(timezone=True), "finished_at"),
        *known(sa.Text, "spec"),
        *maybe(sa.Text, "environment"),
        *maybe(sa.String, "data_hash"),
        *maybe(sa.Text, "error"),
        one_of("state", "'planned', 'running', 'finished', 'failed', 'interrupted'"),
    )
    table(
        "study_backbone",
        of("study", primary_key=True),
        sa.Column("backbone", sa.ForeignKey("backbone.name"), primary_key=True),
        *known(sa.Integer, "position"),
        sa.Index("ix_study_backbone_search", "backbone", "study_id"),
    )
    table(
        "study_dataset",
        number(),
        of("study", nullable=False, index=True),
        *known(sa.Integer, "position"),
        *known(sa.String, "name"),
        *maybe(sa.Boolean, "public"),
        *maybe(sa.String, "url"),
        sa.Column("dataset", sa.ForeignKey("dataset.name", ondelete="SET NULL"), index=True),
        *known(sa.String, "basis"),
        *maybe(sa.String, "source"),
        one_of("basis", BASIS),
    )
    table(
        "study_tl_type",
        of("study", primary_key=True),
        sa.Column("tl_type", sa.String, primary_key=True),
        *known(sa.Integer, "position"),
        one_of("tl_type", TL_TYPE),
        sa.Index("ix_study_tl_type_search", "tl_type", "study_id"),
    )
    table(
        "run_metric",
        number(),
        of("run", nullable=False, index=True),
        *known(sa.String, "metric"),
        *known(sa.Float, "value"),
        *maybe(sa.Float, "ci_low", "ci_high"),
        *maybe(sa.Integer, "n"),
        *maybe(sa.String, "split"),
        *maybe(sa.Integer, "seed", "fold"),
        *maybe(sa.String, "class_label"),
    )
    table(
        "run_setting",
        of("run", primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        *maybe(sa.Text, "value"),
        *known(sa.String, "mark"),
        *maybe(sa.Text, "reason"),
        one_of("mark", "'reported', 'assumed'"),
    )
    tables.create_all(op.get_bind())
