"""The attacks that there are: where each is, how many attempts at length and in the suite."""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """One attack: its module, and how often it tries."""

    module: str
    at_length: int
    in_suite: int


ATTACKS: dict[str, Attack] = {
    "databases": Attack("tests.fuzz.databases", 1_000, 7),
    "image-files": Attack("tests.fuzz.image_files", 500, 80),
    "kills": Attack("tests.fuzz.kills", 500, 4),
    "pages": Attack("tests.fuzz.pages", 400, 22),
    "study-files": Attack("tests.fuzz.study_files", 10_000, 120),
    "titles": Attack("tests.fuzz.titles", 3_010, 301),
    "urls": Attack("tests.fuzz.urls", 2000, 120),
    "words": Attack("tests.fuzz.words", 100_000, 900),
}
