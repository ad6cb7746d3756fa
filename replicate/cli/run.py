"""``medtl-meta replicate run``: run a replication, show what came of it."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metaanalysis.cli.options import database_option, opened, remark
from metaanalysis.cli.output import UNKNOWN, width, write_rows
from replicate.cli.bar import progress_bar
from replicate.cli.settings import compute_options, images_option, spec_options

if TYPE_CHECKING:
    from replicate.outcome import RunResult
    from replicate.setups import Specified

#: Metrics of the table, as they are called there.
SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}


@click.command()
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
    from replicate.cli.plan import planned
    from replicate.compute import choose
    from replicate.run import replicate

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
        _print(result, specified)


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


def _print(result: RunResult, specified: Specified) -> None:
    room = min(width(), 100)

    def paragraph(text: str, indent: int = 2) -> None:
        pad = " " * indent
        click.echo(textwrap.fill(text, room, initial_indent=pad, subsequent_indent=pad))

    def heading(text: str) -> None:
        click.echo()
        click.secho(text, bold=True)

    kind = "phantom" if result.images.phantom else "replicated"
    click.secho(f"Run {result.id}, {kind} values", bold=True)
    if result.images.phantom:
        paragraph("The images are made ones: this checks the pipeline and says nothing on a study.")
    spec, count = result.spec, len(result.images)
    network = spec.network.name
    if spec.network.reported and spec.network.reported != network:
        network += f" in place of {spec.network.reported}"
    paragraph(
        f"{network} ({result.weights}), {spec.transfer.tl_type}, "
        f"{result.trained_parameters:,} of {result.parameters:,} parameters trained; "
        f"{count} images of {result.images.name}, {spec.preprocessing.size} x "
        f"{spec.preprocessing.size}; {len(result.fitted)} model{'s'[: len(result.fitted) > 1]}."
    )
    if specified.fidelity is not None:
        paragraph(f"Fidelity: {specified.fidelity.sentence}")
    assumed = len(result.ledger.assumed)
    paragraph(
        f"Ledger: {len(result.ledger.reported)} settings reported, {assumed} assumed "
        f"(medtl-meta replicate runs {result.id} lists them)."
    )
    heading("Leakage")
    for sentence in (*result.shared[:1], *result.leakage.sentences()):
        paragraph(sentence)
    heading("Metrics")
    write_rows(_rows(result), ("metric", "value", "95% interval", "n", "baseline"), "table")
    for text in result.evaluation.remarks:
        paragraph(text)
    heading("Verdicts")
    if result.comparison is not None and result.comparison.values:
        for value in result.comparison.values:
            paragraph(f"{value.replicated.metric}: {value.verdict.verdict}. {value.verdict.reason}")
    else:
        paragraph("Nothing to compare with.")
    timing = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in result.timing.items())
    remark(f"Time: {timing}.")


def _rows(result: RunResult) -> list[dict[str, Any]]:
    evaluation = result.evaluation
    rows = []
    for name, called in SHOWN.items():
        value = evaluation.pooled(name)
        test = evaluation.tests.get(name)
        known = value.ci_low is not None and value.ci_high is not None
        rows.append(
            {
                "metric": called,
                "value": UNKNOWN if value.value is None else f"{value.value:.3f}",
                "95% interval": f"{value.ci_low:.3f} to {value.ci_high:.3f}" if known else UNKNOWN,
                "n": value.n,
                "baseline": UNKNOWN if test is None else f"{test.baseline:.3f}",
            }
        )
    return rows
