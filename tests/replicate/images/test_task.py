from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from db.errors import UsageError
from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.task import task_images
from replicate.spec import Data


def three_classes(n: int = 60) -> ImageSet:
    images = np.arange(n * 16, dtype=np.uint16).astype(np.uint8).reshape(n, 4, 4)
    parts = ["train" if i % 5 else "test" for i in range(n)]
    groups = [f"patient {i // 2}" for i in range(n)]
    labels = np.arange(n) % 3
    return of_arrays("three", images, labels, ("a", "b", "c"), groups=groups, parts=parts)


def test_classes_are_renamed_merged_and_left_out() -> None:
    images = three_classes()
    merged = task_images(images, Data(name="three", classes={"c": "rest", "b": "b", "a": "rest"}))
    assert merged.classes == ("rest", "b")
    assert len(merged) == 60
    two = task_images(images, Data(name="three", classes={"a": "a", "c": "c"}))
    assert len(two) == 40
    assert set(two.labels.tolist()) == {0, 1}
    for place, name in enumerate(two.ids):
        original = images.ids.index(name)
        assert two.classes[two.labels[place]] == images.classes[images.labels[original]]
        assert two.groups is not None
        assert images.groups is not None
        assert two.groups[place] == images.groups[original]
        assert (two.read(place) == images.read(original)).all()


def test_the_content_hash_tells_sets_apart() -> None:
    images = three_classes()
    assert images.content == three_classes().content
    assert images.content != images.subset(range(59)).content
    assert (
        images.content
        != task_images(images, Data(name="x", classes={"a": "a", "b": "b", "c": "d"})).content
    )


def test_a_sample_keeps_shares_and_grows() -> None:
    images = three_classes(300)
    small = task_images(images, Data(name="three", max_images=30))
    large = task_images(images, Data(name="three", max_images=90))
    assert len(small) == 30
    assert set(small.ids) < set(large.ids)
    assert np.bincount(small.labels).tolist() == [10, 10, 10]
    assert small.parts is not None
    assert small.parts.count("test") == 6


def test_a_sample_does_not_hang_on_the_order() -> None:
    images = three_classes(300)
    turned = images.subset(list(range(300))[::-1])
    chosen = Data(name="three", max_images=33)
    assert set(task_images(images, chosen).ids) == set(task_images(turned, chosen).ids)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (Data(name="three", classes={"d": "d"}), "no class 'd'"),
        (Data(name="three", positive="malignant"), "no class 'malignant'"),
        (Data(name="three", max_images=5), "fewer than there are classes"),
    ],
)
def test_faults_are_told(data: Data, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        task_images(three_classes(), data)


def test_a_sample_is_never_larger_than_allowed() -> None:
    labels = np.array([0] * 20 + [1, 2, 3, 4])
    images = of_arrays("rare", np.zeros((24, 4, 4), np.uint8), labels, tuple("abcde"))
    for most in range(5, 24):
        sample = task_images(images, Data(name="rare", max_images=most))
        assert len(sample) == most
        assert set(sample.labels.tolist()) == {0, 1, 2, 3, 4}


def test_an_image_is_hashed_once_for_all_that_is_made_of_its_set() -> None:
    asked: list[int] = []

    def fingerprint(index: int) -> str:
        asked.append(index)
        return str(index)

    pixels = np.zeros((6, 8, 8), dtype=np.uint8)
    images = of_arrays("set", pixels, np.arange(6) % 2, ["a", "b"])
    images = dataclasses.replace(images, fingerprint=fingerprint)
    wanted = Data(name="set", classes={"a": "ill", "b": "well"})
    assert task_images(images, wanted).content == task_images(images, wanted).content
    assert asked == list(range(6))
