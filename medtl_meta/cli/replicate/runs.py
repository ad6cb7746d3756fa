"""``medtl-meta replicate runs``: the replications in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from db.errors import UsageError
from db.wording import fixed, method_words, plural
from medtl_meta.cli.options import database_option, format_option, opened, remark, whole
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.terminal import echo_json
from metaanalysis import query as ask
from replicate.record import record_of_rows, with_origins

_TABLE = (
    "id", "kind", "study", "backbone", "tl_type", "dataset", "split", "state", "accuracy", "AUC",
    "fidelity", "assumed_settings", "created_at",
)  # fmt: skip
_HEADINGS = {
    "assumed_settings": "assumed", "tl_type": "TL type", "created_at": "begun", "accuracy": "acc.",
    "split": "split by",
}  # fmt: skip
#: Never the kind: a phantom must not pass for a replication. What was run goes after how it was
#: divided, which the run's own page says.
_SPARE = (
    "created_at", "assumed_settings", "state", "fidelity", "split", "dataset", "tl_type",
    "backbone",
)  # fmt: skip

_DETAIL_COLUMNS = ("part", "name", "value", "ci_low", "ci_high", "n", "mark", "reason", "origin")


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--study", metavar="STUDY", help="Of this study: key, reference number or DOI.")
@click.option("--setup", metavar="NAME", help="Of this setup.")
@click.option("--state", metavar="WORD", help="planned, running, finished, failed or interrupted.")
@click.option("--backbone", metavar="NAME", help="That ran this network, or one in its stead.")
@click.option(
    "--tl", "tl_type", metavar="TYPE", help="Of this TL type, such as 'feature extractor'."
)
@click.option(
    "--phantom/--real", default=None, help="Only runs of made images, or only of real ones."
)
@click.option("--limit", "-n", type=whole(1), help="Show at most so many rows.")
@click.option("--delete", is_flag=True, help="Delete the RUN that is named, with its outcome.")
@format_option
@database_option
def runs(run: str | None, delete: bool, form: str, where: str | None, **filters: Any) -> None:
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
    if run is not None and any(one is not None for one in filters.values()):
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
        rows = ask.runs(database, **filters)
    if form in ("table", "markdown"):
        unsettled = any(row["state"] != "finished" for row in rows)
        spare = (*(name for name in _SPARE if name != "state"), "state") if unsettled else _SPARE
        if all(row["study"] is None for row in rows):
            spare = ("study", *spare)  # a column of nothing makes room first
        short = [_short(row, form) for row in rows]
        write_rows(short, _TABLE, form, headings=_HEADINGS, spare=spare)
    else:
        write_rows(rows, ask.RUN_COLUMNS, form)
    made = sum(row["kind"] == "phantom" for row in rows)
    phantoms = f", {made} of phantoms" if made else ""
    remark(f"{plural(len(rows), 'run')}{phantoms}.")


def _short(row: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Return a run as a table has room for it; its id is cut, as its beginning names it too."""
    short = {
        **row,
        **{name: fixed(row[name]) for name in ("accuracy", "AUC")},
        "tl_type": method_words(row["tl_type"], row["unfrozen"]),
        "created_at": row["created_at"][:10],
    }
    if form == "table":
        short["id"] = row["id"][:8]
        short["split"] = row["split"] and row["split"].rpartition(" by ")[2]
    return short


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
    if form == "table":
        from medtl_meta.cli.replicate.view import write_run

        write_run(record_of_rows(found), full=True)
        return
    found = with_origins(found)
    if form == "json":
        echo_json(found)
    else:
        write_rows(detail_rows(found), _DETAIL_COLUMNS, form)
