"""The drawn history of training holds every epoch of every model, and says what it is of."""

from __future__ import annotations

from typing import Any

import pytest

from metaanalysis.figures.runs.history import drawable, history


def rows(models: int, phases: list[tuple[str, int]], val: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "seed": model, "repeat": 0, "fold": 0, "phase": phase, "epoch": epoch + 1,
            "loss": 1 / (epoch + 1), "accuracy": 0.8, "learning_rate": 0.1, "seconds": 1.0,
            "val_loss": 0.5 if val else None, "val_accuracy": 0.7 if val else None,
        }
        for model in range(models)
        for phase, epochs in phases
        # Of later models some stop early.
        for epoch in range(max(1, epochs - model))
    ]  # fmt: skip


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(
    "phases", [[("training", 1)], [("training", 12)], [("head", 3), ("unfrozen", 40)]]
)
@pytest.mark.parametrize("val", [True, False])
def test_every_epoch_is_drawn(models: int, phases: list[tuple[str, int]], val: bool) -> None:
    told = rows(models, phases, val)
    drawn = history(told, title="Training", phantom=False)
    assert drawable(told)
    assert len(drawn.data) == len(told) * (4 if val else 2)
    assert drawn.data["model"].nunique() == models
    first = drawn.data[(drawn.data["model"] == 1) & (drawn.data["measure"] == "loss")]
    one = first[first["part"] == "training images"]
    assert one["passes"].tolist() == list(range(1, sum(count for _, count in phases) + 1))
    assert b"<svg" in drawn.rendered("svg")


def test_phantoms_are_said_to_be_phantoms() -> None:
    made = history(rows(1, [("training", 2)]), title="Training", phantom=True)
    assert "Phantom" in str(made.chart.to_dict()["title"])


def test_a_classifier_of_a_hybrid_has_no_epochs() -> None:
    line = {"loss": None, "accuracy": 0.9, "epoch": 1}
    assert not drawable([line])
