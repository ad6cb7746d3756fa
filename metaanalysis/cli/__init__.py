"""The command line. It parses, calls and prints; each command is one call from Python.

A command's module is imported when the command runs, so that ``--help`` and the quick commands do
not pay for pandas, Altair or SQLAlchemy.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

import click

from db import __version__
from db.errors import MedtlError

#: Command -> (module, function, one line of help).
COMMANDS = {
    "query": ("query", "query", "Find studies by modality, subject, backbone, TL type and more."),
    "show": ("show", "show", "Show one study in full, each value with its source."),
    "stats": (
        "stats",
        "stats",
        "Pool the reported values, compare groups, test for bias, try every defensible analysis.",
    ),
    "figures": ("figures", "figures", "Draw the review's figures and tables."),
    "audit": ("audit", "audit", "Check the numbers that the review and the studies print."),
    "datasets": ("datasets", "datasets", "List public medical image data sets."),
    "db": ("database", "database", "Load, check, extend and export the database."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"metaanalysis.cli.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong word names the nearest right one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from db.vocabulary import Lexicon

            Lexicon("command", COMMANDS).resolve(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the static table: no import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medtl-meta")
@click.option(
    "--db",
    "where",
    metavar="PATH|URL",
    help="Database to use: a file, or a postgresql:// URL.  [default: MEDTL_META_DB, else a file "
    "in your data folder, made and loaded by the first command that needs it]",
)
@click.pass_context
def cli(ctx: click.Context, where: str | None) -> None:
    """Ask the literature on transfer learning for medical image classification.

    The studies reviewed by Kim et al. (BMC Med Imaging 2022;22:69), curated value by value with
    their sources.

    \b
    Example:
      medtl-meta query --modality OCT
    """
    ctx.obj = where


def main() -> None:
    """Run the command line; errors that a person can cause are told in words."""
    if hasattr(signal, "SIGPIPE"):
        # A reader that leaves (head, less) ends us quietly, as it does every other tool.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        cli(prog_name="medtl-meta")
    except MedtlError as error:
        _tell(error.message, error.hint)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a path that no system takes
        place = error.filename or "the output"
        _tell(f"{place}: {error.strerror or error}.", "Check the path and the space left there.")
        _give_up_stdout()
        sys.exit(1)


def _tell(message: str, hint: str) -> None:
    click.secho(f"Error: {message}", fg="red", err=True)
    if hint:
        click.echo(hint, err=True)


def _give_up_stdout() -> None:
    """Keep Python from writing once more, at exit, what could not be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
