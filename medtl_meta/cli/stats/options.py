"""Options of the statistics: where the numbers come from, how they are pooled, what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from medtl_meta.cli.options import Finite, applied, database_option, format_option
from medtl_meta.cli.query import filter_options
from metaanalysis.analyses.choices import METHODS, TESTS, TRANSFORMS
from metaanalysis.samples.literature import OUTCOMES

F = TypeVar("F", bound=Callable[..., Any])

#: Role of a CSV column -> what it holds.
ROLES = {
    "effect": "the effect",
    "variance": "its sampling variance",
    "se": "its standard error, in place of the variance",
    "events": "how many (correct, positive ...)",
    "n": "of how many",
    "tp": "true positives",
    "fn": "false negatives",
    "fp": "false positives",
    "tn": "true negatives",
}


#: Options of a sample in the order of ``--help``; those of the roles go before ``label``.
SAMPLE: dict[str, dict[str, Any]] = {
    "outcome": {
        "metavar": "WORD",
        "help": f"What to analyse: {', '.join(OUTCOMES)}.  [default: accuracy]",
    },
    "arms": {
        "type": click.Choice(("headline", "all")),
        "help": "One value a study, its main claim, or all (by a three-level model).  "
        "[default: headline]",
    },
    "assume-n": {
        "metavar": "images|test|N",
        "help": "For values without a number of cases: the study's images, its test cases, or "
        "N. An assumption, printed with the result.",
    },
    "assume-prevalence": {
        "type": Finite(),
        "metavar": "P",
        "help": "Share of cases with the finding, where only all cases are counted. An "
        "assumption, printed with the result.",
    },
    "keep-retracted": {"is_flag": True, "help": "Keep retracted studies."},
    "keep-untransferred": {
        "is_flag": True,
        "help": "Keep randomly initialised networks and the authors' own.",
    },
    "replicated": {
        "is_flag": True,
        "help": "Analyse what the runs in the database replicated, the newest of each study, "
        "in place of what is reported.",
    },
    "csv": {
        "type": click.Path(path_type=Path),
        "metavar": "FILE",
        "help": "Analyse a CSV file in place of the literature.",
    },
    **{name: {"metavar": "COL", "help": f"CSV column: {what}."} for name, what in ROLES.items()},
    "label": {"metavar": "COL", "help": "CSV column: the names of the rows."},
    "cluster": {"metavar": "COL", "help": "CSV column: which rows are of one study."},
    "missing": {
        "type": click.Choice(("error", "exclude")),
        "help": "CSV rows without a value: refuse them, or leave them out and list them.  "
        "[default: error]",
    },
}


def sample_options(
    *, outcome: bool = True, several: bool = False, roles: tuple[str, ...] = tuple(ROLES)
) -> Callable[[F], F]:
    """Give a command its sample: filters and assumptions of the literature, columns of a CSV.

    Parameters
    ----------
    outcome
        Whether the outcome can be chosen.
    several
        Whether several effects of one study are allowed.
    roles
        Columns that a CSV may have.
    """
    without = {name for name in ROLES if name not in roles}
    without |= set() if outcome else {"outcome"}
    without |= set() if several else {"arms", "cluster"}
    chosen = [
        click.option(f"--{name}", "csv_file" if name == "csv" else name.replace("-", "_"), **how)
        for name, how in SAMPLE.items()
        if name not in without
    ]
    return lambda function: applied(function, filter_options, *chosen)


def model_options(function: F) -> F:
    """Give a command its method, test, scale and level."""
    return applied(
        function,
        click.option(
            "--method",
            metavar="WORD",
            help=f"{', '.join(METHODS)}.  [default: GLMM for proportions, else REML]",
        ),
        click.option(
            "--test",
            metavar="WORD",
            help=f"Test and interval: {', '.join(TESTS)}.  [default: knapp-hartung; GLMM: t]",
        ),
        click.option(
            "--transform",
            metavar="WORD",
            help=f"Scale on which proportions are pooled: {', '.join(TRANSFORMS)}.",
        ),
        level_option,
    )


#: Gives a command its confidence level.
level_option = click.option(
    "--level", type=Finite(), default=0.95, show_default=True, help="Confidence level."
)


def output_options(*, several: bool = False) -> Callable[[F], F]:
    """Give a command its format and its figure, which there is none of for several effects."""
    without = (
        "; refused for several effects of one study (--arms all, --cluster), of which there is no "
        "figure"
    )
    return lambda function: applied(
        function,
        format_option,
        click.option(
            "--figure",
            "figure_folder",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help=f"Also draw the result into this folder{without if several else ''}.",
        ),
        click.option(
            "--figure-format",
            metavar="A,B,...",
            help="What to write of the figure: html, svg, png, csv.  [default: all]",
        ),
        database_option,
    )
