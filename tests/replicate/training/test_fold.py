"""Training by every TL type, on small networks: what changes, what does not, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from db.errors import ReplicationError, UsageError
from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.prepare import prepared
from replicate.networks.network import Backbone
from replicate.progress import Progress, Report, silent
from replicate.spec import Preprocessing, Spec
from replicate.splits.splits import Fold
from replicate.terms import TL_TYPES
from replicate.training.compute import Compute
from replicate.training.features import Normalise
from replicate.training.fold import Fitted, fit
from replicate.training.job import Job
from replicate.training.seeds import batches, derived, shuffled
from tests.replicate.toy import (
    EXPECTS,
    SIZE,
    pretrained,
    toy_backbone,
    toy_fold,
    toy_images,
    toy_spec,
)

CPU = Compute("cpu", workers=2)
IMAGES = toy_images()
FOLD = toy_fold(IMAGES)


def run(
    tmp_path: Path,
    spec: Spec,
    images: ImageSet = IMAGES,
    fold: Fold = FOLD,
    seed: int = 1,
    name: str = "fold",
    network: Callable[[], Backbone] | None = None,
    progress: Report = silent,
) -> Fitted:
    job = Job(spec, images, fold, seed, CPU, tmp_path / "cache", progress)
    return fit(job, network=network or pretrained(), folder=tmp_path / name)


@pytest.mark.parametrize("tl_type", TL_TYPES)
def test_every_tl_type_learns(tmp_path: Path, tl_type: str) -> None:
    spec = toy_spec(tl_type, training={"epochs": 30, "learning_rate": 0.03})
    fitted = run(tmp_path, spec, network=toy_backbone if "random" in tl_type else pretrained())
    predictions = fitted.predictions
    assert predictions.probabilities.shape == (20, 3)
    assert predictions.probabilities.sum(axis=1) == pytest.approx(np.ones(20))
    assert predictions.labels.tolist() == IMAGES.labels[FOLD.test].tolist()
    assert predictions.indices.tolist() == FOLD.test.tolist()
    accuracy = np.mean(predictions.probabilities.argmax(axis=1) == predictions.labels)
    assert accuracy > 0.6  # a third by chance
    assert fitted.proof.holds
    assert fitted.seconds["total"] > 0
    if tl_type != "feature extractor hybrid":
        assert len(fitted.history) == 30
        assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def _statistics(fitted_on: list[Backbone]) -> list[torch.Tensor]:
    layers = [m for m in fitted_on[-1].modules() if isinstance(m, nn.BatchNorm2d)]
    assert layers
    return [torch.stack([layer.running_mean, layer.running_var]) for layer in layers]


def _kept(make: Callable[[], Backbone], kept: list[Backbone]) -> Callable[[], Backbone]:
    def network() -> Backbone:
        kept.append(make())
        return kept[-1]

    return network


@pytest.mark.parametrize("tl_type", ["random initialisation", "fine-tuning from scratch"])
def test_batchnorm_is_recalibrated_on_the_training_images(tmp_path: Path, tl_type: str) -> None:
    """Statistics equal those of torch's update_bn, by hand; testing after few steps is fair."""
    found = {}
    for statistics in ("recalibrated", "running"):
        kept: list[Backbone] = []
        spec = toy_spec(
            tl_type,
            training={"epochs": 1, "batch_size": len(FOLD.train), "learning_rate": 1e-4},
            transfer={"statistics": statistics},
        )
        fitted = run(tmp_path, spec, network=_kept(toy_backbone, kept), name=statistics)
        found[statistics] = (kept[-1], _statistics(kept), fitted)
    backbone, recalibrated, fitted = found["recalibrated"]
    running, _, lagging = found["running"]
    for mine, theirs in zip(backbone.parameters(), running.parameters(), strict=True):
        assert torch.equal(mine, theirs)  # nothing learnt differs
    assert not torch.allclose(recalibrated[0], _statistics([running])[0], rtol=0.2)
    rows = np.stack(
        [prepared(IMAGES.read(i), Preprocessing(size=SIZE)) for i in sorted(FOLD.train)]
    )
    inputs = Normalise(backbone, spec.preprocessing)(torch.from_numpy(rows))
    torch.optim.swa_utils.update_bn([inputs], backbone)
    for mine, theirs in zip(recalibrated, _statistics([backbone]), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4)
    assert all(
        layer.momentum == 0.1 for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)
    )
    assert not np.allclose(fitted.predictions.probabilities, lagging.predictions.probabilities)


