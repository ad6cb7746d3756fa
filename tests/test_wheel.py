"""The wheel works away from the checkout: the data travel in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sys
sys.path[:] = [path for path in sys.path if path != sys.argv[1]]  # not the checkout
import db, metaanalysis
assert db.__file__.startswith(sys.argv[2]), db.__file__
assert metaanalysis.__file__.startswith(sys.argv[2]), metaanalysis.__file__
sys.argv = ["medtl-meta", "query", "--modality", "OCT", "--format", "csv", "--columns", "ref"]
from medtl_meta.cli import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, text=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_packages_data_and_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {
        f"db/data/{path.relative_to(ROOT / 'data').as_posix()}"
        for path in (ROOT / "data").rglob("*")
        if path.is_file()
    }
    assert packaged <= names
    assert len([name for name in names if name.startswith("db/data/studies/")]) == 114
    assert {"db/py.typed", "metaanalysis/py.typed", "db/migrations/env.py"} <= names
    tops = {name.split("/")[0] for name in names if "dist-info" not in name}
    assert tops == {"db", "medtl_meta", "metaanalysis", "replicate"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/data/LICENSE") for name in names)


def test_an_installed_wheel_answers_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT), str(site)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site), "MEDTL_META_DB": str(tmp_path / "x.sqlite")},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.split() == ["ref", "49", "112", "113", "115", "116", "122"]


def test_the_base_install_asks_for_no_torch(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    required = [
        line
        for line in archive.read(name).decode().splitlines()
        if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    assert required
    assert not any("torch" in line for line in required)
