"""``medtl-meta replicate run``: run a replication, show what came of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.bar import progress_bar
from medtl_meta.cli.options import database_option, opened
from medtl_meta.cli.replicate.settings import compute_options, images_option, spec_options
from medtl_meta.cli.sections import SectionedCommand

if TYPE_CHECKING:
    from replicate.setup.specify import Specified


@click.command(cls=SectionedCommand)
@click.argument("setup", required=False)
@images_option
@spec_options
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
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(("table", "json"), case_sensitive=False),
    default="table",
    show_default=True,
    help="How to write the result. Data go to stdout, progress to stderr.",
)
@database_option
def run(
    setup: str | None,
    images: str | None,
    source: str | None,
    chosen: Mapping[str, Any],
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
    from medtl_meta.cli.replicate.plan import planned
    from replicate.run import replicate
    from replicate.training.compute import choose

    if out is not None:
        _check_place(out)
    compute = choose(**computing)
    specified, found = planned(setup, images, source, chosen, where)
    if found is None:
        found = _fetched(specified)
    with opened(where) as database, progress_bar() as progress:
        try:
            result = replicate(
                specified.spec,
                found,
                ledger=specified.ledger,
                reported=[value.to_dict() for value in specified.reported],
                compute=compute,
                database=database,
                download=not no_download,
                progress=progress,
            )
        except KeyboardInterrupt:
            raise ReplicationError(
                "Stopped by hand.", "What was done is kept: the same command goes on from there."
            ) from None
    if out is not None:
        result.save_as(out)
    if form == "json":
        click.echo(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
    else:
        from medtl_meta.cli.replicate.result import write_result

        write_result(result, specified)


def _check_place(out: Path) -> None:
    """Refuse, before hours are spent, a file that could not be written in the end."""
    from db.errors import UsageError

    folder = out.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"--out {out}: there is no folder {folder}.", "Make it first.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {out}: {folder} cannot be written to.", "Name another place.")


def _fetched(specified: Specified) -> Any:
    """Open the images that the setup names, where they have a name to be fetched by."""
    from db.errors import UsageError
    from replicate.images.opening import open_images

    source = specified.source
    if source is None or source.images is None:
        layout = f" ({source.title}: {source.get} {source.layout})" if source else ""
        raise UsageError(
            f"No images are given, and the setup's own cannot be fetched by name{layout}.",
            "Give them with --images; --images phantom tries the setup on made images.",
        )
    return open_images(source.images, size=specified.spec.preprocessing.size)