def test_frozen_statistics_are_never_recalibrated(tmp_path: Path) -> None:
    kept: list[Backbone] = []
    spec = toy_spec("fine-tuning", training={"epochs": 2})
    run(tmp_path, spec, network=_kept(pretrained(), kept))
    start = pretrained()()
    for (name, now), (_, before) in zip(
        kept[-1].blocks[0].named_buffers(), start.blocks[0].named_buffers(), strict=True
    ):
        assert torch.equal(now, before), name


def test_trained_parameters_are_those_of_the_tl_type(tmp_path: Path) -> None:
    backbone = toy_backbone()
    whole = sum(p.numel() for p in backbone.parameters())
    last = sum(p.numel() for p in backbone.blocks[2].parameters())
    head = 16 * 3 + 3
    expected = {
        "feature extractor": head,
        "feature extractor hybrid": 0,
        "fine-tuning": last + head,
        "fine-tuning from scratch": whole + head,
    }
    for tl_type, count in expected.items():
        fitted = run(tmp_path, toy_spec(tl_type), name=tl_type)
        assert fitted.trained_parameters == count
        assert fitted.parameters == whole + (0 if "hybrid" in tl_type else head)


@pytest.mark.parametrize("kind", ["svm", "random forest", "k-nn", "lda", "logistic"])
def test_every_hybrid_head(tmp_path: Path, kind: str) -> None:
    spec = toy_spec(
        "feature extractor hybrid",
        transfer={
            "tl_type": "feature extractor hybrid",
            "unfreezing": {"kind": "none"},
            "head": {"kind": kind, "trees": 30},
        },
        training={"class_weights": "balanced"},
    )
    first = run(tmp_path, spec, name="a")
    again = run(tmp_path, spec, name="b")
    assert first.predictions.probabilities.tolist() == again.predictions.probabilities.tolist()
    codes = {"k-nn": ["no class weights"], "svm": ["no probabilities"]}
    assert [note.code for note in first.notes] == codes.get(kind, [])
    assert run(tmp_path, spec, name="b").notes == first.notes, "read back"
    said = first.predictions.probabilities.argmax(axis=1)
    assert np.mean(said == first.predictions.labels) > 0.6


def test_features_are_computed_once_for_all_folds_heads_and_seeds(tmp_path: Path) -> None:
    decoded: list[int] = []
    arrays = np.stack([IMAGES.read(i) for i in range(len(IMAGES))])
    plain = of_arrays("toy", arrays, IMAGES.labels, IMAGES.classes)
    counted = ImageSet(
        plain.name,
        plain.classes,
        plain.labels,
        plain.ids,
        lambda i: (decoded.append(i), arrays[i])[1],  # type: ignore[func-returns-value]
        plain.fingerprint,
    )
    for number in range(3):
        for tl_type in ("feature extractor", "feature extractor hybrid"):
            for seed in (0, 1):
                fold = toy_fold(counted, number=number)
                run(tmp_path, toy_spec(tl_type), counted, fold, seed, f"{number}{tl_type}{seed}")
    assert sorted(decoded) == list(range(60))


