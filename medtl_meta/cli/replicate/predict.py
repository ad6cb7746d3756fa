"""``medtl-meta replicate predict``: what a trained model says of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from db.wording import plural
from medtl_meta.cli.bar import progress_bar
from medtl_meta.cli.options import form_option, formulas_option, remark
from medtl_meta.cli.output import csv_formulas, write_rows
from medtl_meta.cli.replicate.settings import compute_options, reading_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--images",
    required=True,
    metavar="WHERE",
    help="Images: a folder, whatever lies in it, an image file, or as of replicate run.",
)
@reading_options
@compute_options
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write a CSV to this file."
)
@form_option(("csv", "table", "json", "markdown"), "How to write the rows to stdout without --out.")
@formulas_option
def predict(
    model: Path,
    images: str,
    reading: Mapping[str, Any],
    computing: Mapping[str, Any],
    out: Path | None,
    form: str,
) -> None:
    """Let a model that a run gave away predict images.

    MODEL is a model's folder or file, as replicate run --out DIR writes it to DIR/models. Images
    are prepared as its card says; their classes, if they have any, are not looked at. Nothing in
    the file is executed. A model is for research, not for diagnosis.

    \b
    Examples:
      medtl-meta replicate predict out/models/seed-0-repeat-0-fold-0 --images new/ --out new.csv
    """
    from replicate.images.reading import taken
    from replicate.models.predict import check_target, predict_images
    from replicate.training.compute import choose

    if out is not None:
        check_target(out)
    with progress_bar() as progress:
        found = predict_images(
            model,
            images,
            reading=taken(reading)[0],
            compute=choose(**computing),
            progress=progress,
        )
    rows = found.rows()
    if out is not None:
        found.save(out, csv_formulas())
        remark(f"Written: {out}")
    else:
        write_rows(rows, found.columns, form)
    card = found.card
    for note in found.images.notes:
        remark(str(note))
    remark(
        f"{plural(len(rows), 'image')} predicted by {card.network}, {card.tl_type}, trained on "
        f"{card.data.name}. {card.intended_use}"
    )
