"""What reruns of one setup differ by: ``python benchmarks/rerun_spread.py [OUT]``; ``--rule`` fits.

Each row of ``rerun_spread.csv`` is one setup on one real image set, run anew with 10 or 20 seeds (6
where convolutional layers learn): each with another division of the images (``hold-out``,
``k-fold``), or all with one (``seeds``). It goes on where it stopped; the image sets are those of
the folder ``MEDTL_META_IMAGES``, caches and runs go to OUT. With ``--rule`` it prints the constants
of ``replicate/verdicts/reruns.py`` from the CSV, with ``--table`` the README's table: how often
they hold on image sets that they were not fitted to.
"""

from __future__ import annotations

import csv
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from db.errors import MedtlError
from db.files import replace_file
from metaanalysis.audit.binomial import Z95
from replicate.images.image_set import ImageSet
from replicate.images.opening import open_images
from replicate.images.task import task_images
from replicate.spec import Data, Network, Spec, Split, nested
from replicate.splits.splits import make_folds
from replicate.verdicts.reruns import towards_half

TABLE = Path(__file__).with_name("rerun_spread.csv")
SETS = (
    "covid_ct", "covid_xray_talo", "covid_chestxray_ieee8023", "pneumoniamnist", "busi",
    "brain_tumor_mri_sartaj", "wbc_cellavision", "bccd_cells", "drimdb", "xca_stenosis",
)  # fmt: skip
#: Names of the database's vocabulary, by those of a run.
METRICS = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "precision": "precision",
    "f1": "F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}
COLUMNS = (
    "dataset", "classes", "images", "grouped", "backbone", "tl_type", "division", "metric", "n",
    "reruns", "mean", "sd", "values",
)  # fmt: skip
KEY = ("dataset", "images", "backbone", "tl_type", "division")
NETWORKS = ("MobileNetV2", "SqueezeNet1.1")
SEEDS, SEEDS_TUNED = {"hold-out": 20, "k-fold": 10, "seeds": 20}, 6
_TYPES: Mapping[str, Mapping[str, Any]] = {
    "feature extractor": {"transfer.unfreezing.kind": "none"},
    "feature extractor hybrid": {
        "transfer.unfreezing.kind": "none",
        "transfer.head.kind": "svm",
    },
    "fine-tuning": {
        "transfer.unfreezing.kind": "blocks",
        "transfer.unfreezing.amount": 2,
        "training.backbone_lr": 1e-4,
    },
}
_SPLITS = {
    "hold-out": Split(kind="hold-out", test=0.25),
    "k-fold": Split(kind="k-fold", folds=5),
    "seeds": Split(kind="official"),
}


def setups() -> Iterator[tuple[str, int, str, str, str]]:
    """Yield set, largest number of images, network, TL type and division; the cheap ones first."""
    first, second = NETWORKS
    of_features, of_hybrid = ("feature extractor",), ("feature extractor hybrid",)
    yield from itertools.product(SETS, (300,), (first,), of_features, _SPLITS)
    yield from itertools.product(SETS, (300,), (first,), ("fine-tuning",), ("hold-out", "seeds"))
    yield from itertools.product(SETS, (1200,), (first,), of_hybrid, ("hold-out", "k-fold"))
    yield from itertools.product(SETS, (300,), (second,), of_hybrid, _SPLITS)
    yield from itertools.product(SETS, (1200,), (second,), of_features, ("hold-out", "seeds"))


def one(images: ImageSet, most: int, network: str, tl_type: str, division: str, out: Path) -> Any:
    """Run one setup with all its seeds; return its evaluation."""
    from replicate.run import replicate
    from replicate.training.compute import choose

    data = Data(name=images.name, max_images=most)
    if division == "seeds":
        images, data = task_images(images, data), Data(name=images.name)
        parts = np.full(len(images), "train", dtype=object)
        parts[make_folds(images, _SPLITS["hold-out"], 0)[0].parts["test"]] = "test"
        images = replace(images, parts=tuple(parts))
    seeds = SEEDS_TUNED if tl_type == "fine-tuning" else SEEDS[division]
    spec = Spec.model_validate(
        {
            **nested(
                {
                    **_TYPES[tl_type],
                    "transfer.tl_type": tl_type,
                    "preprocessing.size": 64 if tl_type == "fine-tuning" else 96,
                    "training.epochs": 10,
                }
            ),
            "data": data,
            "network": Network(name=network),
            "split": _SPLITS[division],
            "seeds": tuple(range(seeds)),
        }
    )
    places = {"runs": out / "runs", "cache": out / "cache"}
    return replicate(spec, images, compute=choose("cpu"), **places).evaluation