@pytest.mark.parametrize("tl_type", ["feature extractor", "fine-tuning"])
def test_cached_training_is_what_the_uncached_gives(
    tmp_path: Path, tl_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = run(tmp_path, toy_spec(tl_type), name="cached")
    monkeypatch.setattr("replicate.training.fold.LARGEST_ACTIVATIONS", 0)
    # An augmentation that does nothing visible keeps the features out of the cache.
    spec = toy_spec(tl_type, augmentation={"brightness": 1e-12})
    uncached = run(tmp_path, spec, name="uncached")
    assert [line["loss"] for line in uncached.history] == pytest.approx(
        [line["loss"] for line in cached.history], abs=1e-4
    )
    assert uncached.predictions.probabilities == pytest.approx(
        cached.predictions.probabilities, abs=1e-4
    )


def test_batchnorm_none_changes_frozen_layers_and_says_so(tmp_path: Path) -> None:
    spec = toy_spec(
        transfer={
            "tl_type": "feature extractor",
            "unfreezing": {"kind": "none"},
            "batchnorm": "none",
        }
    )
    fitted = run(tmp_path, spec)
    assert not fitted.proof.holds
    assert not (tmp_path / "cache" / "features").exists()


def test_augmentation_changes_training_and_is_the_same_again(tmp_path: Path) -> None:
    plain = run(tmp_path, toy_spec("fine-tuning"), name="plain")
    spec = toy_spec("fine-tuning", augmentation={"rotation": 20, "horizontal_flip": True})
    first, again = (run(tmp_path, spec, name=name) for name in "ab")
    assert first.predictions.probabilities.tolist() == again.predictions.probabilities.tolist()
    assert first.history[0]["loss"] != pytest.approx(plain.history[0]["loss"], abs=1e-4)


def test_seed_fold_and_repeat_decide_random_weights(tmp_path: Path) -> None:
    starts: list[float] = []

    def network() -> Backbone:
        backbone = toy_backbone()
        starts.append(float(next(backbone.parameters()).detach().sum()))
        return backbone

    spec = toy_spec("random initialisation", training={"epochs": 1})
    for seed, repeat, number in ((0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
        fold = toy_fold(IMAGES, repeat, number)
        run(tmp_path, spec, fold=fold, seed=seed, name=str(len(starts)), network=network)
    assert starts[0] == starts[1]
    assert len(set(starts)) == 4


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    run(tmp_path, toy_spec("fine-tuning"))
    assert torch.rand(2).tolist() == expected
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_recommended_protocol_trains_the_head_first(tmp_path: Path) -> None:
    fitted = run(tmp_path, toy_spec("recommended protocol", training={"epochs": 5}))
    phases = [(line["phase"], line["epoch"]) for line in fitted.history]
    assert phases == [("head", 1), ("head", 2), ("unfrozen", 1), ("unfrozen", 2), ("unfrozen", 3)]
    assert fitted.trained_parameters == 12 * 16 * 9 + 32 + 51


def test_early_stopping_returns_the_best_epoch(tmp_path: Path) -> None:
    settings = {"epochs": 40, "patience": 3, "learning_rate": 0.5}
    spec = toy_spec("fine-tuning from scratch", training=settings)
    long = run(tmp_path, spec, name="long")
    losses = [line["val_loss"] for line in long.history]
    best = int(np.argmin(losses))
    assert len(losses) < 40
    assert len(losses) == best + 1 + 3
    short = run(
        tmp_path,
        toy_spec("fine-tuning from scratch", training={**settings, "epochs": best + 1}),
        name="short",
    )
    assert short.predictions.probabilities.tolist() == long.predictions.probabilities.tolist()


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_optimisers_and_schedules(tmp_path: Path, optimiser: str, schedule: str) -> None:
    spec = toy_spec(
        training={"optimiser": optimiser, "schedule": schedule, "warmup": 1, "epochs": 6}
    )
    fitted = run(tmp_path, spec)
    rates = [line["learning_rate"] for line in fitted.history]
    assert rates[0] == pytest.approx(0.005)
    assert rates[1] == pytest.approx(0.01)
    assert rates[-1] < 0.0011
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_class_weights_lift_the_rare_class(tmp_path: Path) -> None:
    images = toy_images(90, classes=2)
    rare = np.flatnonzero(images.labels == 1)[:12]
    kept = images.subset(np.concatenate((np.flatnonzero(images.labels == 0), rare)))
    fold = toy_fold(kept)
    found = [
        run(
            tmp_path, toy_spec(training={"class_weights": weights, "epochs": 15}), kept, fold,
            name=weights,
        ).predictions.probabilities[:, 1].mean()
        for weights in ("none", "balanced")
    ]  # fmt: skip
    assert found[1] > found[0] + 0.1


def test_amp_on_a_cpu_is_near_float32(tmp_path: Path) -> None:
    plain = run(tmp_path, toy_spec("fine-tuning"), name="float32")
    spec = toy_spec("fine-tuning", training={"precision": "amp"})
    half = run(tmp_path, spec, name="amp")
    assert half.predictions.probabilities.tolist() != plain.predictions.probabilities.tolist()
    assert half.predictions.probabilities == pytest.approx(plain.predictions.probabilities, abs=0.1)


def test_a_last_batch_of_one_joins_the_one_before(tmp_path: Path) -> None:
    fold = Fold(0, 0, FOLD.train[:17], FOLD.val, FOLD.test)
    fitted = run(tmp_path, toy_spec("fine-tuning from scratch"), fold=fold)
    assert len(fitted.history) == 4


def test_batches_of_one_that_batchnorm_cannot_take(tmp_path: Path) -> None:
    images = of_arrays("tiny", np.zeros((9, 8, 8), np.uint8), np.arange(9) % 3, "abc")
    backbone = toy_backbone()
    backbone.blocks[0].insert(0, torch.nn.AdaptiveAvgPool2d(1))  # type: ignore[operator]
    spec = toy_spec("fine-tuning from scratch", training={"batch_size": 1})
    with pytest.raises(ReplicationError, match="batch of one") as caught:
        run(tmp_path, spec, images, toy_fold(images, val=0), network=lambda: backbone)
    assert "--batch-size" in caught.value.hint


def test_a_finished_fold_is_read_and_not_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path, toy_spec("fine-tuning"))

    def network() -> Backbone:
        raise AssertionError("trained again")

    again = run(tmp_path, toy_spec("fine-tuning"), network=network)
    assert again.predictions.probabilities.tolist() == first.predictions.probabilities.tolist()
    assert again.history == first.history
    assert again.proof == first.proof
    assert again.seconds == first.seconds


def test_the_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path, toy_spec())
    with pytest.raises(ReplicationError, match=r"another run \(spec differ"):
        run(tmp_path, toy_spec(training={"epochs": 5}))
    with pytest.raises(ReplicationError, match="seed"):
        run(tmp_path, toy_spec(), seed=2)
    with pytest.raises(ReplicationError, match="images"):
        run(tmp_path, toy_spec(), toy_images(seed=5))
    (tmp_path / "fold" / "fold.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ReplicationError, match="damaged"):
        run(tmp_path, toy_spec())


def test_a_class_that_is_never_trained(tmp_path: Path) -> None:
    train = FOLD.train[IMAGES.labels[FOLD.train] != 2]
    with pytest.raises(ReplicationError, match="no training image of class 2"):
        run(tmp_path, toy_spec(), fold=Fold(0, 3, train, FOLD.val, FOLD.test))


def test_contradictory_settings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="validation"):
        run(tmp_path, toy_spec(training={"patience": 2}), fold=toy_fold(IMAGES, val=0))
    with pytest.raises(UsageError, match="head_epochs"):
        run(tmp_path, toy_spec("recommended protocol", training={"head_epochs": 0}))
    with pytest.raises(UsageError, match="low rate"):
        run(tmp_path, toy_spec("recommended protocol", training={"backbone_lr": None}))


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    spec = toy_spec("fine-tuning", training={"optimiser": "sgd", "learning_rate": 1e30})
    with pytest.raises(ReplicationError, match="Training diverged"):
        run(tmp_path, spec)


def test_progress_counts_images_and_epochs(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tmp_path, toy_spec(), progress=seen.append)
    assert [p.done for p in seen if p.phase == "training"] == [1, 2, 3, 4]
    assert max(p.done for p in seen if p.phase == "features") == 60
    assert {p.total for p in seen if p.phase == "features"} == {60}


@pytest.mark.parametrize("tl_type", TL_TYPES)
def test_what_is_tested_has_no_part_in_training(tmp_path: Path, tl_type: str) -> None:
    """Other pixels and other classes of the test images leave training as it was, to the bit."""
    changes: dict[str, Any] = {}
    if tl_type != "feature extractor hybrid":
        changes = {"training": {"patience": 1, "class_weights": "balanced"}}
    images = toy_images()
    fold = toy_fold(images)
    tested = set(fold.test.tolist())
    noise = np.random.default_rng(9).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    spoilt = replace(
        images,
        read=lambda i: noise if i in tested else images.read(i),
        fingerprint=lambda i: f"{i in tested}{images.fingerprint(i)}",
    )
    labels = images.labels.copy()
    labels[fold.test] = 0
    found = {}
    for name, given in (
        ("as is", images),
        ("pixels", spoilt),
        ("labels", replace(images, labels=labels)),
    ):
        spec = toy_spec(tl_type, **changes)
        found[name] = run(tmp_path, spec, given, fold, seed=0, name=name)

    def learnt(name: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in e.items() if k != "seconds"} for e in found[name].history]

    assert learnt("as is") == learnt("pixels") == learnt("labels")
    first, other = (found[name].predictions.probabilities for name in ("as is", "labels"))
    assert np.array_equal(first, other)
    assert not np.array_equal(first, found["pixels"].predictions.probabilities)


