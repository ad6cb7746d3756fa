"""``medtl-meta audit``: which printed numbers cannot be true."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import fields

import click

from db.wording import listed, plural
from medtl_meta.cli.options import database_option, format_option, opened, remark
from medtl_meta.cli.output import width, write_rows
from medtl_meta.cli.terminal import echo, secho
from metaanalysis.audit import ATTENTION, CHECKS, FAULTS, VERDICTS, Finding
from metaanalysis.audit import audit as run
from metaanalysis.audit.finding import REVIEW, verdicts_named, worst_first

#: Columns of every format; JSON also has the reported values by study and position.
COLUMNS = tuple(field.name for field in fields(Finding) if field.name != "values")

#: Longer statements are cut in a table; every other format has them whole.
CUT = 100

#: How far what is found stands to the right of what it is about.
INDENT = "    "


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 1].rstrip()}…"


def _line(finding: Finding) -> str:
    if finding.subject == REVIEW:
        line = f"{finding.subject}, {finding.id}"
    else:
        ref = "" if finding.ref is None else f" [{finding.ref}]"
        line = f"{finding.subject}{ref}, {finding.check}"
    return f"{line}: {_cut(finding.reported)}" if finding.reported else line


def _write_table(findings: list[Finding]) -> None:
    """Write findings under their verdicts, each with its explanation: made to be read."""
    room = width()
    verdict = None
    for finding in findings:
        if finding.verdict != verdict:
            if verdict is not None:
                echo()
            verdict = finding.verdict
            secho(verdict.upper(), bold=True)
        echo(textwrap.fill(_line(finding), room, subsequent_indent="  "))
        text = finding.explanation
        echo(textwrap.fill(text, room, initial_indent=INDENT, subsequent_indent=INDENT))


def _sentence(counts: Counter[str]) -> str:
    if not counts:
        return "No findings."
    parts = listed(f"{count:,} {verdict}" for verdict, count in worst_first(counts).items())
    return f"{plural(counts.total(), 'finding')}: {parts}."


@click.command(
    epilog="\b\nChecks:\n"
    + "\n".join(f"  {name:<13} {check.text} ({check.of})" for name, check in CHECKS.items())
    + "\n\n\b\nVerdicts:\n"
    + "\n".join(
        textwrap.fill(f"  {verdict:<14} {text}", 78, subsequent_indent=" " * 17)
        for verdict, text in VERDICTS.items()
    )
)
@click.argument("studies", nargs=-1, metavar="[STUDY]...")
@click.option(
    "--check", "checks", multiple=True, metavar="KIND", help="Run this check; repeat for more."
)
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    metavar="VERDICT",
    help=f"Show findings of this verdict; repeat for more: {', '.join(VERDICTS)}.",
)
@click.option(
    "--strict", is_flag=True, help=f"Leave with exit code 1 if one is {listed(FAULTS, 'or')}."
)
@format_option
@database_option
def audit(
    studies: tuple[str, ...],
    checks: tuple[str, ...],
    verdicts: tuple[str, ...],
    strict: bool,
    form: str,
    where: str | None,
) -> None:
    """Check the numbers that the review and the studies print.

    STUDY is a key, a reference number or a DOI; without one, the review and all studies are
    checked. A table then shows what needs attention, unless --check or --verdict asks for more;
    csv and json have every finding.

    \b
    Examples:
      medtl-meta audit
      medtl-meta audit 103
      medtl-meta audit --check claim
      medtl-meta audit --verdict inconsistent --format json
    """
    for_people = form in ("table", "markdown")
    wanted = set(VERDICTS)
    if verdicts:
        wanted = verdicts_named(verdicts)
    elif for_people and not studies and not checks:
        wanted = set(ATTENTION)
    counts: Counter[str] = Counter()
    with opened(where) as database:
        shown = run(
            database,
            studies=studies or None,
            checks=checks or None,
            verdicts=wanted,
            counts=counts,
        )
    if form == "table":
        _write_table(shown)
    else:
        columns = (*COLUMNS, "values") if form == "json" else COLUMNS
        write_rows([finding.to_dict() for finding in shown], columns, form)
    remark(_sentence(counts))
    if len(shown) < counts.total():
        rest = "--verdict shows the others; json and csv have all." if not verdicts else ""
        remark(f"{len(shown):,} of them shown. {rest}".strip())
    if strict and any(counts[verdict] for verdict in FAULTS):
        click.get_current_context().exit(1)
