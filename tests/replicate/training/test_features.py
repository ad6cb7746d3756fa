"""Features and decoded images: what the network would give, once, in order, in little memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from db.errors import ImagesError, ReplicationError
from replicate.images.image_set import ImageSet, Pixels
from replicate.images.prepare import prepared
from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.progress import Progress
from replicate.spec import Preprocessing
from replicate.training.compute import Compute
from replicate.training.features import extract, state_hash
from replicate.training.pixels import decoded, stream
from replicate.training.store import Kept
from tests.replicate.toy import SIZE, pretrained, toy_images

CPU = Compute("cpu", workers=2)
IMAGES = toy_images(70)
SQUARE = Preprocessing(size=SIZE)


def features(
    folder: Path,
    boundary: int | None = None,
    images: ImageSet = IMAGES,
    backbone: Backbone | None = None,
    preprocessing: Preprocessing = SQUARE,
    compute: Compute = CPU,
    report: list[Progress] | None = None,
) -> Kept:
    return extract(
        backbone or pretrained()(), images, boundary=boundary, preprocessing=preprocessing,
        compute=compute, cache=folder, report=[].append if report is None else report.append,
    )  # fmt: skip


def by_hand(backbone: Backbone, boundary: int | None) -> Tensor:
    pixels = np.stack([prepared(IMAGES.read(i), SQUARE) for i in range(len(IMAGES))])
    mean, deviation = (
        torch.tensor(values).reshape(1, 3, 1, 1)
        for values in (backbone.expects.mean, backbone.expects.deviation)
    )
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255.0 - mean) / deviation
    with torch.no_grad():
        found: Tensor = backbone(inputs) if boundary is None else backbone.blocks[:boundary](inputs)
    return found


@pytest.mark.parametrize("boundary", [None, 1, 2, 3])
@pytest.mark.parametrize("workers", [0, 3])
def test_features_are_what_the_network_gives(
    tmp_path: Path, boundary: int | None, workers: int
) -> None:
    found = features(tmp_path, boundary, compute=Compute("cpu", workers=workers))
    expected = by_hand(pretrained()().eval(), boundary)
    assert found.rows.shape == tuple(expected.shape)
    assert found.rows == pytest.approx(expected.numpy(), abs=1e-5)
    assert found.computed == 70


def test_what_decides_features_decides_the_key(tmp_path: Path) -> None:
    assert features(tmp_path).computed == 70
    assert features(tmp_path).computed == 0
    other = pretrained()()
    with torch.no_grad():
        next(iter(other.buffers())).add_(0.01)
    assert features(tmp_path, backbone=other).computed == 70
    assert features(tmp_path, boundary=2).computed == 70
    assert features(tmp_path, preprocessing=Preprocessing(size=20)).computed == 70
    half = Preprocessing(size=SIZE, normalise="half")
    assert features(tmp_path, preprocessing=half).computed == 70
    assert features(tmp_path, images=toy_images(70, seed=1)).computed == 70
    assert features(tmp_path, compute=CPU.with_precision("amp")).computed == 70
    # Threads and memory format do not.
    last = pretrained()().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert features(tmp_path, backbone=last, compute=Compute("cpu", workers=0)).computed == 0


def test_another_decoder_may_give_other_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert features(tmp_path).computed == 70
    monkeypatch.setattr("replicate.images.prepare.version", lambda name: f"{name} of tomorrow")
    assert features(tmp_path).computed == 70


def test_what_features_cost_is_known_where_they_are_found(tmp_path: Path) -> None:
    first, again = features(tmp_path), features(tmp_path)
    assert again.computed == 0
    assert first.cost is not None
    assert first.cost > 0
    assert again.cost == first.cost


def test_state_hash_knows_names_and_values() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    assert state_hash(first) == state_hash(second)
    assert state_hash(first) != state_hash(nn.Sequential(first))
    with torch.no_grad():
        second.bias[0] += 1e-6
    assert state_hash(first) != state_hash(second)


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet18", "DenseNet121", "Inception v3"])
@pytest.mark.parametrize("depth", [None, 3])
def test_the_bits_do_not_depend_on_threads(tmp_path: Path, name: str, depth: int | None) -> None:
    images, square = toy_images(21), Preprocessing(size=80)
    torch.manual_seed(0)
    backbone = build(find_builder(name))
    found = []
    for threads in (1, 2, 3, 8):
        compute = Compute("cpu", threads=threads)
        with compute.session():
            folder = tmp_path / str(threads)
            found.append(features(folder, depth, images, backbone, square, compute).rows)
    assert all((rows == found[0]).all() for rows in found)
    assert np.ptp(found[0]) > 0


def test_a_first_part_gives_the_bits_of_the_whole(tmp_path: Path) -> None:
    """Images are passed in the same batches wherever a run that was cut off goes on."""
    with pytest.raises(ImagesError):
        features(tmp_path / "cut", images=broken_at(69, OSError("bad stream")))
    assert (features(tmp_path / "cut").rows == features(tmp_path / "whole").rows).all()


class Hungry(nn.Module):
    """Runs out of memory for more than a few images."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return images


