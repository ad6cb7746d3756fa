"""The commands of ``medtl-meta stats`` that turn a sample into an analysis."""

from __future__ import annotations

from typing import Any

import click

from db.errors import UsageError
from medtl_meta.cli.options import whole
from medtl_meta.cli.stats.options import (
    level_option,
    model_options,
    output_options,
    sample_options,
)
from medtl_meta.cli.stats.running import model_of, sample_of, write
from metaanalysis.samples.values import MODERATORS


@click.command()
@sample_options(several=True)
@model_options
@output_options(several=True)
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
@output_options()
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


@click.command()
@sample_options()
@click.option(
    "--by",
    required=True,
    metavar="COL",
    help=f"What makes the groups: {', '.join(MODERATORS)}; or a column of the CSV.",
)
@click.option(
    "--tau2",
    "tau2_mode",
    type=click.Choice(("separate", "common")),
    default="separate",
    show_default=True,
    help="Between-study variance of each group, or one of all.",
)
@model_options
@output_options()
def subgroup(by: str, tau2_mode: Any, **given: Any) -> None:
    """Pool each subgroup and test whether they differ.

    A value belongs to a group where that is known for certain: its TL type is the one that it
    names, or the only one that its study tests. Other values are left out and listed.

    \b
    Examples:
      medtl-meta stats subgroup --by tl_type
      medtl-meta stats subgroup --by modality --outcome AUC --assume-prevalence 0.5
      medtl-meta stats subgroup --csv mine.csv --events x --n n --by site
    """
    from metaanalysis.analyses.pooling import subgroup_sample

    sample = sample_of(given, by="--by", moderators=(by,))
    found = subgroup_sample(sample, by, model_of(given), tau2_mode=tau2_mode)
    write(found, given)


@click.command()
@sample_options(several=True)
@click.option(
    "--moderator",
    "moderators",
    multiple=True,
    required=True,
    metavar="COL",
    help=f"What may explain the effect, repeatable: {', '.join(MODERATORS)}; or CSV columns.",
)
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="COL",
    help="A --moderator to take as a factor although its cells are numbers; repeatable. Without "
    "it, text among the numbers of a CSV column is refused.",
)
@click.option(
    "--permutations",
    type=whole(0),
    default=0,
    show_default=True,
    help="How often to shuffle the moderators for a permutation p.",
)
@click.option("--seed", type=whole(0), default=1, show_default=True, help="Of the permutations.")
@model_options
@output_options(several=True)
def regress(moderators: tuple[str, ...], permutations: int, seed: int, **given: Any) -> None:
    """Regress an outcome on one or more moderators.

    Numbers enter as they are, text (and a --factor) as a factor whose first level in alphabetical
    order is the reference. log10_images is the decimal logarithm of the number of images.

    \b
    Examples:
      medtl-meta stats regress --moderator log10_images
      medtl-meta stats regress --moderator year --moderator depth --permutations 999
      medtl-meta stats regress --csv mine.csv --effect yi --variance vi --moderator dose
    """
    from metaanalysis.analyses.regression import regress_sample

    sample = sample_of(given, by="--moderator", moderators=moderators)
    found = regress_sample(
        sample,
        moderators,
        model_of(given),
        factors=given["factors"],
        permutations=permutations,
        seed=seed,
    )
    write(found, given)


@click.command()
@sample_options()
@model_options
@output_options()
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
@output_options()
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
@output_options()
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
