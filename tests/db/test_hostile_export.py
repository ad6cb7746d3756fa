"""Any text that a study may hold leaves the database in every format and can be read back."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest

from db.csvfiles import CsvWriter, safe
from db.database import Database, open_database
from db.export import export
from db.export.references import bibtex, latex
from db.files import appearing, replace_file
from db.literature import Study, each_study, read_studies
from db.reader import Reader
from db.user import add_studies
from tests.hostile import READERS, TITLES, blanks, printed, study, titles, unformula
from tests.study_files import write

HOSTILE = {f"hostile{n}": text for n, text in enumerate(islice(titles(7), 240))}


@pytest.fixture(scope="module")
def hostile(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    lines = "".join(json.dumps(study(*one)) + "\n" for one in HOSTILE.items())
    with open_database(folder / "x.sqlite") as base:
        add_studies(base, [write(folder / "x.jsonl", lines)])
        export(base, folder)
    return folder


@pytest.mark.parametrize(
    ("form", "reader"), [(form, name) for form, readers in READERS.items() for name in readers]
)
def test_every_title_comes_back(hostile: Path, form: str, reader: str) -> None:
    if reader == "bibtexparser" and find_spec(reader) is None:
        pytest.skip("bibtexparser is not installed")
    found = READERS[form][reader](hostile)
    for key, text in HOSTILE.items():
        got, wanted = found[key], text
        if form == "csv":
            got = unformula(got)
        elif form == "bibtex":
            got, wanted = blanks(got), blanks(text)
        elif form == "ris":
            wanted = " ".join(text.splitlines())
        assert got == wanted, key


def test_its_own_json_lines_make_the_same_studies(hostile: Path, tmp_path: Path) -> None:
    with (
        open_database(tmp_path / "again.sqlite") as again,
        open_database(hostile / "x.sqlite") as base,
    ):
        add_studies(again, [hostile / "studies.jsonl"], spare_packaged=True)
        assert read_studies(again) == read_studies(base)


def test_keys_of_the_same_entry_are_no_more_than_the_studies(hostile: Path) -> None:
    text = (hostile / "studies.bib").read_text(encoding="utf-8")
    assert sum(line.startswith("@article{") for line in text.split("\n")) == 114 + len(HOSTILE)


@pytest.mark.parametrize("text", TITLES)
def test_braces_of_an_entry_always_pair(text: str) -> None:
    assert printed(latex(text)) == " ".join(text.splitlines())
    entry = bibtex(Study(key="x", title=text, authors=text, journal=text, url=text, year=2024))
    depth, low = 0, 1
    for sign in entry.strip()[:-1]:
        depth += (sign == "{") - (sign == "}")
        low = min(low, depth) if depth else low
    assert depth == 1
    assert low == 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-a", "'-a"), ("\tx", "'\tx"), ("'=x", "''=x"),
     ("-1.5", "-1.5"), ("+1e-3", "+1e-3"), (-1.5, -1.5), ("a=1", "a=1"), ("'x", "'x"), (None, None)],
)  # fmt: skip
def test_formulas(cell: object, shown: object) -> None:
    assert safe(cell) == shown
    if isinstance(cell, str):
        assert unformula(str(safe(cell))) == cell or cell.lstrip("+-")[:1].isdigit()


def test_formulas_are_kept_where_that_is_asked_for(tmp_path: Path, database: Database) -> None:
    with (tmp_path / "x.csv").open("w", newline="") as file:
        CsvWriter(file, "keep").row(["=1", "-x"])
    assert next(csv.reader((tmp_path / "x.csv").open())) == ["=1", "-x"]


def test_an_export_is_of_one_moment(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that comes while tables are read is in none of them."""
    with open_database(where) as base, open_database(where) as other:
        other_file = write(tmp_path / "mine2026.yaml")
        with base.snapshot() as still:
            kind = type(still._reader)
            first = kind.rows

            def rows(self: Reader, *asked: object) -> object:
                monkeypatch.setattr(kind, "rows", first)
                add_studies(other, [other_file])
                return first(self, *asked)  # type: ignore[arg-type]

        monkeypatch.setattr(kind, "rows", rows)
        export(base, tmp_path / "out")
        assert len(read_studies(other)) == 115
    counts = {len(readers[next(iter(readers))](tmp_path / "out")) for readers in READERS.values()}
    assert len(counts) == 1


def test_files_obey_the_umask_and_appear_together(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "private", b"x")
        os.umask(0o002)
        replace_file(tmp_path / "shared", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o664
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileNotFoundError), appearing() as start:  # noqa: PT012
        start(tmp_path / "old").write(b"new")
        start(tmp_path / "nowhere" / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "private", "shared"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_full_disk_leaves_nothing(tmp_path: Path, database: Database) -> None:
    """A limit on the size of files stands for the disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path; "
        "from db.database import open_database; from db.export import export; "
        "base = open_database(sys.argv[1]); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        "export(base, Path(sys.argv[2]))"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(database.location), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "DatabaseError" in ended.stderr
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_studies_are_read_in_order_and_in_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_studies(database)
    monkeypatch.setattr("db.literature.AT_ONCE", 7)
    assert {one.key: one for one in each_study(database)} == whole
    assert [one.key for one in each_study(database)] == list(whole)
    lean = next(each_study(database, ["karri2017"], evidence=False))
    assert lean.values == {}
    assert lean.metrics == whole["karri2017"].metrics
