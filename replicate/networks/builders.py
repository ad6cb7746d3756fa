"""Which networks can be built, by the names that the literature and the libraries give them.

The registry is data: ``data/builders.yaml`` holds the networks that torchvision, timm or we
ourselves build, ``data/substitutions.yaml`` the names of the literature that nobody builds, each
with the network that comes nearest. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from db.datafiles import read_list
from db.datafolder import folder
from db.errors import NotFoundError, UsageError
from db.fields import Fraction, Positive, Text, Year
from db.records import BackboneRecord, Record
from db.vocabulary import Lexicon
from replicate.spec import Interpolation

Channels = tuple[Fraction, Fraction, Fraction]
Spread = Annotated[float, Field(gt=0)]


class Builder(Record):
    """One network of ``data/builders.yaml``.

    `parameters` counts the whole network with 1000 classes and without auxiliary outputs,
    `feature_parameters` its feature extraction part; `layers` and `feature_layers` are those with
    weights (convolutional and connected). `width` is the number of features, `least_size` the
    smallest side in pixels that runs, `size` the one that it was designed for; all numbers up to
    `least_size` are computed by ``benchmarks/builder_facts.py``. `mean` and `deviation` are those
    of its usual weights, `crop_share` and `interpolation` what their publisher tests them with: the
    middle of an image resized to `size` / `crop_share`. A share of 1 documents no such cut.
    """

    name: Text
    library: Literal["torchvision", "timm", "medtl-meta"]
    builder: Text
    synonyms: tuple[Text, ...] = ()
    year: Year
    parameters: Positive
    feature_parameters: Positive
    layers: Positive
    feature_layers: Positive
    width: Positive
    least_size: Positive
    size: Positive
    mean: Channels
    deviation: tuple[Spread, Spread, Spread]
    crop_share: Annotated[float, Field(ge=0.5, le=1)] = 0.875
    interpolation: Interpolation = "bilinear"
    note: Text | None = None


class Substitution(Record):
    """A name of the literature that cannot be built, and what comes nearest.

    `nearest` is None where no network can stand in; `reason` says why this one, or why none.
    """

    name: Text
    nearest: Text | None
    reason: Text


@dataclass(frozen=True, slots=True)
class Choice:
    """What is built where a study reports a backbone.

    Attributes
    ----------
    builder
        The network that is built.
    reported
        The canonical name that was asked for.
    substitution
        Why another network stands in; None where the network itself is built.
    """

    builder: Builder
    reported: str
    substitution: str | None


class Registry(Record):
    """All networks that can be built, and the names that cannot."""

    builders: tuple[Builder, ...]
    substitutions: tuple[Substitution, ...]

    @model_validator(mode="after")
    def _stands_in_exist(self) -> Self:
        names = {builder.name for builder in self.builders}
        for entry in self.substitutions:
            if entry.nearest is not None and entry.nearest not in names:
                raise ValueError(f"{entry.name}: {entry.nearest!r} is not in builders.yaml")
            if entry.name in names:
                raise ValueError(f"{entry.name}: has a builder and a substitution")
        return self


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Read both files.

    Raises
    ------
    NotFoundError, DataFileError
        A file is missing, or at fault: with file, line and field.
    """
    root = folder()
    return Registry(
        builders=tuple(read_list(Builder, root / "builders.yaml")),
        substitutions=tuple(read_list(Substitution, root / "substitutions.yaml")),
    )


@lru_cache(maxsize=1)
def names() -> Lexicon:
    """Return every known name with its synonyms: the literature's, torchvision's and timm's."""
    everything = registry()
    synonyms = {
        word: backbone.name
        for backbone in read_list(BackboneRecord, folder() / "backbones.yaml")
        for word in backbone.synonyms
    }
    for builder in everything.builders:
        synonyms |= dict.fromkeys((builder.builder, *builder.synonyms), builder.name)
    terms = [builder.name for builder in everything.builders]
    terms += [entry.name for entry in everything.substitutions]
    return Lexicon("backbone", terms, synonyms)


def find_builder(name: str) -> Builder:
    """Find a network by the literature's, torchvision's or timm's name.

    Raises
    ------
    UnknownTermError
        No such network; carries the nearest names.
    NotFoundError
        The literature knows it, but nobody builds it: names what comes nearest.
    """
    choice = builder_for(name)
    if choice.substitution is None:
        return choice.builder
    raise NotFoundError(
        f"{choice.reported}: no library builds it. {choice.substitution}",
        f"Nearest is {choice.builder.name}: name it to use it instead.",
    )


def builder_for(name: str) -> Choice:
    """Choose what to build where a study reports `name`; a stand-in says that it is one.

    Raises
    ------
    UnknownTermError
        No such network.
    NotFoundError
        There is neither a builder nor a network that could stand in.
    """
    term = names().resolve(name)
    by_name = {builder.name: builder for builder in registry().builders}
    if term in by_name:
        return Choice(by_name[term], term, None)
    entry = next(entry for entry in registry().substitutions if entry.name == term)
    if entry.nearest is None:
        raise NotFoundError(
            f"{term}: cannot be built. {entry.reason}",
            "medtl-meta backbones lists what can; name one of them.",
        )
    return Choice(by_name[entry.nearest], term, entry.reason)


def check_size(builder: Builder, size: int) -> None:
    """See that images of this size get through the network.

    Raises
    ------
    UsageError
        They are too small; names the smallest size.
    """
    if size < builder.least_size:
        raise UsageError(
            f"{builder.name}: images of {size} x {size} pixels shrink to nothing inside it.",
            f"Use --size {builder.least_size} or more; it was designed for {builder.size}.",
        )
