"""``medtl-meta stats subgroup`` and ``regress``: does the outcome go with anything."""

from __future__ import annotations

from typing import Any

import click

from medtl_meta.cli.stats.options import (
    model_options,
    output_options,
    output_options_of_several,
    sample_options,
)
from medtl_meta.cli.stats.running import model_of, sample_of, write
from metaanalysis.samples.values import MODERATORS


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
@output_options
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
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How often to shuffle the moderators for a permutation p.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the permutations.")
@model_options
@output_options_of_several
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
