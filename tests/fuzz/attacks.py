"""The attacks that there are: where each is, how many attempts at length and in the suite."""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """One attack: its module, and how often it tries."""

    module: str
    at_length: int
    in_suite: int


ATTACKS: dict[str, Attack] = {
    "pages": Attack("tests.fuzz.pages", 400, 50),
    "words": Attack("tests.fuzz.words", 100_000, 900),
}
