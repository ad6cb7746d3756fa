"""Text for a terminal: headings, and paragraphs that never break a path or an address."""

from __future__ import annotations

from collections.abc import Sequence

from db.wording import folded
from medtl_meta.cli.output import width
from medtl_meta.cli.terminal import echo, secho

#: Lines longer than this tire the eye, however wide the terminal is.
WIDEST = 100


def paragraph(text: str, indent: int = 2, hang: int | None = None) -> None:
    """Write a paragraph to stdout; see :func:`db.wording.folded`."""
    for line in folded(text, min(width(), WIDEST), indent, hang):
        echo(line)


def heading(text: str) -> None:
    """Write a heading to stdout, with an empty line before it."""
    echo()
    secho(text, bold=True)


def section(title: str, texts: Sequence[str]) -> None:
    """Write paragraphs under a heading to stdout; nothing where there are none."""
    if texts:
        heading(title)
    for text in texts:
        paragraph(text, 2, 4)
