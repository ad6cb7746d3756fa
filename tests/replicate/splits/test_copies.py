from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from medtl_meta.cli.replicate.leakage import leakage as command
from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.opening import open_images
from replicate.images.phantom import open_phantom
from replicate.images.reading import taken
from replicate.planning import make_plan
from replicate.spec import Split
from replicate.splits.copies import read_images, with_copies
from replicate.splits.leakage import inspect_leakage
from replicate.splits.splits import make_folds, shared_groups

Write = Callable[..., Path]
SCENES = np.stack([open_phantom("phantom:ct?n=40&size=64").read(i) for i in range(0, 40, 4)])


def near(image: np.ndarray) -> np.ndarray:
    """The same picture, saved again in another contrast."""
    return np.clip(image * 0.9 + 3, 0, 255).astype(np.uint8)


@pytest.fixture
def copied() -> ImageSet:
    """Ten scenes, of which the first three have a near copy each."""
    images = np.concatenate([SCENES, [near(one) for one in SCENES[:3]]])
    return of_arrays("made up", images, np.arange(13) % 2, ["a", "b"])


def told(images: ImageSet) -> dict[str, dict[str, object]]:
    return {note.code: dict(note.values) for note in images.notes}


def test_copies_are_groups(copied: ImageSet) -> None:
    images = with_copies(copied)
    groups = images.groups or ()
    assert len(set(groups)) == 10
    assert groups[:3] == groups[10:]
    assert told(images)["copies grouped"] == {
        "images": 6,
        "clusters": 3,
        "largest": 2,
        "threshold": 16,
    }
    assert images.content != copied.content  # the run's identity knows of it
    for seed in range(10):
        for fold in make_folds(images, Split(kind="k-fold", folds=3), seed):
            found = inspect_leakage(images, [fold])
            assert (found.folds[0].near, found.folds[0].groups) == (0, 0)


def test_copies_join_patients(copied: ImageSet) -> None:
    patients = ["p0", "p1", "p2", *(f"p{i // 2}" for i in range(6, 13)), "p0", "q", "q"]
    images = with_copies(replace(copied, groups=tuple(patients), grouped_by=("patients",)))
    groups = images.groups or ()
    assert images.grouped_by == ("patients", "copies")
    assert images.unit == "patients or groups"
    # Copies of p1 and p2 are both of q: three patients that cannot be told apart.
    assert groups[1] == groups[2] == groups[11] == groups[12] == "p1 + p2 + q"
    assert groups[0] == groups[10] == "p0"


def test_copies_are_not_called_patients(copied: ImageSet) -> None:
    images = with_copies(copied)
    assert (images.grouped_by, images.unit) == (("copies",), "copies")
    (fold,) = make_folds(images, Split(kind="hold-out"), 0)
    shared = shared_groups(images, fold)
    assert (shared.unit, shared.state) == ("copies", "none shared")
    assert shared.sentence.startswith("copies: ")
    assert inspect_leakage(images).unit == "copies"


def test_without_copies_groups_stay_as_they_are() -> None:
    alone = of_arrays("made up", SCENES, np.arange(10) % 2, ["a", "b"])
    images = with_copies(alone)
    assert images.groups is None
    assert list(told(images)) == ["no copies"]
    assert images.content == alone.content


@pytest.mark.parametrize(
    ("column", "unit", "grouped_by"),
    [
        ("near_dup_group", "copies", ["copies"]),
        ("patient_id", "patients or groups", ["patients"]),
        ("group_id", "patients or groups", ["groups"]),
        ("patient_id,near_dup_group", "patients or groups", ["patients", "copies"]),
    ],
)
def test_what_groups_are_of(
    tmp_path: Path, picture: Write, column: str, unit: str, grouped_by: list[str]
) -> None:
    keys = ",".join(["x"] * len(column.split(",")))
    rows = [f"{picture(tmp_path / f'{i}.png', i).name},{i % 2},{keys}" for i in range(4)]
    path = tmp_path / "set.csv"
    path.write_text("\n".join([f"file,class,{column}", *rows]), encoding="utf-8")
    images = open_images(path)
    assert images.unit == unit
    assert images.to_dict()["grouped_by"] == grouped_by
    assert images.subset([0, 1]).unit == unit


@pytest.fixture
def folder(tmp_path: Path, copied: ImageSet) -> Path:
    for index in range(len(copied)):
        place = tmp_path / "set" / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(copied.read(index)).save(place)
    return tmp_path / "set"


def test_a_plan_groups_copies_before_the_split(folder: Path) -> None:
    words = {"backbone": "LeNet5", "weights": "random", "tl": "random", "size": 32}
    plain, kept = (make_plan(None, folder, group_copies=one, **words) for one in (None, True))
    assert plain.images is not None
    assert kept.images is not None
    assert plain.specified.spec.split.by == "image"
    assert (kept.specified.spec.split.by, kept.images.unit) == ("group", "copies")
    (line,) = [one for one in kept.to_dict()["ledger"] if one["name"] == "split.by"]
    assert "copies" in line["reason"]
    assert "patients are not known" in line["reason"]
    assert kept.to_dict()["images"]["grouped_by"] == ["copies"]
    assert make_plan(None, plain.images, group_copies=True, **words).images is not plain.images


def test_the_command_says_copies(folder: Path) -> None:
    arguments = [str(folder), "--group-copies", "--split-by", "group", "--format", "json"]
    found = json.loads(CliRunner().invoke(command, arguments).stdout)
    assert (found["unit"], found["near"]["across_groups"]) == ("copies", 0)
    assert found["folds"][0]["near"] == 0
    assert [note["code"] for note in found["set"]["notes"]] == ["copies grouped"]
    table = CliRunner().invoke(command, [str(folder), "--group-copies"]).output
    assert "groups of copies" in table


def test_nothing_is_hashed_that_nobody_asked_for(folder: Path) -> None:
    assert read_images(folder, reading=taken({})[0]).grouped_by == ()
