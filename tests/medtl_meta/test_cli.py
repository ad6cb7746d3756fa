"""The command line as a person meets it: output, errors, exit codes, what it imports."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from db.database import Database
from medtl_meta.cli import COMMANDS, cli
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.replicate import COMMANDS as REPLICATE_COMMANDS
from medtl_meta.cli.replicate import replicate
from metaanalysis.query import select
from metaanalysis.query.filters import Filters
from tests.study_files import GOOD, write

ROOT = Path(__file__).parents[2]
RUN = "import sys; sys.argv[0] = 'medtl-meta'; from medtl_meta.cli import main; main()"


@pytest.fixture(scope="module")
def place(database: Database) -> str:
    return str(database.location.path)


def run(
    *arguments: str, db: str | None = None, columns: int = 200, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    if db is not None:
        environment["MEDTL_META_DB"] = db
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
        timeout=120,
    )


def test_the_oct_query_as_json(place: str) -> None:
    outcome = run("query", "--modality", "OCT", "--format", "json", db=place)
    assert outcome.returncode == 0
    rows = json.loads(outcome.stdout)
    assert [row["ref"] for row in rows] == [49, 112, 113, 115, 116, 122]
    wanted = (
        "key ref title year modality subject backbones tl_types n_classes n_images n_patients "
        "accuracy auc sensitivity specificity"
    )
    assert set(wanted.split()) <= rows[0].keys()
    assert rows[3]["accuracy"] is None
    assert rows[3]["backbones"] is None
    assert "6 studies match. 114 of the review's 121" in outcome.stderr


def test_csv_is_clean_and_complete(place: str) -> None:
    outcome = run("query", "--modality", "OCT", "--format", "csv", db=place)
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert [row["ref"] for row in rows] == ["49", "112", "113", "115", "116", "122"]
    assert rows[0]["tl_types"] == "random initialisation; fine-tuning (extent unreported)"
    assert rows[1]["n_images"] == ""


def test_markdown_is_a_table(place: str) -> None:
    lines = run("query", "--modality", "OCT", "-f", "markdown", db=place).stdout.splitlines()
    assert len(lines) == 2 + 6
    assert lines[0].startswith("| ref | key |")
    assert lines[1].startswith("| ---: | --- |")
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("columns", [30, 60, 80, 120, 200])
def test_a_table_fits_the_terminal(place: str, columns: int) -> None:
    outcome = run("query", "--modality", "OCT", db=place, columns=columns)
    assert outcome.returncode == 0
    assert max(map(len, outcome.stdout.splitlines())) <= columns
    for key in ("karri2017", "xu2019"):
        assert key in outcome.stdout


@pytest.mark.parametrize("modality", ["sonography", "X-ray", "microscopy", "photography"])
@pytest.mark.parametrize("columns", [60, 80, 90, 100, 110, 120, 160])
def test_no_number_is_cut_at_any_width(database: Database, modality: str, columns: int) -> None:
    rows = select(database, Filters(modality=[modality])).rows
    names = ["ref", "key", "anatomy", "backbones", "tl_types", "n_images", "accuracy", "auc"]
    runner = CliRunner(env={"COLUMNS": str(columns)})

    @click.command()
    def show() -> None:
        write_rows(rows, names, "table", spare=("anatomy", "n_images", "auc"))

    text = runner.invoke(show).stdout
    assert max(map(len, text.splitlines())) <= columns
    printed = Counter(re.findall(r"(?<![\w.])[\d.]+(?![\w.])", text))
    for name in ("ref", "n_images", "accuracy", "auc"):
        if re.search(rf"(^|\s){name}(\s|$)", text):
            for row in rows:
                assert row[name] is None or printed[str(row[name])] > 0, (name, row[name])
    for row in rows:
        assert row["key"] in text


def test_no_word_is_lost_in_a_narrow_table() -> None:
    rows = [
        {
            "a": "inconsistent",
            "b": "short",
            "c": "a long text of many small words " * 4,
            "d": "reported words here and more of them follow",
        },
        {"a": "inconsistent", "b": "ovallemagallanes2020", "c": "x", "d": "y"},
    ]

    @click.command()
    def show() -> None:
        write_rows(rows, ["a", "b", "c", "d"], "table")

    for columns in (40, 60, 80):
        text = CliRunner(env={"COLUMNS": str(columns)}).invoke(show).stdout
        for row in rows:
            for content in row.values():
                assert set(content.split()) <= set(text.split())


def test_a_narrow_table_says_what_it_leaves_out(place: str) -> None:
    outcome = run("query", "--modality", "OCT", db=place, columns=80)
    assert "Not shown in 80 columns:" in outcome.stderr


def test_nothing_matches(place: str) -> None:
    outcome = run("query", "--modality", "OCT", "--year", "1999", "-f", "json", db=place)
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout) == []
    assert "0 studies match" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("query", "--modality", "OTC"), 2, "Did you mean 'OCT'?"),
        (("query", "--year", "soon"), 2, "not a number or a range"),
        (("query", "--metric", "accuracy>=90"), 2, "Write 0.9 or 90%"),
        (("query", "--modalty", "OCT"), 2, "Did you mean '--modality'?"),
        (("query", "--format", "xml"), 2, "'xml'"),
        (("query", "--columns", "kee"), 2, "'key'"),
        (("qurey",), 2, "Did you mean 'query'?"),
        (("show", "kari2017"), 1, "Did you mean karri2017"),
        (("show",), 2, "Missing argument 'KEY'"),
        (("figures", "4z"), 2, "no such term '4z'"),
        (("figures", "--format", "gif"), 2, "no such term 'gif'"),
        (("figures", "4a", "--out", "/proc/nowhere", "--format", "csv"), 1, "cannot be written"),
        (("db", "export", "--out", "/proc/nowhere"), 1, "cannot be written"),
        (("db", "add", "nowhere.yaml"), 1, "no such file"),
        (("db", "remove", "karri2017"), 1, "no study of your own"),
        (("datasets", "--modality", "OTC"), 2, "Did you mean 'OCT'?"),
        (("--db", "mysql://h/d", "query"), 2, "not supported"),
        (("query", "--db", "/proc/nowhere/x.sqlite"), 1, "cannot be made"),
        (("query", "--db", "/tmp/" + "x" * 300), 1, "cannot be a file"),
        (("query", "--db", "file:x.sqlite?mode=ro"), 2, "Write the path alone"),
        (("query", "--db", "/dev/null"), 1, "cannot be"),
        (("query", "--text", " "), 2, "an empty word says nothing"),
    ],
)
def test_errors_are_for_people(
    place: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    outcome = run(*arguments, db=place)
    assert outcome.returncode == code, outcome
    assert says in outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr


def test_a_bad_study_file_is_placed(place: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine2026.yaml", GOOD.replace("basis: title, ", "", 1))
    for arguments in (
        ("db", "check", str(path)),
        ("db", "add", str(path)),
        ("db", "load", str(path)),
    ):
        outcome = run(*arguments, db=place)
        assert outcome.returncode == 1
        assert f"{path}:10: values.modality.basis: is missing. Choose one of" in outcome.stderr
        assert "nothing is loaded until mended" in outcome.stderr
        assert "data/README.md" in outcome.stderr


def test_adding_finding_exporting_and_removing_a_study(tmp_path: Path) -> None:
    db = str(tmp_path / "x.sqlite")
    path = write(tmp_path / "mine2026.yaml")
    assert run("db", "check", str(path)).stdout == "1 file checked: no problem.\n"
    assert run("db", "add", str(path), db=db).stdout.startswith("Your own studies: 1 added")
    again = run("db", "add", str(path), db=db)
    assert again.returncode == 1
    assert "--replace" in again.stderr
    found = run("query", "--modality", "OCT", "--year", "2026", "-f", "json", db=db)
    assert [row["key"] for row in json.loads(found.stdout)] == ["mine2026"]
    shown = run("show", "mine2026", db=db).stdout
    assert "a study of your own" in shown
    out = tmp_path / "export"
    assert run("db", "export", "--out", str(out), "-f", "json", db=db).returncode == 0
    assert "mine2026" in (out / "studies.jsonl").read_text()
    assert run("db", "remove", "mine2026", db=db).stdout == "Removed mine2026.\n"
    assert run("show", "mine2026", db=db).returncode == 1


def test_the_database_option_stands_before_or_behind_the_command(tmp_path: Path) -> None:
    for number, arguments in enumerate(
        (("--db", "{}", "db", "info"), ("db", "info", "--db", "{}"))
    ):
        path = tmp_path / f"{number}.sqlite"
        outcome = run(*(a.format(path) for a in arguments), cwd=tmp_path)
        assert outcome.returncode == 0, outcome
        assert path.exists()


def test_show_tells_values_bases_sources_confirmations_and_disagreements(place: str) -> None:
    text = run("show", "41", db=place, columns=100).stdout
    for part in ("basis and source", "Confirmed by", "Disagrees", "Sources", "fine-tuning"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 120
    data = json.loads(run("show", "41", "-f", "json", db=place).stdout)
    assert data["values"]["n_images"]["disagreements"][0]["value"] == 1775
    rows = list(csv.DictReader(io.StringIO(run("show", "41", "-f", "csv", db=place).stdout)))
    assert {"field", "value", "basis", "source"} <= rows[0].keys()


def test_a_retracted_study_is_called_so(place: str) -> None:
    assert "RETRACTED" in run("show", "73", db=place).stdout


def test_agreement_lists_fields_and_differences(place: str) -> None:
    data = json.loads(run("db", "agreement", "-f", "json", db=place).stdout)
    fields = {field["field"]: field for field in data["fields"]}
    assert (fields["tl_types"]["agreed"], fields["tl_types"]["compared"]) == (13, 19)
    assert all(difference["decision"] for difference in data["differences"])
    table = run("db", "agreement", db=place, columns=100).stdout
    assert "ovallemagallanes2020" in table


def test_info_counts(place: str) -> None:
    data = json.loads(run("db", "info", "-f", "json", db=place).stdout)
    assert data["curated studies"] == 114
    assert data["reviewed"] == 121


def test_datasets_filter(place: str) -> None:
    rows = json.loads(run("datasets", "--modality", "oct", "--open", "-f", "json", db=place).stdout)
    assert rows
    assert {row["modality"] for row in rows} == {"OCT"}
    assert {row["access"] for row in rows} == {"open"}


def test_the_packaged_data_are_checked() -> None:
    outcome = run("db", "check")
    assert outcome.returncode == 0
    assert "114 studies" in outcome.stdout


def test_figures_are_written(place: str, tmp_path: Path) -> None:
    outcome = run("figures", "4b", "--out", str(tmp_path / "out"), "-f", "csv,svg", db=place)
    assert outcome.returncode == 0, outcome
    written = [Path(line) for line in outcome.stdout.splitlines()]
    assert [path.name for path in written] == ["figure-4b.csv", "figure-4b.svg"]
    assert all(path.stat().st_size > 100 for path in written)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "figure-4b.csv",
        "figure-4b.svg",
    ]


HEAVY = ("torch", "pandas", "altair", "scipy", "sqlmodel", "sqlalchemy", "statsmodels", "pydantic")


def imports_of(*arguments: str, db: str | None = None) -> set[str]:
    code = (
        "import atexit, sys; atexit.register(lambda: print('\\n@@', *sys.modules, file=sys.stderr));"
        f" sys.argv = ['medtl-meta', *{arguments!r}]; from medtl_meta.cli import main; main()"
    )
    environment = os.environ | ({"MEDTL_META_DB": db} if db else {})
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )  # fmt: skip
    return set(outcome.stderr.split("@@")[1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "--modality", "OCT"),
        ("query", "--modality", "OCT", "--format", "json"),
        ("show", "49"),
        ("datasets",),
    ],
)
def test_quick_commands_import_nothing_heavy(place: str, arguments: tuple[str, ...]) -> None:
    assert not imports_of(*arguments, db=place) & set(HEAVY)


def test_no_help_imports_anything_heavy() -> None:
    """Every group and command, in one process: what one imports, the next would be blamed for."""
    asked = [[], *([name] for name in COMMANDS), *(name.split() for name, _ in commands())]
    code = (
        "import sys; from click.testing import CliRunner; from medtl_meta.cli import cli; "
        "heavy = set(sys.argv[1].split())\n"
        f"for words in {asked!r}:\n"
        "    assert CliRunner().invoke(cli, [*words, '--help']).exit_code == 0, words\n"
        "    found = heavy & set(sys.modules)\n"
        "    assert not found, (words, found)\n"
    )
    heavy = " ".join((*HEAVY, "numpy", "sklearn", "PIL"))
    done = subprocess.run(
        [sys.executable, "-c", code, heavy], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found_inner = command.get_command(context, inner)
                assert found_inner is not None
                found.append((f"{name} {inner}", found_inner))
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_is_documented_with_an_example(name: str, command: click.Command) -> None:
    assert command.help
    assert f"medtl-meta {name}" in command.help
    assert f"medtl-meta {name}" in (ROOT / "README.md").read_text()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_the_list_of_commands_tells_what_their_help_tells() -> None:
    for group, table in ((cli, COMMANDS), (replicate, REPLICATE_COMMANDS)):
        for name, text in table.items():
            command = group.get_command(click.Context(group), name)
            assert command is not None
            assert command.help is not None
            assert command.help.splitlines()[0].strip() == text


def test_output_into_a_closed_pipe_is_no_error(place: str) -> None:
    environment = os.environ | {"MEDTL_META_DB": place}
    script = f'{sys.executable} -c "{RUN}" query --format json | head -n 1'
    outcome = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )  # fmt: skip
    assert outcome.stdout == "[\n"
    assert "Traceback" not in outcome.stderr
    assert "BrokenPipe" not in outcome.stderr


def test_commands_offer_the_formats_that_can_be_written() -> None:
    from db import export
    from medtl_meta.cli import db as database
    from medtl_meta.cli import figures
    from metaanalysis.figures.kit import base

    assert database.FORMATS == export.FORMATS
    assert figures.FORMATS == base.FORMATS


def test_a_full_disk_is_no_traceback(place: str) -> None:
    environment = os.environ | {"MEDTL_META_DB": place}
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(
            [sys.executable, "-c", RUN, "query", "--modality", "OCT"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
            check=False,
        )
    assert outcome.returncode == 1
    assert "No space left on device" in outcome.stderr
    assert "Traceback" not in outcome.stderr
