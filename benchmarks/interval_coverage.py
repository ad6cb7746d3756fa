"""Coverage of the intervals of a replication: ``python benchmarks/interval_coverage.py [REPS]``.

With ``--table`` it prints what the CSV holds as the table of this folder's README.

Predictions are drawn from a known process; the truth is the mean of each metric over very many
patients and seeds of it. Writes ``interval_coverage.csv`` beside this file: how many of the 95%
intervals hold the truth, how many there were at all, and how wide they are.
"""

from __future__ import annotations

import csv
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from replicate.evaluation.evaluate import evaluate
from replicate.evaluation.predictions import Predictions
from replicate.images.image_set import of_arrays

METRICS = ("accuracy", "balanced_accuracy", "auc", "sensitivity", "specificity")
#: Also simulated; no promise is made for them.
BESIDE = ("precision", "f1", "kappa", "brier", "log_loss")


@dataclass(frozen=True)
class Process:
    """How predictions come about.

    Of each image and class a score is the sum of a signal (where the class is true), what the
    patient shares, what the image has of its own, and for each seed its own view of the image;
    a seed or fold has a skill of its own, and shifts the scores of each class.
    """

    name: str
    prevalence: tuple[float, ...]
    units: int
    size: int = 1
    signal: float = 1.5
    shared: float = 0.0  # share of an image's variance that is its patient's
    seeds: int = 1
    folds: int = 1
    view: float = 0.0  # variance of a seed's own view, of an image's total of 1
    skill: float = 0.0  # standard deviation of the signal over seeds or folds
    shift: float = 0.0  # standard deviation of a class's score over seeds or folds
    pairs: int = 0  # so many pairs of images are one patient's, all others alone

    def draw(
        self, rng: np.random.Generator, units: int, seeds: int
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
        """Return labels, patients, probabilities of each seed, and folds."""
        k = len(self.prevalence)
        labels = np.repeat(rng.choice(k, units, p=self.prevalence), self.size)
        patients = np.repeat(np.arange(units), self.size)
        if self.pairs and units == self.units:
            patients[: 2 * self.pairs] = np.repeat(np.arange(self.pairs), 2)
        of_patients = rng.normal(size=(units, k)) * self.shared**0.5
        own = rng.normal(size=(labels.size, k)) * (1 - self.shared - self.view) ** 0.5
        folds = rng.permutation(units)[np.repeat(np.arange(units), self.size)] % self.folds
        truth = labels[:, None] == np.arange(k)
        common = np.repeat(of_patients, self.size, axis=0) + own
        found = []
        for _ in range(seeds):
            skill = self.signal + self.skill * rng.normal(size=self.folds)
            shift = self.shift * rng.normal(size=(self.folds, k))
            scores = common + rng.normal(size=common.shape) * self.view**0.5
            scores = scores + truth * skill[folds][:, None] + shift[folds]
            scores = np.exp(1.5 * (scores - scores.max(axis=1, keepdims=True)))
            found.append(scores / scores.sum(axis=1, keepdims=True))
        return labels, patients, found, folds


TWO = (0.6, 0.4)
PROCESSES = (
    Process("no groups, 100 images", TWO, 100),
    Process("no groups, 300 images", TWO, 300),
    Process("no groups, 30 images", TWO, 30, signal=1.0),
    Process("one pair grouped, 300 images", TWO, 300, pairs=1),
    Process("40 groups of 4, ICC 0.6", TWO, 40, size=4, shared=0.6),
    Process("20 groups of 8, ICC 0.6", TWO, 20, size=8, shared=0.6),
    Process("3 seeds, 200 images", TWO, 200, seeds=3, view=0.2, skill=0.15, shift=0.15),
    Process(
        "3 seeds, 40 groups of 4, ICC 0.6",
        TWO,
        40,
        size=4,
        shared=0.6,
        seeds=3,
        view=0.1,
        skill=0.15,
        shift=0.15,
    ),
    Process(
        "3 seeds that differ much, 200 images", TWO, 200, seeds=3, view=0.2, skill=0.5, shift=0.5
    ),
    Process("5 folds, 200 images", TWO, 200, folds=5, skill=0.15, shift=0.15),
    Process("4 classes with few cases, 90 images", (0.4, 0.3, 0.2, 0.1), 90),
    Process("4 classes with few cases, 299 images", (0.08, 0.18, 0.16, 0.58), 299, signal=2.5),
    Process("accuracy near 1, 100 images", TWO, 100, signal=3.3),
    Process("accuracy near 1, 300 images", TWO, 300, signal=3.3),
    Process("accuracy near 1, 40 groups of 4, ICC 0.6", TWO, 40, size=4, shared=0.6, signal=3.3),
    Process(
        "accuracy near 1, 3 seeds, 200 images",
        TWO,
        200,
        signal=3.3,
        seeds=3,
        view=0.2,
        skill=0.15,
        shift=0.15,
    ),
)


def one(process: Process, rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """Return value and limits of each metric in one drawn replication."""
    labels, patients, found, folds = process.draw(rng, process.units, process.seeds)
    grouped = process.size > 1 or process.pairs > 0
    names = [f"p{u}" for u in patients] if grouped else None
    pixels = np.zeros((labels.size, 1, 1), np.uint8)
    classes = [f"c{i}" for i in range(len(process.prevalence))]
    images = of_arrays("drawn", pixels, labels, classes, groups=names)
    parts = [
        Predictions(p[folds == f], labels[folds == f], np.flatnonzero(folds == f), seed, 0, f)
        for seed, p in enumerate(found)
        for f in range(process.folds)
    ]
    result = evaluate(parts, images)
    return {
        name: (value.value, value.ci_low, value.ci_high)
        for name in (*METRICS, *BESIDE)
        if (value := result.pooled(name)).value is not None
    }


def truth_of(process: Process) -> dict[str, float]:
    """Return each metric over very many patients and seeds; folds have the skill of seeds."""
    rng = np.random.default_rng(1)
    sums: dict[str, list[float]] = {name: [] for name in (*METRICS, *BESIDE)}
    varied = process.skill or process.shift
    for _ in range(400 if varied else 20):
        units = 4_000 // process.size if varied else 80_000 // process.size
        labels, _, found, _ = process.draw(rng, units, 1)
        pixels = np.zeros((labels.size, 1, 1), np.uint8)
        images = of_arrays("t", pixels, labels, [f"c{i}" for i in range(len(process.prevalence))])
        result = evaluate([Predictions(found[0], labels, np.arange(labels.size), 0, 0, 0)], images)
        for name, kept in sums.items():
            kept.append(result.pooled(name).value or 0.0)
    return {name: float(np.mean(kept)) for name, kept in sums.items()}


def print_table(path: Path) -> None:
    """Print coverage by process and metric."""
    with path.open(newline="") as kept:
        rows = list(csv.DictReader(kept))
    print(
        f"| {rows[0]['replications']} replications each | {' | '.join(METRICS)} |".replace("_", " ")
    )
    print("|---" * (len(METRICS) + 1) + "|")
    for name in dict.fromkeys(row["process"] for row in rows):
        own = {row["metric"]: float(row["coverage"]) for row in rows if row["process"] == name}
        print(f"| {name} | " + " | ".join(f"{own[metric]:.3f}" for metric in METRICS) + " |")


def main() -> None:
    if sys.argv[1:] == ["--table"]:
        print_table(Path(__file__).with_suffix(".csv"))
        return
    reps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    warnings.simplefilter("ignore")
    rows = []
    for process in PROCESSES:
        if only not in process.name:
            continue
        truth = truth_of(process)
        rng = np.random.default_rng(20261130)
        found = [one(process, rng) for _ in range(reps)]
        for name in (*METRICS, *BESIDE):
            values = [each[name] for each in found if name in each and each[name][1] is not None]
            low, high = (np.array([v[i] for v in values], float) for i in (1, 2))
            held = float(np.mean((low <= truth[name]) & (truth[name] <= high)))
            row = {
                "process": process.name,
                "metric": name,
                "truth": round(truth[name], 4),
                "replications": reps,
                "with interval": len(values),
                "coverage": round(held, 4),
                "below": round(float(np.mean(high < truth[name])), 4),
                "above": round(float(np.mean(low > truth[name])), 4),
                "mean width": round(float(np.mean(high - low)), 4),
            }
            rows.append(row)
        print(
            process.name,
            {r["metric"]: r["coverage"] for r in rows if r["process"] == process.name},
            flush=True,
        )
    if only:
        return
    with (Path(__file__).parent / "interval_coverage.csv").open("w", newline="") as kept:
        writer = csv.DictWriter(kept, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
