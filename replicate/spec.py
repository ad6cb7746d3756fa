"""What a replication is: every setting that decides its numbers, each with where it comes from.

A `Spec` is frozen, validated and hashable; the hash of its settings names the run. The `Ledger`
beside it says of each setting whether the paper reports it (and where) or we had to assume it (and
why). Device, number of workers and other things that must not change a result are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from db.wording import extent_words, method_words
from replicate.terms import (
    CONTROL,
    FEATURES,
    HYBRID,
    HYBRID_HEADS,
    RANDOM,
    RANDOM_TL_TYPES,
    RECOMMENDED,
    SCRATCH,
)

TLType = Literal[
    "feature extractor",
    "feature extractor hybrid",
    "fine-tuning",
    "fine-tuning from scratch",
    "random initialisation",
    "recommended protocol",
    "random weights, frozen",
]
HeadKind = Literal["linear", "mlp", "svm", "random forest", "k-nn", "lda", "logistic"]
Fidelity = Literal["same data", "same task", "proxy"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """Base of all parts of a spec: frozen, and closed to words that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False
    )


class TestData(Settings):
    """Another set that is tested on; `classes`: its own class -> the class of the set's own."""

    name: str
    content: str
    classes: dict[str, str]


class Data(Settings):
    """Which images, with which labels.

    `classes` renames and merges: the set's own class -> the task's class. Classes that it does not
    name are left out; None takes all as they are.
    """

    name: str
    phantom: bool = False
    classes: dict[str, str] | None = None
    positive: str | None = None
    max_images: Annotated[int, Field(ge=2)] | None = None
    content: str | None = None
    test: TestData | None = None


class Network(Settings):
    """The backbone, and the weights that it starts from.

    `name` is the canonical name of what is built; `reported` that of the study where another
    network stands in for it. `weights` is ``pretrained``, ``random`` or a path; `weights_hash` is
    the SHA-256 of what was found.
    """

    name: str
    reported: str | None = None
    weights: str = "pretrained"
    weights_hash: str | None = None


class Unfreezing(Settings):
    """How much of the backbone is trained, counted from its end.

    ``blocks`` and ``layers`` take a count, ``ratio`` a share of the layers with weights,
    ``none`` and ``all`` nothing.
    """

    kind: Literal["none", "blocks", "layers", "ratio", "all"]
    amount: float | None = None

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if (self.kind in ("none", "all")) != (self.amount is None):
            raise ValueError(
                f"{self.kind}: takes no amount" if self.amount is not None else "needs an amount"
            )
        if self.amount is None:
            return self
        if self.kind == "ratio":
            if not 0 < self.amount <= 1:
                raise ValueError("a ratio lies above 0 and up to 1")
        elif self.amount < 1 or self.amount != int(self.amount):
            raise ValueError("count blocks and layers in whole numbers from 1")
        return self

    @property
    def words(self) -> str | None:
        """The extent for a reader, such as ``last 2 blocks``; None where nothing is unfrozen."""
        return extent_words(self.kind, self.amount)


class Head(Settings):
    """What turns features into classes. `hidden` is the MLP's; `dropout` stands before it."""

    kind: HeadKind = "linear"
    hidden: Annotated[int, Field(ge=1)] | None = None
    dropout: Share = 0.0
    neighbours: Annotated[int, Field(ge=1)] = 5
    trees: Annotated[int, Field(ge=1)] = 300
    kernel: Literal["linear", "rbf"] = "linear"
    penalty: Positive = 1.0


