"""``medtl-meta stats``: pool the literature, or a CSV, and ask what the answer hangs on."""

from __future__ import annotations

import click

from medtl_meta.cli.stats import commands
from medtl_meta.cli.stats.correlate import correlate


@click.group()
def stats() -> None:
    """Pool the reported values, compare groups, test for bias, try every defensible analysis.

    Every command works on the literature, with the filters of medtl-meta query, or on a CSV file.
    A value without a known number of cases is left out and listed, unless you allow an assumption,
    which is then printed with the result.

    \b
    Examples:
      medtl-meta stats pool --outcome accuracy
      medtl-meta stats subgroup --by tl_type
      medtl-meta stats pool --csv mine.csv --events correct --n cases
    """


for _command in (
    commands.pool,
    commands.subgroup,
    commands.regress,
    commands.bias,
    commands.influence,
    commands.accuracy,
    correlate,
    commands.multiverse,
):
    stats.add_command(_command)
