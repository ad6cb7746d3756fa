"""A model that is taken away says what it said in its run, whatever was trained and classifies."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from replicate.images.folders import open_folder
from replicate.models.model import Model
from replicate.models.predict import predict_images
from replicate.networks.backbones import build_network
from replicate.networks.builders import find_builder
from replicate.outcome import RunResult
from replicate.run import replicate
from replicate.setup.specify import specify_free
from replicate.takeaway import take_away

BLOCKS = {"transfer.unfreezing.kind": "blocks", "transfer.unfreezing.amount": 1}
ALL = {"transfer.unfreezing.kind": "all"}
METHODS: dict[str, dict[str, Any]] = {
    "linear": {},
    "mlp": {"transfer.head.kind": "mlp", "transfer.head.hidden": 9, "transfer.head.dropout": 0.3},
    **{
        kind: {"transfer.tl_type": "feature extractor hybrid", "transfer.head.kind": kind}
        for kind in ("svm", "random forest", "k-nn", "lda", "logistic")
    },
    "blocks": {"transfer.tl_type": "fine-tuning", **BLOCKS},
    "all": {"transfer.tl_type": "fine-tuning from scratch", **ALL},
    "recommended": {
        "transfer.tl_type": "recommended protocol",
        **BLOCKS,
        "training.head_epochs": 1,
        "training.backbone_lr": 1e-3,
    },
    "random": {"transfer.tl_type": "random initialisation", **ALL},
    "half": {"preprocessing.normalise": "half", "preprocessing.resize": "pad"},
    "rbf": {
        "transfer.tl_type": "feature extractor hybrid",
        "transfer.head.kind": "svm",
        "transfer.head.kernel": "rbf",
    },
}
CLASSES = ("=covid", "normal", "other")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of LeNet-5 that no run draws."""
    path = tmp_path_factory.mktemp("weights") / "lenet.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(build_network(find_builder("LeNet5")).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 12 images, wider than high, each with a channel of its own."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for place, label in enumerate(CLASSES):
        (folder / label).mkdir()
        for number in range(12):
            pixels = random.normal(100, 30, (30, 44, 3))
            pixels[..., place] += 60
            picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            picture.save(folder / label / f"{number}.png")
    return folder


