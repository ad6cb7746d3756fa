"""``medtl-meta replicate compare``: replicated beside reported, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from db.wording import bracketed, folded, method_words, metric_words, plural
from medtl_meta.cli.options import (
    Finite,
    chosen_formats,
    database_option,
    figure_option,
    format_option,
    opened,
    out_option,
    remark,
)
from medtl_meta.cli.output import width, write_rows
from medtl_meta.cli.prose import WIDEST, paragraph
from medtl_meta.cli.terminal import echo, secho
from replicate.verdicts.words import Code, standing_words

_SHORT = (
    "study", "metric", "of_class", "reported", "replicated", "ci_low", "ci_high", "verdict",
    "fidelity", "assumed_settings", "reason",
)  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, metavar="[SETUP|STUDY|RUN]...")
@click.option(
    "--margin",
    type=Finite(min=0, max=1),
    help="Largest difference that is still called reproduced.  [default: what reruns differ by]",
)
@out_option(None, "draw the figure into")
@figure_option("With --out: what to write of the figure")
@format_option
@database_option
def compare(
    names: tuple[str, ...],
    margin: float | None,
    out: Path | None,
    forms: str,
    form: str,
    where: str | None,
) -> None:
    """Set the replicated values beside the reported ones, with a verdict and its reason.

    SETUP is a setup that was run, STUDY a key, a reference number or a DOI, RUN the beginning of a
    run's id; without any, all runs of studies on real images are compared. Verdicts: reproduced,
    consistent, lower, higher, at baseline, not comparable, impossible (the reported value
    contradicts itself).

    \b
    Examples:
      medtl-meta replicate compare
      medtl-meta replicate compare karri2017 --margin 0.01
      medtl-meta replicate compare 49 --out out --figure png,csv
    """
    from replicate.verdicts.compare import compare as compare_all
    from replicate.verdicts.compare import compare_runs, counted
    from replicate.verdicts.comparison import CODE_COLUMNS, ROW_COLUMNS

    wanted = chosen_formats(forms)
    left = 0
    with opened(where) as database:
        if names:
            found = [one for name in names for one in compare_all(database, name, margin=margin)]
            found = list({one.run["id"]: one for one in found}.values())
        else:
            every = compare_runs(database, margin=margin)
            found = [one for one in every if one.run["study"] is not None]
            left = len(every) - len(found)
        rows = [row for one in found for row in one.rows()]
        drawn = []
        if out is not None and rows:
            from metaanalysis.figures.runs.replications import drawable, replications

            if drawable(rows):
                figure = replications(rows, data_hash=database.data_hash)
                drawn = figure.save(out, wanted)
    if form == "table":
        for position, one in enumerate(found):
            if position:
                echo()
            _write(one.run, one.rows())
    else:
        full = (*ROW_COLUMNS, *CODE_COLUMNS) if form == "json" else ROW_COLUMNS
        write_rows(rows, _SHORT if form == "markdown" else full, form)
    for path in drawn:
        remark(f"Drawn: {path}")
    if out is not None and rows and not drawn:
        remark("No figure: no replicated value has a reported one beside it.")
    if left:
        remark(f"Left out: {plural(left, 'run')} without a study to compare with.")
    if not found:
        remark("No finished run on real images yet: medtl-meta replicate run SETUP makes one.")
        return
    counts = ", ".join(f"{count} {word}" for word, count in counted(found).items())
    remark(f"{plural(len(found), 'run')}: {counts or 'no metric'}.")


def heading(run: Mapping[str, Any]) -> str:
    """Return what a run is, in one sentence."""
    name = run["study"] or run["setup"] or "own images"
    ref = f" [{run['ref']}]" if run.get("ref") else ""
    network = run["backbone"] or "unknown network"
    if run["backbone_reported"]:
        network += f" for {run['backbone_reported']}"
    fidelity = "phantom" if run["kind"] == "phantom" else run["fidelity"] or "no study"
    method = method_words(run["tl_type"], run.get("unfrozen"))
    return (
        f"{name}{ref}: {network}, {method}, on {run['dataset']} ({fidelity}), "
        f"{run['split'] or 'split not known'}; run {run['id'][:8]}; settings: "
        f"{run['reported_settings']} reported, {run['assumed_settings']} assumed"
    )


def _write(run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    for line in folded(heading(run), min(width(), WIDEST), 0, 2):
        secho(line, bold=True)
    if run["kind"] == "phantom":
        paragraph("not comparable. Phantom values are compared with nothing.", 2, 4)
    compared = [row for row in rows if row["reported"] is not None]
    bare = [row for row in rows if row["reported"] is None]
    if compared:
        table = [
            {
                "metric": _metric(row),
                "reported": bracketed(row["reported"], row["reported_low"], row["reported_high"]),
                "replicated": bracketed(row["replicated"], row["ci_low"], row["ci_high"]),
                "verdict": row["verdict"],
            }
            for row in compared
        ]
        write_rows(table, tuple(table[0]), "table")
    for reason, named in _together(compared, "reason").items():
        paragraph(f"{named}: {reason}", 2, 4)
    told = [{**row, "standing": standing_words(row)} for row in compared]
    for text, named in _together(told, "standing").items():
        paragraph(f"{named}: {text}", 2, 4)
    for source, named in _together(compared, "reported_source").items():
        if source:
            of = "" if len(_together(compared, "reported_source")) == 1 else f" of {named}"
            paragraph(f"Reported value{of}: {source}", 2, 4)
    if bare:
        text = ", ".join(
            f"{_metric(row)} {bracketed(row['replicated'], row['ci_low'], row['ci_high'])}"
            for row in bare
        )
        paragraph(f"Without a reported value: {text}.", 2, 4)
        unsaid = (Code.PHANTOM, Code.NOT_REPORTED)
        others = [row for row in bare if row["why"]["code"] not in unsaid]
        for reason, named in _together(others, "reason").items():
            paragraph(f"{named}: {reason}", 2, 4)


def _together(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, str]:
    """Return the metrics, in words, of which the same is to be said."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row[name] or ""), []).append(_metric(row))
    return {text: ", ".join(metrics) for text, metrics in found.items()}


def _metric(row: Mapping[str, Any]) -> str:
    name = metric_words(row["metric"])
    return f"{name} of {row['of_class']}" if row["of_class"] else name
