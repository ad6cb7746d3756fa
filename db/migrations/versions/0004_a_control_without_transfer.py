"""A TL type of runs that transfer nothing: frozen features of a network with random weights."""

from typing import Literal

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TL_TYPE = (
    "tl_type IN ('feature extractor', 'feature extractor hybrid', 'fine-tuning', "
    "'fine-tuning from scratch', 'random initialisation', 'recommended protocol', "
    "'random weights, frozen')"
)


def upgrade() -> None:
    # SQLite makes the table anew; PostgreSQL would lose the sequence that numbers the rows.
    anew: Literal["always", "never"]
    anew = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    name = op.f("ck_run_tl_type_term")
    with op.batch_alter_table("run", recreate=anew) as run:
        run.drop_constraint(name, type_="check")
        run.create_check_constraint(name, TL_TYPE)