def measured(evaluation: Any, names: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row a metric.

    The n of a sensitivity counts images with the class, that of a specificity the others.
    """
    whole = evaluation.metrics[0].n
    for name, word in METRICS.items():
        own = [
            row
            for row in evaluation.metrics
            if row.metric == name and row.seed is not None and row.fold is None
            and row.class_label is None and row.value is not None
        ]  # fmt: skip
        values = np.array([row.value for row in own])
        of_class = [
            row.n
            for row in evaluation.metrics
            if row.metric == name and row.class_label == evaluation.positive and row.seed is None
            and name in ("sensitivity", "specificity") and row.class_label is not None
        ]  # fmt: skip
        share = of_class[0] / whole if of_class else 1.0
        yield {
            **names,
            "metric": word,
            "n": round(share * float(np.mean([row.n for row in own])), 1),
            "reruns": values.size,
            "mean": f"{values.mean():.5f}",
            "sd": f"{values.std(ddof=1):.5f}",
            "values": " ".join(f"{value:.4f}" for value in values),
        }


def rows() -> list[dict[str, str]]:
    """Return what the CSV holds."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(found: Sequence[Mapping[str, Any]]) -> None:
    """Write the CSV; it appears whole."""
    lines = [",".join(COLUMNS), *(",".join(str(row[c]) for c in COLUMNS) for row in found)]
    replace_file(TABLE, ("\n".join(lines) + "\n").encode())


def measure(out: Path) -> None:
    """Run what the CSV lacks."""
    found: list[Mapping[str, Any]] = list(rows())
    done = {tuple(row[name] for name in KEY) for row in found}
    opened: dict[str, ImageSet] = {}
    for name, most, network, tl_type, division in setups():
        images = opened.setdefault(name, open_images(name))
        taken = min(most, len(images))
        key = (images.name, str(taken), network, tl_type, division)
        if key in done or (most > 300 and taken < 600):
            continue
        print(*key, flush=True)
        try:
            evaluation = one(images, most, network, tl_type, division, out)
        except MedtlError as error:
            print(f"  {error.message}", flush=True)
            continue
        shared = {"classes": len(images.classes), "grouped": "yes" if images.groups else "no"}
        found += measured(evaluation, {**dict(zip(KEY, key, strict=True)), **shared})
        write(found)


def fitted(found: Sequence[Mapping[str, str]]) -> tuple[float, float]:
    """Return a and b of SD² = a² p (1 - p) / n + b², by the gamma likelihood of variances."""
    from scipy.optimize import minimize

    x = np.array([towards_half(float(row["mean"]), float(row["n"])) for row in found])
    variance = np.array([max(float(row["sd"]), 1e-4) ** 2 for row in found])
    df = np.array([float(row["reruns"]) - 1 for row in found])

    def deviance(logs: Any) -> float:
        expected = np.exp(2 * logs[0]) * x + np.exp(2 * logs[1])
        return float(np.sum(df * (np.log(expected) + variance / expected)))

    starts = ([np.log(a), np.log(b)] for a in (0.5, 1.0) for b in (0.003, 0.02))
    best = min(
        (minimize(deviance, one, method="Nelder-Mead") for one in starts), key=lambda r: r.fun
    )
    return tuple(float(round(value, 3)) for value in np.exp(best.x))


def rule(found: Sequence[Mapping[str, str]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the constants by division and metric."""
    return {
        division: {metric: fitted(_of(found, division, metric)) for metric in METRICS.values()}
        for division in _SPLITS
    }


def _of(found: Sequence[Mapping[str, str]], division: str, metric: str) -> list[Mapping[str, str]]:
    return [row for row in found if (row["division"], row["metric"]) == (division, metric)]


def held(found: Sequence[Mapping[str, str]]) -> float:
    """Return the share of differences of two reruns within the rule fitted to all other sets."""
    shares = []
    for name in sorted({row["dataset"] for row in found}):
        a, b = fitted([row for row in found if row["dataset"] != name])
        own = []
        for row in found:
            if row["dataset"] == name:
                spread = a * a * towards_half(float(row["mean"]), float(row["n"])) + b * b
                values = np.array(row["values"].split(), dtype=float)
                apart = [abs(one - other) for one, other in itertools.combinations(values, 2)]
                own.append(np.mean(np.array(apart) <= Z95 * (2 * spread) ** 0.5 + 1e-9))
        shares.append(np.mean(own))
    return float(np.mean(shares))


def table(found: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the table of this folder's README."""
    yield "| reruns | metric | setups | a | b | margin at 0.90, n = 100 | n = 1,000 | held |"
    yield "|---|---|---|---|---|---|---|---|"
    for division, of in rule(found).items():
        for metric, (a, b) in of.items():
            own = _of(found, division, metric)
            at = (Z95 * (2 * (a * a * towards_half(0.9, n) + b * b)) ** 0.5 for n in (100, 1000))
            cells = [division, metric, str(len(own)), f"{a:.3f}", f"{b:.3f}"]
            cells += [*(f"{one:.3f}" for one in at), f"{held(own):.3f}"]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, or say what was measured."""
    if "--table" in sys.argv:
        print("\n".join(table(rows())))
        return
    if "--rule" in sys.argv:
        for division, of in rule(rows()).items():
            print(f'    "{division}": {{')
            print(
                "".join(f'        "{name}": {one},\n' for name, one in of.items()), end="    },\n"
            )
        return
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measure(Path(given[0]) if given else Path(tempfile.gettempdir()) / "rerun-spread")


if __name__ == "__main__":
    main()
