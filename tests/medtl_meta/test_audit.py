"""``medtl-meta audit`` as a person meets it."""

from __future__ import annotations

import csv
import io
import json

import pytest

from db.database import Database
from metaanalysis.audit import CHECKS, VERDICTS
from tests.medtl_meta.test_cli import run


@pytest.fixture(scope="module")
def place(database: Database) -> str:
    return str(database.location.path)


def test_json_has_every_finding(place: str) -> None:
    outcome = run("audit", "--format", "json", db=place)
    assert outcome.returncode == 0
    found = json.loads(outcome.stdout)
    keys = "id subject check verdict reported recomputed explanation source"
    assert all(set(keys.split()) <= row.keys() for row in found)
    assert {row["verdict"] for row in found} == set(VERDICTS)
    assert outcome.stderr.startswith(f"{len(found)} findings: ")


def test_csv_is_clean(place: str) -> None:
    outcome = run("audit", "103", "--format", "csv", db=place)
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert {row["subject"] for row in rows} == {"he2019"}
    assert rows[0]["verdict"] == "inconsistent"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_table_fits_the_terminal(place: str, columns: int) -> None:
    outcome = run("audit", db=place, columns=columns)
    lines = outcome.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0] == "INCONSISTENT"
    assert "NOT CHECKABLE" not in lines
    assert "shown. --verdict shows the others" in outcome.stderr


def test_asking_for_one_thing_shows_all_of_it(place: str) -> None:
    lines = run("audit", "--check", "flow", db=place, columns=80).stdout.splitlines()
    assert [line for line in lines if line.isupper()] == ["INCONSISTENT", "CONSISTENT"]
    lines = run("audit", "--verdict", "supported", db=place, columns=80).stdout.splitlines()
    assert [line for line in lines if line.isupper()] == ["SUPPORTED"]


def test_markdown_is_a_table(place: str) -> None:
    lines = run("audit", "--check", "flow", "-f", "markdown", db=place).stdout.splitlines()
    assert len(lines) == 2 + 3
    assert lines[0].startswith("| id | subject |")


def test_findings_are_no_failure_unless_asked(place: str) -> None:
    assert run("audit", "--check", "flow", db=place).returncode == 0
    assert run("audit", "--check", "flow", "--strict", db=place).returncode == 1
    assert run("audit", "--check", "sum", "--strict", db=place).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--check", "flw"], 2, "Did you mean 'flow'?"),
        (["--verdict", "fine"], 2, "verdict: no such term 'fine'."),
        (["103", "--check", "claim"], 2, "claim: checks the review, not a study."),
        (["nobody2020"], 1, "no study 'nobody2020'."),
    ],
)
def test_what_goes_wrong_is_said(place: str, arguments: list[str], code: int, says: str) -> None:
    outcome = run("audit", *arguments, db=place)
    assert outcome.returncode == code
    assert says in outcome.stderr
    assert outcome.stdout == ""


def test_help_names_every_check_and_verdict(place: str) -> None:
    text = run("audit", "--help", db=place, columns=80).stdout
    for word in (*CHECKS, *VERDICTS):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80
