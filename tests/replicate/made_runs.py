"""Runs for tests: made up, in the form in which the replicator writes real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db.database import Database
from db.replications import Run, RunValue, Setting
from db.runs import begin_run, finish_run

KARRI = Run(
    id="aaaa00000001",
    spec={
        "seeds": [0, 1, 2],
        "split": {"kind": "hold-out", "by": "group"},
        "transfer": {"unfreezing": {"kind": "blocks", "amount": 2}},
    },
    phantom=False,
    study_key="karri2017",
    setup="karri2017",
    dataset="OCT set for tests",
    backbone="MobileNetV2",
    backbone_reported="GoogLeNet",
    tl_type="fine-tuning",
    fidelity="same task",
    ledger=(
        Setting("network.name", "MobileNetV2", "assumed", "no weights of GoogLeNet"),
        Setting("data.name", "OCT", "reported", "title"),
    ),
)
THREE = {"classes": ["AMD", "DME", "normal"], "baseline": {"accuracy": 0.5}}


def metrics(value: float, half: float = 0.02, sd: float = 0.0, auc: float = 0.97) -> list[RunValue]:
    return [
        RunValue("accuracy", value, value - half, min(value + half, 1.0), 300, "wilson"),
        RunValue("auc", auc, auc - 0.02, min(auc + 0.02, 1.0), 300, "bootstrap"),
        *(RunValue("accuracy", value + step * sd, n=300, seed=i) for i, step in enumerate((-1, 0, 1))),
        RunValue("accuracy", 0.1, n=50, seed=0, repeat=0, fold=1),
        RunValue("sensitivity", 0.2, n=50, class_label="AMD"),
        RunValue("log_loss", 0.2, n=300),
    ]  # fmt: skip


def add(
    database: Database,
    record: Run,
    values: Sequence[RunValue],
    outcome: dict[str, Any] | None = None,
) -> None:
    begin_run(database, record)
    finish_run(database, record.id, metrics=values, outcome=THREE if outcome is None else outcome)
