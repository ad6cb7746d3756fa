"""``medtl-meta replicate runs``: the replications in the database."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from db.errors import UsageError
from metaanalysis import query as ask
from metaanalysis.cli.options import database_option, format_option, opened, remark
from metaanalysis.cli.output import cell, width, write_rows

_TABLE = (
    "id", "kind", "study", "dataset", "backbone", "tl_type", "state", "accuracy", "AUC",
    "fidelity", "assumed_settings", "created_at",
)  # fmt: skip
_HEADINGS = {"assumed_settings": "assumed", "tl_type": "TL type", "created_at": "begun"}
#: Never the kind: a phantom must not pass for a replication.
_SPARE = ("created_at", "assumed_settings", "AUC", "dataset", "fidelity", "tl_type", "backbone")

_DETAIL_COLUMNS = ("part", "name", "value", "ci_low", "ci_high", "n", "mark", "reason")


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--study", metavar="STUDY", help="Of this study: key, reference number or DOI.")
@click.option("--setup", metavar="NAME", help="Of this setup.")
@click.option("--state", metavar="WORD", help="planned, running, finished, failed or interrupted.")
@click.option("--backbone", metavar="NAME", help="That ran this network, or one in its stead.")
@click.option("--tl", metavar="TYPE", help="Of this TL type, such as 'feature extractor'.")
@click.option(
    "--phantom/--real", default=None, help="Only runs of made images, or only of real ones."
)
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Show at most so many rows.")
@click.option("--delete", is_flag=True, help="Delete the RUN that is named, with its outcome.")
@format_option
@database_option
def runs(
    run: str | None,
    study: str | None,
    setup: str | None,
    state: str | None,
    backbone: str | None,
    tl: str | None,
    phantom: bool | None,
    limit: int | None,
    delete: bool,
    form: str,
    where: str | None,
) -> None:
    """List the replications in the database, or show all of one.

    RUN is the beginning of a run's id. Shown of it: its ledger (every setting, reported or
    assumed), its metrics with intervals - pooled, by seed, fold and class -, its outcome, leakage
    and environment. Runs of made images are phantoms: evidence of nothing but the pipeline.

    \b
    Examples:
      medtl-meta replicate runs --real --state finished
      medtl-meta replicate runs --study 49 --tl fine-tuning --format csv
      medtl-meta replicate runs 3f9a
      medtl-meta replicate runs 3f9a --delete
    """
    filters = (study, setup, state, backbone, tl, phantom, limit)
    if run is not None and any(one is not None for one in filters):
        raise UsageError(
            "runs: give either one run or filters.", "medtl-meta replicate runs --help"
        )
    if delete and run is None:
        raise UsageError(
            "--delete: names no run.", "Give its id: medtl-meta replicate runs ID --delete"
        )
    with opened(where) as database:
        if run is not None:
            found = ask.run_details(database, run)
            if delete:
                from db.runs import delete_run

                delete_run(database, found["run"]["id"])
                remark(f"Run {found['run']['id']} deleted.")
                return
            _show(found, form)
            return
        rows = ask.runs(
            database,
            study=study,
            setup=setup,
            state=state,
            backbone=backbone,
            tl_type=tl,
            phantom=phantom,
            limit=limit,
        )
    if form in ("table", "markdown"):
        short = [{**row, **_rounded(row), "created_at": row["created_at"][:10]} for row in rows]
        write_rows(short, _TABLE, form, headings=_HEADINGS, spare=_SPARE)
    else:
        write_rows(rows, ask.RUN_COLUMNS, form)
    made = sum(row["kind"] == "phantom" for row in rows)
    phantoms = f", {made} of phantoms" if made else ""
    remark(f"{len(rows)} run{'s' if len(rows) != 1 else ''}{phantoms}.")


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if row[name] is None else round(row[name], 3) for name in ("accuracy", "AUC")
    }


def _of(metric: Mapping[str, Any]) -> str:
    """Return whose value a metric is, in words."""
    parts = [
        f"{word} {metric[name]}"
        for name, word in (("class_label", "class"), ("seed", "seed"), ("repeat", "repeat"))
        if metric[name] is not None
    ]
    if metric["fold"] is not None:
        parts.append(f"fold {metric['fold']}")
    return ", ".join(parts) or "pooled"


def detail_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return everything of a run as flat rows: what it is, its ledger, its metrics, the rest."""
    run = found["run"]
    rows: list[dict[str, Any]] = [
        {"part": "run", "name": name, "value": value}
        for name, value in run.items()
        if name not in ("spec", "outcome", "leakage", "environment", "study_id", "phantom")
        and value is not None
    ]
    rows += [{"part": "ledger", **setting} for setting in found["settings"]]
    rows += [
        {**metric, "part": _of(metric), "name": metric["metric"], "reason": metric["method"]}
        for metric in found["metrics"]
    ]
    for part in ("outcome", "leakage", "environment"):
        content = run[part] if isinstance(run[part], dict) else {}
        rows += [{"part": part, "name": name, "value": value} for name, value in content.items()]
    return rows


def _show(found: Mapping[str, Any], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows = detail_rows(found)
    if form != "table":
        write_rows(rows, _DETAIL_COLUMNS, form)
        return
    room = width()
    part = None
    for row in rows:
        if row["part"] != part:
            if part is not None:
                click.echo()
            part = row["part"]
            click.secho(str(part).upper(), bold=True)
        text = f"{row['name']}: {_text(row)}"
        options: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "    "}
        for line in textwrap.wrap(text, room, **options):
            click.echo(line)


def _text(row: Mapping[str, Any]) -> str:
    value = row["value"]
    text = f"{value:.4g}" if isinstance(value, float) else cell(value)
    text = text or "none"
    if row.get("ci_low") is not None and row.get("ci_high") is not None:
        text += f" [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
    if row.get("n") is not None:
        text += f", n = {row['n']}"
    if row.get("mark") is not None:
        return f"{text} - {row['mark']}: {row['reason']}"
    return f"{text} ({row['reason']})" if row.get("reason") else text
