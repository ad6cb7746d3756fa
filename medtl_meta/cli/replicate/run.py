"""``medtl-meta replicate run``: run a replication, show what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from db.wording import capital, plural
from medtl_meta.cli.bar import progress_bar
from medtl_meta.cli.options import (
    chosen_formats,
    database_option,
    figure_option,
    form_option,
    formulas_option,
    opened,
    remark,
)
from medtl_meta.cli.output import csv_formulas
from medtl_meta.cli.replicate.settings import (
    compute_options,
    images_option,
    planned,
    spec_options,
)
from medtl_meta.cli.sections import SectionedCommand
from medtl_meta.cli.terminal import echo

if TYPE_CHECKING:
    from replicate.outcome import RunResult


@click.command(cls=SectionedCommand)
@click.argument("setup", required=False)
@images_option
@spec_options()
@compute_options
@click.option(
    "--no-download", is_flag=True, help="Do not fetch weights; take what is on this machine."
)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to take away: result, metrics, predictions, history and models.",
)
@figure_option("With --out: what to write of the drawn history")
@form_option(("table", "json"), "How to write the result. Data go to stdout, progress to stderr.")
@formulas_option
@database_option
def run(
    setup: str | None,
    words: Mapping[str, Any],
    computing: Mapping[str, Any],
    no_download: bool,
    out: Path | None,
    forms: str,
    form: str,
    where: str | None,
) -> None:
    """Run a replication, or resume one that was killed.

    SETUP is a cited study's setup, or any study of the database; without it the run follows no
    study. Each option replaces a setting of the setup, which the ledger then says. The same words
    resume a run that was stopped, with the numbers it would have had; of a finished run they
    show the result again.

    \b
    Examples:
      medtl-meta replicate run minaee2020 --images covid-xray/ --backbone mobilenet_v2
      medtl-meta replicate run deepak2019 --images phantom:MRI --backbone mobilenet_v2
      medtl-meta replicate run --images busi/ --tl "fine-tuning" --unfreeze blocks:3 --seeds 0,1,2
    """
    from db.errors import ReplicationError
    from medtl_meta.cli.replicate.view import timing_words, write_run
    from replicate.record import as_text, shown_again

    figure = chosen_formats(forms, option="figure")
    if out is not None:
        from replicate.takeaway import check_place

        check_place(out)
    plan = planned(setup, words, where).with_images()
    with opened(where) as database, progress_bar() as progress:
        # Models are taken away by those who can load them: such a run is gone through again.
        finished = plan.finished(database) if out is None else None
        if finished is None:
            from replicate.training.compute import choose

            try:
                result = plan.run(
                    compute=choose(**computing),
                    database=database,
                    download=not no_download,
                    progress=progress,
                )
            except KeyboardInterrupt:
                raise ReplicationError(
                    "Stopped by hand.",
                    "What was done is kept: the same command goes on from there.",
                ) from None
            record = result.to_dict()
            earlier = result.earlier
            at = earlier.at if earlier and earlier.whole else None
            sittings = " of all sittings" if earlier and earlier.resumed else ""
            if out is not None:
                _take_away(result, out, not no_download, figure)
        else:
            record = finished.record
            remark(f"{capital(record['leakage']['shared'][0])}.")
            at = finished.at
    if form == "json":
        echo(as_text(record))
        return
    note = plan.specified.fidelity
    write_run(record, full=False, fidelity=None if note is None else note.sentence)
    if at is not None:
        remark(shown_again(at))
    else:
        remark(f"Time{sittings}: {timing_words(record['timing'])}.")


def _take_away(result: RunResult, out: Path, download: bool, figure: tuple[str, ...]) -> None:
    """Write what a run came to, and say what of it is not there."""
    from replicate.takeaway import take_away

    taken = take_away(result, out, download=download, figure=figure, formulas=csv_formulas())
    remark(f"Written to {out}: {plural(len(taken.written), 'file')}.")
    if taken.missing:
        remark(
            f"Not kept: {plural(len(taken.missing), 'model')}, of a contest or an earlier release. "
            f"Delete {taken.missing[0].parents[1]} and run again to have them."
        )
