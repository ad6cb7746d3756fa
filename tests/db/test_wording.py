"""Terms of replications in words."""

from __future__ import annotations

import pytest

from db.wording import extent_words, method_words, metric_words, minus


@pytest.mark.parametrize(
    ("kind", "amount", "words"),
    [
        ("blocks", 2.0, "last 2 blocks"),
        ("layers", 1.0, "last layer"),
        ("ratio", 0.3, "30 % of layers"),
        ("all", None, "all layers"),
        ("none", None, None),
        (None, None, None),
    ],
)
def test_extents(kind: str | None, amount: float | None, words: str | None) -> None:
    assert extent_words(kind, amount) == words


def test_a_method_says_its_extent_where_it_has_one() -> None:
    assert method_words("fine-tuning", "last 2 blocks") == "fine-tuning (last 2 blocks)"
    assert method_words("fine-tuning from scratch", "all layers") == "fine-tuning from scratch"
    assert method_words("feature extractor", None) == "feature extractor"


def test_metrics() -> None:
    stored = ("auc", "AUC", "balanced_accuracy", "log_loss", "brier", "ece", "accuracy")
    words = ["AUC", "AUC", "balanced accuracy", "log loss", "Brier", "ECE", "accuracy"]
    assert [metric_words(name) for name in stored] == words
    assert minus("-0.5") == "\N{MINUS SIGN}0.5"
