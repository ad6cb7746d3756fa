"""Text for a terminal: headings, and paragraphs that never break a path or an address."""

from __future__ import annotations

import textwrap

import click

#: Lines longer than this tire the eye, however wide the terminal is.
WIDEST = 100


def wrapped(text: str, room: int, indent: int = 2, hang: int | None = None) -> list[str]:
    """Return the lines of a paragraph.

    Parameters
    ----------
    room
        Columns; only a single word that is longer than a line, such as an address, goes beyond.
    indent, hang
        Blanks before the first line and before the others; `hang` is `indent` where not given.
    """
    return textwrap.wrap(
        text,
        room,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hang is None else hang),
        break_long_words=False,
        break_on_hyphens=False,
    )


def paragraph(text: str, room: int, indent: int = 2, hang: int | None = None) -> None:
    """Write a paragraph to stdout; see :func:`wrapped`."""
    for line in wrapped(text, room, indent, hang):
        click.echo(line)


def heading(text: str) -> None:
    """Write a heading to stdout, with an empty line before it."""
    click.echo()
    click.secho(text, bold=True)


def counted(count: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"
