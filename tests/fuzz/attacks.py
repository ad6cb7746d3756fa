"""The attacks that there are: where each is, how many attempts at length and in the suite."""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """One attack: its module, and how often it tries."""

    module: str
    at_length: int
    in_suite: int


ATTACKS: dict[str, Attack] = {
    "titles": Attack("tests.fuzz.titles", 3_010, 301),
    "databases": Attack("tests.fuzz.databases", 1_000, 14),
}
