"""``medtl-meta backbones``: list the networks that can be rerun."""

from __future__ import annotations

from collections.abc import Mapping

import click

from medtl_meta.cli.options import format_option, remark
from medtl_meta.cli.output import write_rows

TABLE_COLUMNS = (
    "name",
    "year",
    "parameters",
    "feature_parameters",
    "layers",
    "size",
    "library",
    "builder",
    "weights",
    "substitute",
)
COLUMNS = (*TABLE_COLUMNS, "feature_layers", "width", "least_size", "reason", "note")


@click.command()
@click.option("--at-hand", is_flag=True, help="Only those with pretrained weights on this machine.")
@format_option
def backbones(at_hand: bool, form: str) -> None:
    """List the networks that can be built, with their parameters and weights.

    The names are those of the literature. Parameters and layers are those of the network with 1000
    classes; the feature extraction part is what is transferred. Where no library builds a network,
    the one that stands in is named.

    \b
    Examples:
      medtl-meta backbones
      medtl-meta backbones --at-hand --format json
    """
    from replicate.networks.builders import registry
    from replicate.weights.places import at_hand as found

    rows: list[dict[str, object]] = []
    for builder in registry().builders:
        candidate = found(builder)
        facts = builder.model_dump(include={*COLUMNS})
        rows.append({**facts, "weights": candidate.place if candidate else None})
    built = len(rows)
    with_weights = [row for row in rows if row["weights"]]
    if at_hand:
        rows = with_weights
    else:
        rows += [
            {"name": entry.name, "substitute": entry.nearest, "reason": entry.reason}
            for entry in registry().substitutions
        ]
    headings = {
        "parameters": "M parameters",
        "feature_parameters": "M feature part",
        "weights": "weights at hand",
        "substitute": "stands in",
    }
    if form == "table":
        rows = [{**row, **_millions(row)} for row in rows]
    columns = TABLE_COLUMNS if form in ("table", "markdown") else COLUMNS
    spare = ("library", "size", "builder", "layers", "year")
    write_rows(rows, columns, form, headings=headings, spare=spare)
    remark(
        f"{built} networks can be built, {len(with_weights)} with pretrained weights at hand; "
        f"for {len(registry().substitutions)} names of the literature there is no builder."
    )


def _millions(row: Mapping[str, object]) -> dict[str, str]:
    """Return the counts of parameters in millions, their points below each other."""
    return {
        name: f"{float(str(row[name])) / 1e6:>8.2f}"
        for name in ("parameters", "feature_parameters")
        if isinstance(row.get(name), int)
    }
