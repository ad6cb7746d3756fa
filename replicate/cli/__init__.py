"""``medtl-meta replicate``: plan, run and compare replications. Parses, calls and prints."""

from __future__ import annotations

import click

from metaanalysis.cli.lazy import Commands, LazyGroup

#: Command -> (module, function, one line of help), in the order in which a newcomer needs them.
COMMANDS: Commands = {
    "setups": ("replicate.cli.plan", "setups", "List the cited studies that can be rerun."),
    "plan": (
        "replicate.cli.plan",
        "plan",
        "Show what a replication would do: every setting, reported or assumed, and its cost.",
    ),
    "run": ("replicate.cli.run", "run", "Run a replication, or resume one that was killed."),
    "compare": (
        "replicate.cli.compare",
        "compare",
        "Set the replicated values beside the reported ones, with a verdict.",
    ),
    "runs": ("replicate.cli.runs", "runs", "List the replications in the database, or show one."),
    "contest": (
        "replicate.cli.contest",
        "contest",
        "Run TL types x backbones x seeds under equal conditions on several image sets.",
    ),
    "leakage": (
        "replicate.cli.leakage",
        "leakage",
        "Find duplicates and shared patients across the parts and classes of an image set.",
    ),
    "weights": ("replicate.cli.weights", "weights", "Show which weights are found where."),
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
