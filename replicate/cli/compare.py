"""``medtl-meta replicate compare``: replicated beside reported, with a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from metaanalysis.cli.options import (
    chosen_formats,
    database_option,
    format_option,
    opened,
    remark,
)
from metaanalysis.cli.output import UNKNOWN, width, write_rows

#: As in ``replicate/verdicts.py``, which takes scipy to import (a test holds them together).
MARGIN = 0.02

#: Formats of the figure.
FIGURE_FORMATS = ("html", "svg", "png", "csv")

_SHORT = (
    "study", "metric", "of_class", "reported", "replicated", "ci_low", "ci_high", "verdict",
    "fidelity", "assumed_settings", "reason",
)  # fmt: skip

_INDENT = "    "


@click.command()
@click.argument("names", nargs=-1, metavar="[SETUP|STUDY|RUN]...")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, max=1),
    default=MARGIN,
    show_default=True,
    help="Largest difference that is still called reproduced.",
)
@click.option(
    "--out",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to draw the figure into; made if it does not exist.",
)
@click.option(
    "--figure",
    "forms",
    default="html,png",
    show_default=True,
    metavar="A,B,...",
    help=f"With --out: what to write of the figure, out of {', '.join(FIGURE_FORMATS)}.",
)
@format_option
@database_option
def compare(
    names: tuple[str, ...],
    margin: float,
    out: Path | None,
    forms: str,
    form: str,
    where: str | None,
) -> None:
    """Set the replicated values beside the reported ones, with a verdict and its reason.

    SETUP is a setup that was run, STUDY a key, a reference number or a DOI, RUN the beginning of a
    run's id; without any, all runs on real images are compared. Verdicts: reproduced, consistent,
    lower, higher, at baseline, not comparable, impossible (the reported value contradicts itself).

    \b
    Examples:
      medtl-meta replicate compare
      medtl-meta replicate compare karri2017 --margin 0.01
      medtl-meta replicate compare 49 --out out --figure png,csv
    """
    from replicate.compare import ROW_COLUMNS, compare_runs, counted
    from replicate.compare import compare as compare_all

    wanted = chosen_formats(forms, FIGURE_FORMATS)
    with opened(where) as database:
        if names:
            found = [one for name in names for one in compare_all(database, name, margin=margin)]
            found = list({one.run["id"]: one for one in found}.values())
        else:
            found = compare_runs(database, margin=margin)
        rows = [row for one in found for row in one.rows()]
        drawn = []
        if out is not None and rows:
            from metaanalysis.figures.replications import drawable, replications

            if drawable(rows):
                figure = replications(rows, data_hash=database.data_hash)
                drawn = figure.save(out, wanted)
    if form == "table":
        for position, one in enumerate(found):
            if position:
                click.echo()
            _write(one.run, one.rows())
    else:
        write_rows(rows, _SHORT if form == "markdown" else ROW_COLUMNS, form)
    for path in drawn:
        remark(f"Drawn: {path}")
    if out is not None and rows and not drawn:
        remark("No figure: no replicated value has a reported one beside it.")
    if not found:
        remark("No finished run on real images yet: medtl-meta replicate run SETUP makes one.")
        return
    counts = ", ".join(f"{count} {word}" for word, count in counted(found).items())
    remark(f"{len(found)} run{'s' if len(found) != 1 else ''}: {counts or 'no metric'}.")


def heading(run: Mapping[str, Any]) -> str:
    """Return what a run is, in one sentence."""
    name = run["study"] or run["setup"] or "own images"
    ref = f" [{run['ref']}]" if run.get("ref") else ""
    network = run["backbone"] or "unknown network"
    if run["backbone_reported"]:
        network += f" for {run['backbone_reported']}"
    fidelity = "phantom" if run["kind"] == "phantom" else run["fidelity"] or "no study"
    return (
        f"{name}{ref}: {network}, {run['tl_type']}, on {run['dataset']} ({fidelity}); run "
        f"{run['id']}; settings: {run['reported_settings']} reported, "
        f"{run['assumed_settings']} assumed"
    )


def _write(run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    room = width()
    for line in textwrap.wrap(heading(run), room, subsequent_indent="  "):
        click.secho(line, bold=True)
    label = max((len(_metric(row)) for row in rows), default=0)
    for row in rows:
        theirs = _value(row["reported"], row["reported_low"], row["reported_high"])
        ours = _value(row["replicated"], row["ci_low"], row["ci_high"])
        line = f"{_metric(row):<{label}}  reported {theirs}, replicated {ours}: "
        if len(line) + len(row["verdict"]) + 2 > room:
            click.echo(f"  {_metric(row):<{label}}  reported {theirs},")
            line = f"{'':<{label}}  replicated {ours}: "
        click.echo(f"  {line}{click.style(row['verdict'], bold=True)}")
        text = str(row["reason"])
        if row["reported_source"]:
            text += f" Source: {row['reported_source']}"
        options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
        for part in textwrap.wrap(text, room - len(_INDENT), **options):
            click.echo(_INDENT + part)


def _metric(row: Mapping[str, Any]) -> str:
    return f"{row['metric']} of {row['of_class']}" if row["of_class"] else str(row["metric"])


def _value(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return UNKNOWN
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{value:.3f}{interval}"
