"""Weights of strangers: whatever they claim, nothing of them runs and nothing large is made."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from db.errors import ReplicationError, WeightsError
from replicate.networks.builders import find_builder
from replicate.pins import LEDGER, first_used
from replicate.weights.files import WeightFile
from replicate.weights.places import Look, pinned
from replicate.weights.reading import read_tensors


class Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def saved(**tensors: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    torch.save(tensors, stream)
    return stream.getvalue()


def repacked(content: bytes, kind: int = zipfile.ZIP_DEFLATED, **more: bytes) -> bytes:
    """The same archive, its members packed, or with others."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for name, data in more.items():
            new.writestr(f"archive/data/{name}", data)
    return stream.getvalue()


#: How a file of torch's begins that is no archive.
OLD = b"".join(
    pickle.dumps(one, protocol=2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)


def objects_of(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        return old.read("archive/data.pkl")


def shaped(shape: list[int]) -> bytes:
    header = json.dumps({"a": {"dtype": "U8", "shape": shape, "data_offsets": [0, 0]}}).encode()
    return struct.pack("<Q", len(header)) + header


def tar(marker: Path) -> bytes:
    """The oldest form of all, with code in it."""
    stream, code = io.BytesIO(), pickle.dumps(Runs(marker))
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(code)
            made.addfile(member, io.BytesIO(code))
    return stream.getvalue()


def archive(code: bytes, *, lead: bytes = b"", comment: bytes = b"", **more: bytes) -> bytes:
    """An archive of torch's with a pickle of one's own."""
    stream = io.BytesIO(lead)
    with zipfile.ZipFile(stream, "a") as made:
        for name, data in {"data.pkl": code, "version": b"3\n", "data/0": bytes(8), **more}.items():
            made.writestr(f"archive/{name}", data)
        made.comment = comment
    return stream.getvalue()


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def state(value: bytes, key: bytes = b"X\x01\x00\x00\x00a") -> bytes:
    """A pickle of a dictionary of one entry, whose parts are instructions."""
    return b"\x80\x02}" + key + value + b"s."


def tensor(shape: int, stride: int) -> bytes:
    """What makes a tensor of eight bytes of storage, as it claims."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
    sizes = number(shape) + b"\x85" + number(stride) + b"\x85"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + sizes
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def called(name: bytes, *arguments: bytes) -> bytes:
    return b"c" + name + b"\n(" + b"".join(arguments) + b"tR"


#: A hundred bytes whose hash takes longer than anyone lives; a list that is handed on and on.
TUPLES = b")" + b"q\x01h\x01\x86" * 60
LISTS = (
    b"]("
    + b"K\x01" * 50_000
    + b"eq\x01"
    + b"0"
    + called(b"collections\nOrderedDict", b"h\x01") * 900
)


def old(code: bytes) -> bytes:
    """A file of the form before archives, with a pickle of one's own and one storage."""
    keys = pickle.dumps(["0"], protocol=2)
    return OLD + code.replace(b"K\x02tQ", b"K\x02NtQ") + keys + struct.pack("<q", 2) + bytes(8)


def pickles() -> dict[str, bytes]:
    """Pickles without code in them that ask for memory or time, or are none."""
    return {
        "memory": state(called(b"__builtin__\nbytearray", number(2**33))),
        "more memory": state(called(b"__builtin__\nbytearray", number(2**45))),
        "a slow codec": state(
            called(b"_codecs\nencode", b"X\x01\x00\x00\x00aX\x08\x00\x00\x00punycode")
        ),
        "a key of tuples": state(b"K\x01", TUPLES),
        "tuples": state(TUPLES),
        "a list, often": state(LISTS),
        "copies": state(
            called(b"torch._utils\n_rebuild_device_tensor_from_cpu_tensor", tensor(2**33, 0))
        ),
        "one number for many": state(tensor(2**40, 0)),
        "beyond the storage": state(tensor(2**40, 1)),
        "beyond all numbers": state(tensor(2**62, 2**62)),
        "below nought": state(tensor(-1, 1)),
        "no storage": state(tensor(1, 1)).replace(b"\x00\x00\x000X", b"\x00\x00\x009X"),
        "names computed": b"\x80\x04}\x8c\x01a\x8c\x02os\x8c\x06system\x93s.",
        "instructions": state(b"N" + b"0N" * 600_000),
        "taken from nothing": b"\x80\x02tR.",
        "remembered from nowhere": b"\x80\x02}h\x09h\x09s.",
        "a long text": b"\x80\x02X\xff\xff\xff\xffabc.",
        "a longer text": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fabc.",
        "no end": b"\x80\x02}",
        "nothing": b"",
        "no instructions": b".",
        "itself": b"\x80\x02]q\x00h\x00a.",
    }


def hostile(marker: Path) -> dict[str, bytes]:
    good = saved(a=torch.zeros(2, 2))
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ).encode()
    objects = io.BytesIO()
    torch.save({"a": Runs(marker)}, objects)
    return {
        "bomb.pth": repacked(good, zeros=bytes(50_000_000)),
        "packed.pt": repacked(good),
        "many.pth": repacked(good, zipfile.ZIP_STORED, **{f"x{i}": b"" for i in range(20_001)}),
        "objects.pth": objects.getvalue(),
        "pickle.pth": pickle.dumps({"a": Runs(marker)}),
        "pickle2.pth": pickle.dumps(Runs(marker), protocol=0),
        "list.pth": pickle.dumps([1, 2]),
        "cut.pth": good[:-40],
        "empty.pth": b"",
        "text.pth": b"weights",
        "long.safetensors": struct.pack("<Q", 2**62) + b"{}",
        "longer.safetensors": struct.pack("<Q", 99) + b"{}",
        "claims.safetensors": struct.pack("<Q", len(header)) + header,
        "deep.safetensors": struct.pack("<Q", 4000) + b"[" * 2000 + b"]" * 2000,
        "beyond.safetensors": shaped([2**63, 0]),
        "below.safetensors": shaped([-1]),
        "empty.safetensors": b"",
        "pickle.safetensors": pickle.dumps(Runs(marker)),
        "before.pth": archive(objects_of(good), lead=b"PK\x03\x04"),
        "comment.pth": archive(objects_of(good), comment=b"PK\x05\x06"),
        "twice.pth": archive(objects_of(good), **{"DATA.PKL": pickle.dumps(Runs(marker))}),
        "tar.pth": tar(marker),
        **{f"{name}.pth": archive(code) for name, code in pickles().items()},
        **{f"{name}, old.pth": old(code) for name, code in pickles().items()},
    }


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_nothing_runs_and_nothing_large_is_made(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / name
    path.write_bytes(hostile(marker)[name])
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert caught.value.hint
    assert len(caught.value.message) < 1000
    assert not marker.exists()
    assert time.process_time() - start < 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (400_000 if sys.platform == "linux" else 400_000_000)  # kB, or bytes


def test_these_attacks_are_of_files_that_would_be_read(tmp_path: Path) -> None:
    for content in (archive(state(tensor(2, 1))), old(state(tensor(2, 1)))):
        (tmp_path / "good.pth").write_bytes(content)
        assert read_tensors(tmp_path / "good.pth")["a"].tolist() == [0, 0]


def test_what_torch_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.pth"
    path.write_bytes(saved(a=torch.ones(3), b=torch.zeros(0)))
    assert read_tensors(path)["a"].tolist() == [1, 1, 1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDTL_META_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_the_whole_checksum_is_kept_at_first_use(folder: Path) -> None:
    assert first_used("a.pth", "1" * 64).now
    again = first_used("a.pth", "1" * 64)
    assert not again.now
    assert json.loads((folder / LEDGER).read_text())["a.pth"]["first_used"] == again.day
    with pytest.raises(ReplicationError, match="another file"):
        first_used("a.pth", "2" * 64)
    (folder / LEDGER).write_text("[]")
    with pytest.raises(ReplicationError, match="cannot be read"):
        first_used("a.pth", "1" * 64)


@pytest.mark.parametrize("known", ["12345678", None, "1" * 64])
def test_weights_of_which_less_is_published_are_pinned(folder: Path, known: str | None) -> None:
    entry = WeightFile(
        backbone="VGG16", label="x", file="x.pth", sha256=known, url="https://x.org/x", hub="a/b"
    )
    name = find_builder("VGG16").name
    found = Look(name, "file", "x", "verified", "x.pth", "1" * 64, entry, known)
    words = pinned(found)
    assert bool(words) == (known is None or len(known) < 64)
    assert (folder / LEDGER).exists() == bool(words)
    assert pinned(found) == ""
    if words:
        other = Look(name, "file", "x", "verified", "x.pth", "2" * 64, entry, known)
        with pytest.raises(WeightsError, match="another file"):
            pinned(other)
