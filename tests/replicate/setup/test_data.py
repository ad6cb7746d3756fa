"""Own images stay own: a set is a source of a setup by its content or because its user says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replicate.images.image_set import ImageSet, of_arrays
from replicate.images.opening import open_images
from replicate.setup import data
from replicate.setup.data import address_of
from replicate.setup.files import KnownSet, Source, known_sets, read_setup, setup_names
from replicate.setup.specify import specify


def like(source: Source, name: str = "mine", *, count: int = 2, grouped: bool = True) -> ImageSet:
    """Made images whose classes are called as a source's are, of which it does not use some."""
    classes = (*source.classes, *source.left_out)
    labels = np.arange(count * len(classes)) % len(classes)
    pixels = np.random.default_rng(0).integers(0, 255, (len(labels), 8, 8)).astype(np.uint8)
    groups = [f"p{index // 2}" for index in range(len(labels))] if grouped else None
    return of_arrays(name, pixels, labels, classes, groups=groups, source="folder mine")


def every_source() -> list[tuple[str, str]]:
    return [(name, one.name) for name in setup_names() for one in read_setup(name).sources]


@pytest.mark.parametrize("grouped", [True, False])
def test_images_whose_classes_are_called_as_a_sources_stay_own(grouped: bool) -> None:
    for name, source_name in every_source():
        setup = read_setup(name)
        source = setup.source(source_name)
        # Neither by its name, nor by its number of images.
        count = max(2, min(address_of(source)[2] or 0, 700) // len(source.classes))
        images = like(source, source.images or source.name, count=count, grouped=grouped)
        found = specify(setup, images=images)
        assert found.source is None, name
        assert found.spec.data.name == images.name
        assert found.spec.data.classes is not None, "mapped to the task by name"
        assert set(found.spec.data.classes) <= set(images.classes)
        assert found.spec.fidelity != "same data"
        lines = {line.name: line for line in found.ledger.lines}
        assert lines["data.name"].origin == "chosen"
        said = setup.settings.get("split.by")
        if said is None:
            assert found.spec.split.by == ("group" if grouped else "image"), name
        assert found.fidelity is not None
        assert f"--data {source.name}" in found.fidelity.reason or len(setup.sources) > 1


def test_a_set_is_a_source_where_its_user_says_so() -> None:
    for name, source_name in every_source():
        setup = read_setup(name)
        source = setup.source(source_name)
        found = specify(setup, images=like(source), source=source_name)
        assert found.source is source
        assert found.spec.data.name == source_name
        assert found.spec.fidelity == source.fidelity
        if "split.by" not in setup.settings:
            assert found.spec.split.by == "group", "groups that were read stand"


def test_classes_of_own_images_are_those_of_the_task() -> None:
    setup = read_setup("deepak2019")
    images = like(setup.source("brain_tumor_sartaj"), count=3)
    spec = specify(setup, images=images).spec
    assert spec.data.classes == {
        "glioma_tumor": "glioma",
        "meningioma_tumor": "meningioma",
        "pituitary_tumor": "pituitary",
    }
    assert spec.data.positive == setup.source("brain_tumor_sartaj").positive
    (note,) = images.relabelled(spec.data.classes).notes
    assert note.to_dict() == {"code": "classes left out", "classes": {"no_tumor": 3}}
    assert "3 images of no_tumor left out" in str(note)


def test_own_parts_of_own_images_are_used() -> None:
    setup = read_setup("tang2020")
    images = like(setup.source("kermany_xray"), count=4)
    parts = tuple("train" if index < 4 else "test" for index in range(8))
    assert specify(setup, images=images).spec.split.kind != "official"
    assert specify(setup, images=replace(images, parts=parts)).spec.split.kind == "official"


def known(monkeypatch: pytest.MonkeyPatch, source: Source, images: ImageSet) -> None:
    told = KnownSet(source=source.name, images=len(images), sha256=images.pictures)
    monkeypatch.setattr(data, "known_sets", lambda: (told,))


def test_content_makes_a_set_a_source_whatever_else_is_said_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = read_setup("byra2019")
    source = setup.source("busi")
    images = like(source, count=5)
    known(monkeypatch, source, images)
    order = np.random.default_rng(1).permutation(len(images))
    same = [
        images,
        replace(images, name="busy", groups=None),
        replace(images, ids=tuple(f"x{one}" for one in images.ids), parts=("train",) * len(images)),
        replace(images, classes=tuple(one.upper() for one in images.classes)),
        images.subset(order),
    ]
    for one in same:
        assert specify(setup, images=one).source is source
    moved = replace(images, labels=np.roll(images.labels, 1))
    for other in (moved, images.subset(order[1:]), like(source, count=6)):
        assert specify(setup, images=other).source is None


def test_images_are_not_read_where_their_number_shows_that_they_are_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = read_setup("byra2019")
    source = setup.source("busi")
    known(monkeypatch, source, like(source, count=5))

    def refuse(index: int) -> str:
        raise AssertionError(index)

    assert specify(setup, images=replace(like(source, count=4), fingerprint=refuse)).source is None


def test_a_published_file_is_the_source_that_is_fetched_by_its_name() -> None:
    setup = read_setup("tang2020")
    source = setup.source("pneumoniamnist")
    images = like(source, "pneumoniamnist")
    assert specify(setup, images=images).source is None
    assert specify(setup, images=replace(images, published="pneumoniamnist")).source is source
    assert specify(setup, images=replace(images, published="breastmnist")).source is None


FOLDERS = {
    "brain_tumor_sartaj": "brain_tumor_mri_sartaj",
    "covid_chestxray": "covid_chestxray_ieee8023",
}


@pytest.mark.parametrize("one", known_sets(), ids=lambda one: one.source)
def test_real_sets_are_recognised(
    one: KnownSet, real_images: Path, tmp_path: Path, database: object
) -> None:
    images = open_images(real_images / FOLDERS.get(one.source, one.source))
    assert (len(images), images.pictures) == (one.images, one.sha256)
    setups = [name for name, source in every_source() if source == one.source]
    assert setups
    for name in setups:
        found = specify(read_setup(name), images=images)
        assert found.source is not None
        assert found.source.name == one.source


def test_a_real_set_without_its_table_is_recognised_and_one_with_another_image_is_not(
    real_images: Path, tmp_path: Path, picture: Callable[..., Path]
) -> None:
    copy = tmp_path / "renamed"
    shutil.copytree(real_images / "wbc_cellavision", copy, copy_function=shutil.copyfile)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    (copy / "metadata.csv").write_text("file,patient_id\neosinophil/x.png,p\n")
    (copy / "metadata.csv").unlink()
    setup = read_setup("hegde2019")
    found = specify(setup, images=open_images(copy))
    assert found.source is not None
    assert found.source.name == "wbc_cellavision"
    picture(next((copy / "monocyte").iterdir()))
    assert specify(setup, images=open_images(copy)).source is None
