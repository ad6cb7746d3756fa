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

TYPES: dict[str, Any] = {
    "": sa.String(),
    "text": sa.Text(),
    "int": sa.Integer(),
    "real": sa.Float(),
    "bool": sa.Boolean(),
    "time": sa.DateTime(timezone=True),
}

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


def _columns(names: str) -> Iterator[sa.Column[Any]]:
    """Give columns, each as ``name:type``; one with ! must be known, one without type is a word."""
    for column in names.split():
        name, _, kind = column.rstrip("!").partition(":")
        yield sa.Column(name, TYPES[kind], nullable=not column.endswith("!"))


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


def _child(table: str, parent: str, *parts: Any) -> None:
    """Make a table of numbered rows that belong to a row of another, and are deleted with it."""
    belongs = _of(table, f"{parent}_id", f"{parent}.id", "CASCADE")
    op.create_table(table, *parts, belongs, _key(table, "id"))
    _index(table, f"{parent}_id")


def _search(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_search", table, list(columns), unique=False)


def upgrade() -> None:
    op.create_table(
        "backbone",
        *_columns("name! family! review_group! review_model depth_group year:int reference note"),
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
        *_columns(
            "name! origin! modality modality_detail anatomy task year:int year_basis url "
            "n_images:int n_cases:int n_classes:int licence access loader evidence! note"
        ),
        _term("dataset", "access", ("open", "registration", "credentialed")),
        _term("dataset", "modality", MODALITIES),
        _term("dataset", "origin", ("packaged", "user")),
        _key("dataset", "name"),
    )
    _index("dataset", "modality")

    op.create_table("load_state", *_columns("name! value!"), _key("load_state", "name"))
    op.create_table(
        "review_claim",
        *_columns("id! claim:text! refs:text"),
        _key("review_claim", "id"),
    )
    op.create_table(
        "review_fact",
        *_columns("name! place! value:text"),
        _key("review_fact", "name"),
    )

    counts = ("n_classes", "n_images", "n_patients", "n_train", "n_val", "n_test")
    op.create_table(
        "study",
        *_columns(
            "id:int! key! ref:int origin! authors! title! journal year:int! volume pages "
            "doi pmid pmcid url modality subject anatomy task n_classes:int n_images:int "
            "n_patients:int n_train:int n_val:int n_test:int split_unit cv_folds:int "
            "pretrained_on classifier finetune_detail inclusion! tl_seen:bool! "
            "retracted:bool! data_note:text tl_note:text note:text search_text:text!"
        ),
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
        *_columns("folded! word! backbone!"),
        _of("backbone_synonym", "backbone", "backbone.name", "CASCADE"),
        _key("backbone_synonym", "folded"),
    )
    _index("backbone_synonym", "backbone")

    _child(
        "coding",
        "study",
        *_columns("id:int! study_id:int! coder:int! field! value:text adjudication:text"),
        sa.CheckConstraint("coder IN (1, 2)", name=op.f("ck_coding_coder_term")),
    )
    op.create_index("uq_coding", "coding", ["study_id", "coder", "field"], unique=True)

    _child(
        "confirmation",
        "study",
        *_columns("id:int! study_id:int! field! source!"),
    )

    _child(
        "disagreement",
        "study",
        *_columns("id:int! study_id:int! field! other_value:text source! note:text"),
    )

    _child(
        "evidence",
        "study",
        *_columns("id:int! study_id:int! field! value:text basis! source note:text"),
        _term("evidence", "basis", BASES),
    )
    op.create_index("uq_evidence", "evidence", ["study_id", "field"], unique=True)

    _child(
        "reported_metric",
        "study",
        *_columns(
            "id:int! study_id:int! position:int! metric! value:real! ci_low:real "
            "ci_high:real sd:real backbone tl_type task split n:int headline:bool! basis! "
            "source"
        ),
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
    )  # fmt: skip
    _index("reported_metric", "backbone")
    _search("reported_metric", "metric", "headline", "value", "study_id")
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
        *_columns(
            "id! study_id:int study_key setup state! created_at:time! finished_at:time "
            "spec:text! environment:text data_hash error:text"
        ),
        _term("run", "state", ("planned", "running", "finished", "failed", "interrupted")),
        _of("run", "study_id", "study.id", "SET NULL"),
        _key("run", "id"),
    )
    _index("run", "study_id")

    op.create_table(
        "study_backbone",
        *_columns("study_id:int! backbone! position:int!"),
        _of("study_backbone", "backbone", "backbone.name"),
        _of("study_backbone", "study_id", "study.id", "CASCADE"),
        _key("study_backbone", "study_id", "backbone"),
    )
    _search("study_backbone", "backbone", "study_id")

    _child(
        "study_dataset",
        "study",
        *_columns(
            "id:int! study_id:int! position:int! name! public:bool url dataset basis! source"
        ),
        _term("study_dataset", "basis", BASES),
        _of("study_dataset", "dataset", "dataset.name", "SET NULL"),
    )
    _index("study_dataset", "dataset")

    op.create_table(
        "study_tl_type",
        *_columns("study_id:int! tl_type! position:int!"),
        _term("study_tl_type", "tl_type", TL_TYPES),
        _of("study_tl_type", "study_id", "study.id", "CASCADE"),
        _key("study_tl_type", "study_id", "tl_type"),
    )
    _search("study_tl_type", "tl_type", "study_id")

    _child(
        "run_metric",
        "run",
        *_columns(
            "id:int! run_id! metric! value:real! ci_low:real ci_high:real n:int split "
            "seed:int fold:int class_label"
        ),
    )

    op.create_table(
        "run_setting",
        *_columns("run_id! name! value:text mark! reason:text"),
        _term("run_setting", "mark", ("reported", "assumed")),
        _of("run_setting", "run_id", "run.id", "CASCADE"),
        _key("run_setting", "run_id", "name"),
    )
