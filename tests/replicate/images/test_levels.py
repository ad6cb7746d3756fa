"""Values of any range to 8 bits: some rows at a time, to the same bit as all at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from replicate.images import levels

RNG = np.random.default_rng(0)


def at_once(values: NDArray[Any]) -> NDArray[np.uint8]:
    """What is documented, in double precision and without regard to memory."""
    double = values.astype(np.float64)
    known = double[np.isfinite(double)]
    double = np.where(np.isfinite(double), double, known.min())
    if known.min() >= 0 and known.max() <= 255 and (known == np.floor(known)).all():
        return double.astype(np.uint8)
    low, high = np.percentile(known, (0.5, 99.5))
    if high <= low:
        low, high = known.min(), known.max()
    if high <= low:
        return np.where(double > low, 255, 0).astype(np.uint8)
    return np.rint(np.clip((double - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def made(kind: str, shape: tuple[int, int]) -> NDArray[Any]:
    match kind:
        case "sparse":
            return np.where(RNG.random(shape) < 0.001, 9999, 300).astype(np.int32)
        case "flat":
            return np.full(shape, 40_000, dtype=np.uint16)
        case "eight bits":
            return RNG.integers(0, 256, shape).astype(np.float32)
        case "with gaps":
            return np.where(RNG.random(shape) < 0.1, np.nan, RNG.normal(size=shape))
        case "f4" | "f8":
            return (RNG.normal(size=shape) * 10.0 ** RNG.integers(0, 9)).astype(kind)
    limits = np.iinfo(kind)
    return RNG.integers(limits.min, limits.max, shape).astype(kind)


KINDS = ("u1", "<u2", ">u2", "i2", "i4", "f4", "f8", "sparse", "flat", "eight bits", "with gaps")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_at_a_time_are_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for height, width in [(1, 1), (1, 90), (90, 1), (37, 53), *RNG.integers(1, 99, (30, 2))]:
        values = made(kind, (int(height), int(width)))
        if not np.isfinite(values).any():
            continue
        monkeypatch.setattr(levels, "_BLOCK", int(RNG.integers(1, 3000)))
        assert (levels.scaled(values, "x") == at_once(values)).all()


@pytest.mark.parametrize(("kind", "most"), [("<u2", 5), ("i4", 16), ("f4", 16), ("f8", 20)])
def test_room_for_a_pixel(kind: str, most: int) -> None:
    values = made(kind, (4000, 2500))
    tracemalloc.start()
    levels.scaled(values, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / values.size < most
