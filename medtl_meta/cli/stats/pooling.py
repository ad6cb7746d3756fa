"""``medtl-meta stats pool`` and ``accuracy``: one answer from many studies."""

from __future__ import annotations

from typing import Any

import click

from medtl_meta.cli.stats.options import (
    level_option,
    model_options,
    output_options,
    output_options_of_several,
    sample_options,
)
from medtl_meta.cli.stats.running import model_of, sample_of, write


@click.command()
@sample_options(several=True)
@model_options
@output_options_of_several
def pool(**given: Any) -> None:
    """Pool an outcome: estimate, interval, prediction interval, heterogeneity.

    Proportions (accuracy, sensitivity, specificity) are pooled by the binomial-normal model of
    their counts, everything else by random effects with REML and Knapp-Hartung.

    \b
    Examples:
      medtl-meta stats pool
      medtl-meta stats pool --outcome AUC --modality X-ray --assume-prevalence 0.5
      medtl-meta stats pool --csv mine.csv --effect yi --variance vi --method DL --test z
    """
    from metaanalysis.analyses.pooling import pool_sample

    write(pool_sample(sample_of(given), model_of(given)), given)


@click.command()
@sample_options(outcome=False, roles=("tp", "fn", "fp", "tn"))
@click.option("--method", metavar="WORD", help="REML or ML.  [default: REML]")
@click.option(
    "--zero-cells",
    type=click.Choice(("all-if-any", "only-affected", "none")),
    default="all-if-any",
    show_default=True,
    help="Where 0.5 is added if a cell is 0.",
)
@level_option
@output_options
def accuracy(zero_cells: Any, **given: Any) -> None:
    """Pool sensitivity and specificity together, from two-by-two tables.

    Reitsma's bivariate model with its summary curve. The studies of the literature hardly ever
    print how many cases had the finding, so that they need --assume-prevalence.

    \b
    Examples:
      medtl-meta stats accuracy --assume-prevalence 0.5
      medtl-meta stats accuracy --csv mine.csv --tp tp --fn fn --fp fp --tn tn
    """
    from metaanalysis.analyses.diagnostic import accuracy_of

    sample = sample_of(given, pairs=True)
    write(accuracy_of(sample, model_of(given), zero_cells=zero_cells), given)
