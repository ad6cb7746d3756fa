"""How a long computation says where it is; a caller may draw a bar of it, or ignore it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report.

    Parameters
    ----------
    phase
        What is being done, such as ``features`` or ``training``.
    done, total
        In units; `total` is 0 where it is not known.
    unit
        ``images`` or ``epochs``.
    message
        Something a person should read, empty most of the time.
    model
        Which of several models it is about, such as ``model 2 of 5``; empty of a single one.
    """

    phase: str
    done: int
    total: int
    unit: str
    message: str = ""
    model: str = ""

    @property
    def label(self) -> str:
        """The phase, with the model that it is about."""
        return f"{self.phase}, {self.model}" if self.model else self.phase


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Take a report and do nothing with it."""
