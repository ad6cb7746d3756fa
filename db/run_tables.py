"""The tables of replications: a run, its ledger, its metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, Text, false
from sqlmodel import Field, SQLModel

from db import vocabulary as v
from db.columns import JsonText, one_of

RUN_STATES = ("planned", "running", "finished", "failed", "interrupted")
LEDGER_MARKS = ("reported", "assumed")
#: How near a rerun is to the study: its own images, others of its task, or a stand-in.
FIDELITIES = ("same data", "same task", "proxy")
#: TL types of a rerun: one that does not say how far it unfreezes cannot be run.
RUN_TL_TYPES = (
    *(term for term in v.TL_TYPES if term != v.EXTENT_UNREPORTED),
    "recommended protocol",
)


class Run(SQLModel, table=True):
    """A replication: one specification, named by its hash, with its outcome and surroundings.

    `backbone` is what was run, `backbone_reported` what it stands in for. `phantom` runs are of
    made images: they check the pipeline and say nothing on a study. `outcome` holds what is not a
    metric: classes, confusion, baseline, timing, memory, what was frozen.
    """

    __tablename__ = "run"
    __table_args__ = (
        one_of("state", RUN_STATES),
        one_of("fidelity", FIDELITIES),
        one_of("tl_type", RUN_TL_TYPES),
    )

    id: str = Field(primary_key=True)
    study_id: int | None = Field(
        default=None,
        sa_column=Column("study_id", ForeignKey("study.id", ondelete="SET NULL"), index=True),
    )
    study_key: str | None = None
    setup: str | None = None
    state: str
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    finished_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    spec: Any = Field(sa_column=Column("spec", JsonText, nullable=False))
    environment: Any = Field(sa_column=Column("environment", JsonText, nullable=True))
    data_hash: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    phantom: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    dataset: str | None = None
    backbone: str | None = None
    backbone_reported: str | None = None
    tl_type: str | None = None
    fidelity: str | None = None
    leakage: Any = Field(default=None, sa_column=Column("leakage", JsonText, nullable=True))
    outcome: Any = Field(default=None, sa_column=Column("outcome", JsonText, nullable=True))


class RunSetting(SQLModel, table=True):
    """One line of a run's ledger: a setting, and whether the paper gives it or we assumed it."""

    __tablename__ = "run_setting"
    __table_args__ = (one_of("mark", LEDGER_MARKS),)

    run_id: str = Field(
        sa_column=Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    )
    name: str = Field(primary_key=True)
    value: Any = Field(sa_column=Column("value", JsonText, nullable=True))
    mark: str
    reason: str | None = Field(default=None, sa_type=Text)


class RunMetric(SQLModel, table=True):
    """A replicated outcome with its interval; seed, fold and class where it is of one of them.

    `method` is that of the interval. A row without seed, fold and class is of all of them.
    """

    __tablename__ = "run_metric"

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(
        sa_column=Column(
            "run_id", ForeignKey("run.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    split: str | None = None
    seed: int | None = None
    fold: int | None = None
    class_label: str | None = None
    method: str | None = None
    repeat: int | None = None
