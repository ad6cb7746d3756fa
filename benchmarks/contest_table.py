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
from statistics import fmean, geometric_mean
from typing import Any

from replicate.contest import rows as contest_rows
from replicate.contest.answer import Summary, tl_type_words
from replicate.contest.statistics import PairedTest
from replicate.contest.summary import summarise
from replicate.terms import RANDOM

ROWS = Path(__file__).parent / "contest.csv"

Row = Mapping[str, Any]


def tl_types(summary: Summary) -> dict[str, list[Mapping[str, Any]]]:
    """Return the TL types, best first by the mean of the networks, each with its networks' rows."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in summary.methods:
        found[row["tl_type"]].append(row)
    return dict(sorted(found.items(), key=lambda one: -fmean(row["value"] for row in one[1])))


def by_tl_type(summary: Summary, words: dict[str, str]) -> str:
    """Return AUC and time by TL type and network."""
    tests = {one.first: one for one in summary.comparisons["each against random"]}
    networks = sorted({row["backbone"] for row in summary.methods})
    lines = [
        f"| TL type | AUC, mean of {len(summary.sets)} sets | {' | '.join(networks)} | seconds | "
        "beats random initialisation on |",
        "|---" * (len(networks) + 4) + "|",
    ]
    for name, rows in tl_types(summary).items():
        values = {row["backbone"]: row["value"] for row in rows}
        beats = f"{tests[name].wins} of {tests[name].sets}" if name in tests else ""
        cells = " | ".join(f"{values[network]:.3f}" for network in networks)
        seconds = geometric_mean(row["seconds"] for row in rows)
        lines.append(
            f"| {words[name]} | {fmean(values.values()):.3f} | {cells} | {seconds:.1f} | "
            f"{beats} |".replace("|  |", "| |")
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


def worth_by_network(rows: Sequence[Row]) -> str:
    """Return what the weights of each network are worth."""
    said = []
    for network in sorted({str(row["backbone"]) for row in rows}):
        own = summarise([row for row in rows if row["backbone"] == network])
        (main,) = own.comparisons["pretrained against random"]
        said.append(f"{network}'s {_difference(main)}")
    return f"By network: {'; '.join(said)}."


def _difference(found: PairedTest) -> str:
    return f"{found.difference:.2f} of AUC [{found.ci_low:.2f}, {found.ci_high:.2f}]"


def by_set(summary: Summary, words: dict[str, str]) -> str:
    """Return AUC by set and TL type, the mean of the networks."""
    names = list(tl_types(summary))
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
    parts = [by_tl_type(summary, words), f"{worth(rows)} {worth_by_network(rows)}"]
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
