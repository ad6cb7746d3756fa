"""Images of a set that do not say how they are shown share one range; a user's window goes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from db.errors import UsageError
from medtl_meta.cli import cli
from replicate.images import ranges
from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.images.reading import Reading
from replicate.images.windows import CT_WINDOWS, Window
from tests.deep_pictures import png, tiff
from tests.replicate.images.test_dicom import RAMP, write

RNG = np.random.default_rng(10)

Save = Callable[[Path, NDArray[Any]], object]


def dcm(**tags: Any) -> Save:
    return lambda path, values: write(path.with_suffix(".dcm"), values, **tags)


#: Every form in which values beyond 8 bits come without saying how they are shown.
FORMS: dict[str, tuple[str, Save]] = {
    "png": (".png", lambda path, values: Image.fromarray(values).save(path)),
    "png in colour": (".png", lambda p, v: p.write_bytes(png(np.stack([v] * 3, -1)))),
    "png with alpha": (".png", lambda p, v: p.write_bytes(png(np.stack([v, v * 0 + 4095], -1)))),
    "tiff": (".tif", lambda path, values: Image.fromarray(values).save(path)),
    "tiff of floats": (".tif", lambda p, v: Image.fromarray(v.astype(np.float32)).save(p)),
    "tiff in colour": (".tif", lambda p, v: p.write_bytes(tiff(np.stack([v] * 3, -1)))),
    "pgm": (".pgm", lambda path, values: Image.fromarray(values).save(path)),
    "dicom": (".dcm", dcm()),
    "ct": (".dcm", dcm(Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)),
    "slope": (".dcm", dcm(Modality="PT", RescaleSlope=0.37, RescaleIntercept=3)),
    "apart": (".dcm", dcm(ImageComments="x" * 2**20)),
}


def a_set(folder: Path, form: str, count: int = 12, **options: Any) -> ImageSet:
    """Write images that grow brighter one by one, half of each class, and open them."""
    suffix, save = FORMS[form]
    entries = []
    for index in range(count):
        path = folder / f"{index:03d}{suffix}"
        save(path, RNG.integers(300 * index, 300 * index + 600, (20, 16)).astype(np.uint16))
        entries.append(Entry(path.name, path, "ab"[index % 2]))
    return of_files("set", entries, "made", **options)


@pytest.mark.parametrize("form", FORMS)
def test_one_range_for_all(tmp_path: Path, form: str) -> None:
    images = a_set(tmp_path, form)
    means = [images.read(i).mean() for i in range(len(images))]
    # Brightness is a straight line, as it was before anything was spread.
    steps = np.diff(means)
    assert (steps > 0).all()
    assert steps.max() < 1.3 * steps[1:-1].min()
    assert means[0] < 40
    assert means[-1] > 215
    note = images.notes[-1]
    assert note.code == "one range"
    assert note.values["count"] == 12
    json.dumps(note.to_dict())


@pytest.mark.parametrize("form", ["png", "dicom", "ct"])
def test_the_range_is_that_of_the_set_and_in_its_fingerprint(tmp_path: Path, form: str) -> None:
    images = a_set(tmp_path, form)
    part = images.subset([7, 2])
    assert (part.read(0) == images.read(7)).all()
    assert part.fingerprint(0) == images.fingerprint(7)
    entries = [Entry(name, tmp_path / name, "ab"[i % 2]) for i, name in enumerate(images.ids)]
    again = of_files("set", entries[::-1], "made")
    assert again.content == images.content
    smaller = of_files("set", entries[:6], "made")
    assert smaller.fingerprint(2) != images.fingerprint(2)
    assert (smaller.read(2) != images.read(2)).any()


def test_a_sample_is_the_same_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SAMPLE", 4)
    images = a_set(tmp_path, "png")
    assert images.notes[-1].values["measured"] == 4
    entries = [Entry(name, tmp_path / name, "ab"[i % 2]) for i, name in enumerate(images.ids)]
    for _ in range(5):
        RNG.shuffle(entries)  # type: ignore[arg-type]
        assert of_files("set", entries, "made").notes == images.notes


def mixed(folder: Path, files: dict[str, Save], **options: Any) -> ImageSet:
    """Write a dim and a bright image of each kind; classes a and b by turns."""
    entries = []
    for name, save in files.items():
        for level in (1000, 3000):
            path = folder / f"{name}{level}"
            path = path.with_suffix(".dcm" if "dcm" in name else ".png")
            save(path, RNG.integers(level - 500, level + 500, (20, 16)).astype(np.uint16))
            entries.append(Entry(path.name, path, "ab"[len(entries) % 2]))
    return of_files("set", entries, "made", **options)


def test_what_is_not_comparable_shares_no_range(tmp_path: Path) -> None:
    images = mixed(
        tmp_path,
        {
            "dcm_ct": dcm(Modality="CT", RescaleSlope=1, RescaleIntercept=-1024),
            "dcm_dx": dcm(Modality="DX", BitsStored=12, HighBit=11),
            "dcm_cr": dcm(Modality="CR", BitsStored=14, HighBit=13),
            "dcm_cr_turned": dcm(Modality="CR", PhotometricInterpretation="MONOCHROME1"),
            "deep": FORMS["png"][1],
        },
    )
    found = {note.values["kind"]: note.values for note in images.notes}
    assert len(found) == 5
    assert all(values["count"] == 2 for values in found.values())
    assert found["CT"]["low"] < -500


def test_what_says_how_it_is_shown_has_no_part_in_it(tmp_path: Path) -> None:
    window = dcm(Modality="DX", WindowCenter=2000, WindowWidth=4000)
    shallow, kept = (
        lambda p, v: Image.fromarray((v // 16).astype(np.uint8)).save(p),
        lambda p, v: Image.fromarray(v // 16).save(p),
    )
    images = mixed(tmp_path, {"dcm_window": window, "shallow": shallow, "kept": kept})
    assert images.notes == ()
    for i, name in enumerate(images.ids):
        if "kept" in name:
            assert (images.read(i) == np.asarray(Image.open(tmp_path / name))).all()


def test_padding_and_what_ct_does_not_know_have_no_part_in_it(tmp_path: Path) -> None:
    def ct(path: Path, values: NDArray[Any]) -> object:
        stored = values.astype(np.int16) - 1024
        stored[:5] = -3024
        return write(path, stored, Modality="CT", RescaleSlope=1, RescaleIntercept=0)

    def padded(path: Path, values: NDArray[Any]) -> object:
        values[:5] = 60_000
        return write(path, values, Modality="MR", PixelPaddingValue=60_000)

    found = {
        note.values["kind"]: note.values
        for note in mixed(tmp_path, {"dcm_ct": ct, "dcm_mr": padded}).notes
    }
    assert found["CT"]["low"] > -600
    assert found["MR of 16 bits"]["high"] < 3600


def test_what_cannot_be_read_is_passed_over_until_it_is(tmp_path: Path) -> None:
    images = a_set(tmp_path, "png")
    path = tmp_path / "003.png"
    path.write_bytes(path.read_bytes()[:60])
    entries = [Entry(name, tmp_path / name, "ab"[i % 2]) for i, name in enumerate(images.ids)]
    again = of_files("set", entries, "made")
    assert again.notes[-1].code == "one range"
    with pytest.raises(Exception, match=r"003\.png"):
        again.read(3)


@pytest.mark.parametrize("name", [*CT_WINDOWS, "-600,1500", " 40 , 80 "])
def test_a_window_goes_before_all(tmp_path: Path, name: str) -> None:
    line = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    own = dcm(Modality="CT", WindowCenter=1, WindowWidth=2, **line)
    ct, dx = dcm(Modality="CT", **line), dcm(Modality="DX")
    files = {"dcm_own": own, "dcm_ct": ct, "dcm_dx": dx, "deep": FORMS["png"][1]}
    images = mixed(tmp_path, files, window=name)
    asked = Window.of(name)
    note = images.notes[0]
    assert (note.code, note.values["count"]) == ("window chosen", 4 if asked.ct else 8)
    plain = mixed(tmp_path, files)
    for i, image in enumerate(images.ids):
        shown = "ct" in image or "own" in image or not asked.ct
        assert (images.fingerprint(i) != plain.fingerprint(i)) == shown or not shown
    import pydicom

    for i, image in enumerate(images.ids):
        if "ct" in image or "own" in image:
            hounsfield = pydicom.dcmread(tmp_path / image).pixel_array.astype(float) - 1024
            line_up = (hounsfield - (asked.centre - 0.5)) / (asked.width - 1) + 0.5
            assert (images.read(i) == np.rint(np.clip(line_up, 0, 1) * 255)).all()


@pytest.mark.parametrize(
    "word", ["", "lungs", "40", "40,", "40,0", "40,-80", "nan,80", "1,2,3", "inf,1", "40;80", "x,y"]
)
def test_a_window_that_is_none(word: str) -> None:
    with pytest.raises(UsageError, match="--window"):
        Window.of(word)


def test_a_window_that_fits_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fits no image"):
        a_set(tmp_path, "png", window="lung")
    assert a_set(tmp_path, "png", window="2000,3000").notes[0].values["count"] == 12
    with pytest.raises(UsageError, match="fits no image"):
        a_set(tmp_path, "png in colour", window="2000,3000")


@pytest.mark.parametrize("where", ["phantom", "pneumoniamnist", "set.npz"])
def test_a_window_where_all_is_of_8_bits(tmp_path: Path, where: str) -> None:
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8), np.uint8), labels=[0, 1, 0, 1])
    place = tmp_path / where if where.endswith("npz") else where
    with pytest.raises(UsageError, match="--window"):
        open_images(place, reading=Reading(window="40,80"))


@pytest.mark.parametrize("command", ["leakage", "plan", "contest"])
def test_commands_have_the_option(tmp_path: Path, command: str) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for index in range(3):
            dcm(Modality="CT")(tmp_path / label / f"{index}.dcm", RAMP.astype(np.uint16) + index)
    words = ["replicate", command, *([] if command == "leakage" else ["--images"]), str(tmp_path)]
    refused = CliRunner().invoke(cli, [*words, "--window", "lungs"])
    assert isinstance(refused.exception, UsageError)
    assert "--window" in refused.exception.message
    if command == "leakage":
        taken = CliRunner().invoke(cli, [*words, "--window", "-600,1500", "--format", "json"])
        codes = [note["code"] for note in json.loads(taken.stdout)["set"]["notes"]]
        assert "window chosen" in codes
