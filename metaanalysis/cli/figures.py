"""``medtl-meta figures``: draw the review's figures."""

from __future__ import annotations

from pathlib import Path

import click

from db.errors import UsageError
from db.vocabulary import Lexicon
from metaanalysis.cli.options import database_option, opened, remark
from metaanalysis.figures import FIGURES, figure, figure_names

FORMATS = ("html", "svg", "png", "csv")


def _formats(text: str) -> tuple[str, ...]:
    known = Lexicon("format", FORMATS)
    chosen = tuple(dict.fromkeys(known.resolve(word) for word in text.split(",") if word.strip()))
    if not chosen:
        raise UsageError("--format: names no format.", f"Choose from {', '.join(FORMATS)}.")
    return chosen


@click.command(
    epilog="\b\nFigures:\n"
    + "\n".join(f"  {name:<11} {text}" for name, (_, text) in FIGURES.items())
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--out",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder to write to; made if it does not exist.",
)
@click.option(
    "--format",
    "-f",
    "forms",
    default=",".join(FORMATS),
    show_default=True,
    metavar="A,B,...",
    help="What to write of each figure; the HTML needs no network, the CSV holds what is drawn.",
)
@database_option
def figures(names: tuple[str, ...], out: Path, forms: str, where: str | None) -> None:
    """Draw the review's figures and tables.

    Where the review prints numbers, reported and curated ones stand side by side. Without names,
    all are drawn, with a page index.html that shows them. The paths of the files go to stdout.

    \b
    Examples:
      medtl-meta figures
      medtl-meta figures 4b 6a --out talk --format png
    """
    chosen_formats = _formats(forms)
    known = figure_names()
    chosen = list(dict.fromkeys(known.resolve(name) for name in names)) or list(FIGURES)
    drawn = []
    with opened(where) as database:
        for name in chosen:
            drawn.append((FIGURES[name][1], figure(name, database)))
            for path in drawn[-1][1].save(out, chosen_formats):
                click.echo(path)
    if not names and {"svg", "png"} & set(chosen_formats):
        from metaanalysis.figures.index import write_index

        click.echo(write_index(out, drawn, chosen_formats))
    remark(f"{len(chosen)} figure{'s' if len(chosen) != 1 else ''} drawn in {out}.")
