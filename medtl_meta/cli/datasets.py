"""``medtl-meta datasets``: list public medical image data sets."""

from __future__ import annotations

import click

from db.vocabulary import MODALITIES, fold_case, lexicon
from medtl_meta.cli.options import database_option, format_option, opened, remark, whole
from medtl_meta.cli.output import write_rows
from metaanalysis import query as ask

TABLE_COLUMNS = ("name", "modality", "anatomy", "task", "year", "n_images", "n_classes", "access")


@click.command()
@click.option(
    "--modality", multiple=True, metavar="WORD", help=f"Imaging modality: {', '.join(MODALITIES)}."
)
@click.option("--task", metavar="WORD", help="Words in the task, such as classification.")
@click.option("--text", metavar="WORD", help="Words in name, anatomy or note.")
@click.option("--limit", "-n", type=whole(1), help="Show at most so many rows.")
@click.option("--open", "only_open", is_flag=True, help="Only those that need no registration.")
@format_option
@database_option
def datasets(
    modality: tuple[str, ...],
    task: str | None,
    text: str | None,
    limit: int | None,
    only_open: bool,
    form: str,
    where: str | None,
) -> None:
    """List public medical image data sets.

    The list is ours; the review's own table of 78 (its Additional file 3) is not at hand.

    \b
    Examples:
      medtl-meta datasets --modality OCT
      medtl-meta datasets --task classification --open --format csv
    """
    wanted = {lexicon("modality").resolve(word) for word in modality}

    def fits(row: dict[str, object]) -> bool:
        words = fold_case(" ".join(str(row[name] or "") for name in ("name", "anatomy", "note")))
        return (
            (not wanted or row["modality"] in wanted)
            and (not task or fold_case(task) in fold_case(str(row["task"])))
            and (not text or fold_case(text) in words)
            and (not only_open or row["access"] == "open")
        )

    with opened(where) as database:
        everything = ask.public_datasets(database)
    rows = [row for row in everything if fits(row)]
    columns = TABLE_COLUMNS if form in ("table", "markdown") else tuple(everything[0])
    headings = {"n_images": "images", "n_classes": "classes"}
    write_rows(
        rows[:limit], columns, form, headings=headings, spare=("access", "n_classes", "year")
    )
    shown = f" ({limit} shown)" if limit is not None and limit < len(rows) else ""
    remark(f"{len(rows)} of {len(everything)} public data sets in our list{shown}.")