def test_a_loop_written_by_hand_comes_to_the_same(tmp_path: Path) -> None:
    """The last block fine-tuned from cached activations, against plain torch on whole images."""
    images, spec = toy_images(), toy_spec("fine-tuning")
    fold = toy_fold(images)
    fitted = run(tmp_path, spec, images, fold, seed=0)
    pixels = np.stack(
        [prepared(images.read(i), Preprocessing(size=SIZE)) for i in range(len(images))]
    )
    values = (pixels / 255.0 - np.array(EXPECTS.mean)) / np.array(EXPECTS.deviation)
    inputs = torch.tensor(values, dtype=torch.float32).permute(0, 3, 1, 2)
    labels = torch.tensor(images.labels)
    network = pretrained()()
    torch.manual_seed(derived(0, 0, 0, "head"))
    head = nn.Linear(16, 3)
    last = network.blocks[2]
    network.requires_grad_(False)
    last.requires_grad_(True)
    optimiser = torch.optim.Adam([*head.parameters(), *last.parameters()], lr=0.01)
    for epoch, line in enumerate(fitted.history):
        network.eval()
        last.train()
        total = 0.0
        for batch in batches(shuffled(fold.train, derived(0, 0, 0, "training", epoch, "order")), 8):
            loss = nn.functional.cross_entropy(head(network(inputs[batch])), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        assert line["loss"] == pytest.approx(total / len(fold.train), abs=1e-5)
    network.eval()
    norm = last[1]
    norm.reset_running_stats()
    norm.momentum = None
    norm.train()
    with torch.no_grad():
        for batch in batches(shuffled(fold.train, derived(0, 0, 0, "training", "statistics")), 8):
            network(inputs[batch])
    network.eval()
    with torch.no_grad():
        shares = torch.softmax(head(network(inputs[fold.test])), 1).numpy()
    assert np.abs(fitted.predictions.probabilities - shares).max() < 1e-5


class Drifting(nn.Module):
    """Frozen or not, it changes with every image that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("passed", torch.zeros(1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        self.passed += 1
        return maps * self.weight


def test_what_moved_while_it_was_frozen_does_not_hide_behind_a_later_phase(tmp_path: Path) -> None:
    def drifting() -> Backbone:
        backbone = pretrained()()
        backbone.blocks[2].append(Drifting())
        return backbone

    spec = toy_spec("recommended protocol", augmentation={"horizontal_flip": True})
    assert run(tmp_path, spec, name="whole").proof.holds
    with pytest.raises(ReplicationError, match="Frozen layers changed in training"):
        run(tmp_path, spec, name="drifting", network=drifting)
