"""A group of commands that imports a command when it is called.

So ``--help`` and the quick commands do not pay for pandas, Altair, SQLAlchemy or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from db.errors import UsageError
from db.wording import visible
from medtl_meta.cli.terminal import guarded

#: Command -> one line of help.
Commands = Mapping[str, str]


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called.

    Parameters
    ----------
    home
        The package in which each command is a function in a module of its own, both called as the
        command is.
    commands_at
        Its commands, in the order in which they are listed.
    """

    def __init__(self, *args: Any, home: str, commands_at: Commands, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.home = home
        self.commands_at = commands_at

    def make_context(
        self, info_name: str | None, args: list[str], *more: Any, **extra: Any
    ) -> click.Context:
        """Read the options; what click says of them can be printed."""
        for word in args:
            if not word.isascii() and any("\ud800" <= sign <= "\udfff" for sign in word):
                # The system hands over bytes that are no text as halves of characters.
                raise UsageError(f"{visible(word)}: is not text in UTF-8.", "Type it again.")
        try:
            return super().make_context(info_name, args, *more, **extra)
        except click.ClickException as error:
            raise guarded(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what click says of its options can be printed."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise guarded(error) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order."""
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.commands_at:
            return None
        command: click.Command = getattr(import_module(f"{self.home}.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong word names the nearest right one."""
        if args and not args[0].startswith("-") and args[0] not in self.commands_at:
            from db.vocabulary import Lexicon

            if "://" in args[0]:  # not quoted: it may hold a password
                raise UsageError("a URL stands where a command is due.", "Write --db before it.")
            Lexicon("command", self.commands_at).resolve(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the static table: no import."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.commands_at.items()))
