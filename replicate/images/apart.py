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
from pathlib import Path
from typing import IO, Any

import numpy as np

from db.errors import ImagesError, MedtlError, UsageError
from replicate.images.image_set import Pixels
from replicate.images.levels import SMALLER

#: Environment variable: seconds that one file may take; and how many without it.
SECONDS = "MEDTL_META_DECODE_SECONDS"
DEFAULT_SECONDS = 5.0

#: Address space of the process: the largest picture that is decoded, in double precision.
MEMORY = 4 * 2**30


def limit_s() -> float:
    """Return the seconds that one file may take.

    Raises
    ------
    UsageError
        The environment variable holds no such number.
    """
    given = os.environ.get(SECONDS)
    try:
        seconds = DEFAULT_SECONDS if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise UsageError(f"{SECONDS}: no number of seconds {given!r}.", "Give one from 0 to 86400.")
    return seconds


def decode_apart(path: Path, frame: str | None) -> Pixels:
    """Decode a file in the other process; see :func:`replicate.images.decoding.decode`.

    Raises
    ------
    ImagesError
        What decoding raises, and: it took too long, or ended its process.
    """
    answer, body = _asked(path, {"task": "decode", "frame": frame})
    return np.frombuffer(body, dtype=np.uint8).reshape(answer["shape"])


def patient_apart(path: Path) -> str | None:
    """Read the PatientID of a DICOM file in the other process."""
    patient: str | None = _asked(path, {"task": "patient"})[0]["patient"]
    return patient


def _asked(path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
    seconds = limit_s()
    try:
        worker = _IDLE.pop()
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
    _IDLE.append(worker)
    answer, body = found
    if "message" in answer:
        kind = UsageError if answer["usage"] else ImagesError
        raise kind(answer["message"], answer["hint"])
    return answer, body


class _Worker:
    """The other process, seen from here."""

    def __init__(self) -> None:
        # -P: the current folder, which may be a stranger's, is no place to import from.
        command = [sys.executable, "-P", "-m", "replicate.images.apart"]
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


_IDLE: list[_Worker] = []


def _end() -> None:
    while _IDLE:
        _IDLE.pop().close()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    # The processes are those of the one that started them.
    os.register_at_fork(after_in_child=_IDLE.clear)


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nobody asks any more."""
    from replicate.images.decoding import decode_here

    for line in requests:
        request = json.loads(line)
        path, body = Path(request["path"]), b""
        # Its default action ends the process, wherever it is.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            if request["task"] == "patient":
                from replicate.images.dicom import patient_here

                answer: dict[str, Any] = {"patient": patient_here(path)}
            else:
                pixels = decode_here(path, request["frame"])
                answer, body = {"shape": pixels.shape}, np.ascontiguousarray(pixels).tobytes()
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


def _limited() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limited()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that asked decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _serve(sys.stdin.buffer, answers)
