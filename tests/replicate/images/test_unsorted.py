"""Images to be predicted: any folder or file, whether or not it has classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.errors import ImagesError
from replicate.images.reading import Reading
from replicate.images.unsorted import open_unsorted


def picture(path: Path, value: int = 90, deep: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((9, 9), value, dtype=np.uint16 if deep else np.uint8)
    pixels[0, 0] = value + 1
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.png", "b.jpg"], ["a.png", "b.jpg"]),
        (["one/a.png", "one/two/b.png", "c.png"], ["c.png", "one/a.png", "one/two/b.png"]),
        (["only/a.png"], ["only/a.png"]),
        (["good/a.png", "bad/b.png"], ["bad/b.png", "good/a.png"]),
        (["a.png", "b.png", "masks/a.png", "masks/b.png"], ["a.png", "b.png"]),
        (["a.png", "a_mask.png", "b.png"], ["a.png", "b.png"]),
        ([".hidden.png", "a.png"], ["a.png"]),
    ],
)
def test_every_image_of_a_folder_is_read_under_its_path(
    files: list[str], names: list[str], tmp_path: Path
) -> None:
    for name in files:
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = open_unsorted(tmp_path)
    assert (list(found.ids), found.classes) == (names, ())
    assert found.read(0).shape[:2] == (9, 9)
    assert len(found.content) == 64
    assert {note.code for note in found.notes} <= {"masks left out"}


def test_one_image_and_sets_of_other_forms_are_read_too(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert open_unsorted(tmp_path / "a.png").ids == ("a.png",)
    made = open_unsorted("phantom:xray?n=20&size=32")
    assert (len(made), made.classes, set(made.labels.tolist())) == (20, (), {0})
    with pytest.raises(ImagesError):
        open_unsorted(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImagesError):
        open_unsorted(tmp_path / "empty")


def test_what_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    picture(tmp_path / "other" / "a.png")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "other")
    with pytest.raises(ImagesError, match="leads out"):
        open_unsorted(tmp_path / "mine")
    found = open_unsorted(tmp_path / "mine", reading=Reading(allow_outside=True))
    assert found.ids == ("link/a.png",)


@pytest.mark.parametrize("value", [500, 9000, 40000])
def test_deep_images_are_shown_in_the_range_of_training(value: int, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", value, deep=True)
    known = {"pictures of more than 8 bits": (0.0, 65535.0)}
    alone = open_unsorted(tmp_path, ranges=known)
    assert abs(int(alone.read(0)[4, 4].max()) - value * 255 / 65535) <= 1
    # Other images beside it do not change what is seen of it.
    picture(tmp_path / "b.png", 60000, deep=True)
    both = open_unsorted(tmp_path, ranges=known)
    assert (both.read(0) == alone.read(0)).all()