def hungry(most: int) -> Backbone:
    backbone = pretrained()()
    backbone.blocks.insert(0, Hungry(most))
    return backbone


@pytest.mark.parametrize(("most", "said"), [(10, ["8"]), (3, ["8", "4", "2"])])
def test_out_of_memory_halves_the_batch_and_says_so(
    tmp_path: Path, most: int, said: list[str]
) -> None:
    seen: list[Progress] = []
    found = features(tmp_path, backbone=hungry(most), report=seen)
    assert found.rows == pytest.approx(by_hand(pretrained()().eval(), None).numpy(), abs=1e-5)
    assert [p.message.split(":")[1].split()[0] for p in seen if p.message] == said


def test_out_of_memory_with_a_single_image(tmp_path: Path) -> None:
    with pytest.raises(ReplicationError, match="memory") as caught, CPU.session():
        features(tmp_path, backbone=hungry(0))
    assert "--size" in caught.value.hint


def broken_at(place: int, error: Exception) -> ImageSet:
    def read(index: int) -> Pixels:
        if index == place:
            raise error
        return IMAGES.read(index)

    return replace(IMAGES, read=read)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, workers: int) -> None:
    compute = Compute("cpu", workers=workers)
    with pytest.raises(ImagesError, match="000041 cannot be read: bad stream"):
        features(tmp_path, images=broken_at(41, OSError("bad stream")), compute=compute)
    with pytest.raises(ImagesError, match="worded already"):
        decoded(broken_at(3, ImagesError("worded already")), SQUARE, tmp_path, workers)
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]
    # Mended, the run goes on behind what was done.
    assert len(features(tmp_path, compute=compute).rows) == 70


def test_decoded_images_are_the_prepared_ones(tmp_path: Path) -> None:
    rows, _, cost = decoded(IMAGES, SQUARE, tmp_path, 2)
    assert cost is not None
    assert rows.dtype == np.uint8
    for index in (0, 33, 69):
        assert (rows[index] == prepared(IMAGES.read(index), SQUARE)).all()
    again, computed, known = decoded(broken_at(0, OSError("gone")), SQUARE, tmp_path, 2)
    assert (again == rows).all()
    assert (computed, known) == (0, cost)


def test_the_stream_keeps_order_and_runs_ahead_a_little_only() -> None:
    begun: list[int] = []

    def read(index: int) -> Pixels:
        begun.append(index)
        return np.full((4, 4), index, np.uint8)

    images = replace(IMAGES, read=read)
    batches = np.split(np.arange(60), 20)
    found = stream(images, batches, SQUARE, workers=3)
    first = next(found)
    assert first[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert len(begun) <= 3 * 5
    assert [int(batch[0, 0, 0, 0]) for batch in found] == list(range(3, 60, 3))
