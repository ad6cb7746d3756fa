"""``medtl-meta query``: find studies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from db.vocabulary import FAMILIES, METRICS, MODALITIES, SUBJECTS, TL_TYPES
from medtl_meta.cli.options import database_option, format_option, opened, remark, whole
from medtl_meta.cli.output import write_rows
from metaanalysis import query as ask
from metaanalysis.query.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])

#: What a table shows unless columns are named: what fits a terminal.
TABLE_COLUMNS = (
    "ref",
    "key",
    "year",
    "modality",
    "anatomy",
    "backbones",
    "tl_types",
    "n_classes",
    "n_images",
    "accuracy",
    "auc",
)

#: What a narrow terminal does without, first to go first.
SPARE_COLUMNS = ("n_images", "n_classes", "anatomy", "year", "auc")

HEADINGS = {
    "n_classes": "classes",
    "n_images": "images",
    "n_patients": "patients",
    "tl_types": "TL types",
    "accuracy": "acc.",
    "auc": "AUC",
    "sensitivity": "sens.",
    "specificity": "spec.",
    "npv": "NPV",
    "f1": "F1",
}


FILTER_HELP = {
    "modality": f"Imaging modality: {', '.join(MODALITIES)}.",
    "subject": f"Body system: {', '.join(SUBJECTS)}; or an organ, such as brain or breast.",
    "backbone": "Backbone by any of its names, such as VGG16, GoogLeNet or Inception v1.",
    "family": f"Family of backbones: {', '.join(FAMILIES)}.",
    "tl": f"TL type: {', '.join(TL_TYPES)}.",
    "year": "Year of publication, such as 2019, 2018-2020 or >=2019.",
    "classes": "Number of classes, such as 2, 3-5 or >2.",
    "size": "Number of images, such as >=1000 or 500-2000.",
    "metric": 'Headline value, such as "accuracy>=0.9" or AUC: ' + ", ".join(METRICS) + ".",
    "dataset": "Words in the name of a data set that the study used.",
    "text": "Words in title, authors, journal, task, anatomy or notes.",
}


def filter_options(function: F) -> F:
    """Give a command all filters of a query."""
    for name in reversed(FILTER_HELP):
        function = click.option(f"--{name}", multiple=True, metavar="WORD", help=FILTER_HELP[name])(
            function
        )
    return function


@click.command()
@filter_options
@click.option(
    "--columns",
    "-c",
    metavar="A,B,...",
    help=f"Columns to show: {', '.join(ask.COLUMNS)}.",
)
@click.option(
    "--sort",
    "-s",
    metavar="A,-B,...",
    help="Columns to sort by, - before a name for descending.  [default: ref]",
)
@click.option("--limit", "-n", type=whole(1), help="Show at most so many rows.")
@format_option
@database_option
def query(
    columns: str | None,
    sort: str | None,
    limit: int | None,
    form: str,
    where: str | None,
    **words: tuple[str, ...],
) -> None:
    """Find studies by modality, subject, backbone, TL type and more.

    A repeated option means or, different options mean and. Words are found by any synonym and
    case. A study whose value is unknown does not match; how many such there are is said.

    \b
    Examples:
      medtl-meta query --modality OCT
      medtl-meta query --tl "feature extractor" --tl hybrid --metric "accuracy>=0.9"
      medtl-meta query --subject brain --year 2018-2020 --sort -accuracy --format json
    """
    names = [name.strip() for name in columns.split(",") if name.strip()] if columns else None
    if names is None and form in ("table", "markdown"):
        names = list(TABLE_COLUMNS)
    order = [name.strip() for name in sort.split(",") if name.strip()] if sort else []
    with opened(where) as database:
        found = ask.select(database, Filters.of(words), columns=names, sort=order, limit=limit)
    shown = list(found.rows[0]) if found.rows else list(names or ask.DEFAULT_COLUMNS)
    spare = SPARE_COLUMNS if columns is None else ()
    write_rows(found.rows, shown, form, headings=HEADINGS, spare=spare)
    for sentence in found.sentences():
        remark(sentence)
