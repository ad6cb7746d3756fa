"""``medtl-meta replicate run``: run a replication, show what came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from db.wording import capital
from medtl_meta.cli.bar import progress_bar
from medtl_meta.cli.options import database_option, form_option, opened, remark
from medtl_meta.cli.replicate.settings import (
    compute_options,
    images_option,
    planned,
    spec_options,
)
from medtl_meta.cli.sections import SectionedCommand
from medtl_meta.cli.terminal import echo


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
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the result, as JSON, to this file.",
)
@form_option(("table", "json"), "How to write the result. Data go to stdout, progress to stderr.")
@database_option
def run(
    setup: str | None,
    words: Mapping[str, Any],
    computing: Mapping[str, Any],
    no_download: bool,
    out: Path | None,
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
    from replicate.record import as_text, shown_again, write_record

    if out is not None:
        _check_place(out)
    plan = planned(setup, words, where).with_images()
    with opened(where) as database, progress_bar() as progress:
        finished = plan.finished(database)
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
            resumed = result.earlier is not None and result.earlier.resumed
        else:
            record = finished.record
            remark(f"{capital(record['leakage']['shared'][0])}.")
    if out is not None:
        write_record(record, out)
    if form == "json":
        echo(as_text(record))
        return
    note = plan.specified.fidelity
    write_run(record, full=False, fidelity=None if note is None else note.sentence)
    if finished is not None:
        remark(shown_again(finished.at))
    else:
        sittings = " of all sittings" if resumed else ""
        remark(f"Time{sittings}: {timing_words(record['timing'])}.")


def _check_place(out: Path) -> None:
    """Refuse, before hours are spent, a file that could not be written in the end."""
    from db.errors import UsageError

    folder = out.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"--out {out}: there is no folder {folder}.", "Make it first.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {out}: {folder} cannot be written to.", "Name another place.")
