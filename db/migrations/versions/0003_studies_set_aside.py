"""A user's studies that made way for packaged ones of the same paper, each as a study file."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "set_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.CheckConstraint("why IN ('doi', 'ref', 'key')", name=op.f("ck_set_aside_why_term")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside")),
    )
    op.create_index(op.f("ix_set_aside_key"), "set_aside", ["key"], unique=False)
