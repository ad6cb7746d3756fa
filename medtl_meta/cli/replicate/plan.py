"""``medtl-meta replicate plan``: what would be run, how, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.options import database_option, format_option
from medtl_meta.cli.output import write_rows
from medtl_meta.cli.prose import heading, paragraph, section
from medtl_meta.cli.replicate.ledger import is_chosen, summary, write_ledger
from medtl_meta.cli.replicate.settings import images_option, planned, spec_options
from medtl_meta.cli.replicate.view import images_words
from medtl_meta.cli.sections import SectionedCommand
from medtl_meta.cli.terminal import echo, echo_json, secho
from replicate.terms import shown

if TYPE_CHECKING:
    from db.literature import Reported
    from replicate.planning import Plan
    from replicate.setup.specify import Specified

LEDGER_COLUMNS = ("setting", "value", "mark", "reason")
#: Settings that a reader looks for first, and how they are called.
SUMMARY = (
    ("data.name", "images"),
    ("network.name", "backbone"),
    ("network.reported", "in place of"),
    ("network.weights", "weights"),
    ("transfer.tl_type", "TL type"),
    ("transfer.head.kind", "head"),
    ("preprocessing.size", "size"),
    ("training.epochs", "epochs"),
    ("split.kind", "split"),
    ("split.by", "split by"),
    ("seeds", "seeds"),
)


@click.command(cls=SectionedCommand)
@click.argument("setup", required=False)
@images_option
@spec_options()
@click.option("--no-probe", is_flag=True, help="Estimate without timing the network.")
@format_option
@database_option
def plan(
    setup: str | None, words: Mapping[str, Any], no_probe: bool, form: str, where: str | None
) -> None:
    """Show what a replication would do, before anything runs.

    Every setting stands there with its source, if the study reports it, or with the reason why it
    was assumed; then how near the rerun comes to the study, what it is compared with, where the
    images come from, and an estimate of time and memory on this machine. SETUP is a setup, or any
    study of the database by key, reference number or DOI; without it the run follows no study.

    \b
    Examples:
      medtl-meta replicate plan deepak2019
      medtl-meta replicate plan 134 --images busi/ --backbone MobileNetV2 --no-probe
      medtl-meta replicate plan --images phantom --tl "fine-tuning" --unfreeze blocks:2
    """
    found = planned(setup, words, where).estimated(measure=not no_probe)
    if form == "json":
        echo_json(found.to_dict())
    elif form == "table":
        _print(found)
    else:
        rows = [
            {**line.model_dump(), "setting": line.name, "value": shown(line.value)}
            for line in found.specified.ledger.lines
        ]
        write_rows(rows, LEDGER_COLUMNS, form)


def _print(found: Plan) -> None:
    specified, cost, task = found.specified, found.estimate, found.task
    study, setup = specified.study, specified.setup
    ledger = specified.ledger.model_dump(mode="json")["lines"]
    lines = {line["name"]: line for line in ledger}

    title = setup.title if setup is not None and setup.study is not None else "A run of its own"
    secho(f"{title} (plan {specified.spec.id})", bold=True)
    if study is not None:
        number = f"[{study.ref}] " if study.ref else ""
        paragraph(f"{number}{study.citation} {study.address or ''}".rstrip(), 0)
    if setup is not None and setup.about:
        paragraph(setup.about, 0)
    echo()
    words = {path: shown(lines[path]["value"]) for path, _ in SUMMARY if lines[path]["value"]}
    words["transfer.tl_type"] = specified.spec.transfer.words
    broad = max(map(len, words.values()))
    for path, label in SUMMARY:
        if path in words:
            free = specified.spec.study is None and is_chosen(lines[path])
            mark = "chosen" if free else lines[path]["mark"]
            echo(f"  {label:<13}{words[path]:<{broad}}  {mark}")

    if task is not None:
        section("Images read", [images_words(task.to_dict())])
    if specified.fidelity is not None:
        heading("Fidelity")
        paragraph(specified.fidelity.sentence)
    if specified.substitution:
        heading("Substitution")
        network = specified.spec.network
        paragraph(f"{network.name} in place of {network.reported}: {specified.substitution}")
    if study is not None:
        values = list(map(_reported, specified.reported)) or ["No reported value is at hand."]
        section("Reported, to compare with", values)
    _print_source(specified)

    heading(f"Ledger: {summary(ledger, specified.spec.study)}")
    write_ledger(ledger)

    if cost is not None:
        heading("Cost")
        paragraph(cost.sentence)
        if cost.remarks:
            paragraph(f"Note: {'; '.join(cost.remarks)}.")


def _print_source(specified: Specified) -> None:
    from replicate.setup.data import address_of

    source, setup = specified.source, specified.setup
    if source is not None:
        heading("Images")
        url, licence, count = address_of(source)
        known = [f"{count:,} images"] if count else []
        known += [f"licence {licence}" if licence else "licence not stated"]
        paragraph(f"{source.name}: {source.title} ({', '.join(known)})")
        if url:
            paragraph(url)
        for label, text in (
            ("How to get them", source.get),
            ("Layout", source.layout),
            ("Patients", source.groups),
        ):
            paragraph(f"{label}: {text}", 2, 4)
        if source.images:
            paragraph(f"Given by name: --images {source.images}")
        others = [other for other in setup.sources if other is not source] if setup else []
        if others:
            names = "; ".join(f"{other.name} ({other.fidelity})" for other in others)
            paragraph(f"Other sources (--data): {names}.")
    elif specified.missing:
        heading("Missing")
        for text in specified.missing:
            paragraph(f"{text}.")


def _reported(value: Reported) -> str:
    text = f"{value.metric} {value.value}"
    if value.ci_low is not None and value.ci_high is not None:
        text += f" (interval {value.ci_low}–{value.ci_high})"
    parts = [value.backbone, value.tl_type, value.task, value.split]
    if value.n is not None:
        parts.append(f"n = {value.n}")
    known = [part for part in parts if part]
    if known:
        text += f"; {', '.join(known)}"
    text += f"; {value.basis}, {value.source}"
    return f"{text}. Note: {value.note}." if value.note else f"{text}."
