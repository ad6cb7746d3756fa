"""Checking what the review says in words against the counts of the curated studies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Majority:
    """A statement that most studies are of one kind, and the counts that speak to it.

    A majority is more than half of the studies that the review counts. Studies of which it is not
    known, or which are not curated at all, could be of that kind or not; where the answer hangs on
    them, the statement stays open.

    Attributes
    ----------
    count
        Studies known to be of that kind.
    known
        Studies of which it is known.
    total
        Studies that the review counts.
    """

    count: int
    known: int
    total: int

    @property
    def share(self) -> float:
        """Return the share among the studies of which it is known."""
        return self.count / self.known if self.known else float("nan")

    @property
    def unknown(self) -> int:
        """Return how many of the review's studies could be of either kind."""
        return self.total - self.known

    @property
    def missing(self) -> int:
        """Return how many of the unknown ones would have to be of that kind for a majority."""
        return max(self.total // 2 + 1 - self.count, 0)

    @property
    def verdict(self) -> str:
        """Return ``holds``, ``does not hold`` or ``open``, whatever the unknown studies are."""
        if self.missing == 0:
            return "holds"
        return "open" if self.missing <= self.unknown else "does not hold"
