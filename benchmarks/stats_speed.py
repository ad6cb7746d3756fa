"""How long a cold ``medtl-meta stats`` process takes, beside ``--help`` and the bare interpreter.

Run from a checkout: ``python benchmarks/stats_speed.py [--repeats 15]``. The commands take turns,
so that a slow spell of the machine meets all of them; the first round, which makes and loads the
database, is not counted. Writes a table as CSV to stdout.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = "import sys; sys.argv[0] = 'medtl-meta'; from medtl_meta.cli import main; main()"

COMMANDS = {
    "bare interpreter": None,
    "--help": ("--help",),
    "stats pool (GLMM, 16 studies)": ("stats", "pool"),
    "stats pool (REML)": ("stats", "pool", "--transform", "logit"),
    "stats pool --outcome AUC": ("stats", "pool", "--outcome", "AUC"),
    "stats pool --format json": ("stats", "pool", "--format", "json"),
    "stats subgroup --by modality": ("stats", "subgroup", "--by", "modality"),
    "stats regress": ("stats", "regress", "--moderator", "log10_images"),
    "stats bias": ("stats", "bias"),
    "stats multiverse": ("stats", "multiverse"),
    "stats correlate": ("stats", "correlate"),
}


def seconds(arguments: tuple[str, ...] | None, environment: dict[str, str]) -> float:
    code = [RUN, *arguments] if arguments is not None else ["pass"]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", *code], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "MEDTL_META_DB": str(Path(folder) / "medtl-meta.sqlite"),
            "PYTHONPATH": str(ROOT),
        }
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for turn in range(repeats + 1):
            for name, arguments in COMMANDS.items():
                took = seconds(arguments, environment)
                if turn:
                    times[name].append(took)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["command", "median_s", "fastest_s", "slowest_s", "repeats"])
    for name, found in times.items():
        numbers = (statistics.median(found), min(found), max(found))
        writer.writerow([name, *(f"{number:.3f}" for number in numbers), len(found)])
    where = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    sys.stderr.write(f"{where}, {os.cpu_count()} processors\n")


if __name__ == "__main__":
    main()
