"""What the README shows is what happens: its commands are run, its Python is executed."""

from __future__ import annotations

import csv
import doctest
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from db.database import open_database
from metaanalysis.figures import FIGURES
from replicate.verdicts.reruns import margin_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("readme")
    place = folder / "medtl-meta.sqlite"
    open_database(place).close()
    tool = folder / "bin" / "medtl-meta"
    tool.parent.mkdir()
    tool.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "sys.argv[0] = 'medtl-meta'\nfrom medtl_meta.cli import main\nmain()\n"
    )
    tool.chmod(0o755)
    return folder, os.environ | {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "MEDTL_META_DB": str(place),
        "MEDTL_META_CACHE": str(folder / "cache"),
        "MEDTL_META_RUNS": str(folder / "runs"),
        "COLUMNS": "80",
    }


def plain(text: str) -> list[str]:
    """Return lines without the blanks that pad a table's last column."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def matches(shown: list[str], printed: list[str]) -> bool:
    """Compare line by line; a line ``...`` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


@pytest.mark.parametrize(("command", "output"), commands(), ids=[c for c, _ in commands()])
def test_the_commands(command: str, output: str, surroundings: tuple[Path, dict[str, str]]) -> None:
    folder, environment = surroundings
    outcome = subprocess.run(
        ["bash", "-c", f"{command} 2>&1"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    printed = plain(outcome.stdout)
    assert matches(plain(output), printed), "\n".join(printed)


def test_the_python() -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    open_database().close()
    shared: dict[str, object] = {}
    for number, block in enumerate(blocks("python")):
        test = parser.get_doctest(block, shared, f"README block {number}", "README.md", 0)
        runner.run(test, clear_globs=False)
        shared = test.globs
    assert runner.summarize().attempted >= 7
    assert runner.summarize().failed == 0


def test_the_figures_are_listed_as_the_command_lists_them() -> None:
    for name, (_, text) in FIGURES.items():
        assert f"| `{name}` | {text} |" in README


def test_there_are_as_many_blocks_as_one_sees() -> None:
    assert len(commands()) >= 7
    assert README.count("```console") + README.count("```python") + README.count("```bash") == (
        README.count("```") // 2
    )


@pytest.mark.parametrize("table", ["contest_table.py", "replications_table.py"])
def test_what_is_said_of_runs_is_what_their_kept_rows_say(table: str) -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / table],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert printed.strip() in README


def test_what_is_said_of_reruns_is_what_the_rule_says() -> None:
    of = (("accuracy", "hold-out"), ("AUC", "hold-out"), ("accuracy", "k-fold"))
    numbers = [f"{margin_of(name, 0.9, division=split, n=100).value:.3f}" for name, split in of]
    said = " ".join(README.split())
    text = "at most {}, of AUCs by {}, and of accuracies over five folds of 100 images by {}"
    assert text.format(*numbers) in said


def test_what_is_said_of_intervals_is_what_their_simulation_says() -> None:
    with (ROOT / "benchmarks" / "interval_coverage.csv").open(newline="") as kept:
        rows = list(csv.DictReader(kept))
    said = ("accuracy", "balanced_accuracy", "auc", "sensitivity", "specificity")
    beyond = ("20 groups of 8, ICC 0.6", "3 seeds that differ much, 200 images")
    held: dict[str, list[float]] = {"within": [], "beyond": []}
    for row in rows:
        if row["metric"] in said:
            place = "beyond" if row["process"] in beyond else "within"
            held[place].append(100 * float(row["coverage"]))
    text = (
        f"intervals held the truth in {math.floor(min(held['within']))} to "
        f"{max(held['within']):.0f} % of simulated replications, in "
        f"{math.floor(min(held['beyond']))} % where there are 20 patients"
    )
    assert text in " ".join(README.split())
