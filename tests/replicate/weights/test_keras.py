"""Pickles of NumPy's arrays: read without NumPy's own unpickling, or refused."""

from __future__ import annotations

import os
import pickle
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from db.errors import WeightsError
from replicate.weights.reading import read_tensors

LAYERS = {
    "conv1": [np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5), np.ones(5)],
    "a/b": [np.arange(6, dtype=np.float16).reshape(2, 3)],
    "by columns": [np.asfortranarray(np.random.default_rng(1).random((1, 1, 3, 2)))],
}


def test_layers_are_read_as_torch_wants_them(tmp_path: Path) -> None:
    path = tmp_path / "layers.pkl"
    path.write_bytes(pickle.dumps(LAYERS, protocol=3))
    found = read_tensors(path)
    assert [*found] == ["conv1.weight", "conv1.bias", "a/b.weight", "by columns.weight"]
    assert torch.equal(
        found["conv1.weight"], torch.from_numpy(LAYERS["conv1"][0].transpose(3, 2, 0, 1))
    )
    assert torch.equal(found["a/b.weight"], torch.from_numpy(LAYERS["a/b"][0].T))
    assert torch.equal(
        found["by columns.weight"],
        torch.from_numpy(LAYERS["by columns"][0].transpose(3, 2, 0, 1)),
    )


def test_names_of_both_generations_of_numpy(tmp_path: Path) -> None:
    written = pickle.dumps(LAYERS, protocol=3)
    old = written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    for number, content in enumerate((old, new)):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(content)
        assert len(read_tensors(path)) == 4


class Runs:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("exit 3",)


def inner(value: Any) -> bytes:
    return pickle.dumps({"conv1": [value]}, protocol=3)


FOREIGN: dict[str, bytes] = {
    "runs code": inner(Runs()),
    "runs code by NumPy's name": b"cnumpy\nsave\n(S'x'tR.",
    "an array of objects": inner(np.array([[Runs()]], dtype=object)),
    "text": inner(np.array([["a", "b"]])),
    "whole numbers": inner(np.zeros((2, 2), np.int64)),
    "compound": inner(np.zeros((2, 2), [("a", "f4")])),
    "the highest byte first": inner(np.zeros((2, 2), ">f4")),
    "three dimensions": inner(np.zeros((2, 2, 2), np.float32)),
    "no list": pickle.dumps({"conv1": np.zeros((2, 2))}, protocol=3),
    "no dictionary": pickle.dumps([[np.zeros((2, 2))]], protocol=3),
    "four arrays": pickle.dumps({"bn": [np.zeros((2, 2))] * 4}, protocol=3),
    "a number": inner(3),
    "a name of two": pickle.dumps({1: [np.zeros((2, 2))]}, protocol=3),
    "nothing": b"",
    "no pickle": b"not a pickle at all",
    "two pickles": inner(np.zeros((2, 2))) * 2,
    "computed names": pickle.dumps({"conv1": [np.zeros((2, 2))]}, protocol=4),
    "claims more": inner(np.zeros((2, 2), np.float32)).replace(
        b"K\x02K\x02\x86", b"K\x63K\x63\x86"
    ),
    "claims a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "an array without content": b"\x80\x03}X\x05\x00\x00\x00conv1]cnumpy\nndarray\n)Ras.",
    "alters a class": b"\x80\x03cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
}


@pytest.mark.parametrize("what", FOREIGN, ids=str)
def test_all_else_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pkl"
    path.write_bytes(FOREIGN[what])
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert str(path) in caught.value.message


def test_a_file_with_any_bytes_changed_is_read_or_refused(tmp_path: Path) -> None:
    whole, source = pickle.dumps(LAYERS, protocol=3), random.Random(5)
    path = tmp_path / "broken.pkl"
    for turn in range(400):
        broken = bytearray(whole[: source.randrange(1, len(whole))] if turn % 2 else whole)
        for _ in range(source.randrange(4)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        path.write_bytes(broken)
        with suppress(WeightsError):
            read_tensors(path)
