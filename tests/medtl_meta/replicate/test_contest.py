"""``medtl-meta replicate contest``, with real runs of a small network on phantom images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db.errors import UsageError

pytest.importorskip("torch")

from medtl_meta.cli.replicate.contest import contest
from replicate.contest import rows as contest_rows

SETS = ("phantom:xray?n=24", "phantom:ct?n=24")


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNS", "CACHE", "WEIGHTS"):
        monkeypatch.setenv(f"MEDTL_META_{name}", str(tmp_path / name.lower()))


def held(tmp_path: Path, *more: str, sets: tuple[str, ...] = SETS) -> Result:
    given = [word for one in sets for word in ("--images", one)]
    small = [
        "--backbone",
        "lenet",
        "--tl",
        "random",
        "--seeds",
        "0",
        "--size",
        "32",
        "--epochs",
        "1",
        "--folds",
        "2",
    ]
    place = ["--out", str(tmp_path / "out"), "--db", str(tmp_path / "db.sqlite")]
    words = [*given, *small, "--device", "cpu", "--figure", "svg", *place, *more]
    return CliRunner().invoke(contest, words)


def test_a_contest_is_held_and_held_again_without_running(tmp_path: Path) -> None:
    done = held(tmp_path, "--modality", "X-ray", "--modality", "CT", "--format", "json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    out = tmp_path / "out"
    rows = contest_rows.read(out / "results.csv")
    assert [(row["dataset"], row["seed"]) for row in rows] == [
        ("phantom xray", 0),
        ("phantom ct", 0),
    ]
    assert {row["modality"] for row in rows} == {"X-ray", "CT"}
    assert all(row["phantom"] and row["error"] is None for row in rows)
    assert all(0 < row["train_seconds"] <= row["total_seconds"] for row in rows)
    assert len({row["run"] for row in rows}) == 2
    assert shown["summary"]["kind"] == "phantom"
    assert json.loads((out / "summary.json").read_text()) == shown["summary"]
    assert not (out / "results.partial.csv").exists()
    assert "no evidence on medicine" in (out / "figure-contest-time.svg").read_text()
    assert str(tmp_path) not in rows[0]["command"]
    again = held(tmp_path, "--modality", "X-ray", "--modality", "CT")
    assert again.exit_code == 0
    # Seconds included: nothing was computed anew.
    spent = ("auc", "baseline_accuracy", "features_seconds", "train_seconds")
    for row, before in zip(contest_rows.read(out / "results.csv"), rows, strict=True):
        assert [row[name] for name in spent] == [before[name] for name in spent]


def test_earlier_results_are_drawn_by_another_metric(tmp_path: Path) -> None:
    assert held(tmp_path, sets=SETS[:1]).exit_code == 0
    results = tmp_path / "out" / "results.csv"
    words = ["--from", str(results), "--metric", "accuracy", "--figure", "svg"]
    done = CliRunner().invoke(contest, [*words, "--out", str(tmp_path / "two")])
    assert done.exit_code == 0, done.output
    assert "LeNet5" in done.stdout
    assert "One data set" in done.stderr
    assert "Accuracy against" in (tmp_path / "two" / "figure-contest-time.svg").read_text()


def test_what_lacks_weights_fails_alone(tmp_path: Path) -> None:
    """A cell that cannot run has its reason in its row; the others have values."""
    done = held(tmp_path, "--tl", "random,fine-tuning", sets=SETS[:1])
    assert done.exit_code == 0, done.output
    rows = contest_rows.read(tmp_path / "out" / "results.csv")
    for row in rows:
        failed = row["tl_type"] == "fine-tuning"
        assert (row["auc"] is None) == failed
        assert ("weights" in (row["error"] or "").lower()) == failed
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--modality", "CT"], "1 words for 2"),
        (["--from", "x.csv"], "one runs nothing"),
        (["--tl", "fine-tunning"], "no such term"),
        (["--folds", "3", "--test", "0.2"], "--folds and --test"),
        (["--backbone", "lenet,inception_v3"], "shrink to nothing"),
    ],
)
def test_misused_options_are_said(tmp_path: Path, words: list[str], message: str) -> None:
    done = held(tmp_path, *words)
    assert isinstance(done.exception, UsageError)
    assert message in done.exception.message
    assert done.exception.hint
