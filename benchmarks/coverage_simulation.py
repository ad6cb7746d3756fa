"""Coverage of intervals for pooled proportions near 1: the GLMM beside transforms.

Each repetition draws k studies: sizes log-normal around `--size`, true log odds normal around
logit(true) with standard deviation `--tau`, events binomial. Two targets are possible and
differ near 1: the median study's proportion (what the logit and the GLMM estimate) and the
mean over studies (nearer to what raw proportions and double arcsines estimate). Coverage of
both is reported, with the width of the interval, the bias against the median, and how often
the prediction interval holds a new study's true proportion. Usage:

    python benchmarks/coverage_simulation.py --repeats 200 --csv benchmarks/coverage_simulation.csv
"""

from __future__ import annotations

import argparse
import csv
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from db.errors import StatisticsError
from metaanalysis.stats.distributions import critical_value
from metaanalysis.stats.effects import proportions
from metaanalysis.stats.glmm import glmm, mean_proportion
from metaanalysis.stats.pool import pool

TRANSFORMS = {
    "logit + 0.5, REML, Knapp-Hartung": ("logit", "REML", "knapp-hartung"),
    "logit + 0.5, REML, z": ("logit", "REML", "z"),
    "Freeman-Tukey, REML, Knapp-Hartung": ("freeman-tukey", "REML", "knapp-hartung"),
    "raw + 0.5, REML, Knapp-Hartung": ("raw", "REML", "knapp-hartung"),
}
GLMMS = ("GLMM, z", "GLMM, t(k-1)", "GLMM, profile likelihood")


def draw(
    random: np.random.Generator, k: int, true: float, tau: float, size: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Events and sizes of k studies, and the true proportion of a study to come."""
    n = np.clip(np.round(size * np.exp(random.normal(0.0, 0.8, k))), 20, 5000)
    odds = np.log(true / (1.0 - true)) + random.normal(0.0, tau, k + 1)
    share = 1.0 / (1.0 + np.exp(-odds))
    return random.binomial(n.astype(int), share[:k]).astype(float), n, float(share[k])


def analyse(events: np.ndarray, n: np.ndarray) -> dict[str, tuple[float, ...] | None]:
    """Estimate, interval and prediction interval of each method; None where it fails."""
    found: dict[str, tuple[float, ...] | None] = {}
    for name, (transform, method, test) in TRANSFORMS.items():
        fitted = pool(
            proportions(events, n, transform), method=method, test=test, tau2_interval="none"
        )
        found[name] = tuple(fitted.back_transformed.values())
    try:
        fitted = glmm(events, n, interval="profile", tau2_interval="none")
    except StatisticsError:
        return found | dict.fromkeys(GLMMS)
    wide = float(np.hypot(fitted.tau, fitted.se))
    for name, df in zip(GLMMS[:2], (None, fitted.k - 1.0), strict=True):
        c = critical_value(0.95, df)
        ends = (0.0, -c * fitted.se, c * fitted.se, -c * wide, c * wide)
        found[name] = tuple(fitted.back(fitted.estimate + end) for end in ends)
    found[GLMMS[2]] = tuple(fitted.back_transformed.values())
    return found


def simulate(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for true in options.true:
        centre = float(np.log(true / (1.0 - true)))
        mean = mean_proportion(centre, options.tau**2)
        for k in options.k:
            # one stream a cell, so that a cell can be rerun alone
            random = np.random.default_rng([options.seed, round(true * 10_000), k])
            results: dict[str, list[tuple[float, ...]]] = {m: [] for m in (*TRANSFORMS, *GLMMS)}
            failed = dict.fromkeys(results, 0)
            for _ in range(options.repeats):
                events, n, coming = draw(random, k, true, options.tau, options.size)
                for name, values in analyse(events, n).items():
                    if values is None:
                        failed[name] += 1
                    else:
                        results[name].append((*values, coming))
            for name, values in results.items():
                rows.append(summarise(name, np.array(values), failed[name], true, mean, k, options))
                print(
                    f"{true:<5} k={k:<3} {name:36} coverage {rows[-1]['coverage_median']:.3f} "
                    f"width {rows[-1]['width']:.4f}"
                )
    return rows


def summarise(
    name: str,
    values: np.ndarray,
    failed: int,
    true: float,
    mean: float,
    k: int,
    options: argparse.Namespace,
) -> dict[str, Any]:
    estimate, low, high, pi_low, pi_high, coming = values.T
    return {
        "true_median": true,
        "true_mean": round(mean, 6),
        "tau": options.tau,
        "k": k,
        "method": name,
        "coverage_median": round(float(np.mean((low <= true) & (true <= high))), 4),
        "coverage_mean": round(float(np.mean((low <= mean) & (mean <= high))), 4),
        "width": round(float(np.mean(high - low)), 6),
        "bias": round(float(np.mean(estimate) - true), 6),
        "prediction_coverage": round(float(np.mean((pi_low <= coming) & (coming <= pi_high))), 4),
        "failed": failed,
        "repeats": options.repeats,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--true", type=float, nargs="+", default=[0.9, 0.95, 0.97, 0.99])
    parser.add_argument("--k", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--tau", type=float, default=0.5)
    parser.add_argument("--size", type=float, default=150.0)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, default=None)
    options = parser.parse_args()
    start = time.perf_counter()
    rows = simulate(options)
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            file.write(
                f"# python {' '.join(sys.argv)}; Python {platform.python_version()}, "
                f"numpy {np.__version__}; {time.perf_counter() - start:.0f} s\n"
            )
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
