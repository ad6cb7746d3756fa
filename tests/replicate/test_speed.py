"""The speed benchmark in small: what one would write instead runs, and its table is made."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import instead, whole_processes


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> argparse.Namespace:
    from torchvision.models import mobilenet_v2

    place, draw = tmp_path_factory.mktemp("speed"), np.random.default_rng(0)
    for i in range(16):
        file = place / "images" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 100, (40, 40, 3), np.uint8) + i % 2 * 100).save(file)
    torch.save(mobilenet_v2(weights=None).features.state_dict(), place / "weights.pt")
    (place / "cache").mkdir()
    return argparse.Namespace(
        images=place / "images", weights=place / "weights.pt", cache=place / "cache",
        size=32, epochs=1,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["linear", "svm", "two blocks", "all layers", "tutorial"])
def test_what_one_would_write_instead_runs(
    way: str, options: argparse.Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    instead.WAYS[way](options)
    said = capsys.readouterr().out
    assert 0 <= float(said.split("accuracy")[1]) <= 1


def test_a_comparison_that_was_not_run_has_its_line() -> None:
    case = whole_processes.CASES[0]
    values = {f"{case.name}: ours, wall": "2", f"{case.name}: instead, wall": "4"}
    values |= {f"{case.name}: cpu, ours / instead": "0.25", "peak memory": "800"}
    rows = [{"part": "p", "measure": m, "value": v, "unit": "s"} for m, v in values.items()]
    lines = whole_processes.table(rows).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")][3:7] == [
        "2.0 s",
        "4.0 s",
        "**0.50**",
        "0.25",
    ]
    assert sum("not installed" in line for line in lines) == len(whole_processes.CASES) - 1
    assert lines[-1] == "| p: peak memory | 800 s |"
