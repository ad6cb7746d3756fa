"""The script that proves a GPU, in small on the CPU: every part runs, and faults are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu_check

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")


def test_every_part_runs_on_the_cpu_and_holds(tmp_path: Path) -> None:
    lines = list(gpu_check.check("cpu", gpu_check.SMALL, 300.0, tmp_path))
    assert [line for line in lines if line.holds is False] == []
    told = {line.what for line in lines if line.part == "training"}
    for tl_type, _ in gpu_check.METHODS:
        assert f"{tl_type}: the same bits twice" in told
        assert f"{tl_type}: frozen parts unmoved" in told
    speeds = [line for line in lines if line.part == "speed"]
    assert len(speeds) == 1 + 2 * len(gpu_check.WAYS)
    assert all(line.value and line.beside for line in speeds)


def test_what_time_does_not_allow_or_what_fails_is_a_line_that_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = list(gpu_check.check("cpu", gpu_check.LONG, 1.0, tmp_path))
    assert [line.holds for line in late] == [None] + [False] * (4 + len(gpu_check.METHODS))

    def broken() -> None:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(gpu_check, "parts", lambda *_: [("features", 0.0, broken)])
    (line,) = gpu_check.check("cpu", gpu_check.SMALL, 1.0, tmp_path)
    assert line.holds is False
    assert "no kernel image" in line.note
