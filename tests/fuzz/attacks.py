"""The attacks that there are: where each is, how many attempts at length and in the suite."""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """One attack: its module, and how often it tries."""

    module: str
    at_length: int
    in_suite: int


ATTACKS: dict[str, Attack] = {
    "study files": Attack("tests.fuzz.study_files", 10_000, 120),
}
