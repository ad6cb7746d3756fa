from __future__ import annotations

import io
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import ImagesError, UsageError
from replicate.images import arrays
from replicate.images.npz import open_npz

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (7, 6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)


def saved(path: Path, compressed: bool = True, **content: Any) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **content)
    return path


def loaded(path: Path) -> dict[str, Any]:
    with arrays.opened(path) as found:
        return {name: found.load(name) for name in found.names}


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
        found = loaded(path)
        assert isinstance(found["x"], np.memmap)
        assert not found["x"].flags.writeable
        assert (found["x"] == GREY).all()
        assert (found["y"] == GREY).all()
    unpacked = list((tmp_path / "cache").rglob("*.npy"))
    assert len(unpacked) == 3  # 152 bytes of `small` do not go into 100 either
    assert loaded(packed)["small"].tolist() == [0, 1, 2]


def test_what_a_killed_process_left_of_unpacking_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    first = saved(tmp_path / "a.npz", True, x=GREY)
    assert (loaded(first)["x"] == GREY).all()
    folder = tmp_path / "cache" / "arrays"
    kept = {path.name for path in folder.iterdir()}
    for name in (".0123.npy.abcd", ".4567.npy.ef01"):
        (folder / name).write_bytes(bytes(1000))
    assert (loaded(first)["x"] == GREY).all()
    assert (loaded(saved(tmp_path / "b.npz", True, x=GREY + 1))["x"] == GREY + 1).all()
    left = {path.name for path in folder.iterdir()}
    assert left > kept
    assert not [name for name in left - kept if name.startswith(".")]


def test_threads_that_unpack_the_same_array_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "IN_MEMORY", 0)
    packed = saved(tmp_path / "a.npz", True, x=GREY)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(loaded, [packed] * 16):
            assert (found["x"] == GREY).all()
    assert len(list((tmp_path / "cache" / "arrays").glob("*.npy"))) == 1


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


LABELS = np.arange(7) % 2


def npy_bytes(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def headed(header: str, values: bytes = b"", version: int = 1) -> bytes:
    """An array file with a header of one's own."""
    text = header.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text) if len(text) < 65536 else 65535)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + values


def form(shape: str, dtype: str = "'|u1'", fortran: str = "False") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


HEADERS = {
    "larger than the file": headed(form("(10000000, 224, 224)"), bytes(100)),
    "huge": headed(form("(7, 9000000000000000000, 9000000000000000000)")),
    "negative": headed(form("(7, -6, -5)"), bytes(210)),
    "no shape": headed(form("None"), bytes(210)),
    "an image of no pixels": headed(form("(7, 0, 5)")),
    "many dimensions": headed(form("(" + "1," * 100 + ")"), bytes(1)),
    "objects": headed(form("(7,)", "'|O'"), bytes(56)),
    "nested objects": headed(form("(7,)", "[('a', '|O'), ('b', '<i8')]"), bytes(112)),
    "no bytes each": headed(form("(1000000000000000000,)", "'|S0'")),
    "code": headed("__import__('os').system('touch ran')"),
    "brackets": headed("(" * 900),
    "signs": headed("-" * 1000 + "1"),
    "long": headed("{" + " " * 60_000 + "}"),
    "very long": headed("{" + " " * 10_000_000 + "}", version=2),
    "truth for a length": headed(form("(True, 6, 5)"), bytes(30)),
    "foreign version": b"\x93NUMPY\x09\x00" + bytes(200),
    "trailing bytes": headed(form("(7, 6, 5)"), bytes(100_000)),
    "cut off": headed(form("(7, 6, 5)"), bytes(100)),
}


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("member", ["images", "labels", "groups"])
@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, member: str, packed: int
) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    content = {"images": npy_bytes(GREY), "labels": npy_bytes(LABELS), "groups": npy_bytes(LABELS)}
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", packed) as archive:
        for key, value in {**content, member: HEADERS[name]}.items():
            archive.writestr(f"{key}.npy", value)
    with pytest.raises(ImagesError, match=r"x\.npz"):
        open_npz(path)
    assert [found.name for found in tmp_path.iterdir()] == ["x.npz"]


def zeros(path: Path, name: str, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", npy_bytes(LABELS))
        with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
            stream.write(headed(form(f"(7, {size // 7}, 1)")))
            for _ in range(size // 7 * 7 // 2**20):
                stream.write(bytes(2**20))
            stream.write(bytes(size // 7 * 7 % 2**20))
    return path


@pytest.mark.parametrize("room", [10**6, arrays.IN_MEMORY])
def test_deflated_zeros_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    path = zeros(tmp_path / "x.npz", "images", 7 * 2**25)
    monkeypatch.setattr(arrays, "IN_MEMORY", room)
    with pytest.raises(ImagesError, match="no images do"):
        open_npz(path)
    assert not (tmp_path / "cache").exists()


def test_there_is_a_limit_to_what_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.npz", images=GREY, labels=LABELS)
    monkeypatch.setenv(arrays.UNPACKED, "1e-7")
    with pytest.raises(ImagesError, match=arrays.UNPACKED):
        open_npz(path)
    for word in ("", "0", "nan", "1e400", "-1", "many"):
        monkeypatch.setenv(arrays.UNPACKED, word)
        with pytest.raises(UsageError, match=arrays.UNPACKED):
            open_npz(path)


def test_what_is_at_fault_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "IN_MEMORY", 150)
    path = saved(tmp_path / "x.npz", images=GREY, labels=np.zeros(7, np.uint8))
    with pytest.raises(ImagesError, match="one class"):
        open_npz(path)
    assert (
        not (tmp_path / "cache" / "arrays").exists()
        or len(list((tmp_path / "cache" / "arrays").iterdir())) <= 1
    )


@pytest.mark.parametrize("name", ["../images", "/images", "a/images", "C:\\images", "images.npy"])
def test_members_with_a_path_are_not_the_array(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", npy_bytes(GREY))
        archive.writestr("labels.npy", npy_bytes(LABELS))
    with pytest.raises(ImagesError, match="neither train_images nor images"):
        open_npz(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            archive.writestr("images.npy", npy_bytes(GREY))
    with pytest.raises(ImagesError, match="holds two arrays 'images'"):
        open_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(30_000):
            archive.writestr(f"{index}.npy", b"")
    with pytest.raises(ImagesError, match="list of members"):
        open_npz(path)
    whole = saved(path, images=GREY, labels=LABELS).read_bytes()
    listed = whole.rindex(b"PK\x01\x02")
    for place, value in ((8, 1), (10, 99), (10, 12), (20, 0xFFFFFFFF), (24, 0xFFFFFFFF), (42, 7)):
        wrong = bytearray(whole)
        size = 2 if place < 20 else 4
        wrong[listed + place : listed + place + size] = value.to_bytes(size, "little")
        path.write_bytes(wrong)
        with pytest.raises(ImagesError, match=r"x\.npz"):
            open_npz(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_of_megabytes(tmp_path: Path, compressed: bool) -> None:
    large = RNG.integers(0, 256, (20, 400, 400), dtype=np.uint8)
    images = open_npz(saved(tmp_path / "x.npz", compressed, images=large, labels=np.arange(20) % 2))
    assert (images.read(19) == large[19]).all()


@pytest.mark.parametrize("label", [2**31, 2**63, 1e300, 10**6])
def test_labels_that_would_make_endless_classes(tmp_path: Path, label: float) -> None:
    labels = np.array([0, 1, 0, 1, 0, 1, label])
    with pytest.raises(ImagesError, match="run from 0"):
        open_npz(saved(tmp_path / "x.npz", images=GREY, labels=labels))
