"""The figure of replications draws each pair of values as it stands, and says what it leaves out.

The rows are made up for the test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.errors import UsageError
from metaanalysis.figures import FIGURES
from metaanalysis.figures.kit import theme
from metaanalysis.figures.kit.base import Figure
from metaanalysis.figures.runs.replications import drawable, replications
from replicate.verdicts.comparison import ROW_COLUMNS
from tests.metaanalysis.figures.drawn import words
from tests.metaanalysis.figures.material import marks


def row(run: str, metric: str, reported: float | None, value: float, **more: Any) -> dict[str, Any]:
    made = dict.fromkeys(ROW_COLUMNS) | {
        "run": run, "kind": "replicated", "study": "karri2017", "ref": 49, "fidelity": "proxy",
        "dataset": "test images", "backbone": "MobileNetV2", "backbone_reported": "GoogLeNet",
        "tl_type": "fine-tuning", "metric": metric, "reported": reported, "replicated": value,
        "ci_low": value - 0.02, "ci_high": value + 0.02, "verdict": "lower", "margin": 0.02,
    }  # fmt: skip
    return made | more


ROWS = [
    row("a", "accuracy", 0.96, 0.9, baseline=0.4),
    row("a", "AUC", 0.98, 0.95, reported_low=0.96, reported_high=0.99, verdict="consistent"),
    row("b", "accuracy", 0.7, 0.8, verdict="higher", ref=None, fidelity="same data", baseline=None),
    row("c", "accuracy", None, 0.5, verdict="not comparable"),
    row("d", "accuracy", None, 0.9, kind="phantom", verdict="not comparable"),
]


@pytest.fixture(scope="module")
def figure() -> Figure:
    return replications(ROWS, data_hash="abc")


def test_each_pair_stands_on_its_line(figure: Figure) -> None:
    diamonds, circles = (
        marks(figure, "point", shape="diamond"),
        marks(figure, "point", shape="circle"),
    )
    (theirs,), (ours,) = diamonds, circles
    assert [one["reported"] for one in theirs] == [0.96, 0.98, 0.7]
    assert [one["estimate"] for one in ours] == [0.9, 0.95, 0.8]
    for hollow, full in zip(theirs, ours, strict=True):
        assert 0 < full["y"] - hollow["y"] < 12  # one above the other: neither is hidden


def test_intervals_are_those_of_the_rows(figure: Figure) -> None:
    (ours,) = marks(figure, "rule", color=theme.REPLICATED)
    assert [(round(one["low"], 3), round(one["high"], 3)) for one in ours] == [
        (0.88, 0.92), (0.93, 0.97), (0.78, 0.82),
    ]  # fmt: skip
    reported = [
        (one["low"], one["high"])
        for rows in marks(figure, "rule", color=theme.MUTED, strokeWidth=1.2)
        for one in rows
    ]
    assert reported == [(0.96, 0.99)]
    (baselines,) = marks(figure, "rule", color=theme.MUTED, strokeWidth=1.6)
    assert [one["baseline"] for one in baselines] == [0.4]


def test_intervals_apart_of_a_consistent_value_are_explained(figure: Figure) -> None:
    spread = row(
        "e", "accuracy", 0.99, 0.9, reported_low=0.98, reported_high=0.995, verdict="consistent",
        seeds=3, sd=0.05,
    )  # fmt: skip
    said = "1 value is consistent though the two intervals do not overlap: the spread over seeds"
    assert said in " ".join(words(replications([*ROWS, spread], data_hash="abc")))
    assert "do not overlap" not in " ".join(words(figure))


def test_the_words(figure: Figure) -> None:
    text = " ".join(words(figure))
    for said in (
        "karri2017 [49] · MobileNetV2 for GoogLeNet, fine-tuning · test images · proxy",
        "karri2017 · MobileNetV2 for GoogLeNet, fine-tuning · test images · same data",
        "0.900 [0.880, 0.920]",
        "consistent",
        "higher",
        "Not drawn: 1 value without a reported one.",
        "Not drawn: 1 value of phantoms.",
        "not on the study",
    ):
        assert said in text, said
    said = " ".join(figure.chart.title.subtitle)
    assert "Reported (hollow diamond" in said
    assert "replicated (filled circle) values of 2 runs on 1 study" in said


def test_no_phantom_and_nothing_bare_is_drawn(figure: Figure) -> None:
    assert set(figure.data["run"]) == {"a", "b"}
    assert set(figure.beside["left-out"]["run"]) == {"c", "d"}
    assert [one["run"] for one in drawable(ROWS)] == ["a", "a", "b"]
    with pytest.raises(UsageError, match="no replicated value has a reported one"):
        replications(ROWS[3:], data_hash="abc")


def test_it_is_written_in_all_formats(figure: Figure, tmp_path: Path) -> None:
    written = figure.save(tmp_path)
    assert {path.name for path in written} == {
        "figure-replications.html", "figure-replications.svg", "figure-replications.png",
        "figure-replications.csv", "figure-replications-left-out.csv",
    }  # fmt: skip
    assert (tmp_path / "figure-replications.png").read_bytes().startswith(b"\x89PNG")
    assert "replications" not in FIGURES  # it is none of the review's


def test_the_same_run_with_another_split_is_told_apart() -> None:
    by = [
        row(run, "accuracy", 0.96, 0.9, split=f"hold-out by {unit}")
        for run, unit in (("a", "image"), ("b", "group"))
    ]
    text = " ".join(words(replications(by, data_hash="abc")))
    assert "test images · hold-out by image · proxy" in text
    assert "test images · hold-out by group · proxy" in text
