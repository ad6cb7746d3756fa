"""Estimates count the passes that are made, and measure what one costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import UsageError
from db.wording import duration, size
from replicate.cost.estimate import count_passes, estimate, span
from replicate.images.image_set import ImageSet, of_arrays
from replicate.networks.builders import find_builder
from replicate.notes import Note
from replicate.setup.specify import specify_free
from replicate.spec import Spec

SHARES = (0.7, 0.1, 0.2)


def pictures(count: int = 40, parts: bool = False) -> ImageSet:
    pixels = np.full((count, 32, 32), 9, dtype=np.uint8)
    named = ["train", "train", "val", "test"] * (count // 4) if parts else None
    return of_arrays("grey", pixels, np.arange(count) % 2, ("a", "b"), parts=named)


def spec(**chosen: Any) -> Spec:
    settings = {"network.name": "LeNet5", "preprocessing.size": 32}
    settings |= {path.replace("__", "."): value for path, value in chosen.items()}
    return specify_free(pictures(), overrides=settings).spec


def test_a_feature_extractor_passes_each_image_once() -> None:
    passes = count_passes(spec(split__kind="k-fold", seeds=[0, 1, 2]), 1000, (0.72, 0.08, 0.2))
    assert (passes.models, passes.whole, passes.leading, passes.trained) == (15, 1000, 0, 0)
    assert passes.head == 15 * 20 * 720


def test_augmentation_and_moving_batchnorm_forbid_the_cache() -> None:
    changed = count_passes(spec(augmentation__horizontal_flip=True), 1000, SHARES)
    assert changed.whole == 20 * 800 + 200
    moving = count_passes(spec(transfer__batchnorm="none"), 1000, SHARES)
    assert moving.whole == changed.whole


def test_fine_tuning_starts_from_the_boundary() -> None:
    extent: dict[str, Any] = {"transfer__tl_type": "fine-tuning"}
    extent |= {"transfer__unfreezing__kind": "blocks"}
    extent |= {"transfer__unfreezing__amount": 1.0, "training__epochs": 5}
    passes = count_passes(spec(**extent), 1000, SHARES)
    assert (passes.whole, passes.leading) == (0, 1000)
    assert (passes.trained, passes.judged) == (5 * 700, 5 * 100 + 200)
    changed = count_passes(spec(**extent, augmentation__rotation=5.0), 1000, SHARES)
    assert changed.leading == 5 * 800 + 200
    both = count_passes(spec(**extent, training__head_epochs=2), 1000, SHARES)
    assert (both.whole, both.head, both.trained) == (1000, 2 * 700, 3 * 700)


def test_training_all_layers_has_nothing_to_keep() -> None:
    passes = count_passes(spec(transfer__tl_type="fine-tuning from scratch"), 1000, SHARES)
    assert (passes.whole, passes.leading, passes.trained) == (0, 0, 20 * 700)


def test_a_hybrid_has_no_epochs() -> None:
    passes = count_passes(spec(transfer__tl_type="feature extractor hybrid"), 1000, SHARES)
    assert (passes.whole, passes.head, passes.trained) == (1000, 0, 0)


def test_time_grows_with_images_and_epochs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    builder = find_builder("LeNet5")
    few = estimate(spec(), builder, count=1000, cache=tmp_path)
    many = estimate(spec(), builder, count=2000, cache=tmp_path)
    assert few is not None
    assert many is not None
    assert few.seconds is not None
    assert many.seconds is not None
    assert many.seconds == pytest.approx(2 * few.seconds)
    assert len(list((tmp_path / "probes").iterdir())) == 1, "measured once"
    trained = spec(transfer__tl_type="fine-tuning from scratch")
    longer = estimate(trained, builder, count=1000, cache=tmp_path)
    assert longer is not None
    assert longer.seconds is not None
    assert longer.training is not None
    assert longer.training > few.seconds
    assert longer.longest is not None
    assert longer.longest >= 1.5 * longer.seconds
    assert f"{span(longer.seconds, longer.longest)} on cpu" in longer.sentence
    assert longer.memory is not None
    assert longer.memory > 10**8
    assert longer.disk == 1000 * 3 * 32 * 32


def test_images_at_hand_are_decoded_and_their_parts_counted(tmp_path: Path) -> None:
    official = spec(split__kind="official")
    found = estimate(
        official,
        find_builder("LeNet5"),
        images=pictures(40, parts=True),
        measure=False,
        cache=tmp_path,
    )
    assert found is not None
    assert found.decoding is not None
    assert found.seconds is None
    assert (found.passes.train, found.passes.validation, found.passes.test) == (20, 10, 10)
    assert not list(tmp_path.iterdir())
    guessed = estimate(official, find_builder("LeNet5"), count=40, measure=False)
    assert guessed is not None
    assert Note("official parts assumed", {"train": 70, "validation": 10, "test": 20}) in (
        guessed.notes
    )
    assert [one["code"] for one in guessed.to_dict()["remark_codes"]] == [
        note.code for note in guessed.notes
    ]


def test_without_a_number_of_images_there_is_no_estimate() -> None:
    assert estimate(spec(), find_builder("LeNet5")) is None


def test_a_sample_is_counted_as_such() -> None:
    found = estimate(spec(data__max_images=50), find_builder("LeNet5"), count=900, measure=False)
    assert found is not None
    assert found.images == 50


def test_images_too_small_for_the_network_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    small = spec(network__name="InceptionV3")
    with pytest.raises(UsageError, match="--size"):
        estimate(small, find_builder("InceptionV3"), count=10, cache=tmp_path)


def test_a_broken_measurement_is_made_anew(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    builder = find_builder("LeNet5")
    first = estimate(spec(), builder, count=10, cache=tmp_path)
    kept = next((tmp_path / "probes").iterdir())
    kept.write_text("{")
    second = estimate(spec(), builder, count=10, cache=tmp_path)
    assert first is not None
    assert second is not None
    assert second.seconds is not None
    assert kept.read_text() != "{"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under a second"), (5.04, "5.0 s"), (60, "60 s"), (600, "10 min"), (7200, "2.0 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("short", "long", "words"),
    [
        (20, 40, "20 to 40 s"),
        (60, 180, "60 s to 3.0 min"),
        (0.2, 0.5, "under a second"),
        (0.5, 2, "under a second to 2.0 s"),
    ],
)
def test_ranges(short: float, long: float, words: str) -> None:
    assert span(short, long) == words


def test_sizes() -> None:
    assert [size(n) for n in (5_000, 5_100_000, 25_000_000_000)] == ["5 kB", "5.1 MB", "25 GB"]
