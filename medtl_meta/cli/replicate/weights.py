"""``medtl-meta replicate weights``: show what is found where, and fetch what is not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db.errors import UsageError
from medtl_meta.cli.options import format_option, remark
from medtl_meta.cli.output import write_rows

if TYPE_CHECKING:
    from replicate.networks.builders import Builder
    from replicate.weights.places import Look

COLUMNS = ("backbone", "place", "label", "state", "where", "sha256")
TABLE_COLUMNS = COLUMNS[:-1]

#: Characters of a file's name in a table.
NAME_LENGTH = 23

#: States of a file that is there.
ABSENT, FETCHABLE = "absent", "can be fetched"


@click.command()
@click.argument("name", required=False)
@click.option("--fetch", is_flag=True, help="Download the weights of NAME if they are not here.")
@format_option
def weights(name: str | None, fetch: bool, form: str) -> None:
    """Show which pretrained weights are found where, and whether they are verified.

    Places are looked into in this order: the weights folder (MEDTL_META_WEIGHTS), the caches of
    torch hub and the Hugging Face hub, installed packages, download. With NAME every place is
    shown; without, the files that are here and what would be fetched for each other network.

    \b
    Examples:
      medtl-meta replicate weights
      medtl-meta replicate weights MobileNetV2
      medtl-meta replicate weights resnet50 --fetch
    """
    from replicate.networks.builders import builder_for, registry
    from replicate.weights.places import look, what_to_do

    if name is None:
        if fetch:
            raise UsageError("--fetch: name the network.", "medtl-meta backbones lists them.")
        looks = [each for builder in registry().builders for each in _short(look(builder))]
    else:
        choice = builder_for(name)
        if choice.substitution is not None:
            remark(f"{choice.reported}: {choice.builder.name} stands in. {choice.substitution}")
        if fetch:
            _fetch(choice.builder)
        looks = look(choice.builder)
    columns: tuple[str, ...] = TABLE_COLUMNS if form in ("table", "markdown") else COLUMNS
    rows = [asdict(each) for each in looks]
    if form == "table":
        rows = [{**row, "where": shortened(row["where"])} for row in rows]
        if name is not None:  # all of one network
            columns = columns[1:]
    spare = ("label", "place")
    write_rows(rows, columns, form, headings={"label": "weights"}, spare=spare)
    here = {each.backbone for each in looks if each.state not in (ABSENT, FETCHABLE)}
    if form == "table" and rows:
        remark("Whole paths and addresses: --format csv.")
    if name is None:
        remark(f"Weights of {len(here)} of {len(registry().builders)} networks are here.")
    elif not here:
        remark(what_to_do(choice.builder))


def shortened(where: str) -> str:
    """Return what a table has room for: of an address its server, of a path its last part."""
    if where.startswith("https://"):
        return where.removeprefix("https://").partition("/")[0]
    name = Path(where).name
    return name if len(name) <= NAME_LENGTH else f"…{name[1 - NAME_LENGTH :]}"


def _short(looks: list[Look]) -> list[Look]:
    """Keep the files that are there; without any, the first that could be fetched."""
    there = [each for each in looks if each.state not in (ABSENT, FETCHABLE)]
    return there or [each for each in looks if each.state == FETCHABLE][:1]


def _fetch(builder: Builder) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from replicate.weights.places import find_weights, pinned

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(builder.name, total=None)

        def progress(done: int, total: int | None) -> None:
            shown.update(task, completed=done, total=total)

        found = find_weights(builder, progress=progress)
    remark(f"{builder.name}: {found.path} ({found.place}).")
    if words := pinned(found):
        remark(words)
