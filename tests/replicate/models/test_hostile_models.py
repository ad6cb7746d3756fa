"""Files that are no models, or that lie, are told in words; nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from db.errors import MedtlError, WeightsError
from replicate.images.phantom import open_phantom
from replicate.models.model import Model
from replicate.models.predict import predict_images
from replicate.run import replicate
from replicate.setup.specify import specify_free
from replicate.takeaway import take_away

Tensors, Card = dict[str, torch.Tensor], dict[str, Any]
HEADS = ("mlp", "svm", "random forest", "k-nn", "logistic")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model of each kind of head; random networks, whose layers of hybrids nobody trained."""
    folder = tmp_path_factory.mktemp("models")
    images, made = open_phantom("phantom:xray?n=40&size=32&signal=3"), {}
    weights = folder / "start.pth"
    from replicate.networks.backbones import build_network
    from replicate.networks.builders import find_builder

    torch.save(build_network(find_builder("LeNet5")).state_dict(), weights)
    for kind in HEADS:
        settings: dict[str, Any] = {
            "network.name": "LeNet5",
            "network.weights": str(weights),
            "preprocessing.size": 32,
            "training.epochs": 1,
            "transfer.head.kind": kind,
            "transfer.head.trees": 5,
        }
        if kind != "mlp":
            settings["transfer.tl_type"] = "feature extractor hybrid"
        plan = specify_free(images, overrides=settings)
        result = replicate(
            plan.spec, images, ledger=plan.ledger, runs=folder / "runs", cache=folder / "cache"
        )
        take_away(result, folder / kind, runs=folder / "runs")
        (made[kind],) = (folder / kind).rglob("model.safetensors")
    return made


def changed(source: Path, target: Path, change: Callable[[Tensors, Card], object]) -> Path:
    """Write a model again with something in it changed."""
    with safe_open(source, framework="pt") as opened:
        card = json.loads(opened.metadata()["card"])
    tensors = load_file(source)
    change(tensors, card)
    save_file(tensors, target, {"card": json.dumps(card)})
    return target


def put(name: str, values: Any) -> Callable[[Tensors, Card], object]:
    return lambda tensors, _: tensors.update({name: torch.as_tensor(np.asarray(values))})


def scaled(name: str, by: float) -> Callable[[Tensors, Card], object]:
    return lambda tensors, _: tensors.update({name: (tensors[name] * by).to(tensors[name].dtype)})


LIES: dict[str, tuple[str, Callable[[Tensors, Card], object]]] = {
    "no classes": ("mlp", lambda _, card: card.update(classes=[])),
    "a class twice": ("mlp", lambda _, card: card.update(classes=["a", "a"])),
    "more classes": ("mlp", lambda _, card: card.update(classes=["a", "b", "c"], positive=None)),
    "another network": ("mlp", lambda _, card: card.update(network="MobileNetV2")),
    "no network": ("mlp", lambda _, card: card.update(network="../../x")),
    "another format": ("mlp", lambda _, card: card.update(format=2)),
    "a word too many": ("mlp", lambda _, card: card.update(code="import os")),
    "no card": ("mlp", lambda _, card: card.clear()),
    "a huge image": ("mlp", lambda _, card: card["preprocessing"].update(size=10**9)),
    "a huge head": ("mlp", lambda _, card: card["head"].update(hidden=10**15)),
    "no deviation": ("mlp", lambda _, card: card.update(deviation=[0, 1, 1])),
    "an infinite mean": ("mlp", lambda _, card: card.update(mean=[1e999, 1, 1])),
    "another head": ("mlp", lambda _, card: card["head"].update(kind="svm")),
    "layers of an svm": ("svm", lambda _, card: card["head"].update(kind="linear")),
    "a tensor too many": ("mlp", put("other", [1.0])),
    "a tensor too few": ("mlp", lambda tensors, _: tensors.pop("head.1.bias")),
    "another shape": ("mlp", put("head.1.bias", [1.0])),
    "no number": ("mlp", scaled("head.1.bias", float("nan"))),
    "whole numbers": ("mlp", lambda tensors, _: tensors.update(
        {"head.1.bias": tensors["head.1.bias"].long()})),
    "infinite weights": ("svm", scaled("head.weights", float("inf"))),
    "a scale of 0": ("svm", scaled("head.scale", 0.0)),
    "negative counts": ("svm", scaled("head.counts", -1)),
    "more vectors than there are": ("svm", scaled("head.counts", 1000)),
    "two gammas": ("svm", put("head.gamma", [0.0, 1.0])),
    "classes that are none": ("logistic", put("head.classes", [0, 7])),
    "classes in reverse": ("logistic", put("head.classes", [1, 0])),
    "classes of fractions": ("logistic", put("head.classes", [0.0, 1.0])),
    "no class": ("logistic", put("head.classes", np.empty(0, np.int64))),
    "more neighbours than rows": ("k-nn", put("head.neighbours", [10**9])),
    "no neighbour": ("k-nn", put("head.neighbours", [0])),
    "two numbers of neighbours": ("k-nn", put("head.neighbours", [1, 2])),
    "labels that are none": ("k-nn", scaled("head.labels", 5)),
    "trees in a circle": ("random forest", scaled("head.left", 0)),
    "branches outside": ("random forest", scaled("head.right", 1000)),
    "features outside": ("random forest", scaled("head.feature", 10**6)),
    "roots outside": ("random forest", put("head.roots", [-1])),
    "bfloat16": ("svm", lambda tensors, _: tensors.update(
        {"head.weights": tensors["head.weights"].bfloat16()})),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_model_that_lies_is_told_in_words(
    lie: str, models: dict[str, Path], tmp_path: Path
) -> None:
    kind, change = LIES[lie]
    path = changed(models[kind], tmp_path / "model.safetensors", change)
    with pytest.raises(MedtlError):
        Model.load(path)


@pytest.mark.parametrize("kind", HEADS)
def test_a_model_that_is_only_written_again_loads(
    kind: str, models: dict[str, Path], tmp_path: Path
) -> None:
    path = changed(models[kind], tmp_path / "model.safetensors", lambda *_: None)
    assert Model.load(path).text() == Model.load(models[kind]).text()


@pytest.mark.parametrize("kept", [0, 7, 8, 100, 3000, -1])
def test_a_model_that_is_cut_off_is_told(
    kept: int, models: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(models["mlp"].read_bytes()[:kept])
    with pytest.raises(WeightsError):
        Model.load(path)


@pytest.mark.parametrize("content", [b"", b"cos\nsystem\n(S'touch x'\ntR.", b"\xff" * 64])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.pkl", "model"])
def test_what_is_no_model_is_told_and_not_run(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        predict_images(path, "phantom:xray?n=10&size=32")
    with pytest.raises(WeightsError):
        predict_images(tmp_path / "nothing", "phantom:xray?n=10&size=32")
    assert not Path("x").exists()


def test_a_tensor_of_weights_alone_has_no_card(tmp_path: Path) -> None:
    save_file({"x": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="no model card"):
        Model.load(tmp_path / "model.safetensors")
