"""The process ends at once, with its exit code, when all that it had to say is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Stands for a process that has loaded torch; `{0}` is how the command line ends.
PROGRAM = """
import atexit, sys, threading, time, types
sys.modules["torch"] = types.ModuleType("torch")
from medtl_meta import __main__ as program
class Slow:
    def __del__(self): print("taken apart")
def main():
    global kept
    kept = Slow()
    atexit.register(print, "handler")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    print("said")
    {0}
program.main = main
program.command()
"""


def ended(how: str, stdout: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(how)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("how", "code"), [("sys.exit(0)", 0), ("sys.exit()", 0), ("sys.exit(1)", 1), ("sys.exit(2)", 2)]
)
def test_all_is_said_and_the_exit_code_kept(how: str, code: int) -> None:
    done = ended(how)
    assert done.returncode == code
    assert done.stdout.split("\n") == ["said", "thread", "handler", ""]


def test_a_defect_is_told_as_always() -> None:
    done = ended("raise ValueError('a defect')")
    assert done.returncode == 1
    assert "ValueError: a defect" in done.stderr
    assert "taken apart" in done.stdout
    assert ended("sys.exit('words')").returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_what_cannot_be_said_is_no_success() -> None:
    with Path("/dev/full").open("w") as full:
        done = ended("sys.exit(0)", stdout=full.fileno())
    assert done.returncode != 0


def test_the_start_is_not_spent_on_looking_for_cycles() -> None:
    done = ended("import gc; print(gc.get_threshold()[0] >= 10_000, gc.isenabled())")
    assert "True True" in done.stdout
