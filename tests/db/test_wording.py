"""Numbers, p values, plurals, paragraphs and terms of replications in words."""

from __future__ import annotations

import pytest

from db.wording import (
    UNKNOWN,
    extent_words,
    fixed,
    folded,
    interval_words,
    listed,
    method_words,
    metric_words,
    minus,
    p_cell,
    p_words,
    percent,
    plural,
    significant,
)


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


def test_numbers_keep_their_digits() -> None:
    assert [fixed(0.12345), fixed(None), fixed(2e-7, 4), fixed(0.0)] == [
        "0.123",
        UNKNOWN,
        "2.000e-07",
        "0.000",
    ]
    assert [significant(-0.012345), significant(float("inf")), significant(0)] == [
        "−0.0123",
        "∞",
        "0",
    ]
    assert interval_words(0.81234, 0.9) == "0.812 to 0.900"
    assert interval_words(None, 0.9) == UNKNOWN
    assert [percent(0.5), percent(0.996)] == ["50 %", "99.6 %"]


@pytest.mark.parametrize(
    ("p", "prose", "cell"),
    [
        (0.031234, "p = 0.031", "0.0312"),
        (0.03, "p = 0.030", "0.0300"),
        (0.00099, "p = 0.00099", "0.0010"),
        (0.000999, "p = 0.0010", "0.0010"),
        (0.0999, "p = 0.10", "0.0999"),
        (0.451, "p = 0.45", "0.4510"),
        (0.00001, "p < 0.0001", "< 0.0001"),
        (float("nan"), "p not defined", None),
    ],
)
def test_p_values(p: float, prose: str, cell: str | None) -> None:
    assert (p_words(p), p_cell(p)) == (prose, cell)


def test_counts_and_lists_read_as_sentences() -> None:
    assert [plural(1, "study"), plural(2, "study"), plural(2000, "case")] == [
        "1 study",
        "2 studies",
        "2,000 cases",
    ]
    assert plural(3, "essay") == "3 essays"
    assert plural(0, "is", "are") == "0 are"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
    assert listed([]) == ""


def test_a_fold_keeps_numbers_with_what_belongs_to_them() -> None:
    lines = folded("the interval of 95 % reaches from here; p = 0.03 says so", 24, hang=2)
    assert all(len(line) <= 24 for line in lines)
    assert any("95 %" in line for line in lines)
    assert any("p = 0.03" in line for line in lines)
    assert lines[1].startswith("  ")
