from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from db.errors import ImagesError
from replicate.images.folders import open_folder
from replicate.images.reading import Reading
from tests.replicate.images.test_dicom import RAMP, write

Write = Callable[..., Path]


def test_classes_are_folders(tmp_path: Path, picture: Write) -> None:
    for name in ("b/2.png", "b/deep/1.png", "a/1.jpg"):
        picture(tmp_path / name, len(name))
    images = open_folder(tmp_path)
    assert images.classes == ("a", "b")
    assert images.ids == ("a/1.jpg", "b/2.png", "b/deep/1.png")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.groups is None
    assert images.parts is None
    assert images.read(1).shape == (24, 20)
    assert images.fingerprint(1) != images.fingerprint(2)
    assert "patients not known" in images.source


def test_what_is_no_image_is_passed_over_and_masks_are_counted(
    tmp_path: Path, picture: Write
) -> None:
    for name in ("a/1.png", "a/1_mask.png", "a/1_mask_1.png", "a/gas_mask.png", "b/1.png"):
        picture(tmp_path / name)
    picture(tmp_path / "overview.png")
    picture(tmp_path / "a" / ".1.png")
    picture(tmp_path / ".git" / "x.png")
    (tmp_path / "SOURCE.md").write_text("origin")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    images = open_folder(tmp_path)
    assert images.ids == ("a/1.png", "a/gas_mask.png", "b/1.png")
    assert [note.to_dict() for note in images.notes] == [
        {"code": "masks left out", "count": 2},
        {"code": "loose images", "count": 1},
        {"code": "files passed over", "count": 1, "kinds": {"hidden": 1}},
    ]


def test_parts_are_folders_of_classes(tmp_path: Path, picture: Write) -> None:
    for name in ("Train/a/1.png", "Train/b/1.png", "valid/a/2.png", "test/b/3.png"):
        picture(tmp_path / name)
    images = open_folder(tmp_path)
    assert images.ids == ("Train/a/1.png", "Train/b/1.png", "test/b/3.png", "valid/a/2.png")
    assert images.parts == ("train", "train", "test", "val")
    assert images.labels.tolist() == [0, 1, 1, 0]


def test_metadata_gives_parts_and_groups(tmp_path: Path, picture: Write) -> None:
    for index, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png")):
        picture(tmp_path / name, index)
    (tmp_path / "metadata.csv").write_text(
        "file,split,class,patient_id,near_dup_group\n"
        "a/1.png,train,a,p1,\na/2.png,test,a,p2,0\nb/1.png,train,b,p1,\nb/2.png,val,b,,0\n"
        "b/3.png,val,b,,\n"
    )
    images = open_folder(tmp_path)
    assert images.parts == ("train", "test", "train", "val", "val")
    assert images.groups is not None
    first, second, third, fourth, fifth = images.groups
    assert first == third == "p1"
    assert second == fourth
    assert "p2" in second
    assert fifth == "b/3.png"
    assert "patient known for 3 of 5 images" in images.source


def test_dicom_is_grouped_by_patient(tmp_path: Path) -> None:
    stored = RAMP.astype(np.uint16)
    for label, patients in (("a", "XXY"), ("b", "ZZ")):
        (tmp_path / label).mkdir()
        for index, patient in enumerate(patients):
            write(tmp_path / label / f"{index}.dcm", stored, PatientID=patient)
    assert open_folder(tmp_path).groups == ("X", "X", "Y", "Z", "Z")


def test_an_anonymous_id_is_no_patient(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        write(tmp_path / label / "1.dcm", RAMP.astype(np.uint16), PatientID="ANON")
    assert open_folder(tmp_path).groups is None


def folder_of(tmp_path: Path, picture: Write, *names: str, metadata: str = "") -> Path:
    for name in names:
        if name.endswith("/"):
            (tmp_path / name).mkdir(parents=True)
        else:
            picture(tmp_path / name)
    if metadata:
        (tmp_path / "metadata.csv").write_text(metadata)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "metadata", "message"),
    [
        ((), "", "has no subfolders"),
        (("x.png",), "", "has no subfolders"),
        (("a/1.png",), "", "one class"),
        (("a/1.png", "b/"), "", "the class b has no image"),
        (("train/a/1.png", "a/1.png"), "", r"parts \(train\) and other folders \(a\)"),
        (("test/a/1.png", "test/b/1.png"), "", "no part train"),
        (("train/a/1.png", "train/b/1.png", "test/c/1.png"), "", "c is in test and not in train"),
        (("a/1.png", "b/1.png"), "file,class\na/9.png,a\n", r"metadata.csv:2: column file"),
        (("a/1.png", "b/1.png"), "file,class\na/1.png,b\n", r"metadata.csv:2: column class"),
        (("a/1.png", "b/1.png"), "file,split\na/1.png,train\n", "none to b/1.png"),
        (("a/1.png", "b/1.png"), "name\na/1.png\n", "no column file"),
        (
            ("train/a/1.png", "train/b/1.png"),
            "file,split\ntrain/a/1.png,test\n",
            r"metadata.csv:2: column split",
        ),
    ],
)
def test_faults(
    tmp_path: Path, picture: Write, names: tuple[str, ...], metadata: str, message: str
) -> None:
    with pytest.raises(ImagesError, match=message) as caught:
        open_folder(folder_of(tmp_path, picture, *names, metadata=metadata))
    assert caught.value.hint


def test_a_bad_image_is_told_when_it_is_read(tmp_path: Path, picture: Write) -> None:
    folder = folder_of(tmp_path, picture, "a/1.png", "b/1.png")
    (folder / "b" / "2.png").touch()
    images = open_folder(folder)
    assert images.read(0).size
    with pytest.raises(ImagesError, match=r"2\.png: the file is empty"):
        images.read(2)


def test_real_sets_have_the_counts_that_their_sources_state(real_images: Path) -> None:
    ct = open_folder(real_images / "covid_ct")
    assert ct.parts is not None
    counted = {
        (part, ct.classes[label]): 0 for part in ("train", "val", "test") for label in (0, 1)
    }
    for part, label in zip(ct.parts, ct.labels.tolist(), strict=True):
        counted[part, ct.classes[label]] += 1
    assert list(counted.values()) == [191, 234, 60, 58, 98, 105]
    # 384 patients; one pair of near copies joins two of them.
    assert ct.groups is not None
    assert len(set(ct.groups)) == 383
    xray = open_folder(real_images / "covid_xray_talo")
    assert np.bincount(xray.labels).tolist() == [124, 500, 500]
    assert xray.groups is not None
    assert len(set(xray.groups)) == 764


@pytest.mark.parametrize("label", ["1.0", "a|b", "2", "A"])
def test_a_table_says_classes_as_their_folders_are_called(
    tmp_path: Path, picture: Write, label: str
) -> None:
    names = [picture(tmp_path / one / "0.png", at) for at, one in enumerate((label, "other"))]
    rows = [
        f"{name.relative_to(tmp_path)};{name.parent.name};P{at}" for at, name in enumerate(names)
    ]
    table = tmp_path / "metadata.csv"
    table.write_text("\n".join(["Bild;class;patient_id", *rows, ""]), encoding="utf-8")
    images = open_folder(tmp_path, reading=Reading(columns=(("image", ("Bild",)),)))
    assert set(images.classes) == {label, "other"}
    assert set(images.groups or ()) == {"P0", "P1"}
