"""How near a rerun comes to its study: the data, and the settings that are run in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from replicate.spec import Fidelity
from replicate.terms import shown


@dataclass(frozen=True, slots=True)
class Departure:
    """A setting that the study reports and that is run in another way.

    `reported` is a tuple where the record names several values that it could be, and None for all
    images.
    """

    path: str
    reported: Any
    run: Any


@dataclass(frozen=True, slots=True)
class Reduction:
    """A choice of the caller on the scale of a run, which a study need not report.

    `planned` is what would be run without it; None for all images.
    """

    path: str
    run: Any
    planned: Any


@dataclass(frozen=True, slots=True)
class FidelityNote:
    """How near a replication comes to its study.

    Attributes
    ----------
    level, reason
        Of the data.
    departures
        From what is reported.
    reduced
        Of the rest, what makes the run smaller or larger: images, their size, epochs.
    """

    level: Fidelity
    reason: str
    departures: tuple[Departure, ...] = ()
    reduced: tuple[Reduction, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it in words."""
        text = f"{self.level}: {self.reason}"
        if self.departures:
            said = "; ".join(map(departure_words, self.departures))
            text += f" It departs from what is reported in {said}."
        if self.reduced:
            text += f" It is run {', '.join(map(reduction_words, self.reduced))}."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-able: departures and reductions in words and as values."""
        return {
            "level": self.level,
            "reason": self.reason,
            "departures": [departure_words(one) for one in self.departures],
            "reduced": [reduction_words(one) for one in self.reduced],
            "departed": [asdict(one) for one in self.departures],
            "scaled": [asdict(one) for one in self.reduced],
        }


#: Settings of a run's scale, in words.
SCALE: Mapping[str, str] = {
    "preprocessing.size": "at {} pixels",
    "training.epochs": "for {} epochs",
}


def departure_words(one: Departure) -> str:
    """Return a departure for a reader: ``training.epochs: reported 6, run with 3``."""
    if one.path == "data.max_images":
        reported = "all images"
    elif isinstance(one.reported, tuple):
        reported = " or ".join(map(str, one.reported))
    else:
        reported = shown(one.reported)
    return f"{one.path}: reported {reported}, run with {shown(one.run)}"


def reduction_words(one: Reduction) -> str:
    """Return a change of scale for a reader: ``for 1 epoch instead of 20``."""
    if one.path == "data.max_images":
        return f"on a sample of {one.run:,} images"
    words = SCALE[one.path]
    words = words.removesuffix("s") if one.run == 1 else words
    return f"{words.format(one.run)} instead of {one.planned}"
