"""``medtl-meta stats bias``, ``influence`` and ``multiverse``: what the answer hangs on."""

from __future__ import annotations

from typing import Any

import click

from db.errors import UsageError
from medtl_meta.cli.stats.options import (
    level_option,
    model_options,
    output_options,
    sample_options,
)
from medtl_meta.cli.stats.running import model_of, sample_of, write


@click.command()
@sample_options()
@model_options
@output_options
def bias(**given: Any) -> None:
    """Test whether small studies report other values than large ones.

    Egger, Begg, trim-and-fill; PET-PEESE for effects whose null is 0; Deeks for two-by-two tables.
    Proportions and AUC are tested on the arcsine scale, where their variance hangs on n alone (of
    an AUC: nearly).

    \b
    Examples:
      medtl-meta stats bias
      medtl-meta stats bias --csv mine.csv --tp tp --fn fn --fp fp --tn tn
    """
    from metaanalysis.analyses.robustness import bias_of

    write(bias_of(sample_of(given), model_of(given)), given)


@click.command()
@sample_options()
@click.option(
    "--cumulative", is_flag=True, help="Add the studies one by one, in the order of --order."
)
@click.option(
    "--order",
    metavar="COL",
    help="Numbers that give the order of --cumulative.  [default: year]",
)
@model_options
@output_options
def influence(cumulative: bool, order: str | None, **given: Any) -> None:
    """Leave out each study in turn, or add them one by one in order of time.

    Deletion diagnostics with the usual cut-offs beside the estimate without each study.

    \b
    Examples:
      medtl-meta stats influence
      medtl-meta stats influence --cumulative
      medtl-meta stats influence --csv mine.csv --effect yi --variance vi --cumulative --order year
    """
    from metaanalysis.analyses.robustness import cumulate, influence_on

    if order is not None and not cumulative:
        raise UsageError("--order: only the cumulative analysis has one.", "Add --cumulative.")
    if not cumulative:
        write(influence_on(sample_of(given), model_of(given)), given)
        return
    key = order or "year"
    sample = sample_of(given, by="--order", moderators=(key,))
    write(cumulate(sample, model_of(given), order=key), given)


@click.command()
@sample_options()
@click.option(
    "--transform", metavar="WORD", help="Scale of an AUC: raw or logit.  [default: logit]"
)
@level_option
@output_options
def multiverse(**given: Any) -> None:
    """Pool in every defensible way, and see what the answer hangs on.

    Every combination of scale (with the binomial-normal model), estimator, test and choice of
    studies. The table shows the range of each scale and choice; CSV and JSON hold every analysis.

    \b
    Examples:
      medtl-meta stats multiverse
      medtl-meta stats multiverse --csv mine.csv --events x --n n --format csv
    """
    from metaanalysis.analyses.robustness import multiverse_of

    write(multiverse_of(sample_of(given), model_of(given)), given)
