"""``medtl-meta``, ``python -m medtl_meta``: the command line as a process of its own."""

from __future__ import annotations

import atexit
import os
import sys

from medtl_meta.cli import main


def command() -> None:
    """Run the command line, and end at once when all is said and closed.

    To take torch apart object by object takes a second, in which nothing is left to be done.
    """
    left: list[object] = []
    atexit.register(_leave, left)  # registered first, hence called last
    try:
        main()
    except SystemExit as said:
        left.append(said.code)
        raise


def _leave(left: list[object]) -> None:
    """End the process with its exit code; as always, where it was not told or cannot be heard."""
    code = left[0] if left else ""
    if "torch" not in sys.modules or not (code is None or isinstance(code, int)):
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # the interpreter says so, with an exit code of its own
    os._exit(code or 0)


if __name__ == "__main__":
    command()
