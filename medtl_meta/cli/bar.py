"""Progress on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from db.wording import visible
from medtl_meta.cli.options import remark
from replicate.progress import Progress, Report

#: Seconds after which another model's phase is worth a line.
QUIET = 30.0


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show reports of progress until the block ends; stdout stays for data."""
    if sys.stderr is not None and sys.stderr.isatty():  # None where it was closed
        with _bar() as report:
            yield report
        return
    yield _lines()


def _lines() -> Report:
    """Return what writes a line for each kind of phase, and for later ones if they take long."""
    told: set[str] = set()
    kinds: set[str] = set()
    last = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal last
        if progress.message:
            remark(progress.message)
            return
        waited = time.monotonic() - last >= QUIET
        if progress.label in told or not progress.total or (progress.phase in kinds and not waited):
            return
        told.add(progress.label)
        kinds.add(progress.phase)
        last = time.monotonic()
        unit = progress.unit if progress.total != 1 else progress.unit.removesuffix("s")
        remark(f"{progress.label}: {progress.total} {unit}")

    return tell


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, unit="", visible=False)

        def tell(progress: Progress) -> None:
            if progress.message:
                bar.console.print(
                    visible(progress.message), style="dim", highlight=False, markup=False
                )
            if progress.total:
                bar.update(
                    task,
                    description=visible(progress.label),
                    completed=progress.done,
                    total=progress.total,
                    unit=progress.unit,
                    visible=True,
                )

        yield tell
