"""``medtl-meta replicate setups``: the cited studies that come with a setup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from medtl_meta.cli.options import database_option, format_option, opened, remark
from medtl_meta.cli.output import width, write_rows
from replicate.terms import FEATURES, HYBRID, RANDOM, SCRATCH

if TYPE_CHECKING:
    from db.literature import Reported

COLUMNS = (
    "setup",
    "ref",
    "modality",
    "task",
    "backbone",
    "tl_type",
    "reported",
    "fidelity",
    "data",
)
#: TL types where there is little room; no two of them can be taken for each other.
SHORT_TL_TYPES = {
    FEATURES: "FE",
    HYBRID: "FE hybrid",
    "fine-tuning": "FT",
    SCRATCH: "FT scratch",
    RANDOM: "random",
}
#: Metrics where there is little room.
SHORT_METRICS = {"accuracy": "acc.", "sensitivity": "sens.", "specificity": "spec."}


@click.command()
@format_option
@database_option
def setups(form: str, where: str | None) -> None:
    """List the cited studies that come with a setup to rerun them.

    Any other study of the database can be planned and run as well: what its record holds is taken,
    the rest assumed.

    \b
    Examples:
      medtl-meta replicate setups
      medtl-meta replicate setups --format csv
    """
    from replicate.setup.files import read_setup, setup_names
    from replicate.setup.specify import specify

    rows: list[dict[str, Any]] = []
    with opened(where) as database:
        plans = {
            name: specify(read_setup(name, database), database=database) for name in setup_names()
        }
    for name, specified in plans.items():
        study, spec = specified.study, specified.spec
        row = {
            "setup": name,
            "ref": study.ref if study else None,
            "modality": study.value("modality") if study else None,
            "task": study.value("task") if study else None,
            "backbone": spec.network.reported or spec.network.name,
            "tl_type": spec.transfer.tl_type,
            "data": spec.data.name,
            "fidelity": spec.fidelity,
            "reported": [f"{one.metric} {one.value}" for one in specified.reported] or None,
        }
        first = specified.reported[0] if specified.reported else None
        rows.append(_shortened(row, first) if form == "table" else row)
    left_out = _left_out(width()) if form == "table" else ()
    columns = [name for name in COLUMNS if name not in left_out]
    write_rows(rows, columns, form, headings={"tl_type": "TL type"})
    if form == "table":
        if left_out:
            remark(f"Not shown in {width()} columns: {', '.join(left_out)}.")
        remark("FE: feature extractor, FT: fine-tuning; of several reported values the first.")
    remark(f"{len(rows)} setups; medtl-meta replicate plan SETUP shows one in full.")


def _left_out(room: int) -> tuple[str, ...]:
    """Return the columns of setups without which each of them has a line of its own."""
    if room >= 160:
        return ()
    return ("task", "data") if room >= 94 else ("task", "data", "ref", "fidelity")


def _shortened(row: Mapping[str, Any], first: Reported | None) -> dict[str, Any]:
    """Return a row as a table has room for it."""
    value = None
    if first is not None:
        value = f"{SHORT_METRICS.get(first.metric, first.metric)} {round(first.value, 4):g}"
    return {
        **row,
        "backbone": row["backbone"].removesuffix(" (unspecified)"),
        "tl_type": SHORT_TL_TYPES.get(row["tl_type"], row["tl_type"]),
        "reported": value,
    }
