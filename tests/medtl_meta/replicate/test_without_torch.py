"""Where torch is not installed: what needs it says so, what does not need it works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: A light install: the modules of the extra cannot be found.
LIGHT = """
import sys
from medtl_meta.cli import REPLICATE, main
sys.modules.update(dict.fromkeys(REPLICATE))
sys.argv[0] = "medtl-meta"
main()
"""


def light(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MEDTL_META_DB": str(folder / "medtl-meta.sqlite")}
    return subprocess.run(
        [sys.executable, "-c", LIGHT, *words],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("backbones",),
        ("replicate", "setups"),
        ("replicate", "plan", "deepak2019", "--no-probe"),
        ("replicate", "plan", "deepak2019"),
        ("replicate", "runs"),
        ("replicate", "weights", "MobileNetV2"),
        ("replicate", "compare"),
        ("replicate", "run", "--help"),
        ("replicate", "contest", "--help"),
    ],
)
def test_what_needs_no_torch_works_without_it(words: tuple[str, ...], tmp_path: Path) -> None:
    done = light(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("replicate", "run", "treder2018", "--images", "phantom:oct"),
        ("replicate", "contest", "--images", "phantom"),
        ("replicate", "leakage", "phantom?n=40"),
    ],
)
def test_what_needs_it_says_how_to_get_it(words: tuple[str, ...], tmp_path: Path) -> None:
    done = light(tmp_path, *words)
    assert done.returncode == 1
    assert "medtl-meta[replicate]" in done.stderr
    assert "Traceback" not in done.stderr
