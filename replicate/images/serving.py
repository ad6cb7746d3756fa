"""The process in which doubtful files are decoded: limits of its own, one answer a request."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from db.errors import MedtlError, UsageError
from replicate.images.decoding import decode_here, summarised_here
from replicate.images.levels import SMALLER
from replicate.images.windows import Showing, Window

#: Address space of the process: the largest picture that is decoded, in double precision.
MEMORY = 4 * 2**30


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nobody asks any more."""
    for line in requests:
        request = json.loads(line)
        path, body = Path(request["path"]), b""
        answer: dict[str, Any]
        # Its default action ends the process, wherever it is.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            answer, body = _done(path, request)
        except MedtlError as error:
            usage = isinstance(error, UsageError)
            answer = {"message": error.message, "hint": error.hint, "usage": usage}
        except MemoryError:
            said = f"{path}: not enough memory to decode it."
            answer = {"message": said, "hint": SMALLER, "usage": False}
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps({**answer, "bytes": len(body)}).encode() + b"\n")
        answers.write(body)
        answers.flush()


def _done(path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the pixels of a file that is to be shown in some way, else a summary of its values."""
    if "showing" not in request:
        found = summarised_here(path, request["frame"])
        return {"summary": found and asdict(found)}, b""
    window, within = request["showing"]["window"], request["showing"]["within"]
    showing = Showing(window and Window(**window), within and tuple(within))
    pixels = decode_here(path, request["frame"], showing)
    return {"shape": pixels.shape}, np.ascontiguousarray(pixels).tobytes()


def main() -> None:
    """Serve whoever started this process, by its standard streams."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that asked decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
