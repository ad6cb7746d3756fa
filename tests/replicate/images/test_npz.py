from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import ImagesError
from replicate.images import arrays
from replicate.images.arrays import read_arrays
from replicate.images.npz import open_npz

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (7, 6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)


def saved(path: Path, compressed: bool = True, **content: Any) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **content)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_parts_are_laid_end_to_end(tmp_path: Path, compressed: bool) -> None:
    path = saved(
        tmp_path / "set.npz",
        compressed,
        train_images=GREY,
        train_labels=np.arange(7, dtype=np.uint8)[:, None] % 2,
        val_images=GREY[:2] // 2,
        val_labels=np.array([[1], [0]]),
        test_images=GREY[:3] // 3,
        test_labels=np.array([0.0, 1.0, 1.0]),
    )
    images = open_npz(path)
    assert images.ids[:2] == ("train/0", "train/1")
    assert images.ids[-3:] == ("test/0", "test/1", "test/2")
    assert images.parts == ("train",) * 7 + ("val",) * 2 + ("test",) * 3
    assert images.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1]
    assert images.classes == ("0", "1")
    assert (images.read(6) == GREY[6]).all()
    assert (images.read(7) == GREY[0] // 2).all()
    assert (images.read(11) == GREY[2] // 3).all()
    assert len({images.fingerprint(i) for i in range(12)}) == 12
    images.read(0)[:] = 0
    assert (images.read(0) == GREY[0]).all()


def test_images_without_parts_may_have_groups(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "x.npz", images=RGB, labels=[0, 1, 1, 0], groups=["p1", "p2", "p2", "p3"]
    )
    images = open_npz(path, classes=("a", "b"))
    assert images.ids == ("0", "1", "2", "3")
    assert images.groups == ("p1", "p2", "p2", "p3")
    assert images.parts is None
    assert (images.read(3) == RGB[3]).all()
    single = saved(tmp_path / "y.npz", images=GREY[..., None], labels=np.arange(7) % 2)
    assert open_npz(single).read(0).shape == (6, 5)


def test_stored_arrays_are_mapped_and_large_ones_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "IN_MEMORY", 100)
    fortran = np.asfortranarray(GREY)
    stored = saved(tmp_path / "a.npz", False, x=GREY, y=fortran)
    packed = saved(tmp_path / "b.npz", True, x=GREY, y=fortran, small=np.arange(3))
    for path in (stored, packed, packed):
        found = read_arrays(path)
        assert isinstance(found["x"], np.memmap)
        assert not found["x"].flags.writeable
        assert (found["x"] == GREY).all()
        assert (found["y"] == GREY).all()
    unpacked = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(unpacked) == 3
    assert read_arrays(packed)["small"].tolist() == [0, 1, 2]


class Trap:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    labels = np.array([Trap(sprung)] * 4, dtype=object)
    path = saved(tmp_path / "x.npz", images=RGB, labels=labels)
    with pytest.raises(ImagesError, match="Python objects"):
        open_npz(path)
    assert not sprung.exists()


def bytes_of(**content: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": GREY}, "neither train_images nor images"),
        ({"images": GREY}, "holds no labels"),
        ({"images": GREY.astype(np.float32), "labels": np.arange(7)}, "images is float32"),
        ({"images": GREY[0], "labels": np.arange(6)}, r"of shape \(6, 5\)"),
        ({"images": GREY, "labels": np.arange(6)}, r"of shape \(6,\) for 7 images"),
        ({"images": GREY, "labels": np.zeros(7, int)}, "one class"),
        ({"images": GREY, "labels": np.arange(7) - 1}, "labels run from -1"),
        ({"images": GREY, "labels": np.arange(7) / 2}, "labels is float64"),
        ({"images": GREY, "labels": np.eye(7, 3)}, "multi-label"),
        ({"images": GREY[:0], "labels": np.zeros(0, int)}, "no image"),
        ({"images": GREY, "labels": np.arange(7) % 2, "groups": ["a"]}, "one group to each"),
    ],
)
def test_faults(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(bytes_of(**content))
    with pytest.raises(ImagesError, match=message):
        open_npz(path)


def test_too_many_classes_for_their_names(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npz", images=GREY, labels=np.arange(7) % 3)
    with pytest.raises(ImagesError, match="labels run from 0 to 2, not from 0 to 1"):
        open_npz(path, classes=("a", "b"))


def test_broken_archives_are_told_by_name(tmp_path: Path) -> None:
    whole = bytes_of(images=GREY, labels=np.arange(7) % 2)
    path = tmp_path / "bad.npz"
    rng = np.random.default_rng(2)
    cuts = [whole[: len(whole) // 2], b"", b"PK\x03\x04", b"text"]
    for _ in range(150):
        broken = bytearray(whole)
        for place in rng.integers(0, len(broken), 3):
            broken[place] = int(rng.integers(0, 256))
        cuts.append(bytes(broken))
    refused = []
    for content in cuts:
        path.write_bytes(content)
        try:
            open_npz(path)
        except ImagesError as error:
            refused.append(error.message)
    assert len(refused) > 50
    assert all("bad.npz" in message for message in refused)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", "not an array")
    with pytest.raises(ImagesError, match="cannot be read"):
        open_npz(path)
