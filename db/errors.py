"""Errors that a person can cause, each with what is wrong and what to do about it.

Every error raised on purpose by medtl-meta derives from :class:`MedtlError`. The command
line prints ``message`` and ``hint`` and leaves with ``exit_code``; anything else that escapes
is a defect of ours and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class MedtlError(Exception):
    """Base of all errors that are worded for the person who meets them.

    Parameters
    ----------
    message
        What is wrong and where, in one sentence.
    hint
        What to do about it, in one sentence; empty where the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(MedtlError):
    """The words of a call are off: an unknown term, a malformed range, a missing option."""

    exit_code = 2


class UnknownTermError(UsageError):
    """A word that the vocabulary does not hold; carries the nearest words that it does."""

    def __init__(self, field: str, term: str, nearest: Sequence[str], known: Sequence[str]) -> None:
        if nearest:
            hint = f"Did you mean {' or '.join(repr(word) for word in nearest)}?"
        else:
            hint = f"Known: {', '.join(known)}."
        super().__init__(f"{field}: no such term {term!r}.", hint)
        self.field = field
        self.term = term
        self.nearest = tuple(nearest)
        self.known = tuple(known)


class NotFoundError(MedtlError):
    """Something that was asked for by name and does not exist."""


class DatabaseError(MedtlError):
    """The database cannot be reached, read, written or understood."""


class ForeignDatabaseError(DatabaseError):
    """A database of another program, or of a newer release: not ours to mend."""


class StatisticsError(MedtlError):
    """Data that a statistic cannot be computed from; the message names row and column."""


class ConvergenceError(StatisticsError):
    """An iterative fit that did not settle; its last values are never shown as a result."""


class ImagesError(MedtlError):
    """Images that cannot be found, read, split or told apart as the task needs."""


class WeightsError(MedtlError):
    """Weights that are missing, of the wrong network, or not what their hash says."""


class ReplicationError(MedtlError):
    """A replication that cannot be started, resumed or compared as asked."""


class InUseError(ReplicationError):
    """Another process is at a run, or in a folder that only one may use."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a data file, placed so that an editor can jump to it."""

    path: Path | str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return (
            f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        )


@contextmanager
def gathering(problems: list[Problem], path: Path) -> Iterator[None]:
    """Gather what a block finds at fault with a file, so that the others are read too."""
    try:
        yield
    except DataFileError as error:
        problems += error.problems
    except MedtlError as error:
        problems.append(Problem(path, None, "", error.message))


#: Problems that are printed of many; who has mended these sees the others.
MOST_TOLD = 100


class DataFileError(MedtlError):
    """One or more faults in data files; nothing is loaded from any of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(str(problem) for problem in self.problems[:MOST_TOLD])
        more = f"\n... and {count - MOST_TOLD} more" if count > MOST_TOLD else ""
        super().__init__(
            f"{lines}{more}\n{count} problem{'s' if count != 1 else ''} found; "
            "nothing is loaded until mended.",
            "data/README.md (the codebook) defines every field, unit and vocabulary.",
        )
