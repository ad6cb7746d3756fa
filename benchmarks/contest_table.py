"""Write what the README and this folder's README say of the contest, from its kept rows.

Usage::

    python benchmarks/contest_table.py [--sets]

Nothing in it is typed by hand; a test holds the README to it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from replicate.contest import rows as contest_rows
from replicate.contest.answer import Summary, tl_type_words
from replicate.contest.summary import summarise
from replicate.terms import RANDOM

ROWS = Path(__file__).parent / "contest.csv"


def by_method(summary: Summary, words: dict[str, str]) -> str:
    """Return the table by TL type, best first, and what ImageNet weights are worth."""
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
    (main,) = summary.comparisons["pretrained against random"]
    believed = main.belief
    held = believed and (
        f"; that it is more than {believed.rope:.2g} is wrong with probability "
        f"{max(believed.p_wrong, 0.001):.3f}"
    )
    lines += [
        "",
        f"ImageNet weights are worth {main.difference:.2f} of AUC [{main.ci_low:.2f}, "
        f"{main.ci_high:.2f}] here (exact sign-flip test over the sets, p = {main.p:.2g}{held}).",
    ]
    return "\n".join(lines)


def by_set(summary: Summary, words: dict[str, str]) -> str:
    """Return AUC by set and TL type."""
    names = [row["tl_type"] for row in summary.methods]
    values = {(p["dataset"], p["tl_type"]): p["value"] for p in summary.points}
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
    print(by_set(summary, words) if "--sets" in sys.argv[1:] else by_method(summary, words))


if __name__ == "__main__":
    main()
