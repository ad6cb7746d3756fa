from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from db.errors import ImagesError, UsageError
from medtl_meta.cli.replicate.leakage import leakage as command
from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.opening import open_images
from replicate.images.phantom import open_phantom
from replicate.spec import Split
from replicate.splits.leakage import inspect_leakage
from replicate.splits.splits import make_folds

SCENES = np.stack([open_phantom("phantom:ct?n=40&size=64").read(i) for i in range(0, 40, 4)])
PARTS = ("train", "train", "test")


def near(image: np.ndarray) -> np.ndarray:
    """The same picture, saved again in another contrast."""
    return np.clip(image * 0.9 + 3, 0, 255).astype(np.uint8)


def set_of(*images: np.ndarray, **known: object) -> ImageSet:
    labels = known.pop("labels", None) or [i % 2 for i in range(len(images))]
    return of_arrays("made up", np.stack(images), np.array(labels), ["a", "b"], **known)  # type: ignore[arg-type]


def test_a_clean_set_is_clean() -> None:
    found = inspect_leakage(set_of(*SCENES))
    assert found.clean
    assert found.exact.groups == found.near.groups == 0
    assert found.groups is found.groups_across_parts is None
    assert found.sentences()[0] == "no exact copies (equal pixels)."


def test_copies_are_counted_by_what_they_cross() -> None:
    a, b, c, d = SCENES[:4]
    images = set_of(
        *(a, a, a, b, near(b), c, d, near(d)),
        labels=[0, 0, 1, 1, 1, 0, 1, 1],
        parts=["train", "train", "train", "train", "test", "test", "val", "val"],
        groups=["p1", "p1", "p2", "p3", "p4", "p5", "p6", "p6"],
    )
    found = inspect_leakage(images)
    exact, close = found.exact, found.near
    assert (exact.groups, exact.images, exact.pairs) == (1, 3, 3)
    assert (exact.across_parts, exact.across_classes, exact.across_groups) == (0, 1, 1)
    assert (close.groups, close.images) == (3, 7)
    assert (close.across_parts, close.across_classes, close.across_groups) == (1, 1, 2)
    assert found.groups_across_parts == ()
    assert not found.clean
    first = found.pairs[0]
    assert {first.first, first.second} == {"000003", "000004"}
    assert first.parts == ("train", "test")
    assert first.same_group is False


def test_shared_patients_are_named() -> None:
    images = set_of(
        *SCENES[:6],
        parts=["train", "test", "train", "train", "test", "test"],
        groups=["p", "p", "q", "q", "r", "r"],
        labels=[0, 0, 0, 1, 1, 1],
    )
    found = inspect_leakage(images)
    assert found.groups_across_parts == ("p",)
    assert found.groups_across_classes == ("q",)
    assert found.groups == 3


@pytest.mark.parametrize(("quarters", "mirrored"), [(1, False), (2, True), (3, False), (0, True)])
def test_turned_copies_are_found_where_asked(quarters: int, mirrored: bool) -> None:
    a, b = SCENES[:2]
    turned = np.rot90(a[:, ::-1] if mirrored else a, quarters)
    images = set_of(a, b, turned)
    assert inspect_leakage(images).near.groups == 0
    found = inspect_leakage(images, turned=True)
    assert [(p.first, p.second) for p in found.pairs] == [("000000", "000002")]
    assert found.turned


def test_flat_images_are_near_to_nothing() -> None:
    flat = [np.full((64, 64), grey, np.uint8) for grey in (0, 50, 200)]
    assert inspect_leakage(set_of(*flat, *SCENES[:2])).near.groups == 0


def test_folds_count_test_images_with_copies_in_training() -> None:
    many = [SCENES[0]] * 6 + [near(SCENES[1])] * 2 + [SCENES[1]] * 2 + list(SCENES[2:])
    images = set_of(*many)
    split = Split(kind="hold-out", by="image", validation=0, test=0.4)
    found = inspect_leakage(images, make_folds(images, split, 0))
    (fold,) = found.folds
    assert fold.tested == 7
    assert 0 < fold.exact <= fold.near <= 7
    assert fold.groups is None
    told = fold.to_dict()
    assert (told["shared"]["state"], told["groups"]) == ("unknown", None)
    assert len(found.sentences()) == 4, "exact, near, groups, one fold"


