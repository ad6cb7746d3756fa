"""What a result says of its surroundings, and what it must not say."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from replicate import environment as env

ROOT = Path(__file__).parents[2]


@dataclass
class Machine:
    device: str = "cpu"
    precision: str = "float32"
    workers: int = 3
    deterministic: bool = True
    threads: int | None = None


def test_it_names_versions_and_machine() -> None:
    found = env.environment(Machine())
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["compute"] == {
        "device": "cpu",
        "precision": "float32",
        "workers": 3,
        "deterministic": True,
        "threads": None,
    }


def test_it_names_no_person_and_no_place() -> None:
    text = json.dumps(env.environment())
    for private in (str(ROOT), str(Path.home()), sys.prefix, platform.node()):
        assert len(private) < 3 or private not in text
    if getpass.getuser() != "root":
        assert getpass.getuser() not in text


def test_it_loads_no_torch() -> None:
    code = (
        "import sys; from replicate.environment import environment; found = environment();"
        "assert 'torch' not in sys.modules and found['torch'] is None;"
        "assert 'torch' in found['packages']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_it_asks_a_torch_that_runs() -> None:
    torch = pytest.importorskip("torch")
    found = env.environment(Machine())
    # Whether torch is deterministic at this moment says nothing of a run that is over.
    assert found["torch"] == {
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available(),
    }
    assert env.environment(Machine(threads=7))["torch"]["threads"] == 7


def test_it_tells_what_bits_may_hang_on() -> None:
    first = {"cpu": "a", "memory_bytes": 1, "packages": {"torch": "2.1", "pillow": "9"}}
    other = {"cpu": "b", "memory_bytes": 2, "packages": {"torch": "2.2", "pillow": "9"}}
    expected = {"cpu": ["a", "b"], "packages.torch": ["2.1", "2.2"]}
    assert env.apart(first, other) == expected
    assert env.apart(first, first) == {}
    assert env.apart({}, first | {"torch": {"threads": 2}})["torch"] == [None, {"threads": 2}]


def test_the_revision_is_that_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "_ROOT", tmp_path)
    assert env.revision() is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    if subprocess.run(["git", "--version"], capture_output=True).returncode:
        pytest.skip("no git")
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    clean = env.revision()
    assert clean is not None
    assert len(clean) == 12
    (tmp_path / "a").write_text("2")
    assert env.revision() == f"{clean}+"
