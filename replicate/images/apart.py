"""Files that could take long, or bring a decoder down, are read in a process with limits.

Its kernel alarm ends it even in the midst of C code, its memory is limited, and what goes wrong in
it is an error that names the file. One such process serves many files, and a thread has its own.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from db.errors import ImagesError, UsageError
from replicate.images.image_set import Pixels
from replicate.images.levels import Summary
from replicate.images.windows import Showing
from replicate.places import number_of

#: Environment variable: seconds that one file may take; and how many without it.
SECONDS = "MEDTL_META_DECODE_SECONDS"
DEFAULT_SECONDS = 5.0


def limit_s() -> float:
    """Return the seconds that one file may take; raises UsageError where they are no number."""
    return number_of(SECONDS, DEFAULT_SECONDS, 86_400, "seconds")


def decode_apart(path: Path, frame: str | None, showing: Showing) -> Pixels:
    """Decode a file in the other process; see :func:`replicate.images.decoding.decode`.

    Raises
    ------
    ImagesError
        What decoding raises, and: it took too long, or ended its process.
    """
    answer, body = _asked(path, {"frame": frame, "showing": asdict(showing)})
    return np.frombuffer(body, dtype=np.uint8).reshape(answer["shape"])


def summarised_apart(path: Path, frame: str | None) -> Summary | None:
    """Summarise a file in the other process; see :func:`replicate.images.decoding.summarised`."""
    answer, _ = _asked(path, {"frame": frame})
    return Summary(**answer["summary"]) if answer["summary"] else None


def _asked(path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
    seconds = limit_s()
    try:
        worker = _idle().pop()
    except IndexError:
        worker = _Worker()
    found = worker.ask({**request, "path": str(path), "seconds": seconds})
    if found is None:
        if worker.process.wait() == -signal.SIGALRM:
            raise ImagesError(
                f"{path}: was not decoded in {seconds:g} seconds, and was stopped.",
                f"Take it out, or store it in a plainer form; {SECONDS} sets another limit.",
            )
        raise ImagesError(
            f"{path}: its decoder broke down (exit code {worker.process.returncode}).",
            "Take it out, or store it in a plainer form.",
        )
    _idle().append(worker)
    answer, body = found
    if "message" in answer:
        kind = UsageError if answer["usage"] else ImagesError
        raise kind(answer["message"], answer["hint"])
    return answer, body


class _Worker:
    """The other process, seen from here."""

    def __init__(self) -> None:
        # -P: the current folder, which may be a stranger's, is no place to import from.
        command = [sys.executable, "-P", "-m", "replicate.images.serving"]
        places = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": places},
        )

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray] | None:
        """Return the answer and the bytes behind it; None where the process ended."""
        inward, outward = self.process.stdin, self.process.stdout
        assert inward is not None
        assert outward is not None
        try:
            inward.write(json.dumps(request).encode() + b"\n")
            inward.flush()
            answer = json.loads(outward.readline() or b"null")
            body = bytearray(answer["bytes"]) if answer else bytearray()
            view = memoryview(body)
            while view and (count := outward.readinto(view)):  # type: ignore[attr-defined]
                view = view[count:]
        except BrokenPipeError:
            answer, view = None, memoryview(b"")
        except BaseException:
            self.close()  # an answer that is half read would be taken for the next one
            raise
        if answer and not view:
            return answer, body
        self.close()
        return None

    def close(self) -> None:
        """End the process; one that is at work, too."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        if self.process.poll() is None:
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


@cache
def _idle() -> list[_Worker]:
    """Return the processes that wait for work; they end with this one, which alone asks them."""
    waiting: list[_Worker] = []

    def end() -> None:
        while waiting:
            waiting.pop().close()

    atexit.register(end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=waiting.clear)
    return waiting