def test_a_thousand_equal_images_make_few_pairs() -> None:
    images = of_arrays("x", np.repeat(SCENES[:2], 500, axis=0), np.arange(1000) % 2, ["a", "b"])
    found = inspect_leakage(images)
    assert (found.exact.groups, found.exact.images, found.exact.pairs) == (2, 1000, 249_500)
    assert len(found.pairs) == 998


def test_the_finding_is_json() -> None:
    images = set_of(SCENES[0], SCENES[0], SCENES[1], parts=PARTS, groups=["p", "q", "q"])
    told = json.loads(json.dumps(inspect_leakage(images).to_dict()))
    assert told["exact"]["across_classes"] == 1
    assert told["groups_across_parts"] == ["q"]
    assert told["pairs"][0]["kind"] == "exact"


def test_thresholds_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="threshold: 65 of 256 bits"):
        inspect_leakage(set_of(*SCENES), threshold=65)


# What the sources of the real sets state, and what is known of BUSI.


def test_covid_ct_has_the_copies_that_its_source_states(real_images: Path) -> None:
    images = open_images(real_images / "covid_ct")
    found = inspect_leakage(images, threshold=6)
    assert found.exact.groups == 0
    assert (found.near.groups, found.near.images) == (2, 4)
    assert (found.near.across_classes, found.near.across_parts) == (1, 1)
    worst = found.pairs[0]
    assert (worst.first, worst.second) == (
        "test/covid/kjr-21-e24-p5-29.jpg",
        "train/noncovid/71_0.jpg",
    )


def test_busi_repeats_lesions_across_classes(real_images: Path) -> None:
    found = inspect_leakage(open_images(real_images / "busi"))
    assert (found.exact.groups, found.exact.across_classes) == (1, 1)
    assert found.near.images > 150
    assert found.near.across_classes >= 5


def test_nih_patients_are_in_two_classes(real_images: Path) -> None:
    images = open_images(real_images / "covid_xray_talo")
    assert len(inspect_leakage(images).groups_across_classes or ()) == 21


# The command.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, scene in (("train/a/1", 0), ("train/a/2", 1), ("train/b/3", 2), ("test/b/4", 1)):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(SCENES[scene]).save(path)
    return tmp_path


def run(*words: object) -> str:
    result = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_command_counts(folder: Path) -> None:
    exact = rows(run(folder, "--format", "csv"))[0]
    assert exact == {
        "finding": "exact copies",
        "clusters": "1",
        "images": "2",
        "across_parts": "1",
        "across_classes": "1",
        "across_groups": "",
    }
    told = json.loads(run(folder, "--format", "json", "--threshold", 0))
    assert told["exact"]["across_parts"] == 1
    assert told["threshold"] == 0


def test_the_command_lists_pairs(folder: Path) -> None:
    (pair,) = rows(run(folder, "--pairs", "--format", "csv"))
    assert (pair["first"], pair["second"]) == ("test/b/4.png", "train/a/2.png")
    assert (pair["kind"], pair["distance"]) == ("exact", "0")
    assert (pair["classes"], pair["parts"]) == ("b / a", "test / train")


def test_the_command_splits(tmp_path: Path) -> None:
    words = ("phantom:ct?n=60&size=32", "--format", "csv", "--folds", 3, "--split-by")
    patient, image = (rows(run(*words, by)) for by in ("patient", "image"))
    assert [fold["groups"] for fold in patient] == ["0", "0", "0"]
    assert all(int(fold["groups"]) > 0 for fold in image)


def test_the_command_refuses_in_words(picture: Callable[..., Path], tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.png").write_bytes(b"")
    for words, kind in (
        ((tmp_path,), ImagesError),
        ((tmp_path / "no",), ImagesError),
        ((tmp_path, "--folds", 3), UsageError),
    ):
        with pytest.raises(kind):
            run(*words)
