"""``replicate run --out DIR`` and ``replicate predict``, as a user types them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import medtl_meta as mm
from medtl_meta.cli.replicate import replicate

PHANTOM = "phantom:xray?n=40&size=32&signal=3"
RUN = [
    *("run", "--images", PHANTOM, "--backbone", "LeNet5", "--weights", "random", "--tl", "random"),
    *("--size", "32", "--epochs", "2", "--folds", "2", "--figure", "csv"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RUNS", "CACHE"):
        monkeypatch.setenv(f"MEDTL_META_{name}", str(tmp_path / name))
    monkeypatch.setenv("MEDTL_META_DB", str(tmp_path / "db.sqlite"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> Result:
    done = CliRunner().invoke(replicate, words)
    assert done.exit_code == 0, done.output
    return done


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(csv.DictReader(path.open(newline="")))


def test_a_run_is_taken_away_and_its_models_predict_what_it_did(place: Path) -> None:
    typed(*RUN, "--out", "out")
    written = {
        p.relative_to(place / "out").as_posix() for p in place.glob("out/**/*") if p.is_file()
    }
    models = [f"models/seed-0-repeat-0-fold-{fold}" for fold in (0, 1)]
    assert written == {
        *("result.json", "metrics.csv", "predictions.csv", "history.csv", "figure-history.csv"),
        *(f"{model}/{name}" for model in models for name in ("model.safetensors", "model.json")),
    }
    # Asked again it writes the same again: nothing is run, the models were kept.
    (place / "out" / "metrics.csv").write_text("mine")
    before = (place / "out" / models[0] / "model.safetensors").read_bytes()
    again = typed(*RUN, "--out", "out", "--format", "json")
    assert (place / "out" / models[0] / "model.safetensors").read_bytes() == before
    assert rows_of(place / "out" / "metrics.csv")
    record = json.loads(again.stdout)
    assert record["history"] == json.loads((place / "out" / "result.json").read_text())["history"]
    assert {(line["fold"], line["epoch"]) for line in record["history"]} == {
        (fold, epoch) for fold in (0, 1) for epoch in (1, 2)
    }
    typed("predict", f"out/{models[1]}", "--images", PHANTOM, "--out", "said.csv")
    said = {row["image"]: row for row in rows_of(place / "said.csv")}
    ran = [row for row in rows_of(place / "out" / "predictions.csv") if row["part"] == "test"]
    of_fold = [row for row in ran if row["fold"] == "1"]
    assert len(said) == 40
    assert of_fold
    for row in of_fold:
        assert row["predicted"] == said[row["image"]]["predicted"]
        for name in (name for name in row if name.startswith("probability")):
            assert abs(float(row[name]) - float(said[row["image"]][name])) < 1e-5
    shown = json.loads(
        typed("predict", f"out/{models[1]}", "--images", PHANTOM, "-f", "json").stdout
    )
    assert [one["predicted"] for one in shown] == [row["predicted"] for row in said.values()]
    called = mm.predict(place / "out" / models[1] / "model.safetensors", PHANTOM)
    assert [row["image"] for row in called.rows()] == list(said)
    assert called.card.phantom
