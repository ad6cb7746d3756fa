"""The shape of the data files: what a study file may hold, checked field by field.

Pydantic reports *all* faults of a file at once, each with its place; :mod:`db.datafiles` turns a
place into a line number. Vocabulary is accepted by any synonym and stored by its term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    field_validator,
    model_validator,
)

from db import vocabulary as v
from db.errors import UnknownTermError

#: Backbone names are data, not code: the loader sets them before it reads study files.
known_backbones: ContextVar[v.Lexicon] = ContextVar("known_backbones")

T = TypeVar("T")


def _printable(text: str) -> str:
    """Refuse control characters: they would reach the terminal of whoever reads the value."""
    bad = next((sign for sign in text if ord(sign) < 32 or 127 <= ord(sign) < 160), None)
    if bad is not None:
        raise ValueError(f"holds the control character {bad!r}; remove it.")
    return text


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)
]
Positive = Annotated[int, Field(gt=0, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Year = Annotated[int, Field(ge=1950, le=2100, strict=True)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]


def _resolved(find: Callable[[], v.Lexicon]) -> AfterValidator:
    def resolve(word: str) -> str:
        try:
            return find().resolve(word)
        except UnknownTermError as error:
            raise ValueError(f"{error.message} {error.hint}") from None

    return AfterValidator(resolve)


def _term(field: str) -> AfterValidator:
    lexicon = v.lexicon(field)
    return _resolved(lambda: lexicon)


Modality = Annotated[str, _term("modality")]
Subject = Annotated[str, _term("subject")]
TlType = Annotated[str, _term("tl_type")]
Metric = Annotated[str, _term("metric")]
Basis = Annotated[str, _term("basis")]
Split = Annotated[str, _term("split")]
SplitUnit = Annotated[str, _term("split_unit")]
Family = Annotated[str, _term("family")]
Access = Annotated[str, _term("access")]
BackboneName = Annotated[str, _resolved(known_backbones.get)]


def _doi(text: str) -> str:
    bare = text.removeprefix("https://doi.org/").removeprefix("doi:")
    if not bare.startswith("10.") or "/" not in bare:
        raise ValueError(f"{text!r} is not a DOI; a DOI looks like 10.1186/s12880-022-00793-7.")
    return bare


Doi = Annotated[str, AfterValidator(_doi)]
Identifier = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
]


class Record(BaseModel):
    """Base of all file records: unknown fields are faults, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Disagreement(Record):
    """A source that gives another value."""

    value: Any
    source: Text
    note: Text | None = None


