"""``medtl-meta replicate``: plan, run and compare replications. Parses, calls and prints."""

from __future__ import annotations

import click

from metaanalysis.cli.lazy import Commands, LazyGroup

#: Command -> (module, function, one line of help), in the order in which a newcomer needs them.
COMMANDS: Commands = {
    "setups": (
        "replicate.cli.plan",
        "setups",
        "List the cited studies that come with a setup to rerun them.",
    ),
    "plan": (
        "replicate.cli.plan",
        "plan",
        "Show what a replication would do, before anything runs.",
    ),
    "run": ("replicate.cli.run", "run", "Run a replication, or resume one that was killed."),
    "compare": (
        "replicate.cli.compare",
        "compare",
        "Set the replicated values beside the reported ones, with a verdict and its reason.",
    ),
    "runs": (
        "replicate.cli.runs",
        "runs",
        "List the replications in the database, or show all of one.",
    ),
    "contest": (
        "replicate.cli.contest",
        "contest",
        "Run TL types x backbones x seeds on several image sets, under equal conditions.",
    ),
    "leakage": (
        "replicate.cli.leakage",
        "leakage",
        "Find the same picture, or the same patient, where it must not be.",
    ),
    "weights": (
        "replicate.cli.weights",
        "weights",
        "Show which pretrained weights are found where, and whether they are verified.",
    ),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS)
def replicate() -> None:
    """Rerun a cited study's setup on images and compare with what was reported.

    \b
    Examples:
      medtl-meta replicate setups
      medtl-meta replicate plan byra2019
      medtl-meta replicate run byra2019 --images phantom
    """
