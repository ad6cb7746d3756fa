from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.errors import ImagesError
from replicate.images.manifest import open_manifest

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, picture: Write) -> Path:
    for index in range(4):
        picture(tmp_path / "scans" / f"{index}.png", index)
    return tmp_path


def manifest(folder: Path, text: str) -> Path:
    path = folder / "set.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_a_manifest_names_everything(folder: Path) -> None:
    images = open_manifest(
        manifest(
            folder,
            "File,Label,Split,Patient_ID,age\nscans/1.png,sick,train,p2,60\n"
            "scans/0.png,well,training,p1,50\n\nscans/2.png,sick,TEST,p2,61\n"
            "scans/3.png,well,valid,,1\n",
        )
    )
    assert images.name == "set"
    assert images.ids == tuple(f"scans/{i}.png" for i in range(4))
    assert images.classes == ("sick", "well")
    assert images.labels.tolist() == [1, 0, 0, 1]
    assert images.parts == ("train", "train", "test", "val")
    assert images.groups == ("p1", "p2", "p2", "scans/3.png")
    with Image.open(folder / "scans" / "2.png") as picture:
        assert (images.read(2) == np.asarray(picture)).all()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(folder: Path, delimiter: str) -> None:
    rows = [("file", "class"), ("scans/0.png", "a, left"), ("scans/1.png", "b")]
    images = open_manifest(manifest(folder, "\n".join(delimiter.join(row) for row in rows)))
    assert images.classes == ("a, left", "b")
    assert images.groups is None


def test_frames_of_one_file_are_images_of_their_own(folder: Path) -> None:
    pages = [Image.fromarray(np.full((4, 4), grey, np.uint8)) for grey in (10, 20)]
    pages[0].save(folder / "x.tif", save_all=True, append_images=pages[1:])
    images = open_manifest(manifest(folder, "file,class,frame\nx.tif,a,1\nx.tif,b,2\n"))
    assert images.ids == ("x.tif#1", "x.tif#2")
    assert [int(images.read(i)[0, 0]) for i in range(2)] == [10, 20]
    assert images.fingerprint(0) != images.fingerprint(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("file,class\n", "names no image"),
        ("name,class\nscans/0.png,a\n", "no column file"),
        ("file,kind\nscans/0.png,a\n", "no column class"),
        ("file,class\n,a\n", "set.csv:2: column file: is empty"),
        ("file,class\nscans/9.png,a\n", "set.csv:2: column file: scans/9.png does not exist"),
        ("file,class\nset.csv,a\n", "set.csv:2: column file: set.csv is no kind of image"),
        (
            "file,class\nscans/0.png,a\nscans/0.png,b\n",
            "set.csv:3: column file: scans/0.png is already in line 2",
        ),
        ("file,class,split\nscans/0.png,a,dev\n", "set.csv:2: column split: no such part 'dev'"),
        (
            "file,class,split\nscans/0.png,a,train\nscans/1.png,b,\n",
            "set.csv:3: column split: is empty",
        ),
        ("file,class\nscans/0.png,a\nscans/1.png,a\n", "one class"),
    ],
)
def test_faults_name_line_and_column(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ImagesError, match=message):
        open_manifest(manifest(folder, text))


def test_a_manifest_that_is_no_text(folder: Path) -> None:
    path = folder / "set.csv"
    path.write_bytes(b"file,class\nscans/\xff\xfe.png,a\n")
    with pytest.raises(ImagesError, match="not UTF-8"):
        open_manifest(path)
