"""What a replication leaves behind: what was run, how near to the study, outcome, leakage."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FIDELITY = "fidelity IN ('same data', 'same task', 'proxy')"
TL_TYPE = (
    "tl_type IN ('feature extractor', 'feature extractor hybrid', 'fine-tuning', "
    "'fine-tuning from scratch', 'random initialisation', 'recommended protocol')"
)


def upgrade() -> None:
    # SQLite cannot add a constraint to a table that exists: it is made anew and filled. On
    # PostgreSQL that would lose the sequence that numbers the rows.
    anew: Literal["always", "never"]
    anew = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("run", recreate=anew) as run:
        run.add_column(
            sa.Column("phantom", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        for name in ("dataset", "backbone", "backbone_reported", "tl_type", "fidelity"):
            run.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in ("leakage", "outcome"):
            run.add_column(sa.Column(name, sa.Text(), nullable=True))
        run.create_check_constraint(op.f("ck_run_fidelity_term"), FIDELITY)
        run.create_check_constraint(op.f("ck_run_tl_type_term"), TL_TYPE)
    with op.batch_alter_table("run_metric", recreate=anew) as metric:
        metric.add_column(sa.Column("method", sa.String(), nullable=True))
        metric.add_column(sa.Column("repeat", sa.Integer(), nullable=True))