class Transfer(Settings):
    """The TL type: what is frozen, what BatchNorm does, what classifies.

    `batchnorm` names the layers that normalise by running statistics (evaluation mode):
    ``frozen`` those of frozen blocks, ``all`` every one, ``none`` none - the mistake of many
    scripts, in which a frozen network goes on changing; it forbids the cache. `statistics` of
    BatchNorm layers that training moved are ``recalibrated`` on the training images before testing,
    or left ``running``: averages of the last steps, which lag behind where steps are few.
    """

    tl_type: TLType
    unfreezing: Unfreezing
    batchnorm: Literal["frozen", "all", "none"] = "frozen"
    statistics: Literal["recalibrated", "running"] = "recalibrated"
    head: Head = Head()

    @property
    def hybrid(self) -> bool:
        """Whether a classical classifier is fitted to features."""
        return self.head.kind in HYBRID_HEADS

    @property
    def words(self) -> str:
        """The TL type with its extent, such as ``fine-tuning (last 2 blocks)``."""
        return method_words(self.tl_type, self.unfreezing.words)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kind = self.unfreezing.kind
        if self.tl_type in (FEATURES, HYBRID, CONTROL) and kind != "none":
            raise ValueError(f"{self.tl_type}: unfreezes nothing")
        if self.tl_type in (SCRATCH, RANDOM) and kind != "all":
            raise ValueError(f"{self.tl_type} trains all layers")
        if self.tl_type in ("fine-tuning", RECOMMENDED) and kind == "none":
            raise ValueError(f"{self.tl_type} needs layers to unfreeze")
        if self.tl_type != CONTROL and (self.tl_type == HYBRID) != self.hybrid:
            raise ValueError(f"the head {self.head.kind} does not belong to a {self.tl_type}")
        return self


class Preprocessing(Settings):
    """From a decoded image to the network's input; `size` in pixels, a square.

    `resize` is ``squash`` (aspect ratio lost), ``crop`` (by the shorter side; the ends of the
    longer are cut off) or ``pad`` (by the longer side; black beside it). It makes `size` /
    `crop_share` pixels, of which the middle is taken: 0.875 makes 256 for a `size` of 224.
    `normalise` ``backbone`` takes mean and deviation that belong to the weights.
    """

    size: Annotated[int, Field(ge=16, le=1024)] = 224
    resize: Literal["squash", "crop", "pad"] = "squash"
    crop_share: Annotated[float, Field(ge=0.5, le=1)] = 1.0
    interpolation: Interpolation = "bilinear"
    normalise: Literal["backbone", "half"] = "backbone"


