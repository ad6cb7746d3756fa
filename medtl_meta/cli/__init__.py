"""The command line. It parses, calls and prints; each command is one call from Python.

A command's module is imported when the command runs; see :mod:`medtl_meta.cli.lazy`.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from db import __version__
from db.errors import MedtlError
from medtl_meta.cli.lazy import Commands, LazyGroup
from medtl_meta.cli.terminal import echo, secho

#: Command -> one line of help, in the order in which a newcomer needs them.
COMMANDS: Commands = {
    "query": "Find studies by modality, subject, backbone, TL type and more.",
    "show": "Show one study in full, each value with its source.",
    "stats": "Pool the reported values, compare groups, test for bias, try every defensible "
    "analysis.",
    "figures": "Draw the review's figures and tables.",
    "audit": "Check the numbers that the review and the studies print.",
    "backbones": "List the networks that can be built, with their parameters and weights.",
    "replicate": "Rerun a cited study's setup on images and compare with what was reported.",
    "datasets": "List public medical image data sets.",
    "db": "Load, check, extend, mend and export the database.",
}

#: Modules that only the extra ``replicate`` brings, and what they are called.
REPLICATE = {
    "PIL": "Pillow",
    "filelock": "filelock",
    "pydicom": "pydicom",
    "safetensors": "safetensors",
    "sklearn": "scikit-learn",
    "timm": "timm",
    "torch": "torch",
    "torchvision": "torchvision",
}


@click.group(
    cls=LazyGroup,
    home=__name__,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot spell is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="medtl-meta")
    except MedtlError as error:
        _fail(error.message, error.hint, error.exit_code)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in REPLICATE:
            raise
        _fail(
            f"This needs {REPLICATE[missing]}, which is not installed.",
            "pip install 'medtl-meta[replicate]' brings all that replications need.",
        )
    except MemoryError:
        _fail(
            "The memory of this machine does not suffice.",
            "Take fewer or smaller images, or close other programs; nothing that was kept is lost.",
        )
    except OSError as error:  # a full disk, a path that no system takes
        place = error.filename or "the output"
        _give_up_stdout()
        _fail(f"{place}: {error.strerror or error}.", "Check the path and the space left there.")


def _open_closed_streams() -> None:
    """Give what was closed (``>&-``) a place to go, before a file of ours gets its descriptor."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _fail(message: str, hint: str, code: int = 1) -> NoReturn:
    secho(f"Error: {message}", fg="red", err=True)
    if hint:
        echo(hint, err=True)
    sys.exit(code)


def _give_up_stdout() -> None:
    """Keep Python from writing once more, at exit, what could not be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
