"""Options of the statistics: where the numbers come from, how they are pooled, what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from medtl_meta.cli.options import database_option, format_option
from medtl_meta.cli.query import filter_options
from metaanalysis.analyses.choices import METHODS, TESTS, TRANSFORMS
from metaanalysis.samples.literature import OUTCOMES

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

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


def _apply(function: F, *decorators: Callable[[F], F]) -> F:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


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

    def decorate(function: F) -> F:
        options: list[Callable[[F], F]] = []
        if outcome:
            options.append(
                click.option(
                    "--outcome",
                    metavar="WORD",
                    help=f"What to analyse: {', '.join(OUTCOMES)}.  [default: accuracy]",
                )
            )
        if several:
            options.append(
                click.option(
                    "--arms",
                    type=click.Choice(("headline", "all")),
                    help="One value a study, its main claim, or all (by a three-level model).  "
                    "[default: headline]",
                )
            )
        options += [
            click.option(
                "--assume-n",
                metavar="images|test|N",
                help="For values without a number of cases: the study's images, its test cases, or "
                "N. An assumption, printed with the result.",
            ),
            click.option(
                "--assume-prevalence",
                type=float,
                metavar="P",
                help="Share of cases with the finding, where only all cases are counted. An "
                "assumption, printed with the result.",
            ),
            click.option("--keep-retracted", is_flag=True, help="Keep retracted studies."),
            click.option(
                "--keep-untransferred",
                is_flag=True,
                help="Keep randomly initialised networks and the authors' own.",
            ),
            click.option(
                "--replicated",
                is_flag=True,
                help="Analyse what the runs in the database replicated, the newest of each study, "
                "in place of what is reported.",
            ),
            click.option(
                "--csv",
                "csv_file",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Analyse a CSV file in place of the literature.",
            ),
        ]
        options += [
            click.option(f"--{role}", metavar="COL", help=f"CSV column: {ROLES[role]}.")
            for role in roles
        ]
        options.append(
            click.option("--label", metavar="COL", help="CSV column: the names of the rows.")
        )
        if several:
            options.append(
                click.option(
                    "--cluster", metavar="COL", help="CSV column: which rows are of one study."
                )
            )
        options.append(
            click.option(
                "--missing",
                type=click.Choice(("error", "exclude")),
                help="CSV rows without a value: refuse them, or leave them out and list them.  "
                "[default: error]",
            )
        )
        return _apply(function, filter_options, *options)

    return decorate


def model_options(function: F) -> F:
    """Give a command its method, test, scale and level."""
    return _apply(
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


def level_option(function: F) -> F:
    """Give a command its confidence level."""
    return click.option(
        "--level", type=float, default=0.95, show_default=True, help="Confidence level."
    )(function)


def output_options(function: F) -> F:
    """Give a command its format and its figure."""
    return _output(function, "Also draw the result into this folder.")


def output_options_of_several(function: F) -> F:
    """Give the same to a command that takes several effects of one study; none draws those."""
    return _output(
        function,
        "Also draw the result into this folder; refused for several effects of one study (--arms "
        "all, --cluster), of which there is no figure.",
    )


def _output(function: F, figure_help: str) -> F:
    return _apply(
        function,
        format_option,
        click.option(
            "--figure",
            "figure_folder",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help=figure_help,
        ),
        click.option(
            "--figure-format",
            metavar="A,B,...",
            help="What to write of the figure: html, svg, png, csv.  [default: all]",
        ),
        database_option,
    )
