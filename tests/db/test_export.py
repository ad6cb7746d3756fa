"""Exports are the same to the byte for the same content, and can be read by others and by us."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import rispy
from pybtex.database import parse_string

from db.database import Database, open_database
from db.errors import DatabaseError
from db.export import FORMATS, export
from db.export.references import authors_of, issue_of
from db.location import locate
from db.prepare import prepare
from db.user import add_studies
from metaanalysis.query import study_in_full
from tests.study_files import GOOD, curated, good, write


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def exported(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export(database, folder)
    return folder


def test_the_same_content_gives_the_same_bytes_whatever_its_history(
    where: str, exported: Path, tmp_path: Path
) -> None:
    with open_database(where) as database:
        add_studies(database, [write(tmp_path / "a2026.yaml", good("a2026"))])
    with open_database(where) as database:
        from db.user import remove_study

        remove_study(database, "a2026")
    prepare(locate(where), force=True)  # new ids for all children
    with open_database(where) as database:
        written = export(database, tmp_path / "out")
    assert files(tmp_path / "out") == files(exported)
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written} == set(
        files(exported)
    )


def test_the_snapshot_is_a_database(exported: Path, database: Database, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes((exported / "medtl-meta.sqlite").read_bytes())
    with open_database(copy) as snapshot:
        assert snapshot.notices == []  # nothing had to be migrated or loaded
        for key in ("karri2017", "zhang2016", "minaee2020"):
            assert study_in_full(snapshot, key) == study_in_full(database, key)
        assert snapshot.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert snapshot.rows("PRAGMA foreign_key_check") == []


def test_the_json_lines_can_be_loaded_again(exported: Path, tmp_path: Path, where: str) -> None:
    lines = (exported / "studies.jsonl").read_text().splitlines()
    assert len(lines) == 114
    renamed = []
    for line in lines:
        record = json.loads(line)
        record["key"] += "-copy"
        record.pop("ref")
        record["curation"]["inclusion"] = "added"
        record["citation"].pop("doi", None)
        renamed.append(json.dumps(record))
    path = write(tmp_path / "copy.jsonl", "\n".join(renamed))
    with open_database(where) as database:
        assert add_studies(database, [path]).added == 114
        for study in curated():
            mine = study_in_full(database, study["key"])
            copy = study_in_full(database, study["key"] + "-copy")
            assert copy["values"] == mine["values"]
            assert copy["metrics"] == mine["metrics"]
            assert copy["datasets"] == mine["datasets"]
            assert copy["disagreements"] == mine["disagreements"]


def test_the_bibtex_can_be_read(exported: Path) -> None:
    found = parse_string((exported / "studies.bib").read_text(), "bibtex")
    assert len(found.entries) == 114
    karri = found.entries["karri2017"]
    assert karri.fields["doi"] == "10.1364/BOE.8.000579"
    assert (karri.fields["volume"], karri.fields["number"]) == ("8", "2")
    assert karri.fields["pages"] == "579--592"
    assert [str(person) for person in karri.persons["author"]] == [
        "Karri, S. P. K.",
        "Chakraborty, D.",
        "Chatterjee, J.",
    ]
    quoted = found.entries["zachariah2020"].fields["title"]
    assert '"resect and discard"' in quoted


def test_the_ris_can_be_read(exported: Path) -> None:
    text = (exported / "studies.ris").read_text()
    assert text.startswith("TY  - JOUR\n")
    found = rispy.loads(text)
    assert len(found) == 114
    karri = next(entry for entry in found if entry["id"] == "karri2017")
    assert karri["doi"] == "10.1364/BOE.8.000579"
    assert (karri["start_page"], karri["end_page"]) == ("579", "592")
    assert karri["authors"][0] == "Karri, S. P. K."


def test_the_csv_holds_every_value(exported: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((exported / "csv" / "study.csv").read_text())))
    assert [int(row["ref"]) for row in rows] == sorted(study["ref"] for study in curated())
    evidence = list(csv.DictReader(io.StringIO((exported / "csv" / "evidence.csv").read_text())))
    assert len(evidence) == sum(len(study["values"]) for study in curated())
    oct_rows = [
        row for row in evidence if row["field"] == "modality" and json.loads(row["value"]) == "OCT"
    ]
    assert len(oct_rows) == 6


def test_ones_own_study_is_exported_too(tmp_path: Path) -> None:
    with open_database(tmp_path / "x.sqlite") as database:
        add_studies(database, [write(tmp_path / "mine2026.yaml", GOOD)])
        export(database, tmp_path / "out", ("json", "bibtex"))
    assert sorted(files(tmp_path / "out")) == ["studies.bib", "studies.jsonl"]
    assert '"key": "mine2026"' in (tmp_path / "out" / "studies.jsonl").read_text()


def test_a_folder_that_cannot_be_written(database: Database) -> None:
    with pytest.raises(DatabaseError, match="cannot be written"):
        export(database, Path("/proc/nowhere"), FORMATS)


@pytest.mark.parametrize(
    ("text", "names", "more"),
    [
        ("Karri SPK, Chatterjee J", [("Karri", "S. P. K."), ("Chatterjee", "J.")], False),
        ("da Nobrega RVM, et al.", [("da Nobrega", "R. V. M.")], True),
        ("Consortium", [("Consortium", "")], False),
    ],
)
def test_authors(text: str, names: list[tuple[str, str]], more: bool) -> None:
    assert authors_of(text) == (names, more)


@pytest.mark.parametrize(
    ("volume", "split"),
    [("15(3 Pt B)", ("15", "3 Pt B")), ("28", ("28", None)), (None, (None, None))],
)
def test_issues(volume: str | None, split: tuple[str | None, str | None]) -> None:
    assert issue_of(volume) == split
