from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.errors import ImagesError, UsageError
from replicate.images.image_set import ImageSet
from replicate.images.manifest import open_manifest
from replicate.images.opening import open_images
from replicate.images.reading import taken

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


def read(folder: Path, text: str, **words: object) -> ImageSet:
    return open_images(manifest(folder, text), reading=taken(words)[0])


def told(images: ImageSet) -> dict[str, dict[str, object]]:
    return {note.code: dict(note.values) for note in images.notes}


NOTHING = ("nan", "NaN", "NA", "n/a", "N/A", "None", "NONE", "null", "Unknown", "-", "<NA>", "#N/A")


@pytest.mark.parametrize("word", NOTHING)
@pytest.mark.parametrize("column", ["patient_id", "group_id", "near_dup_group"])
def test_words_for_nothing_are_no_patient(folder: Path, word: str, column: str) -> None:
    text = f"file,class,{column}\nscans/0.png,a,{word}\nscans/1.png,b,{word}\nscans/2.png,a,{word}"
    images = read(folder, text)
    assert images.groups is None
    assert told(images)["missing words"] == {"count": 3, "column": column, "words": [word]}
    images = read(folder, f"{text}\nscans/3.png,b,p1\n")
    assert len(set(images.groups or ())) == 4


@pytest.mark.parametrize("word", [*NOTHING, ""])
def test_words_for_nothing_are_no_class_and_no_part(folder: Path, word: str) -> None:
    images = read(
        folder, f"file,class,part\nscans/0.png,a,{word}\nscans/1.png,b,{word}\nscans/2.png,{word},"
    )
    assert images.classes == ("a", "b")
    assert images.parts is None
    count, words = 1, [word or "nothing"]
    assert told(images)["no class"] == {"count": count, "column": "class", "words": words}
    with pytest.raises(ImagesError, match="no image is left"):
        read(folder, f"file,class\nscans/0.png,{word}\n")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("Benign", "benign ", "Malignant"), ("Benign", "Malignant")),
        (("lung  opacity", "Lung Opacity", "x"), ("Lung Opacity", "x")),
        (("1.0", "1", "0.0"), ("0", "1")),
        (("1.0", "0.0", "-1.0"), ("0", "1")),
        (("2", "-1", "1"), ("-1", "1", "2")),  # a class like others, where it is not the third
        (("3.0", "3.1", "3.0"), ("3", "3.1")),
        (("a|b", "a", "b"), ("a", "b")),
    ],
)
def test_classes_that_are_one(
    folder: Path, labels: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    rows = "".join(f"scans/{i}.png,{label}\n" for i, label in enumerate(labels))
    assert read(folder, f"file,class\n{rows}").classes == classes


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("Bild,dx,lesion", "image=Bild,class=dx,group=lesion"),
        ("Bild,dx,lesion", " image = bild , class = DX , patient = Lesion "),
        ("file,dx,lesion", "class=dx,group=lesion"),
        ("file,class,lesion", "group=lesion"),
        ("the file,the class,x y", {"image": "the file", "class": ["the class"], "group": "x y"}),
        ("class,file,patient_id", "image=class,class=file"),
    ],
)
def test_columns_are_named(folder: Path, heading: str, columns: object) -> None:
    text = f"{heading}\nscans/0.png,a,p\nscans/1.png,b,p\nscans/2.png,b,q\n"
    images = read(folder, text, columns=columns)
    assert images.classes == ("a", "b")
    assert images.groups == ("p", "p", "q")


@pytest.mark.parametrize(
    "columns",
    ["dx", "image=", "=dx", "class=dx,class=dx", "klass=dx", "", "class=dx,", "image=a|b"],
)
def test_columns_that_are_none(folder: Path, columns: str) -> None:
    with pytest.raises(UsageError, match="--columns"):
        read(folder, "a,b,dx\nscans/0.png,a,p\n", columns=columns)


def test_the_columns_that_there_are_are_named(folder: Path) -> None:
    with pytest.raises(UsageError, match="no column dxx") as caught:
        read(folder, "file,dx\nscans/0.png,a\n", columns="class=dxx")
    assert "file and dx" in str(caught.value.hint)


def test_one_column_a_class(folder: Path) -> None:
    text = "file,A,B,C\nscans/0.png,1,0,0\nscans/1.png,0.0,1.0,\nscans/2.png,0,0,1\n"
    images = read(folder, text, columns="class=A|B|C")
    assert (images.classes, images.labels.tolist()) == (("A", "B", "C"), [0, 1, 2])
    images = read(folder, text, columns="class=A|B|C", finding="b")
    assert (images.classes, images.labels.tolist()) == (("no B", "B"), [0, 1, 0])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("0,0,0", "set.csv:3: column A|B|C: none holds 1"),
        ("1,1,0", "set.csv:3: column A|B|C: A and B hold 1"),
        ("0.7,0,0", "set.csv:3: column A: 0.7 is neither"),
        ("yes,0,0", "set.csv:3: column A: yes is neither"),
    ],
)
def test_not_exactly_one_class(folder: Path, cells: str, message: str) -> None:
    with pytest.raises(ImagesError) as caught:
        read(folder, f"file,A,B,C\nscans/0.png,1,0,0\nscans/1.png,{cells}\n", columns="class=A|B|C")
    assert message in str(caught.value)


def test_files_are_found_without_suffix_and_folder(folder: Path, picture: Write) -> None:
    images = read(folder, "file,class\n0,a\n1.png,b\nscans/2,a\nset/scans/3.png,b\n")
    assert images.ids == tuple(f"scans/{i}.png" for i in range(4))
    picture(folder / "more" / "0.png", 9)
    with pytest.raises(ImagesError, match=r"set.csv:2: column file: 0 can be "):
        read(folder, "file,class\n0,a\nscans/1.png,b\n")


@pytest.mark.parametrize("name", ["other/0.png", "other/0", "more/0.png", "0.jpg", "scan/0.png"])
def test_a_folder_that_is_named_is_not_left_for_another(
    folder: Path, picture: Write, name: str
) -> None:
    picture(folder / "more" / "1.png", 9)
    with pytest.raises(ImagesError, match=f"column file: {name} does not exist"):
        read(folder, f"file,class\n{name},a\nscans/1.png,b\n")


@pytest.mark.parametrize("words", [{"columns": "class=x"}, {"preset": "isic"}, {"finding": "x"}])
def test_what_only_a_table_has(folder: Path, words: dict[str, str]) -> None:
    for where in (folder, "phantom:xray?n=40"):
        with pytest.raises(UsageError, match=f"--{next(iter(words))}"):
            open_images(where, reading=taken(words)[0])
