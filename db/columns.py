"""What the tables are made of: names of constraints, JSON as text, vocabularies as checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

#: Every constraint has a name, so that Alembic can find and alter it on both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = NAMING


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


def one_of(column: str, terms: Sequence[str]) -> CheckConstraint:
    """Constrain a text column to a vocabulary (NULL passes: unknown is not a term)."""
    listed = ", ".join("'" + term.replace("'", "''") + "'" for term in terms)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_term")


def fraction(column: str) -> CheckConstraint:
    """Constrain a number to 0..1, the unit of every metric here."""
    return CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_fraction")


def of_study() -> Any:
    """Return a column that belongs to a study and is deleted with it."""
    return Field(
        sa_column=Column(
            "study_id", ForeignKey("study.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
