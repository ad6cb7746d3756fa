"""``medtl-meta stats``: pool the literature, or a CSV, and ask what the answer hangs on."""

from __future__ import annotations

import click

from medtl_meta.cli.stats.comparing import regress, subgroup
from medtl_meta.cli.stats.correlate import correlate
from medtl_meta.cli.stats.pooling import accuracy, pool
from medtl_meta.cli.stats.robustness import bias, influence, multiverse


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


for _command in (pool, subgroup, regress, bias, influence, accuracy, correlate, multiverse):
    stats.add_command(_command)
