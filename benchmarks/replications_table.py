"""Write the README's table "reported against replicated" from a database of runs.

Usage::

    python benchmarks/replications_table.py OUT/replications.sqlite

One row a run; nothing in it is typed by hand.
"""

from __future__ import annotations

import argparse

from db.database import Database, open_database
from metaanalysis.query.runs import run_details
from replicate.verdicts.compare import compare_runs
from replicate.verdicts.comparison import Comparison

CHOSEN = "chosen on the command line"
SPLITS = {"group": "by patient", "image": "by image"}


def highlights(database: Database, run: str) -> str:
    """Return what a reader of a run must know of its settings, in a few words."""
    found = run_details(database, run)
    lines = {line["name"]: line for line in found["settings"]}
    reported = sum(line["mark"] == "reported" for line in lines.values())
    said = [f"{reported} of {len(lines)} settings reported"]
    said += [
        f"{name.rpartition('.')[2].replace('_', ' ')} {line['value']}"
        for name, line in lines.items()
        if line["reason"].startswith(CHOSEN)
        and name not in ("network.name", "seeds", "split.by", "split.kind", "split.test")
    ]
    kind, by = lines["split.kind"]["value"], lines["split.by"]["value"]
    known = found["run"].get("outcome", {}).get("images", {}).get("groups")
    said.append(f"{kind}, patients unknown" if known is None else f"{kind} {SPLITS[by]}")
    return ", ".join(said)


def row(database: Database, comparison: Comparison) -> str:
    """Return the table's row of one run."""
    run = comparison.run
    network = run["backbone"]
    if run["backbone_reported"] and run["backbone_reported"] != network:
        network += f" for {run['backbone_reported']}"
    outcomes = []
    for value in comparison.values:
        ours, theirs = value.replicated, value.reported
        if theirs is None:
            continue
        metric = f"{ours.metric} of {theirs.of_class}" if theirs.of_class else ours.metric
        outcomes.append(
            f"{metric} {theirs.value:.3f} → {ours.value:.3f} [{ours.ci_low:.3f}, "
            f"{ours.ci_high:.3f}]: **{value.verdict.verdict}**"
        )
    if not outcomes:
        ours = comparison.values[0].replicated
        outcomes.append(
            f"{ours.metric} – → {ours.value:.3f} [{ours.ci_low:.3f}, {ours.ci_high:.3f}]: "
            "not comparable"
        )
    return (
        f"| {run['study']} [{run['ref']}] | {run['dataset']} ({run['fidelity']}) "
        f"| {network}, {run['tl_type']} | {highlights(database, run['id'])} "
        f"| {'<br>'.join(outcomes)} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    with open_database(parser.parse_args().database) as database:
        print("| study | images (fidelity) | run with | ledger | reported → replicated: verdict |")
        print("|---|---|---|---|---|")
        for comparison in compare_runs(database):
            print(row(database, comparison))


if __name__ == "__main__":
    main()
