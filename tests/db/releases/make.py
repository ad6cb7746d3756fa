"""Keep a database as a release left it: ``python tests/db/releases/make.py v0.2.0 POSTGRES_URL``.

The code of the tag fills it: its packaged studies without three, which stand for what a later
release packages; a user's studies with evidence, disagreements and metrics, four of which are in
the way of those three; runs of a user's study and of packaged ones. Dumps are kept as compressed
SQL, one for each database.
"""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

#: What the tag's own code runs. Only names that every release has.
FILL = '''
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import insert, select
from db.database import Database, open_database
from db.location import locate
from db.packaged import read
from db.prepare import prepare
from db.reader import open_reader
from db.tables import metadata
from db.user import add_studies

where, folder = sys.argv[1], Path(sys.argv[2])
table = metadata.tables.__getitem__
data = read()
later = ("karri2017", "shi2018", "singla2019")
studies = [study for study in data.studies if study.key not in later]
prepare(locate(where), replace(data, studies=studies, hash="0" * 16, second_coding=
    data.second_coding.model_copy(update={"codings": tuple(
        one for one in data.second_coding.codings if one.key not in later)})))
STUDY = """key: KEY
REF
citation: {authors: 'Doe J, Roe R', title: TITLE, journal: J Test, year: 2020, DOI}
curation: {inclusion: INCLUSION, tl_seen: true}
values:
  modality: {value: OCT, basis: title, source: title}
  subject: {value: sense organs, basis: title, source: title}
  n_images:
    value: 1234
    basis: abstract
    source: https://example.org/KEY
    confirmed_by: [https://example.org/other]
    disagreements: [{value: 1235, source: https://example.org/third, note: counted twice}]
  backbones: {value: [VGG16], basis: abstract, source: https://example.org/KEY}
datasets: [{name: ours, public: false, basis: abstract, source: https://example.org/KEY}]
metrics: [{metric: accuracy, value: 0.91, headline: true, basis: abstract, source: https://example.org/KEY}]
notes: {general: a note of mine}
"""
OWN = (
    ("mine2020", "A study of mine", "10.1000/mine.2020", None),
    ("fifth", "A study with the number of a reference that is not packaged", None, 5),
    ("karri-own", "The same paper by its DOI in other letters", "10.1364/boe.8.000579".upper(), None),
    ("shi2018", "Another paper under the key of a later one", "10.1000/another.2018", None),
    ("numbered", "The same paper by its number", None, 112),
)
for key, title, doi, ref in OWN:
    text = STUDY.replace("KEY", key)
    text = text.replace("INCLUSION", "cited" if ref else "added")
    text = text.replace("DOI", f"doi: {doi}" if doi else "pages: 1-2")
    text = text.replace("REF", f"ref: {ref}" if ref else "").replace("TITLE", title)
    (folder / f"{key}.yaml").write_text(text, encoding="utf-8")
with Database(locate(where), open_reader(locate(where)), None) as database:
    add_studies(database, [folder])
    with database.writing() as connection:
        study = table("study")
        for key in [one[0] for one in OWN] + ["byra2019"]:
            own = connection.execute(select(study.c.id).where(study.c.key == key)).scalar()
            assert own is not None, key
            time = datetime(2026, 11, 1, tzinfo=UTC)
            connection.execute(insert(table("run")).values(
                id=f"run-{key}", study_id=own, study_key=key, state="finished", created_at=time,
                finished_at=time, spec={"study": key, "seeds": [0]}, environment={"torch": "x"}))
            connection.execute(insert(table("run_setting")).values(
                run_id=f"run-{key}", name="epochs", value=5, mark="assumed", reason="none given"))
            connection.execute(insert(table("run_metric")).values(
                run_id=f"run-{key}", metric="accuracy", value=0.875, n=40, split="test"))
'''


def fill(code: Path, where: str, folder: Path) -> None:
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(code)}
    call = [sys.executable, "-c", FILL, where, str(folder)]
    subprocess.run(call, check=True, env=environment, cwd=code)


def keep(name: str, text: str) -> None:
    # mtime 0: the same content is the same file
    (HERE / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main(tag: str, server: str) -> None:
    version = tag.removeprefix("v")
    with tempfile.TemporaryDirectory() as temporary:
        code = Path(temporary) / "code"
        subprocess.run(["git", "worktree", "add", "--detach", code, tag], check=True, cwd=ROOT)
        try:
            path = Path(temporary) / "kept.sqlite"
            fill(code, str(path), Path(temporary) / "a")
            with sqlite3.connect(path) as connection:
                keep(f"{version}.sqlite.sql.gz", "\n".join(connection.iterdump()) + "\n")
            database = "kept_" + re.sub(r"\W", "_", version)
            url = f"{server.rpartition('/')[0]}/{database}"
            subprocess.run(["createdb", "--maintenance-db", server, database], check=True)
            try:
                fill(code, url, Path(temporary) / "b")
                dump = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", url]
                text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
                lines = [line for line in text.splitlines() if not line.startswith("\\")]
                keep(f"{version}.postgresql.sql.gz", "\n".join(lines) + "\n")
            finally:
                subprocess.run(["dropdb", "--maintenance-db", server, database], check=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", code], check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
