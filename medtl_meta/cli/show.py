"""``medtl-meta show``: one study in full."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from db.literature import PLACES
from medtl_meta.cli.options import database_option, format_option, opened
from medtl_meta.cli.output import UNKNOWN, cell, width, write_rows
from medtl_meta.cli.prose import heading
from medtl_meta.cli.terminal import echo, echo_json, secho
from metaanalysis import query as ask

#: Columns of the study that cite it.
CITATION = ("key", "ref", "authors", "title", "journal", "year", "volume", "pages", "doi", "pmid")

VALUE_COLUMNS = ("field", "value", "basis", "source", "note", "confirmed_by", "disagreements")

#: What the bases mean, in a word or two, for somebody who has not read the codebook.
BASES = {
    "not_found": "looked for, not seen",
    "record": "place of reading not noted",
    "description": "curators' words",
}


def value_rows(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one flat row a value: citation, curated fields, metrics, data sets, notes."""
    row = study["study"]
    rows: list[dict[str, Any]] = [
        {"field": name, "value": row[name]} for name in CITATION if row[name] is not None
    ]
    rows += [
        {
            "field": name,
            **entry,
            "confirmed_by": entry["confirmed_by"] or None,
            "disagreements": [
                f"{cell(other['value'])} ({other['source']})" for other in entry["disagreements"]
            ]
            or None,
        }
        for name, entry in study["values"].items()
    ]
    for metric in study["metrics"]:
        field = f"metric {metric['metric']}"
        rows.append({**metric, "field": field, "note": metric_context(metric)})
    rows += [{**used, "field": "data set", "value": used["name"]} for used in study["datasets"]]
    rows += [
        {"field": name, "value": row[name]}
        for name in ("data_note", "tl_note", "note")
        if row[name] is not None
    ]
    return rows


def metric_context(metric: dict[str, Any]) -> str:
    """Return what a reported value is of: interval, arm, task, split, n."""
    parts = []
    if metric["headline"]:
        parts.append("headline")
    if metric["ci_low"] is not None:
        parts.append(f"interval {metric['ci_low']}–{metric['ci_high']}")
    if metric["sd"] is not None:
        parts.append(f"SD {metric['sd']}")
    parts += [metric[name] for name in ("backbone", "tl_type", "task", "split") if metric[name]]
    if metric["n"] is not None:
        parts.append(f"n = {metric['n']}")
    return "; ".join(parts)


def _citation(study: dict[str, Any]) -> str:
    text = f"{study['authors'].removesuffix('.')}. {study['title'].removesuffix('.')}."
    for sign, name in ((" ", "journal"), (" ", "year"), (";", "volume"), (":", "pages")):
        text += f"{sign}{study[name]}" if study[name] else ""
    return f"{text}."


def _print(study: dict[str, Any]) -> None:
    room = min(width(), 120)
    row = study["study"]

    def paragraph(text: str, indent: int = 0) -> None:
        pad = " " * indent
        echo(textwrap.fill(text, room, initial_indent=pad, subsequent_indent=pad))

    def entry(label: str, text: str, evidence: str, column: int) -> None:
        fits = max(room - column, 30)
        lines = textwrap.wrap(text, fits, break_on_hyphens=False) or [UNKNOWN]
        if len(label) > column - 3:  # too long to stand beside its text
            secho(f"  {label}", fg="cyan")
            label = ""
        secho(f"  {label:<{column - 2}}", fg="cyan", nl=False)
        echo(lines[0])
        for line in lines[1:]:
            echo(" " * column + line)
        for line in textwrap.wrap(evidence, max(room - column, 30)):
            secho(" " * column + line, dim=True)

    sources: dict[str, int] = {}

    def cited(source: str) -> str:
        """Name a short source; number a long one, which is then listed once at the end."""
        if source in PLACES:
            return PLACES[source]
        return f"[{sources.setdefault(source, len(sources) + 1)}]"

    def disagreement(other: dict[str, Any]) -> str:
        note = f" {other['note']}" if other["note"] else ""
        return f"{cell(other['value'])}, {cited(other['source'])}.{note}"

    reference = f"reference {row['ref']} of the review" if row["ref"] else "a study of your own"
    secho(f"{row['key']} ({reference})", bold=True)
    paragraph(_citation(row))
    if row["doi"]:
        echo(f"https://doi.org/{row['doi']}")
    elif row["url"]:
        echo(row["url"])
    if row["retracted"]:
        secho("RETRACTED: leave it out of any pooled analysis.", fg="red", bold=True)
    inclusion = {
        "overview block": "in the block of references that the review's overview table lists",
        "cited": "cited by the review's text as a reviewed study",
        "uncertain": "cited by the review, but not for certain as a reviewed study",
        "added": "added by you",
    }[row["inclusion"]]
    seen = "" if row["tl_seen"] else " Transfer learning was not seen in any source."
    paragraph(f"Inclusion: {inclusion}.{seen}")

    heading("Curated values, each with basis and source")
    column = max(len(name) for name in study["values"]) + 4
    for name, value in study["values"].items():
        basis = value["basis"]
        meaning = f" ({BASES[basis]})" if basis in BASES else ""
        evidence = f"{basis}{meaning}" + (f", {cited(value['source'])}" if value["source"] else "")
        if value["source"] == basis:  # read off the title: the basis says where
            evidence = PLACES[basis]
        entry(name, cell(value["value"]), evidence, column)
        if value["note"]:
            paragraph(f"Note: {value['note']}", column)
        for source in value["confirmed_by"]:
            paragraph(f"Confirmed by {cited(source)}.", column)
        for other in value["disagreements"]:
            paragraph(f"Disagrees: {disagreement(other)}", column)

    if study["metrics"]:
        heading("Reported outcomes (fractions)")
        for metric in study["metrics"]:
            text = f"{metric['value']}  {metric_context(metric)}"
            entry(metric["metric"], text, f"{metric['basis']}, {cited(metric['source'])}", column)
    if study["datasets"]:
        heading("Data sets as the study names them")
        for dataset in study["datasets"]:
            public = {True: "public", False: "not public", None: "availability unknown"}
            about = [public[dataset["public"]]] + ([dataset["url"]] if dataset["url"] else [])
            paragraph(f"{dataset['name']} ({', '.join(about)})", 2)
    if study["disagreements"]:
        heading("Other disagreements between sources")
        for other in study["disagreements"]:
            paragraph(f"{other['field']}: {disagreement(other)}", 2)
    notes = [row[name] for name in ("data_note", "tl_note", "note") if row[name]]
    if notes:
        heading("Notes")
        for note in notes:
            paragraph(note, 2)
    if sources:
        heading("Sources")
        for source, number in sources.items():
            entry(f"[{number}]", source, "", 7)


@click.command()
@click.argument("study", metavar="KEY")
@format_option
@database_option
def show(study: str, form: str, where: str | None) -> None:
    """Show one study in full, each value with its source.

    KEY is a study's key, its number in the review's reference list, its DOI or its PubMed number.

    \b
    Examples:
      medtl-meta show karri2017
      medtl-meta show 49 --format json
      medtl-meta show 10.1364/BOE.8.000579
    """
    with opened(where) as database:
        found = ask.study_in_full(database, study)
    if form == "json":
        echo_json(found)
    elif form == "table":
        _print(found)
    else:
        write_rows(value_rows(found), VALUE_COLUMNS, form)
