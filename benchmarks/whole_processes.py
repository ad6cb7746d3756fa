"""Our commands beside what one would write instead, as whole processes on the same images.

Each pair runs in turn, in alternating order, with the same weights, images, sizes and epochs; wall
and processor time are the system's for each process and what it started. Run by
``replicator_speed.py``, part "whole processes".
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from replicate.images.opening import open_images
from replicate.networks.builders import find_builder
from replicate.weights.places import find_weights

HERE = Path(__file__).parent
FROZEN = "feature extractor"
BLOCKS = ("--tl", "fine-tuning", "--unfreeze", "blocks:2")
ALL = ("--tl", "fine-tuning from scratch")
#: Name, value, unit.
Measure = tuple[str, float, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison.

    Attributes
    ----------
    name, ours, way
        What it is called, the options of our command, and the way of ``instead.py``.
    cold
        Whether either starts without anything cached.
    target
        What ratio is wanted, ours to the other: of wall times, or of training times alone.
    once
        Whether one run says enough.
    """

    name: str
    ours: Sequence[str]
    way: str
    cold: bool
    target: str
    epochs: int = 10
    once: bool = False


CASES = (
    Case("linear head, cold", ("--tl", FROZEN), "linear", True, "<= 1.0"),
    Case("linear head, warm", ("--tl", FROZEN), "linear", False, "<= 1.0"),
    Case("SVM, cold", ("--tl", f"{FROZEN} hybrid"), "svm", True, "<= 1.0"),
    Case("SVM, warm", ("--tl", f"{FROZEN} hybrid"), "svm", False, "<= 1.0"),
    Case("two blocks, warm", BLOCKS, "two blocks", False, "<= 1.1"),
    Case("all layers, warm", ALL, "all layers", False, "<= 1.05 in training", 3),
    Case("tutorial", ("--tl", FROZEN), "tutorial", True, "<= 0.33", once=True),
    Case("Lightning", ("--tl", FROZEN), "lightning", True, "<= 0.33", once=True),
    Case("fastai", ("--tl", FROZEN), "fastai", True, "<= 0.33", once=True),
)


class ModuleMissingError(Exception):
    """What is compared with is not installed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One process: seconds on the clock and of the processor, of training where it says so."""

    wall: float
    cpu: float
    training: float
    output: str


@dataclass(frozen=True, slots=True)
class Bench:
    """Images, weights and folders of all comparisons.

    Attributes
    ----------
    python
        The interpreter of what is compared with ours; it may have Lightning and fastai.
    """

    scratch: Path
    images: Path
    weights: Path
    size: int
    python: str

    def ours(self, case: Case) -> Ran:
        """Run our command anew."""
        shutil.rmtree(self.scratch / "runs", ignore_errors=True)
        return self.command(*self.words(case))

    def words(self, case: Case) -> Sequence[str]:
        """Return the words of our command behind ``medtl-meta replicate``."""
        return (
            *("run", "--images", str(self.images), "--backbone", "MobileNetV2", "--no-download"),
            *("--size", str(self.size), "--epochs", str(case.epochs), "--test", "0.25"),
            *("--validation", "0", *case.ours),
        )

    def command(self, *words: str) -> Ran:
        """Run ``medtl-meta replicate`` with these words."""
        homes = {name: self.scratch / name.lower() for name in ("CACHE", "RUNS", "DB")}
        own = {f"MEDTL_META_{name}": str(path) for name, path in homes.items()}
        return ran([sys.executable, "-m", "medtl_meta", "replicate", *words], own)

    def instead(self, case: Case) -> Ran:
        """Run what one would write instead."""
        return ran(
            [self.python, str(HERE / "instead.py"), case.way, "--images", str(self.images),
             "--weights", str(self.weights), "--cache", str(self.scratch / "instead"),
             "--size", str(self.size), "--epochs", str(case.epochs)],
        )  # fmt: skip

    def forget(self) -> None:
        """Empty both caches."""
        for name in ("cache", "instead"):
            shutil.rmtree(self.scratch / name, ignore_errors=True)


def ran(command: Sequence[str], own: Mapping[str, str] | None = None) -> Ran:
    """Run a process to its end and say what the system counted for it."""
    with tempfile.TemporaryFile() as stream:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, env=os.environ | dict(own or {}), stdout=stream, stderr=stream, cwd=HERE.parent
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        stream.seek(0)
        output = stream.read().decode(errors="replace")
    if process.returncode and "ModuleNotFoundError" in output:
        raise ModuleMissingError(output.splitlines()[-1])
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {output[-2000:]}")
    said = re.search(r"training ([\d.]+) s", output)
    return Ran(wall, usage.ru_utime + usage.ru_stime, float(said[1]) if said else 0.0, output)


def chosen_images(where: str, count: int, folder: Path) -> Path:
    """Write so many images of a set, evenly taken, into folders named as their classes."""
    images = open_images(where, size=64)
    for i in np.unique(np.linspace(0, len(images) - 1, count).astype(np.int64)):
        place = folder / images.classes[images.labels[i]]
        place.mkdir(parents=True, exist_ok=True)
        path = Path(where) / images.ids[i]
        if path.is_file():
            shutil.copy(path, place / f"{i:05d}{path.suffix}")
        else:
            Image.fromarray(images.read(int(i))).save(place / f"{i:05d}.png")
    return folder


def compared(case: Case, bench: Bench, pairs: int) -> Iterator[Measure]:
    """Run the pairs of a comparison and yield medians and their ratio."""
    sides = {"ours": bench.ours, "instead": bench.instead}
    found: dict[str, list[Ran]] = {name: [] for name in sides}
    if not case.cold:
        for run in sides.values():
            run(case)  # fills its cache
    for number in range(1 if case.once else pairs):
        for name in (tuple(sides), tuple(sides)[::-1])[number % 2]:
            if case.cold:
                bench.forget()
            found[name].append(sides[name](case))
    for kind in ("wall", "cpu", "training"):
        ours, theirs = (
            statistics.median(getattr(one, kind) for one in found[name]) for name in sides
        )
        if kind == "training" and not (ours and theirs):
            continue
        target = f" (target {case.target})" if "training" in case.target or kind == "wall" else ""
        yield f"{case.name}: ours, {kind}", ours, "s"
        yield f"{case.name}: instead, {kind}", theirs, "s"
        yield f"{case.name}: {kind}, ours / instead{target}", ours / theirs, "ratio"


def shown_again(bench: Bench) -> Iterator[Measure]:
    """Show a finished run once more, by the words that ran it and by its name."""
    bench.ours(CASES[0])
    options = bench.words(CASES[0])
    again = statistics.median(bench.command(*options).wall for _ in range(3))
    yield "a finished run, shown again (target < 1)", again, "s"


def copies_of(bench: Bench, count: int) -> Iterator[Measure]:
    """Look for copies among many files, twice: hashes of the first time are kept."""
    folder, draw = bench.scratch / "many", np.random.default_rng(0)
    for i in range(count):
        place = folder / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (64, 64), np.uint8)).save(place / f"{i:05d}.png")
    for time_ in ("first", "second (target < 2)"):
        found = bench.command("leakage", str(folder))
        yield f"leakage of {count:,} files, {time_}", found.wall, "s"


def measured(bench: Bench, pairs: int, files: int = 5_000) -> Iterator[Measure]:
    """Yield all comparisons, and what our command alone must reach."""
    for case in CASES:
        try:
            yield from compared(case, bench, pairs)
        except ModuleMissingError:
            yield f"{case.name}: not installed", float("nan"), ""
    yield from shown_again(bench)
    yield from copies_of(bench, files)
