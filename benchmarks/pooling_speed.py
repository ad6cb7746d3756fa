"""Time 1,000 REML pools of 100 studies: one `pool_many` call beside PyMARE one at a time.

PyMARE is timed on the first `--pymare` meta-analyses and scaled up; both run in this process,
on the same data, and their tau2 are compared. Usage:

    python benchmarks/pooling_speed.py --csv benchmarks/pooling_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import time
from pathlib import Path

import numpy as np

from metaanalysis.stats.pool import pool, pool_many


def simulate(batch: int, studies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    variances = random.uniform(0.05, 0.5, (batch, studies))
    effects = random.normal(0.3, np.sqrt(variances + 0.1))
    return effects, variances


def time_batch(
    effects: np.ndarray, variances: np.ndarray, repeats: int
) -> tuple[float, np.ndarray]:
    best, found = np.inf, np.empty(0)
    for _ in range(repeats):
        start = time.perf_counter()
        found = pool_many(effects, variances, "REML").tau2
        best = min(best, time.perf_counter() - start)
    return best, found


def time_pymare(effects: np.ndarray, variances: np.ndarray) -> tuple[float, np.ndarray]:
    from pymare import Dataset
    from pymare.estimators import VarianceBasedLikelihoodEstimator

    found = []
    start = time.perf_counter()
    for effect, variance in zip(effects, variances, strict=True):
        data = Dataset(y=effect[:, None], v=variance[:, None])
        result = VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(data).summary()
        found.append(float(np.ravel(result.tau2)[0]))
    return time.perf_counter() - start, np.array(found)


def time_single(effects: np.ndarray, variances: np.ndarray) -> float:
    start = time.perf_counter()
    for effect, variance in zip(effects, variances, strict=True):
        pool(effect, variance)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--pymare", type=int, default=200, help="how many PyMARE pools to time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    effects, variances = simulate(options.batch, options.studies, options.seed)
    ours, tau2 = time_batch(effects, variances, options.repeats)
    part = min(options.pymare, options.batch)
    theirs, other = time_pymare(effects[:part], variances[:part])
    theirs *= options.batch / part
    single = time_single(effects[:part], variances[:part]) * options.batch / part
    rows = [
        {"what": "pool_many, one call", "seconds": ours, "ratio": 1.0},
        {"what": "pool, one at a time", "seconds": single, "ratio": single / ours},
        {"what": "PyMARE, one at a time", "seconds": theirs, "ratio": theirs / ours},
    ]
    for row in rows:
        print(f"{row['what']:24} {row['seconds']:9.3f} s {row['ratio']:8.1f} x")
    print(f"largest difference in tau2: {np.max(np.abs(tau2[:part] - other)):.1e}")
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            file.write(f"# python {' '.join(sys.argv)}; Python {platform.python_version()}\n")
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
