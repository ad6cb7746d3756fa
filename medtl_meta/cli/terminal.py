"""The one gate to the terminal: what others wrote is shown, and never obeyed.

A study's title, a file's name or a label can hold escape sequences that clear a screen, rename a
window or turn a line around. Everything that a command prints passes here; styles are added behind
the gate, so that the only escape sequences that come out are ours.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

from db.wording import json_visible, visible


def echo(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Print text; what would not be seen stands as an escape."""
    click.echo(visible(text), nl=nl, err=err)


def secho(text: str = "", *, nl: bool = True, err: bool = False, **style: Any) -> None:
    """Print text in a style; what would not be seen stands as an escape."""
    click.secho(visible(text), nl=nl, err=err, **style)


def echo_json(value: Any, **how: Any) -> None:
    """Print JSON: the same values, with JSON's own escapes for what would not be seen."""
    # Outside UTF-8 a letter may have no code; an escape of Python's would be no JSON.
    narrow = not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    click.echo(json_visible(json.dumps(value, indent=2, ensure_ascii=narrow, **how)))


def echo_data(text: str) -> None:
    """Print a file's text as it is; only on a terminal is it made visible."""
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=False)


def markdown_text(text: str) -> str:
    """Return text for Markdown in which nothing is a tag, or a link in line."""
    # A sign of less, as in "p < 0.01", opens no tag.
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text).replace("](", r"]\(")


def guarded(error: click.ClickException) -> click.ClickException:
    """Return click's own error with a message that can be printed, and no URL in it."""
    # A URL in the wrong place may hold a password.
    error.message = visible(re.sub(r"[^\s'\"]*://[^\s'\"]*", "(a URL)", error.message))  # type: ignore[misc]
    return error