def run(
    folder: Path, start: Path, pictures: Path, changes: dict[str, Any], **how: Any
) -> RunResult:
    drawn = changes.get("transfer.tl_type") == "random initialisation"
    settings: dict[str, Any] = {
        "network.name": "LeNet5",
        "network.weights": "random" if drawn else str(start),
        "preprocessing.size": 32,
        "training.epochs": 2,
        "split.kind": "k-fold",
        "split.folds": 2,
        "seeds": (0, 1),
        **changes,
    }
    images = open_folder(pictures)
    made = specify_free(images, overrides=settings)
    return replicate(
        made.spec, images, ledger=made.ledger, runs=folder / "runs", cache=folder / "cache", **how
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_is_taken_away_says_what_the_run_said(
    method: str, start: Path, pictures: Path, tmp_path: Path
) -> None:
    result = run(tmp_path, start, pictures, METHODS[method])
    out = tmp_path / "out"
    assert not take_away(result, out, runs=tmp_path / "runs").missing
    # Not needed any more: neither the run's own files nor its start weights.
    for said in result.predictions:
        folder = out / "models" / f"seed-{said.seed}-repeat-0-fold-{said.fold}"
        found = predict_images(folder, pictures, cache=tmp_path / "other")
        places = [found.images.ids.index(result.images.ids[i]) for i in said.indices]
        np.testing.assert_allclose(found.probabilities[places], said.probabilities, atol=2e-6)
        card = json.loads((folder / "model.json").read_text())
        assert card == json.loads(Model.load(folder / "model.safetensors").text())
        assert (card["run"], card["classes"]) == (result.id, list(CLASSES))
        assert len(card["ledger"]) == len(result.ledger.lines)
    rows = list(csv.DictReader((out / "predictions.csv").open(newline="")))
    assert sum(row["part"] == "test" for row in rows) == 2 * 36
    assert {row["label"].lstrip("'") for row in rows} == set(CLASSES)
    for row in rows:
        shares = {name: float(row[f"probability of {name}"]) for name in CLASSES}
        assert row["predicted"].lstrip("'") == max(shares, key=shares.__getitem__)
    lines = list(csv.DictReader((out / "history.csv").open(newline="")))
    record = json.loads((out / "result.json").read_text())
    assert len(lines) == len(record["history"]) == len(result.history)
    assert {(line["seed"], line["fold"]) for line in lines} == {(s, f) for s in "01" for f in "01"}
    named = {row["metric"] for row in csv.DictReader((out / "metrics.csv").open(newline=""))}
    assert {"accuracy", "auc"} <= named


def test_models_are_written_again_of_a_finished_run_and_nothing_else_is_touched(
    start: Path, pictures: Path, tmp_path: Path
) -> None:
    first = run(tmp_path, start, pictures, {})
    out, runs = tmp_path / "out", tmp_path / "runs"
    take_away(first, out, runs=runs)
    before = {p.relative_to(out): p.read_bytes() for p in out.rglob("*.safetensors")}
    mine = [out / "mine.txt", out / "models" / "seed-1-repeat-0-fold-1" / "notes.txt"]
    for path in mine:
        path.write_text("mine")
    again = run(tmp_path, start, pictures, {})
    assert again.earlier is not None
    assert again.earlier.whole
    take_away(again, out, runs=runs)
    assert {p.relative_to(out): p.read_bytes() for p in out.rglob("*.safetensors")} == before
    # Another run with fewer models leaves none of the first behind, and what is not ours.
    less = run(tmp_path, start, pictures, {"seeds": (0,), "split.kind": "hold-out"})
    take_away(less, out, runs=runs)
    left = [p.parent.name for p in out.rglob("*.safetensors")]
    assert left == ["seed-0-repeat-0-fold-0"]
    assert all(path.read_text() == "mine" for path in mine)


def test_models_that_were_not_kept_are_told(start: Path, pictures: Path, tmp_path: Path) -> None:
    result = run(tmp_path, start, pictures, {}, keep_models=False)
    taken = take_away(result, tmp_path / "out", runs=tmp_path / "runs")
    assert len(taken.missing) == 4
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    assert (tmp_path / "out" / "predictions.csv").is_file()


def test_only_what_was_learnt_is_kept_with_a_run(
    start: Path, pictures: Path, tmp_path: Path
) -> None:
    sizes = {}
    for method in ("linear", "blocks", "all"):
        run(tmp_path / method, start, pictures, METHODS[method])
        (*_, kept) = (tmp_path / method).rglob("model.safetensors")
        sizes[method] = kept.stat().st_size
    assert sizes["linear"] < sizes["blocks"] < sizes["all"]
    assert sizes["linear"] < start.stat().st_size / 4


def test_a_chosen_threshold_goes_with_the_model_and_decides_what_is_called(
    start: Path, pictures: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    shutil.copytree(pictures, two, ignore=lambda _, names: {"other"} & set(names))
    changes = {"evaluation.threshold": "sensitivity=0.9", "split.validation": 0.3}
    result = run(tmp_path, start, two, changes)
    take_away(result, tmp_path / "out", runs=tmp_path / "runs")
    chosen = {(one.seed, one.fold): one.value for one in result.evaluation.thresholds}
    assert len(chosen) == 4
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open(newline="")))
    assert {row["part"] for row in rows} == {"test", "validation"}
    for (seed, fold), value in chosen.items():
        folder = tmp_path / "out" / "models" / f"seed-{seed}-repeat-0-fold-{fold}"
        found = predict_images(folder, two, cache=tmp_path / "other")
        assert (found.card.threshold, found.card.positive) == (value, result.evaluation.positive)
        said = dict(zip(found.images.ids, found.called, strict=True))
        own = [row for row in rows if (row["seed"], row["fold"]) == (str(seed), str(fold))]
        for row in own:
            share = float(row[f"probability of {found.card.positive}"])
            called = row["predicted"].lstrip("'")
            assert (called == found.card.positive) == (share >= value)
            if abs(share - value) > 1e-5:
                assert said[row["image"].lstrip("'")] == called