class Value(Record, Generic[T]):
    """One value of a study with the place where it was read."""

    value: T | None
    basis: Basis
    source: Text | None = None
    note: Text | None = None
    confirmed_by: tuple[Text, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    first_coding: T | None = None
    adjudicated: Text | None = None

    @model_validator(mode="after")
    def _basis_fits_value(self) -> Value[T]:
        if self.value is None and self.basis != "not_found":
            raise ValueError("a null value has the basis not_found (looked for, not seen).")
        if self.value is not None and self.basis == "not_found":
            raise ValueError("the basis not_found goes with a null value only.")
        if self.value is not None and self.source is None:
            raise ValueError("a value needs a source: where can a reader check it?")
        return self


class Citation(Record):
    """The study's bibliographic record."""

    authors: Text
    title: Text
    journal: Text | None = None
    year: Year
    volume: Identifier | None = None
    pages: Identifier | None = None
    doi: Doi | None = None
    pmid: Identifier | None = None
    pmcid: Identifier | None = None
    url: Text | None = None


class Curation(Record):
    """Why the study is here, and whether its use of TL was seen in a source."""

    inclusion: Literal["overview block", "cited", "uncertain", "added"] = "added"
    tl_seen: StrictBool = False


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("an empty list says nothing; write null with the basis not_found.")
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: listed twice (after synonyms).")
    return values


Backbones = Annotated[tuple[BackboneName, ...], AfterValidator(_distinct)]
TlTypes = Annotated[tuple[TlType, ...], AfterValidator(_distinct)]


class Values(Record):
    """What the curators read of a study; a field that is missing was not looked for."""

    modality: Value[Modality]
    subject: Value[Subject]
    anatomy: Value[Text] | None = None
    task: Value[Text] | None = None
    n_classes: Value[Positive] | None = None
    n_images: Value[Positive] | None = None
    n_patients: Value[Positive] | None = None
    n_train: Value[Positive] | None = None
    n_val: Value[Positive] | None = None
    n_test: Value[Positive] | None = None
    split_unit: Value[SplitUnit] | None = None
    cv_folds: Value[Positive] | None = None
    backbones: Value[Backbones] | None = None
    tl_types: Value[TlTypes] | None = None
    pretrained_on: Value[Text] | None = None
    classifier: Value[Text] | None = None
    finetune_detail: Value[Text] | None = None
    retracted: Value[StrictBool] | None = None


class StudyDataset(Record):
    """A data set as the study names it."""

    name: Text
    public: StrictBool | None = None
    url: Text | None = None
    dataset: Text | None = None
    basis: Basis
    source: Text | None = None


class ReportedMetric(Record):
    """An outcome as the study prints it."""

    metric: Metric
    value: Fraction
    ci_low: Fraction | None = None
    ci_high: Fraction | None = None
    sd: Annotated[float, Field(ge=0)] | None = None
    backbone: BackboneName | None = None
    tl_type: TlType | None = None
    task: Text | None = None
    split: Split | None = None
    n: Positive | None = None
    headline: StrictBool = False
    basis: Basis
    source: Text

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> ReportedMetric:
        if (self.ci_low is None) != (self.ci_high is None):
            raise ValueError("ci_low and ci_high go together.")
        if self.ci_low is not None and self.ci_high is not None and self.ci_low > self.ci_high:
            raise ValueError(f"ci_low {self.ci_low} is above ci_high {self.ci_high}.")
        return self


class Notes(Record):
    """What a reader should know beside the values."""

    data: Text | None = None
    tl: Text | None = None
    general: Text | None = None


class StudyRecord(Record):
    """One reviewed study: the content of ``data/studies/<key>.yaml``."""

    key: Key
    ref: Positive | None = None
    citation: Citation
    curation: Curation = Curation()
    values: Values
    other_disagreements: Mapping[str, tuple[Disagreement, ...]] = {}
    datasets: tuple[StudyDataset, ...] = ()
    metrics: tuple[ReportedMetric, ...] = ()
    notes: Notes = Notes()

    @model_validator(mode="after")
    def _the_review_numbers_its_studies(self) -> StudyRecord:
        reviewed = self.curation.inclusion != "added"
        if reviewed and self.ref is None:
            raise ValueError(
                f"a study of the review (inclusion: {self.curation.inclusion}) needs its ref, the "
                "number in the review's reference list; any other study is inclusion: added."
            )
        if self.ref is not None and not reviewed:
            raise ValueError("inclusion: added and a ref: a study of the review is not added.")
        return self

    @field_validator("metrics")
    @classmethod
    def _one_headline_a_metric(
        cls, metrics: tuple[ReportedMetric, ...]
    ) -> tuple[ReportedMetric, ...]:
        headlines = [metric.metric for metric in metrics if metric.headline]
        for name in headlines:
            if headlines.count(name) > 1:
                raise ValueError(f"{name} has two headline values; at most one is main.")
        return metrics


class BackboneRecord(Record):
    """One network of ``data/backbones.yaml``."""

    name: Text
    family: Family
    review_group: Text
    review_model: Text | None = None
    depth_group: Literal["shallow", "deep"] | None = None
    year: Year | None = None
    synonyms: tuple[Text, ...] = ()
    reference: Text | None = None
    note: Text | None = None


class NetworkRecord(Record):
    """One way to build a network of ``data/networks.yaml``, with its parameters layer by layer."""

    backbone: BackboneName
    variant: Text
    origin: Literal["paper", "torchvision", "variant"]
    convolutional: Mapping[str, Positive]
    connected: Mapping[str, Positive]
    features: Positive | None
    classes: Positive
    parameters: Positive
    convolutional_layers: Positive
    convolutional_depth: Positive
    derivation: Text
    source: Text

    @property
    def parameters_fe_only(self) -> int:
        """Parameters of the convolutional part alone."""
        return sum(self.convolutional.values())

    @property
    def connected_layers(self) -> int:
        """Fully connected layers that are trained, the last one included."""
        return len(self.connected) + (self.features is not None)

    def parameters_with(self, classes: int) -> int:
        """Parameters with a last layer for so many classes."""
        last = 0 if self.features is None else classes * (self.features + 1)
        return self.parameters_fe_only + sum(self.connected.values()) + last

    @model_validator(mode="after")
    def _parts_add_up(self) -> NetworkRecord:
        total = self.parameters_with(self.classes)
        if total != self.parameters:
            raise ValueError(f"parameters: the layers add up to {total}, not {self.parameters}.")
        return self


class DatasetRecord(Record):
    """One public data set of ``data/datasets.yaml``."""

    name: Text
    modality: Modality
    modality_detail: Text | None = None
    anatomy: Text | None = None
    task: Text | None = None
    year: Year | None = None
    year_basis: Text | None = None
    url: Text | None = None
    n_images: Positive | None = None
    n_cases: Positive | None = None
    n_classes: Positive | None = None
    licence: Text | None = None
    access: Access | None = None
    loader: Text | None = None
    evidence: Text
    note: Text | None = None


class ClaimRecord(Record):
    """A statement of the review."""

    id: Text
    claim: Text
    refs: tuple[Positive, ...] = ()


#: Sections of the review's facts that figures count with: all they hold is whole numbers.
COUNTED_SECTIONS = ("totals", "figure_3", "figure_4b", "figure_4b_depth", "figure_4c")


class ReviewRecord(Record):
    """``data/review.yaml``: what the review's text prints, by section."""

    citation: Text
    doi: Doi
    licence: Text
    facts: Mapping[str, Mapping[str, Any]]
    claims: tuple[ClaimRecord, ...]

    @field_validator("facts")
    @classmethod
    def _sections_are_whole(
        cls, facts: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Mapping[str, Any]]:
        for name, section in facts.items():
            if not isinstance(section.get("place"), str):
                raise ValueError(f"{name}: names no place in the review.")
        for name in COUNTED_SECTIONS:
            if name not in facts:
                raise ValueError(f"the section {name} is missing.")
            for what, value in facts[name].items():
                if what != "place" and (not isinstance(value, int) or value < 0):
                    raise ValueError(f"{name}.{what}: {value!r} is not a count.")
        return facts


class SecondValues(Record):
    """The values that the second coder read; a field that is missing was not seen."""

    modality: Modality | None = None
    subject: Subject | None = None
    n_classes: Positive | None = None
    n_images: Positive | None = None
    n_patients: Positive | None = None
    n_test: Positive | None = None
    backbones: Backbones | None = None
    tl_types: TlTypes | None = None


class SecondCoding(Record):
    """What the second coder read of one study."""

    key: Key
    values: SecondValues
    headlines: Mapping[Metric, Fraction] = {}


class SecondCodingRecord(Record):
    """``data/second_coding.yaml``: the blind second coding."""

    method: Text
    codings: tuple[SecondCoding, ...]
