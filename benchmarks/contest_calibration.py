"""How often a contest's "A beats B" is wrong: ``python benchmarks/contest_calibration.py [REPS]``.

Contests are drawn from a known process; writes ``contest_calibration.csv`` beside this file. Its
columns: how often "one beats the other" is said with a stated probability of being wrong of at most
5% (and 2.5%) where there is no difference at all; and, where true differences are drawn from a
normal distribution with a standard deviation of 0.05, how many of the statements made with at most
5% were wrong, and what they said of that on the mean. ``--table`` prints the CSV as a table.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from replicate.contest.belief import belief

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = (
    "sets", "seeds", "sd_between_sets", "tails", "no_difference_said_at_05",
    "no_difference_said_at_025", "said_at_05", "wrong_of_said", "said_to_be_wrong",
)  # fmt: skip
PROCESSES = ((0.0, "normal"), (0.03, "normal"), (0.1, "normal"), (0.05, "heavy"))
_WITHIN, _TRUE = 0.03, 0.05


def drawn(
    rng: np.random.Generator, sets: int, seeds: int, between: float, tails: str
) -> np.ndarray:
    """Return differences without any on the mean, shape (sets, seeds)."""
    of_sets = rng.normal(size=sets) if tails == "normal" else rng.standard_t(3, size=sets) / 3**0.5
    return between * of_sets[:, None] + _WITHIN * rng.normal(size=(sets, seeds))


def one(
    sets: int, seeds: int, between: float, tails: str, reps: int, rng: np.random.Generator
) -> dict[str, object]:
    """Return a row of the table."""
    never = np.zeros(2)
    said, wrong, stated = 0, 0, 0.0
    for _ in range(reps):
        differences = drawn(rng, sets, seeds, between, tails)
        found = belief(differences)
        assert found is not None
        never += (found.p_wrong <= 0.05, found.p_wrong <= 0.025)
        truth = _TRUE * rng.normal()
        found = belief(differences + truth)
        assert found is not None
        if found.p_wrong <= 0.05:
            side = 1 if found.p_better > found.p_worse else -1
            said, stated = said + 1, stated + found.p_wrong
            wrong += side * truth <= found.rope
    return {
        "sets": sets,
        "seeds": seeds,
        "sd_between_sets": between,
        "tails": tails,
        "no_difference_said_at_05": f"{never[0] / reps:.4f}",
        "no_difference_said_at_025": f"{never[1] / reps:.4f}",
        "said_at_05": f"{said / reps:.4f}",
        "wrong_of_said": f"{wrong / max(said, 1):.4f}",
        "said_to_be_wrong": f"{stated / max(said, 1):.4f}",
    }


def main() -> None:
    """Simulate, or print what was simulated."""
    if "--table" in sys.argv:
        with TABLE.open(newline="") as file:
            rows = list(csv.reader(file))
        print(
            "\n".join(
                f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]
            )
        )
        return
    reps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rng = np.random.default_rng(20261201)
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for sets in (3, 5, 9, 20):
            for seeds in (1, 3):
                for between, tails in (
                    (0.0, "normal"),
                    (0.03, "normal"),
                    (0.1, "normal"),
                    (0.05, "heavy"),
                ):
                    writer.writerow(one(sets, seeds, between, tails, reps, rng))


if __name__ == "__main__":
    main()
