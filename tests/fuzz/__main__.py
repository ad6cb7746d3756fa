"""Run attacks at length and keep what came of them: ``python -m tests.fuzz [NAME...]``."""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.fuzz.attacks import ATTACKS
from tests.fuzz.outcome import FAULTS, tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"out of: {', '.join(ATTACKS)}")
    parser.add_argument("--count", type=int, help="attempts of each, in place of its own number")
    parser.add_argument("--seconds", type=float, help="stop each after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="CSV in which the rows of these attacks are kept")
    parser.add_argument("--table", action="store_true", help="print what --out holds as Markdown")
    asked = parser.parse_args()
    if asked.table:
        _print_table(asked.out)
        return 0
    if unknown := set(asked.names) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    rows: dict[str, dict[str, object]] = {}
    if asked.out and asked.out.exists():
        with asked.out.open(newline="", encoding="utf-8") as kept:
            rows = {row["attack"]: dict(row) for row in csv.DictReader(kept)}
    faults = 0
    for name in asked.names or ATTACKS:
        attack = ATTACKS[name]
        with tempfile.TemporaryDirectory() as folder:
            attempts = import_module(attack.module).attempts(asked.seed, Path(folder))
            count = asked.count or attack.at_length
            result = tally(name, attempts, asked.seed, count, asked.seconds)
        row = result.row()
        rows[name] = row
        found = sum(result.counts[kind] for kind in FAULTS)
        faults += found
        print(f"{name}: {row['attempts']} attempts, {found} faults, {row['slowest_s']} s at most")
        for fault in result.faults[:10]:
            print(f"  {fault.kind}: {fault.tried[:400]}\n    {fault.seen[-800:]}", file=sys.stderr)
        if asked.out:
            with asked.out.open("w", newline="", encoding="utf-8") as kept:
                writer = csv.DictWriter(kept, list(row), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows[known] for known in ATTACKS if known in rows)
    return 1 if faults else 0


def _print_table(path: Path) -> None:
    """Print a table for people: attempts, their right ends, and faults of any kind."""
    print("| attack | attempts | answered | refused in words | faults | slowest |")
    print("|---|---:|---:|---:|---:|---:|")
    with path.open(newline="", encoding="utf-8") as kept:
        for row in csv.DictReader(kept):
            faults = sum(int(row[kind.replace("-", "_")]) for kind in FAULTS)
            counts = (int(row[name]) for name in ("attempts", "answered", "refused"))
            shown = " | ".join(f"{count:,}" for count in counts)
            # Attacks that make many files or processes at once time none of their attempts.
            slowest = f"{float(row['slowest_s']):.1f} s" if float(row["slowest_s"]) else "–"
            print(f"| {row['attack']} | {shown} | {faults} | {slowest} |")


if __name__ == "__main__":
    sys.exit(main())
