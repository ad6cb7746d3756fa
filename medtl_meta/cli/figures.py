"""``medtl-meta figures``: draw the review's figures."""

from __future__ import annotations

from pathlib import Path

import click

from db.wording import plural
from medtl_meta.cli.options import (
    chosen_formats,
    database_option,
    formats_option,
    opened,
    out_option,
    remark,
)
from medtl_meta.cli.terminal import echo
from metaanalysis.figures import FIGURES, FORMATS, figure, figure_names


@click.command(
    epilog="\b\nFigures:\n"
    + "\n".join(f"  {name:<11} {text}" for name, (_, text) in FIGURES.items())
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@out_option("out")
@formats_option(
    FORMATS,
    "What to write of each figure; the HTML needs no network, the CSV holds what is drawn.",
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
    forms_wanted = chosen_formats(forms, FORMATS)
    known = figure_names()
    chosen = list(dict.fromkeys(known.resolve(name) for name in names)) or list(FIGURES)
    drawn = []
    with opened(where) as database:
        for name in chosen:
            drawn.append((FIGURES[name][1], figure(name, database)))
            for path in drawn[-1][1].save(out, forms_wanted):
                echo(str(path))
    if not names and {"svg", "png"} & set(forms_wanted):
        from metaanalysis.figures.review.index import write_index

        echo(str(write_index(out, drawn, forms_wanted)))
    remark(f"{plural(len(chosen), 'figure')} drawn in {out}.")
