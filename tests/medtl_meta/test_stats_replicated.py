"""The statistics commands on what runs replicated, in place of what studies report."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.database import open_database
from db.errors import UsageError
from medtl_meta.cli import cli
from tests.replicate.made_runs import KARRI, add, metrics


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = tmp_path_factory.mktemp("replicated") / "medtl-meta.sqlite"
    with open_database(where) as database:
        add(database, KARRI, metrics(0.9))
        other = dataclasses.replace(KARRI, id="aaaa00000002", study_key="treder2018")
        add(database, other, metrics(0.8))
        third = dataclasses.replace(KARRI, id="aaaa00000003", study_key="byra2019", phantom=True)
        add(database, third, metrics(0.1))
    return str(where)


def test_runs_are_pooled_and_phantoms_left_out(place: str) -> None:
    words = ["--db", place, "stats", "pool", "--replicated", "--format", "json"]
    outcome = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert outcome.exit_code == 0
    found = json.loads(outcome.stdout)
    assert found["k"] == 2
    # (270 + 240) of 600 images, on the logit scale; two studies differ, the mean stays between.
    assert math.log(0.8 / 0.2) < found["estimate"] < math.log(0.9 / 0.1)
    assert [item["code"] for item in found["left_out"]] == ["phantom"]


@pytest.mark.parametrize(
    "words",
    [
        ("pool", "--modality", "OCT"),
        ("pool", "--assume-n", "50"),
        ("pool", "--keep-retracted"),
        ("accuracy",),
    ],
)
def test_options_of_the_literature_are_refused(place: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="replicat"):
        CliRunner().invoke(
            cli, ["--db", place, "stats", *words, "--replicated"], catch_exceptions=False
        )


def test_a_csv_and_replications_are_two_things(place: str, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("effect,variance\n1,1\n2,1\n")
    with pytest.raises(UsageError, match="--replicated"):
        CliRunner().invoke(
            cli,
            ["--db", place, "stats", "pool", "--replicated", "--csv", str(table)],
            catch_exceptions=False,
        )
