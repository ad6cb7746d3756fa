"""What a trained model says of itself: all that it takes to use it, and to know what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from db.errors import WeightsError
from replicate.networks.network import Input
from replicate.spec import Head, LedgerLine, Preprocessing, Settings

#: Under which name a file of tensors holds its card.
KEY = "card"
INTENDED_USE = "Research; not for diagnosis."

Channels = tuple[float, float, float]


class Origin(Settings):
    """Where weights or images come from; None where it is not stated.

    `content` is the SHA-256 of the file of weights, or over all images.
    """

    name: str
    address: str | None = None
    licence: str | None = None
    content: str | None = None


class Value(Settings):
    """A metric of the run, over all of its models; ends of the 95% interval."""

    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None


class Card(Settings):
    """The card of one model.

    `seed`, `repeat` and `fold` say which of the run's models it is; `notes` are what its run had
    to say, by code. `mean` and `deviation` are per channel, of values from 0 to 1; images are
    prepared as of `preprocessing`, those of more than 8 bits shown by `window` or, where they do
    not say how, in the `ranges` that the training images had. A probability of `positive` of at
    least `threshold` is called positive; without one, the likeliest class is called.
    """

    format: Literal[1] = 1
    intended_use: str = INTENDED_USE
    version: str
    run: str
    study: str | None
    setup: str | None
    phantom: bool
    seed: int
    repeat: int
    fold: int
    network: str
    weights: Origin
    tl_type: str
    head: Head
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=10_000)]
    positive: str | None
    threshold: float | None = None
    preprocessing: Preprocessing
    mean: Channels
    deviation: Channels
    window: str | None = None
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    precision: Literal["float32", "amp"]
    data: Origin
    metrics: tuple[Value, ...]
    notes: tuple[dict[str, Any], ...]
    ledger: tuple[LedgerLine, ...]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a name is given twice")
        if self.positive is not None and self.positive not in self.classes:
            raise ValueError("positive: is none of the classes")
        if self.threshold is not None and (self.positive is None or len(self.classes) != 2):
            raise ValueError("threshold: needs two classes, of which one is positive")
        if min(self.deviation) <= 0:
            raise ValueError("deviation: lies above 0")
        if any(low >= high for low, high in self.ranges.values()):
            raise ValueError("ranges: end above where they begin")
        return self

    @property
    def expects(self) -> Input:
        """How the network wants its images."""
        return Input(self.preprocessing.size, self.mean, self.deviation)

    @property
    def name(self) -> str:
        """What the model is called, and its folder."""
        return f"seed-{self.seed}-repeat-{self.repeat}-fold-{self.fold}"


def card_of(path: Path, told: dict[str, str]) -> Card:
    """Return the card that a file of tensors holds among its texts.

    Raises
    ------
    WeightsError
        It holds none, or one that is not sound.
    """
    if KEY not in told:
        raise WeightsError(
            f"{path}: holds no model card; it is no model that replicate run took away.",
            "Give one of models/ in a folder that was written by: replicate run --out DIR",
        )
    try:
        return Card.model_validate_json(told[KEY])
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        why = f"{place}: {first['msg']}" if place else str(first["msg"])
        raise WeightsError(
            f"{path}: its model card is not sound ({why[:200]}).",
            "Take the file as it was made; a newer release may be needed to read it.",
        ) from None
