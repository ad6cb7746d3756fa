"""Options that several commands share, and the one way to open the database from a command."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from db.csvfiles import FORMULAS
from db.database import Database, open_database
from db.errors import UsageError
from db.vocabulary import Lexicon
from medtl_meta.cli.output import CSV_FORMULAS
from medtl_meta.cli.terminal import secho
from metaanalysis.figures import FORMATS as FIGURE_FORMATS

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "markdown")


def applied(function: F, *decorators: Callable[[Any], Any]) -> F:
    """Return a function with decorators, which stand in the order in which they are written."""
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def whole(least: int) -> click.IntRange:
    """Return the type of a whole number from `least` on that any machine can count to."""
    return click.IntRange(least, 2**31 - 1)


class Finite(click.FloatRange):
    """A number that is one: neither infinite nor ``nan``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or say that it is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def form_option(forms: Sequence[str], about: str) -> Callable[[F], F]:
    """Give a command that writes to stdout its ``--format``, one of several."""
    return click.option(
        "--format",
        "-f",
        "form",
        type=click.Choice(forms, case_sensitive=False),
        default=forms[0],
        show_default=True,
        help=about,
    )


def _keep_formulas(context: click.Context, _: click.Parameter, value: str) -> str:
    context.meta[CSV_FORMULAS] = value
    return value


#: Gives a command that writes CSV a say in what becomes of formulas; `csv_formulas` tells it.
formulas_option = click.option(
    "--csv-formulas",
    type=click.Choice(FORMULAS),
    default=FORMULAS[0],
    show_default=True,
    expose_value=False,
    callback=_keep_formulas,
    help="In CSV, put an apostrophe before text that a spreadsheet would run (=1+1), or keep it.",
)


def format_option(function: F) -> F:
    """Give a command that lists something its ``--format``."""
    about = "How to write the rows. Data go to stdout, remarks to stderr."
    return applied(function, form_option(FORMATS, about), formulas_option)


def out_option(default: str | None, to: str = "write to") -> Callable[[F], F]:
    """Give a command that writes files its ``--out``."""
    return click.option(
        "--out",
        "-o",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help=f"Folder to {to}; made if it does not exist.",
    )


def formats_option(formats: Sequence[str], about: str) -> Callable[[F], F]:
    """Give a command that writes files its ``--format``, a list; see :func:`chosen_formats`."""
    return click.option(
        "--format",
        "-f",
        "forms",
        default=",".join(formats),
        show_default=True,
        metavar="A,B,...",
        help=about,
    )


def figure_option(about: str) -> Callable[[F], F]:
    """Give a command that also draws its ``--figure``, a list of :data:`FIGURE_FORMATS`."""
    return click.option(
        "--figure",
        "forms",
        default="html,png",
        show_default=True,
        metavar="A,B,...",
        help=f"{about}, out of {', '.join(FIGURE_FORMATS)}.",
    )


def chosen_formats(
    text: str,
    formats: Sequence[str] = FIGURE_FORMATS,
    synonyms: Mapping[str, str] | None = None,
    *,
    option: str = "format",
) -> tuple[str, ...]:
    """Resolve a comma-separated list of formats, given by an `option`.

    Raises
    ------
    UsageError
        A format that does not exist, or none at all.
    """
    known = Lexicon(option, formats, synonyms)
    chosen = tuple(dict.fromkeys(known.resolve(word) for word in text.split(",") if word.strip()))
    if not chosen:
        raise UsageError(
            f"--{option.lstrip('-')}: names no format.", f"Choose from {', '.join(formats)}."
        )
    return chosen


def database_option(function: F) -> F:
    """Let a command take ``--db`` behind its name as well as before it."""
    return click.option(
        "--db", "where", metavar="PATH|URL", help="Database to use (see medtl-meta --help)."
    )(function)


def chosen_place(where: str | None) -> str | None:
    """Return the place given behind the command, else the one given before it."""
    context = click.get_current_context(silent=True)
    return where or (context.find_root().obj if context else None)


@contextmanager
def opened(where: str | None) -> Iterator[Database]:
    """Open the database for a command and pass on what there is to say about it."""
    with open_database(chosen_place(where)) as database:
        for notice in database.notices:
            remark(notice)
        yield database


def remark(text: str) -> None:
    """Say something that is not data: on stderr, faint on a terminal."""
    secho(text, err=True, dim=True)
