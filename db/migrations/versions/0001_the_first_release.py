"""The tables of the first release (0.1.0).

A migration is history: vocabularies stand here as they were, not as the code has them now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backbone",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("review_group", sa.String(), nullable=False),
        sa.Column("review_model", sa.String(), nullable=True),
        sa.Column("depth_group", sa.String(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint(
            "depth_group IN ('shallow', 'deep')", name=op.f("ck_backbone_depth_group_term")
        ),
        sa.CheckConstraint(
            "family IN ('AlexNet', 'DenseNet', 'EfficientNet', 'Inception', 'Inception-ResNet', 'LeNet', 'MobileNet', 'ResNet', 'SqueezeNet', 'VGG', 'Xception', 'ensemble', 'other')",
            name=op.f("ck_backbone_family_term"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_backbone")),
    )
    op.create_index(op.f("ix_backbone_family"), "backbone", ["family"], unique=False)

    op.create_table(
        "dataset",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("modality", sa.String(), nullable=True),
        sa.Column("modality_detail", sa.String(), nullable=True),
        sa.Column("anatomy", sa.String(), nullable=True),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("year_basis", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("n_images", sa.Integer(), nullable=True),
        sa.Column("n_cases", sa.Integer(), nullable=True),
        sa.Column("n_classes", sa.Integer(), nullable=True),
        sa.Column("licence", sa.String(), nullable=True),
        sa.Column("access", sa.String(), nullable=True),
        sa.Column("loader", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint(
            "access IN ('open', 'registration', 'credentialed')",
            name=op.f("ck_dataset_access_term"),
        ),
        sa.CheckConstraint(
            "modality IN ('CT', 'endoscopy', 'mammography', 'microscopy', 'MRI', 'OCT', 'PET', 'photography', 'sonography', 'SPECT', 'X-ray', 'many')",
            name=op.f("ck_dataset_modality_term"),
        ),
        sa.CheckConstraint("origin IN ('packaged', 'user')", name=op.f("ck_dataset_origin_term")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dataset")),
    )
    op.create_index(op.f("ix_dataset_modality"), "dataset", ["modality"], unique=False)

    op.create_table(
        "load_state",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_load_state")),
    )
    op.create_table(
        "review_claim",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("refs", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_claim")),
    )
    op.create_table(
        "review_fact",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_review_fact")),
    )
    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ref", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("authors", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("journal", sa.String(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("volume", sa.String(), nullable=True),
        sa.Column("pages", sa.String(), nullable=True),
        sa.Column("doi", sa.String(), nullable=True),
        sa.Column("pmid", sa.String(), nullable=True),
        sa.Column("pmcid", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("modality", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("anatomy", sa.String(), nullable=True),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("n_classes", sa.Integer(), nullable=True),
        sa.Column("n_images", sa.Integer(), nullable=True),
        sa.Column("n_patients", sa.Integer(), nullable=True),
        sa.Column("n_train", sa.Integer(), nullable=True),
        sa.Column("n_val", sa.Integer(), nullable=True),
        sa.Column("n_test", sa.Integer(), nullable=True),
        sa.Column("split_unit", sa.String(), nullable=True),
        sa.Column("cv_folds", sa.Integer(), nullable=True),
        sa.Column("pretrained_on", sa.String(), nullable=True),
        sa.Column("classifier", sa.String(), nullable=True),
        sa.Column("finetune_detail", sa.String(), nullable=True),
        sa.Column("inclusion", sa.String(), nullable=False),
        sa.Column("tl_seen", sa.Boolean(), nullable=False),
        sa.Column("retracted", sa.Boolean(), nullable=False),
        sa.Column("data_note", sa.Text(), nullable=True),
        sa.Column("tl_note", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "inclusion IN ('overview block', 'cited', 'uncertain', 'added')",
            name=op.f("ck_study_inclusion_term"),
        ),
        sa.CheckConstraint(
            "modality IN ('CT', 'endoscopy', 'mammography', 'microscopy', 'MRI', 'OCT', 'PET', 'photography', 'sonography', 'SPECT', 'X-ray', 'many')",
            name=op.f("ck_study_modality_term"),
        ),
        sa.CheckConstraint("origin IN ('packaged', 'user')", name=op.f("ck_study_origin_term")),
        sa.CheckConstraint(
            "split_unit IN ('images', 'patients')", name=op.f("ck_study_split_unit_term")
        ),
        sa.CheckConstraint(
            "subject IN ('abdominopelvic cavity', 'alimentary system', 'bones', 'cardiovascular system', 'endocrine glands', 'genital systems', 'joints', 'lymphoid system', 'muscles', 'nervous system', 'tissue specimen', 'respiratory system', 'sense organs', 'the integument', 'thoracic cavity', 'urinary system', 'many', 'else')",
            name=op.f("ck_study_subject_term"),
        ),
        sa.CheckConstraint(
            "(n_classes IS NULL OR n_classes > 0) AND (n_images IS NULL OR n_images > 0) AND (n_patients IS NULL OR n_patients > 0) AND (n_train IS NULL OR n_train > 0) AND (n_val IS NULL OR n_val > 0) AND (n_test IS NULL OR n_test > 0)",
            name=op.f("ck_study_counts_positive"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("key", name=op.f("uq_study_key")),
        sa.UniqueConstraint("ref", name=op.f("uq_study_ref")),
    )
    op.create_index(op.f("ix_study_doi"), "study", ["doi"], unique=False)
    op.create_index(op.f("ix_study_inclusion"), "study", ["inclusion"], unique=False)
    op.create_index(op.f("ix_study_modality"), "study", ["modality"], unique=False)
    op.create_index(op.f("ix_study_n_classes"), "study", ["n_classes"], unique=False)
    op.create_index(op.f("ix_study_n_images"), "study", ["n_images"], unique=False)
    op.create_index(op.f("ix_study_origin"), "study", ["origin"], unique=False)
    op.create_index(op.f("ix_study_subject"), "study", ["subject"], unique=False)
    op.create_index(op.f("ix_study_year"), "study", ["year"], unique=False)

    op.create_table(
        "backbone_synonym",
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("word", sa.String(), nullable=False),
        sa.Column("backbone", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone"],
            ["backbone.name"],
            name=op.f("fk_backbone_synonym_backbone_backbone"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("folded", name=op.f("pk_backbone_synonym")),
    )
    op.create_index(
        op.f("ix_backbone_synonym_backbone"), "backbone_synonym", ["backbone"], unique=False
    )

    op.create_table(
        "coding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("coder", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("adjudication", sa.Text(), nullable=True),
        sa.CheckConstraint("coder IN (1, 2)", name=op.f("ck_coding_coder_term")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_coding_study_id_study"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coding")),
    )
    op.create_index(op.f("ix_coding_study_id"), "coding", ["study_id"], unique=False)
    op.create_index("uq_coding", "coding", ["study_id", "coder", "field"], unique=True)

    op.create_table(
        "confirmation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_confirmation_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmation")),
    )
    op.create_index(op.f("ix_confirmation_study_id"), "confirmation", ["study_id"], unique=False)

    op.create_table(
        "disagreement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("other_value", sa.Text(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_disagreement_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disagreement")),
    )
    op.create_index(op.f("ix_disagreement_study_id"), "disagreement", ["study_id"], unique=False)

    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "basis IN ('abstract', 'fulltext', 'title', 'review text', 'secondary', 'inferred', 'record', 'description', 'not_found')",
            name=op.f("ck_evidence_basis_term"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_evidence_study_id_study"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_study_id"), "evidence", ["study_id"], unique=False)
    op.create_index("uq_evidence", "evidence", ["study_id", "field"], unique=True)

    op.create_table(
        "reported_metric",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("ci_low", sa.Float(), nullable=True),
        sa.Column("ci_high", sa.Float(), nullable=True),
        sa.Column("sd", sa.Float(), nullable=True),
        sa.Column("backbone", sa.String(), nullable=True),
        sa.Column("tl_type", sa.String(), nullable=True),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("split", sa.String(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("headline", sa.Boolean(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.CheckConstraint(
            "basis IN ('abstract', 'fulltext', 'title', 'review text', 'secondary', 'inferred', 'record', 'description', 'not_found')",
            name=op.f("ck_reported_metric_basis_term"),
        ),
        sa.CheckConstraint(
            "metric IN ('accuracy', 'AUC', 'sensitivity', 'specificity', 'precision', 'NPV', 'F1', 'surveillance interval concordance')",
            name=op.f("ck_reported_metric_metric_term"),
        ),
        sa.CheckConstraint(
            "split IN ('test', 'validation', 'cross-validation', 'external')",
            name=op.f("ck_reported_metric_split_term"),
        ),
        sa.CheckConstraint(
            "tl_type IN ('feature extractor', 'feature extractor hybrid', 'fine-tuning', 'fine-tuning from scratch', 'fine-tuning (extent unreported)', 'random initialisation')",
            name=op.f("ck_reported_metric_tl_type_term"),
        ),
        sa.CheckConstraint(
            "ci_high >= 0 AND ci_high <= 1", name=op.f("ck_reported_metric_ci_high_fraction")
        ),
        sa.CheckConstraint(
            "ci_low >= 0 AND ci_low <= 1", name=op.f("ck_reported_metric_ci_low_fraction")
        ),
        sa.CheckConstraint(
            "value >= 0 AND value <= 1", name=op.f("ck_reported_metric_value_fraction")
        ),
        sa.ForeignKeyConstraint(
            ["backbone"], ["backbone.name"], name=op.f("fk_reported_metric_backbone_backbone")
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_reported_metric_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reported_metric")),
    )
    op.create_index(
        op.f("ix_reported_metric_backbone"), "reported_metric", ["backbone"], unique=False
    )
    op.create_index(
        "ix_reported_metric_search",
        "reported_metric",
        ["metric", "headline", "value", "study_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_reported_metric_study_id"), "reported_metric", ["study_id"], unique=False
    )
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
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=True),
        sa.Column("study_key", sa.String(), nullable=True),
        sa.Column("setup", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("data_hash", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'running', 'finished', 'failed', 'interrupted')",
            name=op.f("ck_run_state_term"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_run_study_id_study"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_study_id"), "run", ["study_id"], unique=False)

    op.create_table(
        "study_backbone",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("backbone", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backbone"], ["backbone.name"], name=op.f("fk_study_backbone_backbone_backbone")
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_study_backbone_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "backbone", name=op.f("pk_study_backbone")),
    )
    op.create_index(
        "ix_study_backbone_search", "study_backbone", ["backbone", "study_id"], unique=False
    )

    op.create_table(
        "study_dataset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("dataset", sa.String(), nullable=True),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.CheckConstraint(
            "basis IN ('abstract', 'fulltext', 'title', 'review text', 'secondary', 'inferred', 'record', 'description', 'not_found')",
            name=op.f("ck_study_dataset_basis_term"),
        ),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.name"],
            name=op.f("fk_study_dataset_dataset_dataset"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_study_dataset_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_dataset")),
    )
    op.create_index(op.f("ix_study_dataset_dataset"), "study_dataset", ["dataset"], unique=False)
    op.create_index(op.f("ix_study_dataset_study_id"), "study_dataset", ["study_id"], unique=False)

    op.create_table(
        "study_tl_type",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("tl_type", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "tl_type IN ('feature extractor', 'feature extractor hybrid', 'fine-tuning', 'fine-tuning from scratch', 'fine-tuning (extent unreported)', 'random initialisation')",
            name=op.f("ck_study_tl_type_tl_type_term"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_study_tl_type_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "tl_type", name=op.f("pk_study_tl_type")),
    )
    op.create_index(
        "ix_study_tl_type_search", "study_tl_type", ["tl_type", "study_id"], unique=False
    )

    op.create_table(
        "run_metric",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("ci_low", sa.Float(), nullable=True),
        sa.Column("ci_high", sa.Float(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("split", sa.String(), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=True),
        sa.Column("fold", sa.Integer(), nullable=True),
        sa.Column("class_label", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_run_metric_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_metric")),
    )
    op.create_index(op.f("ix_run_metric_run_id"), "run_metric", ["run_id"], unique=False)

    op.create_table(
        "run_setting",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "mark IN ('reported', 'assumed')", name=op.f("ck_run_setting_mark_term")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_run_setting_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_run_setting")),
    )
