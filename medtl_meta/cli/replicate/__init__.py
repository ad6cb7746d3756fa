"""``medtl-meta replicate``: plan, run and compare replications. Parses, calls and prints."""

from __future__ import annotations

import click

from medtl_meta.cli.lazy import Commands, LazyGroup

#: Command -> one line of help, in the order in which a newcomer needs them.
COMMANDS: Commands = {
    "setups": "List the cited studies that come with a setup to rerun them.",
    "plan": "Show what a replication would do, before anything runs.",
    "run": "Run a replication, or resume one that was killed.",
    "predict": "Let a model that a run gave away predict images.",
    "compare": "Set the replicated values beside the reported ones, with a verdict and its reason.",
    "runs": "List the replications in the database, or show all of one.",
    "contest": "Run TL types x backbones x seeds on several image sets, under equal conditions.",
    "leakage": "Find the same picture, or the same patient, where it must not be.",
    "weights": "Show which pretrained weights are found where, and whether they are verified.",
}


@click.group(cls=LazyGroup, home=__name__, commands_at=COMMANDS)
def replicate() -> None:
    """Rerun a cited study's setup on images and compare with what was reported.

    \b
    Examples:
      medtl-meta replicate setups
      medtl-meta replicate plan byra2019
      medtl-meta replicate run byra2019 --images phantom
    """
