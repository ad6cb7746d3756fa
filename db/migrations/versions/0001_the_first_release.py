"""The tables of the first release (0.1.0).

A migration is history: vocabularies stand here as they were, not as the code has them now.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORD, TEXT, WHOLE, REAL, FLAG = sa.String(), sa.Text(), sa.Integer(), sa.Float(), sa.Boolean()
TIME = sa.DateTime(timezone=True)

BASES = (
    "abstract", "fulltext", "title", "review text", "secondary", "inferred", "record",
    "description", "not_found",
)  # fmt: skip
MODALITIES = (
    "CT", "endoscopy", "mammography", "microscopy", "MRI", "OCT", "PET", "photography",
    "sonography", "SPECT", "X-ray", "many",
)  # fmt: skip
TL_TYPES = (
    "feature extractor", "feature extractor hybrid", "fine-tuning", "fine-tuning from scratch",
    "fine-tuning (extent unreported)", "random initialisation",
)  # fmt: skip


def _columns(kind: Any, names: str) -> Iterator[sa.Column[Any]]:
    """Give columns of one kind; a name with ! must be known."""
    for name in names.split():
        yield sa.Column(name.rstrip("!"), kind, nullable=not name.endswith("!"))


def _term(table: str, column: str, words: Sequence[str]) -> sa.CheckConstraint:
    among = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({among})", name=op.f(f"ck_{table}_{column}_term"))


def _of(table: str, column: str, where: str, gone: str | None = None) -> sa.ForeignKeyConstraint:
    """Return a column's tie to another table, with what happens when that row is gone."""
    other = where.partition(".")[0]
    return sa.ForeignKeyConstraint(
        [column], [where], name=op.f(f"fk_{table}_{column}_{other}"), ondelete=gone
    )


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def _search(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_search", table, list(columns), unique=False)


def upgrade() -> None:
    op.create_table(
        "backbone",
        *_columns(WORD, "name! family! review_group! review_model depth_group"),
        *_columns(WHOLE, "year"),
        *_columns(WORD, "reference note"),
        _term("backbone", "depth_group", ("shallow", "deep")),
        _term("backbone", "family", (
            "AlexNet", "DenseNet", "EfficientNet", "Inception", "Inception-ResNet", "LeNet",
            "MobileNet", "ResNet", "SqueezeNet", "VGG", "Xception", "ensemble", "other",
        )),
        _key("backbone", "name"),
    )  # fmt: skip
    _index("backbone", "family")

    op.create_table(
        "dataset",
        *_columns(WORD, "name! origin! modality modality_detail anatomy task"),
        *_columns(WHOLE, "year"),
        *_columns(WORD, "year_basis url"),
        *_columns(WHOLE, "n_images n_cases n_classes"),
        *_columns(WORD, "licence access loader evidence! note"),
        _term("dataset", "access", ("open", "registration", "credentialed")),
        _term("dataset", "modality", MODALITIES),
        _term("dataset", "origin", ("packaged", "user")),
        _key("dataset", "name"),
    )
    _index("dataset", "modality")

    op.create_table("load_state", *_columns(WORD, "name! value!"), _key("load_state", "name"))
    op.create_table(
        "review_claim",
        *_columns(WORD, "id!"),
        *_columns(TEXT, "claim! refs"),
        _key("review_claim", "id"),
    )
    op.create_table(
        "review_fact",
        *_columns(WORD, "name! place!"),
        *_columns(TEXT, "value"),
        _key("review_fact", "name"),
    )

    counts = ("n_classes", "n_images", "n_patients", "n_train", "n_val", "n_test")
    op.create_table(
        "study",
        *_columns(WHOLE, "id!"),
        *_columns(WORD, "key!"),
        *_columns(WHOLE, "ref"),
        *_columns(WORD, "origin! authors! title! journal"),
        *_columns(WHOLE, "year!"),
        *_columns(WORD, "volume pages doi pmid pmcid url modality subject anatomy task"),
        *_columns(WHOLE, " ".join(counts)),
        *_columns(WORD, "split_unit"),
        *_columns(WHOLE, "cv_folds"),
        *_columns(WORD, "pretrained_on classifier finetune_detail inclusion!"),
        *_columns(FLAG, "tl_seen! retracted!"),
        *_columns(TEXT, "data_note tl_note note search_text!"),
        _term("study", "inclusion", ("overview block", "cited", "uncertain", "added")),
        _term("study", "modality", MODALITIES),
        _term("study", "origin", ("packaged", "user")),
        _term("study", "split_unit", ("images", "patients")),
        _term("study", "subject", (
            "abdominopelvic cavity", "alimentary system", "bones", "cardiovascular system",
            "endocrine glands", "genital systems", "joints", "lymphoid system", "muscles",
            "nervous system", "tissue specimen", "respiratory system", "sense organs",
            "the integument", "thoracic cavity", "urinary system", "many", "else",
        )),
        sa.CheckConstraint(
            " AND ".join(f"({name} IS NULL OR {name} > 0)" for name in counts),
            name=op.f("ck_study_counts_positive"),
        ),
        _key("study", "id"),
        sa.UniqueConstraint("key", name=op.f("uq_study_key")),
        sa.UniqueConstraint("ref", name=op.f("uq_study_ref")),
    )  # fmt: skip
    _index("study", "doi", "inclusion", "modality", "n_classes", "n_images", "origin", "subject")
    _index("study", "year")

    op.create_table(
        "backbone_synonym",
        *_columns(WORD, "folded! word! backbone!"),
        _of("backbone_synonym", "backbone", "backbone.name", "CASCADE"),
        _key("backbone_synonym", "folded"),
    )
    _index("backbone_synonym", "backbone")

    op.create_table(
        "coding",
        *_columns(WHOLE, "id! study_id! coder!"),
        *_columns(WORD, "field!"),
        *_columns(TEXT, "value adjudication"),
        sa.CheckConstraint("coder IN (1, 2)", name=op.f("ck_coding_coder_term")),
        _of("coding", "study_id", "study.id", "CASCADE"),
        _key("coding", "id"),
    )
    _index("coding", "study_id")
    op.create_index("uq_coding", "coding", ["study_id", "coder", "field"], unique=True)

    op.create_table(
        "confirmation",
        *_columns(WHOLE, "id! study_id!"),
        *_columns(WORD, "field! source!"),
        _of("confirmation", "study_id", "study.id", "CASCADE"),
        _key("confirmation", "id"),
    )
    _index("confirmation", "study_id")

    op.create_table(
        "disagreement",
        *_columns(WHOLE, "id! study_id!"),
        *_columns(WORD, "field!"),
        *_columns(TEXT, "other_value"),
        *_columns(WORD, "source!"),
        *_columns(TEXT, "note"),
        _of("disagreement", "study_id", "study.id", "CASCADE"),
        _key("disagreement", "id"),
    )
    _index("disagreement", "study_id")

    op.create_table(
        "evidence",
        *_columns(WHOLE, "id! study_id!"),
        *_columns(WORD, "field!"),
        *_columns(TEXT, "value"),
        *_columns(WORD, "basis! source"),
        *_columns(TEXT, "note"),
        _term("evidence", "basis", BASES),
        _of("evidence", "study_id", "study.id", "CASCADE"),
        _key("evidence", "id"),
    )
    _index("evidence", "study_id")
    op.create_index("uq_evidence", "evidence", ["study_id", "field"], unique=True)

    op.create_table(
        "reported_metric",
        *_columns(WHOLE, "id! study_id! position!"),
        *_columns(WORD, "metric!"),
        *_columns(REAL, "value! ci_low ci_high sd"),
        *_columns(WORD, "backbone tl_type task split"),
        *_columns(WHOLE, "n"),
        *_columns(FLAG, "headline!"),
        *_columns(WORD, "basis! source"),
        _term("reported_metric", "basis", BASES),
        _term("reported_metric", "metric", (
            "accuracy", "AUC", "sensitivity", "specificity", "precision", "NPV", "F1",
            "surveillance interval concordance",
        )),
        _term("reported_metric", "split", ("test", "validation", "cross-validation", "external")),
        _term("reported_metric", "tl_type", TL_TYPES),
        *(
            sa.CheckConstraint(
                f"{name} >= 0 AND {name} <= 1", name=op.f(f"ck_reported_metric_{name}_fraction")
            )
            for name in ("ci_high", "ci_low", "value")
        ),
        _of("reported_metric", "backbone", "backbone.name"),
        _of("reported_metric", "study_id", "study.id", "CASCADE"),
        _key("reported_metric", "id"),
    )  # fmt: skip
    _index("reported_metric", "backbone")
    _search("reported_metric", "metric", "headline", "value", "study_id")
    _index("reported_metric", "study_id")
    op.create_index(
        "uq_reported_metric_headline",
        "reported_metric",
        ["study_id", "metric"],
        unique=True,
        sqlite_where=sa.text("headline"),
        postgresql_where=sa.text("headline"),
    )

    op.create_table(
        "run",
        *_columns(WORD, "id!"),
        *_columns(WHOLE, "study_id"),
        *_columns(WORD, "study_key setup state!"),
        *_columns(TIME, "created_at! finished_at"),
        *_columns(TEXT, "spec! environment"),
        *_columns(WORD, "data_hash"),
        *_columns(TEXT, "error"),
        _term("run", "state", ("planned", "running", "finished", "failed", "interrupted")),
        _of("run", "study_id", "study.id", "SET NULL"),
        _key("run", "id"),
    )
    _index("run", "study_id")

    op.create_table(
        "study_backbone",
        *_columns(WHOLE, "study_id!"),
        *_columns(WORD, "backbone!"),
        *_columns(WHOLE, "position!"),
        _of("study_backbone", "backbone", "backbone.name"),
        _of("study_backbone", "study_id", "study.id", "CASCADE"),
        _key("study_backbone", "study_id", "backbone"),
    )
    _search("study_backbone", "backbone", "study_id")

    op.create_table(
        "study_dataset",
        *_columns(WHOLE, "id! study_id! position!"),
        *_columns(WORD, "name!"),
        *_columns(FLAG, "public"),
        *_columns(WORD, "url dataset basis! source"),
        _term("study_dataset", "basis", BASES),
        _of("study_dataset", "dataset", "dataset.name", "SET NULL"),
        _of("study_dataset", "study_id", "study.id", "CASCADE"),
        _key("study_dataset", "id"),
    )
    _index("study_dataset", "dataset", "study_id")

    op.create_table(
        "study_tl_type",
        *_columns(WHOLE, "study_id!"),
        *_columns(WORD, "tl_type!"),
        *_columns(WHOLE, "position!"),
        _term("study_tl_type", "tl_type", TL_TYPES),
        _of("study_tl_type", "study_id", "study.id", "CASCADE"),
        _key("study_tl_type", "study_id", "tl_type"),
    )
    _search("study_tl_type", "tl_type", "study_id")

    op.create_table(
        "run_metric",
        *_columns(WHOLE, "id!"),
        *_columns(WORD, "run_id! metric!"),
        *_columns(REAL, "value! ci_low ci_high"),
        *_columns(WHOLE, "n"),
        *_columns(WORD, "split"),
        *_columns(WHOLE, "seed fold"),
        *_columns(WORD, "class_label"),
        _of("run_metric", "run_id", "run.id", "CASCADE"),
        _key("run_metric", "id"),
    )
    _index("run_metric", "run_id")

    op.create_table(
        "run_setting",
        *_columns(WORD, "run_id! name!"),
        *_columns(TEXT, "value"),
        *_columns(WORD, "mark!"),
        *_columns(TEXT, "reason"),
        _term("run_setting", "mark", ("reported", "assumed")),
        _of("run_setting", "run_id", "run.id", "CASCADE"),
        _key("run_setting", "run_id", "name"),
    )
