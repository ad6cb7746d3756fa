"""Folders as people have them: what is an image of which class and part, and what is left out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import pytest

from db.errors import ImagesError
from replicate.images.folders import open_folder
from replicate.images.image_set import ImageSet
from replicate.notes import Note

Write = Callable[..., Path]
Fill = Callable[[Iterable[str]], Path]


@pytest.fixture
def fill(tmp_path: Path, picture: Write) -> Fill:
    """Fill a folder with a picture under each name; all are the same bytes, made once."""

    def filled(names: Iterable[str]) -> Path:
        made: dict[str, bytes] = {}
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix not in made:
                made[path.suffix] = picture(tmp_path / f"one{path.suffix}").read_bytes()
            path.write_bytes(made[path.suffix])
        return tmp_path / "set"

    return filled


def note(images: ImageSet, code: str) -> Note | None:
    return next((one for one in images.notes if one.code == code), None)


def left_out(images: ImageSet) -> int:
    found = note(images, "masks left out")
    return found.values["count"] if found else 0


#: Where an image of a class lies, and where its segmentation does.
SEGMENTED = [
    *(
        ("{label}/{stem}.png", f"{{label}}/{{stem}}{mark}.png")
        for mark in (
            *(
                "_mask",
                "_mask_1",
                "-mask",
                " mask",
                "_Mask",
                "_MASK",
                "_mask (2)",
                "_masks",
                ".mask",
            ),
            *("_segmentation", "_Segmentation", "_seg", "_superpixels", "_lesion", "_GT", "-gt"),
            *(
                "_label",
                "_groundtruth",
                "_ground_truth",
                "_annotation",
                "_anno",
                "_roi",
                "_contour",
            ),
            *("_lung_mask", "_left_mask", "_mask_lesion_1"),
        )
    ),
    ("{label}/{stem}.jpg", "{label}/mask_{stem}.png"),
    ("{label}/{stem}.jpg", "{label}/GT-{stem}.png"),
    *(
        ("{label}/images/{stem}.png", f"{{label}}/{folder}/{{stem}}.png")
        for folder in (
            *("masks", "mask", "Masks", "GT", "gt", "label", "labels", "annotations", "lesion"),
            *("segmentation", "Segmentations", "ground truth", "GroundTruth", "superpixels"),
            *("lung masks", "infection_masks", "masks_png", "SegmentationClass", "ROI", "contours"),
        )
    ),
    ("{label}/{stem}.png", "{label}/masks/{stem}.png"),
    ("{label}/{stem}.jpg", "{label}/masks/{stem}_mask.png"),
    ("{label}/images/img_{stem}.png", "{label}/masks/mask_{stem}.png"),
    ("{label}/images/{stem}.png", "{label}/masks/unlike_{stem}_x.png"),
    ("{label}/p{stem}/image.png", "{label}/p{stem}/mask.png"),
    ("{label}/{stem}/{stem}_Image/{stem}.bmp", "{label}/{stem}/{stem}_lesion/{stem}_lesion.bmp"),
    ("{label}/{stem}/{stem}_Image/{stem}.bmp", "{label}/{stem}/{stem}_roi/{stem}_R1_Label2.bmp"),
    ("{label}/{stem}.png", "masks/{label}/{stem}.png"),
    ("{label}/{label}-{stem}.png", "masks/{label}-{stem}.png"),
    ("{label}/{label}-{stem}.png", "Segmentation/{label}-{stem}_segmentation.png"),
    ("images/{label}/{stem}.png", "masks/{label}/{stem}.png"),
    ("images/{label}/{stem}.png", "labels/{label}/{stem}.png"),
    ("train/{label}/{stem}.png", "train/{label}/{stem}_mask.png"),
    ("train/images/{label}/{stem}.png", "train/masks/{label}/{stem}.png"),
    ("train/{label}/images/{stem}.png", "train/{label}/masks/{stem}.png"),
    ("train/{label}/{stem}.png", "train_masks/{label}/{stem}.png"),
    ("train/{label}/{stem}.png", "masks/train/{label}/{stem}.png"),
]


@pytest.mark.parametrize(("image", "mask"), SEGMENTED)
@pytest.mark.parametrize("labels", [("COVID", "Normal"), ("benign", "malignant", "normal")])
def test_segmentations_are_left_out_and_counted(
    fill: Fill, image: str, mask: str, labels: tuple[str, ...]
) -> None:
    stems = [f"{number}" for number in range(4)]
    every = list(product(labels, stems))
    folder = fill(
        form.format(label=label, stem=stem) for form in (image, mask) for label, stem in every
    )
    images = open_folder(folder)
    wanted = sorted(image.format(label=label, stem=stem) for label, stem in every)
    entered = note(images, "folder entered")
    above = f"{entered.values['folder']}/" if entered else ""
    assert [above + name for name in images.ids] == wanted
    assert images.classes == labels
    assert left_out(images) == len(every)


@pytest.mark.parametrize("label", ["mask", "label", "labels", "lesion", "GT", "roi", "annotated"])
@pytest.mark.parametrize("others", [("normal",), ("normal", "benign")])
@pytest.mark.parametrize("stem", ["{n}", "{label}_{n}", "IMG_{n}_{label}"])
def test_a_class_that_is_called_as_masks_are_is_not_lost(
    fill: Fill, label: str, others: tuple[str, ...], stem: str
) -> None:
    labels = (label, *others)
    names = [f"{one}/{stem.format(n=n, label=one)}.png" for one in labels for n in range(5)]
    images = open_folder(fill(names))
    assert images.classes == tuple(sorted(labels))
    assert len(images) == len(names)
    assert not left_out(images)


@pytest.mark.parametrize(
    "names",
    [
        ["a/gas_mask.png", "a/2.png", "b/1.png"],
        ["a/lesion_1.png", "a/1.png", "b/1.png"],
        ["a/masks/1.png", "a/masks/2.png", "b/1.png"],
        ["a/1.png", "a/labelled/1.png", "b/1.png"],
        ["a/p1/1.png", "a/p2/1.png", "b/p3/1.png"],
        ["no_mask/1.png", "mask/1.png"],
        ["a/lesion/1.png", "a/skin/1.png", "b/lesion/2.png", "b/skin/2.png"],
    ],
)
def test_what_only_looks_like_a_mask_is_an_image(fill: Fill, names: list[str]) -> None:
    images = open_folder(fill(names))
    assert list(images.ids) == sorted(names)
    assert not left_out(images)


#: How people call the parts.
CALLED = [
    ("train", "test"),
    ("Train", "Val", "TEST"),
    ("training", "validation", "testing"),
    ("training_set", "test_set"),
    ("train_data", "test_data"),
    ("TrainingData", "ValidationData"),
    ("Training Images", "Test Images"),
    ("train-images", "valid-images", "test-images"),
    ("trainset", "valset", "testset"),
    ("traindata", "testdata"),
    ("train2017", "val2017"),
    ("train", "test1"),
    ("train", "dev", "test"),
    ("training", "validation", "evaluation"),
    ("trn", "val", "tst"),
]
#: Of these only what lies above the classes.
CALLED_WITH_MORE = [
    ("ISIC-Training-Data", "ISIC-Test-Data"),
    ("covid_train", "covid_val", "covid_test"),
    ("Set_train", "Set_test"),
]


FORMS = ["{part}/{label}", "{part}/images/{label}", "{label}/{part}"]


@pytest.mark.parametrize(
    ("called", "form"),
    [*product(CALLED, FORMS), *product(CALLED_WITH_MORE, FORMS[:2])],
)
def test_parts_are_told_by_the_names_that_people_use(
    fill: Fill, called: tuple[str, ...], form: str
) -> None:
    where = [(part, label) for part in called for label in ("a", "b")]
    images = open_folder(
        fill(
            f"{form.format(part=part, label=label)}/{n}.png" for part, label in where for n in "12"
        )
    )
    assert images.classes == ("a", "b")
    assert len(images) == 4 * len(called)
    assert images.parts is not None
    for name, part in zip(images.ids, images.parts, strict=True):
        own = next(one for one in called if f"{one}/" in name)
        assert (part == "train") == (own == called[0])
    assert set(images.parts) <= {"train", "val", "test"}
    assert len(set(images.parts)) == len(called)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fold1/a", "fold1/b", "fold2/a", "fold2/b"], "folds of a cross-validation"),
        (["Fold_1/train/a", "Fold_1/test/a", "Fold_2/train/a"], "folds of a cross-validation"),
        (["Data/fold-01/a", "Data/fold-02/b"], "folds of a cross-validation"),
        (["1st fold/a", "2nd fold/a", "3rd fold/b"], "folds of a cross-validation"),
        (["train_a", "train_b", "test_a", "test_b"], "parts and classes in one name"),
        (["train/a", "train/b", "Training/a"], "both called as the part train"),
        (["train/a", "train/b", "test/a", "extra/a"], "and other folders"),
        (["test_set/a", "test_set/b"], "no part train"),
        (["a/train", "a/test", "b/x"], "lies in no part"),
    ],
)
def test_parts_that_are_not_told_are_refused(fill: Fill, names: list[str], message: str) -> None:
    with pytest.raises(ImagesError, match=message) as caught:
        open_folder(fill(f"{name}/1.png" for name in names))
    assert caught.value.hint


@pytest.mark.parametrize(
    "names",
    [
        ["dev/1.png", "prod/1.png"],
        ["pretest/1.png", "b/1.png"],
        ["fold1/1.png", "b/1.png"],
        ["contest/1.png", "trained/1.png"],
        ["a/test 1/1.png", "a/test 2/1.png", "b/1.png"],
    ],
)
def test_classes_that_only_sound_like_parts_are_classes(fill: Fill, names: list[str]) -> None:
    images = open_folder(fill(names))
    assert images.classes == tuple(sorted({name.partition("/")[0] for name in names}))
    assert images.parts is None


@pytest.mark.parametrize("above", ["Data", "Data/images", "x/y/z", "archive/Dataset"])
@pytest.mark.parametrize(
    "below", [["a/1.png", "b/1.png"], ["train/a/1.png", "train/b/1.png", "test/a/2.png"]]
)
def test_a_wrapper_is_entered(fill: Fill, above: str, below: list[str]) -> None:
    images = open_folder(fill([*(f"{above}/{name}" for name in below), "overview.png"]))
    assert images.ids == tuple(sorted(below))
    assert note(images, "folder entered") == Note("folder entered", {"folder": above})
    assert note(images, "loose images") == Note("loose images", {"count": 1})


def test_a_table_above_a_wrapper_names_files_from_there(fill: Fill) -> None:
    folder = fill(["Data/a/1.png", "Data/b/1.png"])
    table = folder / "metadata.csv"
    table.write_text("file,patient_id\nData/a/1.png,p1\nData/b/1.png,p1\n")
    images = open_folder(folder)
    assert images.ids == ("Data/a/1.png", "Data/b/1.png")
    assert images.groups == ("p1", "p1")
    table.rename(folder / "Data" / "metadata.csv")
    (folder / "Data" / "metadata.csv").write_text("file,patient_id\na/1.png,p1\nb/1.png,p1\n")
    assert open_folder(folder).groups == ("p1", "p1")


def test_a_part_without_classes_is_left_out(fill: Fill) -> None:
    images = open_folder(fill(["train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"]))
    assert images.parts == ("train", "train")
    assert note(images, "loose images") == Note("loose images", {"count": 2})


def test_every_file_that_is_passed_over_is_counted_by_kind(fill: Fill) -> None:
    folder = fill(["a/1.png", "b/deep/1.png"])
    others = {
        ".nii.gz": 3, ".npy": 2, ".txt": 4, ".tar.gz": 1, ".mat": 1, "without suffix": 2, "hidden": 1
    }  # fmt: skip
    for place, (kind, count) in enumerate(others.items()):
        for number in range(count):
            name = {"without suffix": f"x{number}", "hidden": f".x{number}"}.get(
                kind, f"x{number}{kind.upper() if number else kind}"
            )
            (folder / ("a", "b/deep", ".")[place % 3] / name).write_text("x")
    for name in (".DS_Store", "Thumbs.db", "README.md", "LICENSE", "SOURCE.md"):
        (folder / name).write_text("x")
    found = note(open_folder(folder), "files passed over")
    assert found is not None
    assert found.values["count"] == sum(others.values())
    assert found.values["kinds"] == others
    for number in range(20):
        (folder / "a" / f"x.k{number}").write_text("x")
    found = note(open_folder(folder), "files passed over")
    assert found is not None
    assert sum(found.values["kinds"].values()) == found.values["count"] == 34
    assert len(found.values["kinds"]) == 9


@pytest.mark.parametrize(
    ("names", "kept", "others"),
    [
        (["train/Benign/1.png", "train/mal/1.png", "test/benign/1.png"], "Benign", ["benign"]),
        (["train/Benign/1.png", "train/Benign/2.png", "train/mal/1.png", "test/BENIGN/1.png"],
         "Benign", ["BENIGN"]),
        (["Data/COVID/1.png", "Data/Covid/2.png", "Data/Covid/3.png", "Data/x/1.png"],
         "Covid", ["COVID"]),
    ],
)  # fmt: skip
def test_classes_that_differ_in_case_only_are_one(
    fill: Fill, names: list[str], kept: str, others: list[str]
) -> None:
    images = open_folder(fill(names))
    assert len(images.classes) == 2
    assert kept in images.classes
    found = note(images, "one class in any case")
    assert found == Note("one class in any case", {"kept": kept, "others": others})


def test_many_files_are_read_in_time_that_grows_with_their_number(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        folder = tmp_path / f"{count}"
        for label in "ab":
            (folder / label).mkdir(parents=True)
            for number in range(count // 4):
                (folder / label / f"ISIC_{label}_{number}.png").touch()
                (folder / label / f"ISIC_{label}_{number}_mask.png").touch()
        start = time.process_time()
        assert len(open_folder(folder)) == count // 2
        return time.process_time() - start

    seconds(400)
    assert seconds(16_000) < 25 * max(seconds(2_000), 0.02)


NAMES = [
    "train",
    "test",
    "a",
    "b",
    "A",
    "masks",
    "images",
    "label",
    "fold1",
    "Data",
    "GT",
    "x_mask",
]
FILES = ["1.png", "2.png", "1_mask.png", "mask_1.png", "mask.png", "image.png", "1_lesion.png"]


def test_no_image_is_lost_without_a_word(fill: Fill) -> None:
    read = 0
    for seed in range(400):
        draw = random.Random(seed)
        where = (draw.choices(NAMES, k=draw.randint(1, 3)) for _ in range(draw.randint(2, 12)))
        names = {f"{seed}/{'/'.join(one)}/{draw.choice(FILES)}" for one in where}
        folder = fill(names) / f"{seed}"
        try:
            images = open_folder(folder)
        except ImagesError:
            continue
        read += 1
        out = [one.values["count"] for one in images.notes if "count" in one.values]
        assert len(images) + sum(out) == len(names), (sorted(names), images.notes)
    assert read > 40
