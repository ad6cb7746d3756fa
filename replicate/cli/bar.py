"""Progress on stderr: a bar on a terminal, a line a phase elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from metaanalysis.cli.options import remark
from replicate.progress import Progress, Report


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show reports of progress until the block ends; stdout stays for data."""
    if sys.stderr is not None and sys.stderr.isatty():  # None where it was closed
        with _bar() as report:
            yield report
        return
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        if progress.message:
            remark(progress.message)
        elif progress.phase not in told and progress.total:
            told.add(progress.phase)
            unit = progress.unit if progress.total != 1 else progress.unit.removesuffix("s")
            remark(f"{progress.phase}: {progress.total} {unit}")

    yield tell


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, unit="")

        def tell(progress: Progress) -> None:
            if progress.message:
                bar.console.print(progress.message, style="dim", highlight=False)
            if progress.total:
                bar.update(
                    task,
                    description=progress.phase,
                    completed=progress.done,
                    total=progress.total,
                    unit=progress.unit,
                )

        yield tell
