"""Weights of strangers: whatever they claim, nothing of them runs and nothing large is made."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
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
        "many.pth": repacked(good, zipfile.ZIP_STORED, **{str(i): b"" for i in range(20_001)}),
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
        "empty.safetensors": b"",
        "pickle.safetensors": pickle.dumps(Runs(marker)),
    }


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_nothing_runs_and_nothing_large_is_made(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / name
    path.write_bytes(hostile(marker)[name])
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert caught.value.hint
    assert not marker.exists()


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
