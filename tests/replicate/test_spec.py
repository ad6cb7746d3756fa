from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from replicate.spec import Spec, Unfreezing, settings_of

PLAIN = {
    "data": {"name": "busi", "classes": {"benign": "benign", "malignant": "malignant"}},
    "network": {"name": "MobileNetV2"},
    "transfer": {"tl_type": "feature extractor", "unfreezing": {"kind": "none"}},
}


def test_the_hash_names_settings_and_nothing_else() -> None:
    spec = Spec.model_validate(PLAIN)
    same = Spec.model_validate({**PLAIN, "training": {}})
    assert spec == same
    assert hash(spec) == hash(same)
    assert spec.id == same.id
    assert len(spec.id) == 12
    assert Spec.model_validate({**PLAIN, "seeds": [1]}).id != spec.id
    assert Spec.model_validate({**PLAIN, "data": {"name": "busi"}}).id != spec.id


def test_it_is_frozen() -> None:
    spec = Spec.model_validate(PLAIN)
    with pytest.raises(ValidationError, match="frozen"):
        spec.seeds = (1,)  # type: ignore[misc]


def test_it_survives_being_written() -> None:
    spec = Spec.model_validate(PLAIN)
    assert Spec.model_validate_json(spec.canonical()) == spec


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"optimizer": "adam"}, "Extra inputs"),
        ({"seeds": []}, "at least 1 item"),
        ({"seeds": [1, 1]}, "given twice"),
        ({"training": {"epochs": 2, "head_epochs": 3}}, "part of epochs"),
        ({"training": {"learning_rate": 0}}, "greater than 0"),
        ({"network": {"name": "VGG16", "weights": "random"}}, "random weights go with"),
        ({"preprocessing": {"size": 8}}, "greater than or equal to 16"),
        (
            {"transfer": {"tl_type": "feature extractor", "unfreezing": {"kind": "all"}}},
            "unfreezes nothing",
        ),
        (
            {"transfer": {"tl_type": "fine-tuning", "unfreezing": {"kind": "none"}}},
            "needs layers",
        ),
        (
            {"transfer": {"tl_type": "fine-tuning from scratch", "unfreezing": {"kind": "none"}}},
            "trains all layers",
        ),
        (
            {
                "transfer": {
                    "tl_type": "feature extractor",
                    "unfreezing": {"kind": "none"},
                    "head": {"kind": "svm"},
                }
            },
            "does not belong",
        ),
        (
            {
                "transfer": {
                    "tl_type": "feature extractor hybrid",
                    "unfreezing": {"kind": "none"},
                    "head": {"kind": "svm"},
                },
                "augmentation": {"rotation": 10},
            },
            "no augmentation",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Spec.model_validate({**PLAIN, **change})


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("blocks", None), ("all", 1), ("blocks", 0), ("layers", 1.5), ("ratio", 0), ("ratio", 1.1)],
)
def test_an_extent_that_means_nothing_is_refused(kind: str, amount: float | None) -> None:
    with pytest.raises(ValidationError):
        Unfreezing.model_validate({"kind": kind, "amount": amount})


@given(
    epochs=st.integers(1, 50),
    rate=st.floats(1e-6, 1.0),
    seeds=st.lists(st.integers(0, 100), min_size=1, max_size=4, unique=True),
)
def test_settings_account_for_every_value(epochs: int, rate: float, seeds: list[int]) -> None:
    """A ledger line for each of these leaves no setting without one."""
    spec = Spec.model_validate(
        {**PLAIN, "training": {"epochs": epochs, "learning_rate": rate}, "seeds": seeds}
    )
    flat = settings_of(spec)
    assert flat["training.epochs"] == epochs
    assert flat["training.learning_rate"] == rate
    assert flat["seeds"] == seeds
    assert flat["transfer.unfreezing.kind"] == "none"
    assert flat["transfer.head.kind"] == "linear"
    assert not any(
        isinstance(value, dict) for path, value in flat.items() if path != "data.classes"
    )
    leaves = {path.rpartition(".")[2] for path in flat}
    assert {"optimiser", "batchnorm", "content", "weights_hash", "folds", "rotation"} <= leaves
