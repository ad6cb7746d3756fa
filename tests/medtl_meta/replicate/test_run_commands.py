"""``replicate runs`` and ``replicate compare`` as a person meets them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from db.database import Database, open_database
from db.errors import MedtlError, NotFoundError, UsageError
from db.runs import begin_run
from medtl_meta.cli.replicate.compare import compare
from medtl_meta.cli.replicate.runs import runs
from metaanalysis.query import RUN_COLUMNS
from replicate.verdicts.comparison import CODE_COLUMNS, ROW_COLUMNS
from tests.replicate.made_runs import KARRI, add, metrics


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, database: Database) -> str:
    """A database with three runs: finished, of a phantom, running."""
    assert database.location.path is not None
    path = tmp_path_factory.mktemp("runs") / "runs.sqlite"
    shutil.copy(database.location.path, path)
    with open_database(path) as own:
        add(own, KARRI, metrics(0.8, sd=0.01))
        add(own, replace(KARRI, id="bbbb00000001", phantom=True), metrics(0.9))
        begin_run(own, replace(KARRI, id="cccc00000001", backbone_reported=None))
    return str(path)


def call(command: Any, place: str, *words: str, columns: int = 80) -> Result:
    outcome = CliRunner(env={"COLUMNS": str(columns)}).invoke(command, [*words, "--db", place])
    if outcome.exception is not None and isinstance(outcome.exception, MedtlError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome


def test_the_list(place: str) -> None:
    table = call(runs, place)
    assert "2 runs" not in table.stderr
    assert "3 runs, 1 of phantoms." in table.stderr
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert "aaaa0000" in table.stdout
    assert "MobileNetV2" in table.stdout, "what was run is given up last"
    assert "phantom" in table.stdout
    rows = json.loads(call(runs, place, "--real", "--state", "finished", "-f", "json").stdout)
    assert [tuple(row) for row in rows] == [RUN_COLUMNS]
    assert (rows[0]["accuracy"], rows[0]["kind"]) == (0.8, "replicated")
    text = call(runs, place, "--phantom", "--tl", "fine-tuning", "-f", "csv").stdout
    assert [row["id"] for row in csv.DictReader(io.StringIO(text))] == ["bbbb00000001"]
    assert "0 runs." in call(runs, place, "--study", "150").stderr


def test_one_in_full(place: str) -> None:
    outcome = call(runs, place, "aaaa")
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    text = " ".join(outcome.stdout.split())
    for said in (
        "Run aaaa00000001 of karri2017: replicated",
        "Assumed (1) network.name: MobileNetV2 — no weights of GoogLeNet",
        "accuracy: wilson.",
        "accuracy 0.800 0.780 to 0.820 300 – 0.790 0.800 0.810",
        "By class class sensitivity ─",
        "Values of each fold: --format csv.",
    ):
        assert said in text, said
    found = json.loads(call(runs, place, "aaaa", "-f", "json").stdout)
    assert found["run"]["spec"] == KARRI.spec
    rows = list(csv.DictReader(io.StringIO(call(runs, place, "aaaa", "-f", "csv").stdout)))
    assert {"run", "ledger", "pooled", "seed 0", "outcome"} <= {row["part"] for row in rows}


def test_faults(place: str) -> None:
    with pytest.raises(NotFoundError, match="no run 'ffff'"):
        call(runs, place, "ffff")
    with pytest.raises(UsageError, match="either one run or filters"):
        call(runs, place, "aaaa", "--real")
    with pytest.raises(UsageError, match="names no run"):
        call(runs, place, "--delete")
    with pytest.raises(NotFoundError, match="neither a setup"):
        call(compare, place, "nothing")


def test_deleting(place: str, tmp_path: Path) -> None:
    copy = shutil.copy(place, tmp_path / "copy.sqlite")
    assert "deleted" in call(runs, str(copy), "cccc", "--delete").stderr
    with pytest.raises(NotFoundError):
        call(runs, str(copy), "cccc")
    assert "2 runs" in call(runs, str(copy)).stderr


def test_comparing(place: str) -> None:
    outcome = call(compare, place, "karri2017")
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    text = " ".join(outcome.stdout.split())
    for said in (
        "karri2017 [49]: MobileNetV2 for GoogLeNet, fine-tuning (last 2 blocks), on OCT set for tests "
        "(same task), hold-out by group; run aaaa0000",
        "settings: 1 reported, 1 assumed",
        "0.960 0.800 [0.780, 0.820] lower",
        "taken as exact",
        "(phantom)",
        "Phantom values are compared with nothing.",
        "Without a reported value: AUC 0.970 [0.950, 0.990]",
    ):
        assert said in text, said
    assert "2 runs" in outcome.stderr
    assert "1 lower" in outcome.stderr


def test_comparing_as_data(place: str) -> None:
    rows = json.loads(call(compare, place, "-f", "json").stdout)
    assert [tuple(row) for row in rows] == [(*ROW_COLUMNS, *CODE_COLUMNS)] * 2
    assert {row["kind"] for row in rows} == {"replicated"}  # phantoms only where they are named
    assert rows[0]["verdict"] == "lower"
    wide = json.loads(call(compare, place, "49", "--margin", "0.5", "-f", "json").stdout)
    assert {row["margin"] for row in wide} == {0.5}
    assert call(compare, place, "49", "-f", "markdown").stdout.startswith("| study |")


def test_the_figure_is_drawn(place: str, tmp_path: Path) -> None:
    outcome = call(compare, place, "--out", str(tmp_path / "out"), "--figure", "svg,csv")
    assert (tmp_path / "out" / "figure-replications.svg").read_text().startswith("<svg")
    assert "Drawn: " in outcome.stderr
    none = call(compare, place, "bbbb", "--out", str(tmp_path / "none"))
    assert "No figure" in none.stderr
    assert not (tmp_path / "none").exists()


def test_an_empty_database(tmp_path: Path, database: Database) -> None:
    copy = shutil.copy(str(database.location.path), tmp_path / "empty.sqlite")
    outcome = call(compare, str(copy))
    assert outcome.stdout == ""
    assert "No finished run on real images yet" in outcome.stderr
    assert call(runs, str(copy)).stdout == ""


def test_the_commands_load_no_numpy_to_show_their_help() -> None:
    code = (
        "import sys; import medtl_meta.cli.replicate.compare, medtl_meta.cli.replicate.runs; "
        "print({'numpy', 'scipy', 'pandas', 'torch', 'sqlalchemy'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
