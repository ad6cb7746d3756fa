"""Write what the README and this folder's README say of the contest, from its kept rows.

Usage::

    python benchmarks/contest_table.py [--sets]

Nothing in it is typed by hand; a test holds the README to it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from replicate.contest import rows as contest_rows
from replicate.contest.answer import Summary, tl_type_words
from replicate.contest.statistics import PairedTest
from replicate.contest.summary import summarise
from replicate.terms import RANDOM

ROWS = Path(__file__).parent / "contest.csv"

Row = Mapping[str, Any]


def by_method(summary: Summary, words: dict[str, str]) -> str:
    """Return the table by TL type, best first."""
    tests = {one.first: one for one in summary.comparisons["each against random"]}
    lines = [
        f"| TL type | AUC, mean of {len(summary.sets)} sets | seconds | trained parameters | "
        "beats random initialisation on |",
        "|---|---|---|---|---|",
    ]
    for row in summary.methods:
        name = row["tl_type"]
        beats = f"{tests[name].wins} of {tests[name].sets}" if name in tests else ""
        lines.append(
            f"| {words[name]} | {row['value']:.3f} | {row['seconds']:.1f} | "
            f"{row['trained_parameters']:,} | {beats} |".replace("|  |", "| |")
        )
    return "\n".join(lines)


def worth(rows: Sequence[Row]) -> str:
    """Return what ImageNet weights are worth, over all networks and for each."""
    (main,) = summarise(rows).comparisons["pretrained against random"]
    believed = main.belief
    held = (
        ""
        if believed is None
        else f"; that it is more than {believed.rope:.2g} is wrong with probability "
        f"{max(believed.p_wrong, 0.001):.3f}"
    )
    return (
        f"ImageNet weights are worth {_difference(main)} here (exact sign-flip test over the sets, "
        f"p = {main.p:.2g}{held})."
    )


def by_network(rows: Sequence[Row], words: dict[str, str]) -> str:
    """Return AUC by network and TL type, and what the network's weights are worth."""
    whole = summarise(rows)
    names = [row["tl_type"] for row in whole.methods]
    titles = " | ".join(words[name] for name in names)
    lines = [f"| network | {titles} | its weights are worth |", "|---" * (len(names) + 2) + "|"]
    for network in sorted({str(row["backbone"]) for row in rows}):
        own = summarise([row for row in rows if row["backbone"] == network])
        values = {row["tl_type"]: row["value"] for row in own.methods}
        (main,) = own.comparisons["pretrained against random"]
        found = " | ".join(f"{values[name]:.3f}" for name in names)
        lines.append(f"| {network} | {found} | {_difference(main)} |")
    return "\n".join(lines)


def _difference(found: PairedTest) -> str:
    return f"{found.difference:.2f} of AUC [{found.ci_low:.2f}, {found.ci_high:.2f}]"


def by_set(summary: Summary, words: dict[str, str]) -> str:
    """Return AUC by set and TL type, the mean of the networks."""
    names = [row["tl_type"] for row in summary.methods]
    found = defaultdict(list)
    for point in summary.points:
        found[point["dataset"], point["tl_type"]].append(point["value"])
    values = {place: fmean(of_networks) for place, of_networks in found.items()}
    head = [
        f"| set | {' | '.join(words[name] for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    return "\n".join(
        [*head]
        + [
            f"| {one} | " + " | ".join(f"{values[one, name]:.3f}" for name in names) + " |"
            for one in summary.sets
        ]
    )


def main() -> None:
    rows = contest_rows.read(ROWS)
    summary, words = summarise(rows), tl_type_words(rows)
    assert RANDOM in words
    if "--sets" in sys.argv[1:]:
        print(by_set(summary, words))
        return
    parts = [by_method(summary, words), worth(rows)]
    if len({row["backbone"] for row in rows}) > 1:
        parts.append(by_network(rows, words))
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
