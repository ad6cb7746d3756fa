"""What came of one attempt, and of all."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from db.errors import MedtlError

#: The right ends of an attempt: the tool did what was asked, or said in words why not.
FINE = ("answered", "refused")
#: What must not be.
FAULTS = ("traceback", "hang", "half-written", "lost", "executed", "differs", "silent")
#: Longest that any attempt may take, in seconds.
LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: one of FINE or FAULTS, what was tried, what was seen."""

    kind: str
    tried: str
    seen: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """What came of many attempts."""

    attack: str
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Outcome] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def tried(self) -> int:
        return sum(self.counts.values())

    def take(self, outcome: Outcome) -> None:
        assert outcome.kind in FINE + FAULTS, outcome
        self.counts[outcome.kind] += 1
        self.slowest_s = max(self.slowest_s, outcome.seconds)
        if outcome.kind not in FINE:
            self.faults.append(outcome)

    def row(self) -> dict[str, Any]:
        counted = {kind.replace("-", "_"): self.counts[kind] for kind in FINE + FAULTS}
        return {
            "attack": self.attack,
            "seed": self.seed,
            "attempts": self.tried,
            **counted,
            "slowest_s": round(self.slowest_s, 2),
        }


class _TooLongError(BaseException):
    """Raised by the alarm; no ``except Exception`` of the code under test may swallow it."""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _worked() -> float:
    """Return the processor's seconds of this process and of those that it has started."""
    return sum(os.times()[:4])


def judge(tried: str, call: Callable[[], Any], limit_s: float = LIMIT_S) -> Outcome:
    """Call, and tell what came of it: an answer, words, or a fault."""
    start, worked = time.perf_counter(), _worked()
    kind, seen = "answered", ""
    try:
        with _alarm(2 * limit_s):
            call()
    except MedtlError as error:
        kind, seen = ("refused", error.message) if error.message else ("silent", "no words")
    except _TooLongError:
        kind, seen = "hang", f"stopped after {2 * limit_s:g} s"
    except Exception:  # noqa: BLE001 - whatever else arrives is what we look for
        kind, seen = "traceback", traceback.format_exc(limit=-6)
    seconds = time.perf_counter() - start
    # On a busy machine others' work is not held against it; what waits for nothing is stopped.
    if kind in FINE and seconds > limit_s and _worked() - worked > limit_s / 2:
        kind, seen = "hang", f"{seconds:.1f} s"
    return Outcome(kind, tried, seen, seconds)


def command(arguments: Sequence[str], limit_s: float = LIMIT_S) -> tuple[Outcome, str]:
    """Run one command in this process; return what came of it and all that it printed."""
    from click.testing import CliRunner

    from medtl_meta.cli import cli

    tried = "medtl-meta " + " ".join(map(repr, arguments))
    printed = ""

    def call() -> None:
        nonlocal printed
        result = CliRunner().invoke(cli, list(arguments), prog_name="medtl-meta")
        printed = result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception

    outcome = judge(tried, call, limit_s)
    if outcome.kind == "refused":
        printed += outcome.seen
    elif outcome.kind == "answered" and printed.startswith(("Usage:", "Error:")):
        outcome = Outcome("refused", tried, printed, outcome.seconds)
    return outcome, printed


def tally(
    attack: str, attempts: Iterator[Outcome], seed: int, count: int, seconds: float | None = None
) -> Tally:
    """Make so many attempts, or as many as go into the time."""
    result = Tally(attack, seed)
    start = time.perf_counter()
    for outcome in islice(attempts, count):
        result.take(outcome)
        if seconds is not None and time.perf_counter() - start > seconds:
            break
    return result
