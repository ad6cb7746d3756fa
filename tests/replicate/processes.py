"""Real processes, to be killed or watched, without the seconds that importing torch takes each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: Children of a server that has imported torch, but never computed.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["medtl_meta.cli", "replicate.run", "replicate.training.fold", "replicate.training.hybrids",
     "replicate.weights.load", "tests.replicate.toy", "torch._inductor"]
)  # fmt: skip


def command(words: Sequence[str], environment: dict[str, str], stdout: Path) -> None:
    """Run a command line in a process of its own; what it prints goes to a file."""
    import torch

    from medtl_meta.cli import main

    torch.set_num_threads(1)
    os.environ.update(environment)
    sys.argv = ["medtl-meta", *words]
    with stdout.open("w") as stream, contextlib.redirect_stdout(stream):
        main()
