"""How loading and querying grow with the number of studies, on synthetic ones.

    python benchmarks/scale.py --csv benchmarks/scale.csv
    python benchmarks/scale.py --commands DATABASE --csv benchmarks/growth.csv

Each size loads into a new database, in a process of its own, so that its time and peak memory are
its own. The studies are synthetic: random terms of the vocabularies, never evidence of anything.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from db import vocabulary as v
from db.database import Database, open_database
from db.packaged import use_backbones
from metaanalysis.query import select
from metaanalysis.query.filters import Filters

SOURCE = "synthetic, made by benchmarks/scale.py"

QUERIES: dict[str, dict[str, Any]] = {
    "modality": {"modality": "OCT", "year": "2018-2019", "size": ">=5000"},
    "backbone and metric": {"backbone": "Inception v1", "tl": "hybrid", "metric": "accuracy>=0.99"},
    "text": {"text": "number 4242"},
}


def synthetic(count: int, seed: int = 20261122) -> Iterator[dict[str, Any]]:
    """Yield synthetic study records, of about the size of a real one."""
    draw = random.Random(seed)
    names = [backbone.name for backbone in use_backbones()]

    def value(content: Any) -> dict[str, Any]:
        return {"value": content, "basis": "record", "source": SOURCE}

    for number in range(count):
        yield {
            "key": f"synthetic{number}",
            "citation": {
                "authors": "Nobody N",
                "title": f"Synthetic study number {number}",
                "journal": "None",
                "year": draw.randint(2012, 2026),
            },
            "curation": {"inclusion": "added", "tl_seen": False},
            "values": {
                "modality": value(draw.choice(v.MODALITIES)),
                "subject": value(draw.choice(v.SUBJECTS)),
                "anatomy": value("phantom"),
                "task": value("synthetic, no task"),
                "n_classes": value(draw.randint(2, 10)),
                "n_images": value(int(10 ** draw.uniform(3, 5))),
                "n_patients": {"value": None, "basis": "not_found"},
                "n_test": value(draw.randint(50, 500)),
                "backbones": value(draw.sample(names, draw.randint(1, 3))),
                "tl_types": value(draw.sample(v.TL_TYPES, draw.randint(1, 2))),
                "pretrained_on": value("nothing"),
            },
            "metrics": [
                {
                    "metric": metric,
                    "value": round(draw.uniform(0.5, 1), 3),
                    "headline": True,
                    "split": "test",
                    "basis": "record",
                    "source": SOURCE,
                }
                for metric in draw.sample(v.HEADLINE_METRICS, draw.randint(1, 4))
            ],
        }


def write(folder: Path, count: int, form: str) -> Path:
    """Write synthetic studies as one file of JSON lines, or as a folder of YAML files."""
    if form == "jsonl":
        path = folder / "studies.jsonl"
        with path.open("w") as lines:
            lines.writelines(json.dumps(study) + "\n" for study in synthetic(count))
        return path
    path = folder / "studies"
    path.mkdir()
    for study in synthetic(count):
        text = yaml.dump(
            study, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False
        )
        (path / f"{study['key']}.yaml").write_text(text)
    return path


def load(place: str, path: str) -> None:
    """Load in this process, and print seconds and peak memory of it and its workers."""
    from db.user import add_studies

    with open_database(place) as database:
        started = time.perf_counter()
        report = add_studies(database, [Path(path)])
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps([report.added, seconds, peak / 1024, worker / 1024]))


def seconds_of(database: Database, words: dict[str, Any], repeats: int = 9) -> tuple[float, int]:
    """Return the median time of a query in process, and how many studies it finds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = select(database, Filters.of(words))
        times.append(time.perf_counter() - started)
    return statistics.median(times), found.matched


#: Commands that must not grow out of hand.
COMMANDS = {
    "query, as a table": ["query"],
    "query, as CSV": ["query", "--format", "csv"],
    "stats pool": ["stats", "pool"],
    "db export": ["db", "export", "--out", "{folder}"],
    "audit": ["audit"],
}


def run_commands(place: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """Run whole processes on a database and yield what each took."""
    with open_database(place) as database:
        count = database.rows("SELECT COUNT(*) AS n FROM study")[0]["n"]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            words = [word.format(folder=folder) for word in COMMANDS[name]]
            command = [sys.executable, "-m", "medtl_meta", "--db", place, *words]
            started = time.perf_counter()
            with subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            yield {
                "studies": count,
                "command": name,
                "cpu_s": round(used.ru_utime + used.ru_stime, 1),
                "clock_s": round(time.perf_counter() - started, 1),
                "peak_mib": round(used.ru_maxrss / 1024),
            }


def measure(count: int, form: str, place: str | None) -> dict[str, Any]:
    """Load `count` synthetic studies into a new database and query it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder, count, form)
        where = place or str(folder / "scale.sqlite")
        command = [sys.executable, __file__, "--load", where, str(path)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        added, seconds, peak, worker = json.loads(printed)
        assert added == count
        row = {
            "studies": count,
            "form": form,
            "database": "postgresql" if place else "sqlite",
            "load_s": round(seconds, 2),
            "peak_mib": round(peak),
            "worker_peak_mib": round(worker),
        }
        with open_database(where) as database:
            for label, words in QUERIES.items():
                median, matched = seconds_of(database, words)
                row[f"query {label}, s"] = round(median, 4)
                row[f"query {label}, found"] = matched
        if place:
            from sqlalchemy import text

            with open_database(place) as database, database.writing() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
        return row


def main() -> None:
    """Measure each size in each form, print the rows and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--form", nargs="+", choices=["jsonl", "yaml"], default=["jsonl", "yaml"])
    parser.add_argument("--postgres", help="URL of an empty database to measure on instead")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--commands", metavar="DATABASE", help="measure commands on it instead")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--load", nargs=2, metavar=("DATABASE", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        load(*arguments.load)
        return
    rows = []
    if arguments.commands:
        measured = run_commands(arguments.commands, arguments.only)
    else:
        measured = (
            measure(count, form, arguments.postgres)
            for form in arguments.form
            for count in arguments.studies
        )
    for row in measured:
        rows.append(row)
        print(row, flush=True)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