class Augmentation(Settings):
    """Random changes of training images, drawn anew each epoch.

    Rotation in degrees, translation and zoom as shares of the side, brightness as a share.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    translation: Share = 0.0
    zoom: Share = 0.0
    brightness: Share = 0.0

    @property
    def active(self) -> bool:
        """Whether any change is made at all."""
        return any(self.model_dump().values())


class Training(Settings):
    """Optimiser and schedule.

    `epochs` counts passes over the training images; `head_epochs` of them, in the recommended
    protocol and wherever given, train the head alone before anything is unfrozen. `backbone_lr` is
    the rate of unfrozen layers, `learning_rate` that of the head. `patience` in epochs stops early
    on the validation loss and returns the best epoch; None trains to the end.
    """

    optimiser: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: Positive = 1e-3
    backbone_lr: Positive | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Share = 0.9
    batch_size: Annotated[int, Field(ge=1)] = 32
    epochs: Annotated[int, Field(ge=1)] = 20
    head_epochs: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    patience: Annotated[int, Field(ge=1)] | None = None
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["float32", "amp"] = "float32"

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if self.head_epochs > self.epochs:
            raise ValueError("head_epochs is part of epochs and cannot exceed it")
        return self


class Split(Settings):
    """How images are divided. Shares are of all images; `by` keeps groups together or not.

    ``official`` takes the set's own parts; ``external`` tests on a set of its own (`data.test`) and
    trains on all of the other. In ``k-fold`` each image is tested once a repeat;
    `validation` is then a share of the training images of a fold.
    """

    kind: Literal["official", "hold-out", "k-fold", "external"] = "hold-out"
    by: Literal["group", "image"] = "group"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation: Share = 0.1
    folds: Annotated[int, Field(ge=2)] = 5
    repeats: Annotated[int, Field(ge=1)] = 1


class Evaluating(Settings):
    """How predictions become calls.

    `threshold` is None for the most probable class (0.5 of two), or how the probability from which
    the positive class is called is chosen on a fold's validation images: ``youden``,
    ``sensitivity=0.95`` or ``specificity=0.9``. Two classes only.
    """

    threshold: str | None = None

    @field_validator("threshold")
    @classmethod
    def _known(cls, rule: str | None) -> str | None:
        if rule is None or rule == "youden":
            return rule
        kind, _, level = rule.partition("=")
        try:
            share = float(level)
        except ValueError:
            share = math.nan
        if kind not in ("sensitivity", "specificity") or not 0 < share < 1:
            raise ValueError(
                f"{rule!r} is no threshold; as in youden, sensitivity=0.95 or specificity=0.9"
            )
        return f"{kind}={share:g}"


class Spec(Settings):
    """A whole replication."""

    study: str | None = None
    setup: str | None = None
    fidelity: Fidelity | None = None
    data: Data
    network: Network
    transfer: Transfer
    preprocessing: Preprocessing = Preprocessing()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    split: Split = Split()
    evaluation: Evaluating = Evaluating()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...], Field(min_length=1)] = (
        0,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is given twice")
        if (self.split.kind == "external") != (self.data.test is not None):
            raise ValueError("an external split goes with a test set of its own, and only it")
        drawn = self.split.kind != "official"
        if self.evaluation.threshold and drawn and not self.split.validation:
            raise ValueError(
                f"evaluation.threshold ({self.evaluation.threshold}) is chosen on validation "
                "images, and split.validation sets none aside"
            )
        random = self.transfer.tl_type in RANDOM_TL_TYPES
        if random != (self.network.weights == "random"):
            raise ValueError(
                "random weights go with random initialisation, where all of them learn, or with a "
                "feature extractor, as a control where none does: "
                f"{self.transfer.tl_type} with weights {self.network.weights}"
            )
        if self.transfer.hybrid and self.augmentation.active:
            raise ValueError("a feature extractor hybrid sees each image once: no augmentation")
        if (
            self.transfer.unfreezing.kind != "none"
            and self.training.head_epochs >= self.training.epochs
        ):
            # It would be a feature extractor under the name of something else.
            raise ValueError(
                f"training.head_epochs ({self.training.head_epochs}) takes all epochs "
                f"({self.training.epochs}): nothing would ever be unfrozen"
            )
        return self

    def __hash__(self) -> int:
        return hash(self.canonical())

    def canonical(self) -> str:
        """Return the spec as text that is equal where and only where all settings are."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def id(self) -> str:
        """The run's name: 12 hexadecimal digits of the SHA-256 of :meth:`canonical`."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:12]


#: Where a setting comes from: the study, the caller, the setup (or contest), the house's defaults,
#: or what is found on the machine that runs it.
Origin = Literal["reported", "chosen", "setup", "house", "found"]


class LedgerLine(Settings):
    """One setting, what it is, and where it comes from.

    `name` is the path in the spec (``training.epochs``); `reason` is the source of a reported
    value, and why an assumed one was taken. `mark` follows from `origin`: whatever the study does
    not report is assumed. `departs` marks what is run in another way than reported; `implied`,
    what follows from a setting that the caller chose.
    """

    name: str
    value: Any
    mark: Literal["reported", "assumed"] = "assumed"
    reason: Annotated[str, Field(min_length=1)]
    origin: Origin
    departs: bool = False
    implied: bool = False

    @model_validator(mode="before")
    @classmethod
    def _marked(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "mark": "reported" if values["origin"] == "reported" else "assumed"}

    @property
    def chosen(self) -> bool:
        """Whether the caller named this very setting."""
        return self.origin == "chosen" and not self.implied


class Ledger(Settings):
    """All settings of a spec, marked."""

    lines: tuple[LedgerLine, ...]

    @classmethod
    def of(cls, spec: Spec, origin: Origin, reason: Callable[[str], str]) -> Ledger:
        """Return the ledger of a spec whose settings are all of one origin."""
        return cls(
            lines=tuple(
                LedgerLine(name=name, value=value, origin=origin, reason=reason(name))
                for name, value in settings_of(spec).items()
            )
        )

    @property
    def reported(self) -> tuple[LedgerLine, ...]:
        """The lines that the paper backs."""
        return tuple(line for line in self.lines if line.mark == "reported")

    @property
    def assumed(self) -> tuple[LedgerLine, ...]:
        """The lines that we had to fill in."""
        return tuple(line for line in self.lines if line.mark == "assumed")


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by path as the parts of a spec: what :func:`settings_of` makes flat."""
    values: dict[str, Any] = {}
    for path, value in settings.items():
        place = values
        *outer, last = path.split(".")
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return values


def settings_of(spec: Spec) -> dict[str, Any]:
    """Return a spec's settings flat, by path: what a ledger must account for, line by line."""
    flat: dict[str, Any] = {}

    def enter(prefix: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict) and name != "classes":
                enter(f"{prefix}{name}.", value)
            else:
                flat[f"{prefix}{name}"] = value

    enter("", spec.model_dump(mode="json", exclude={"study", "setup", "fidelity"}))
    return flat
