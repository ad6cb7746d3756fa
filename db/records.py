"""The shape of the data files: what a study file may hold, checked field by field.

Pydantic reports *all* faults of a file at once, each with its place; :mod:`db.datafiles` turns a
place into a line number. Vocabulary is accepted by any synonym and stored by its term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StrictBool,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from db.fields import (
    Access,
    BackboneName,
    Basis,
    Cases,
    Classes,
    DatasetName,
    Deviation,
    Doi,
    Family,
    Folds,
    Fraction,
    Identifier,
    Images,
    Key,
    Metric,
    Modality,
    Name,
    Other,
    Pmcid,
    Pmid,
    Positive,
    Reference,
    Split,
    SplitUnit,
    Subject,
    Text,
    TlType,
    WebAddress,
    Year,
)

T = TypeVar("T")


class Record(BaseModel):
    """Base of all file records: unknown fields are faults, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Disagreement(Record):
    """A source that gives another value."""

    value: Other
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
    pmid: Pmid | None = None
    pmcid: Pmcid | None = None
    url: WebAddress | None = None


class Curation(Record):
    """Why the study is here, and whether its use of TL was seen in a source."""

    inclusion: Literal["overview block", "cited", "uncertain", "added"] = "added"
    tl_seen: StrictBool = False


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("an empty list says nothing; write null with the basis not_found.")
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
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
    n_classes: Value[Classes] | None = None
    n_images: Value[Images] | None = None
    n_patients: Value[Images] | None = None
    n_train: Value[Images] | None = None
    n_val: Value[Images] | None = None
    n_test: Value[Images] | None = None
    split_unit: Value[SplitUnit] | None = None
    cv_folds: Value[Folds] | None = None
    backbones: Value[Backbones] | None = None
    tl_types: Value[TlTypes] | None = None
    pretrained_on: Value[Text] | None = None
    classifier: Value[Text] | None = None
    finetune_detail: Value[Text] | None = None
    retracted: Value[StrictBool] | None = None

    @model_validator(mode="after")
    def _counts_agree(self) -> Values:
        for names, fault in count_faults(self):
            if not any(getattr(self, name).note for name in names):
                told = f"{fault}; if the source says so, a note on one of them must."
                raise PydanticCustomError("counts", "{told}", {"told": told, "at": names[0]})
        return self


def count_faults(values: Values) -> Iterator[tuple[list[str], str]]:
    """Yield what counts cannot be true together, with the fields that they are of."""

    def known(*names: str) -> dict[str, int]:
        read = {name: getattr(values, name) for name in names}
        return {name: one.value for name, one in read.items() if one and one.value is not None}

    def said(counts: Mapping[str, int], sign: str) -> str:
        return f" {sign} ".join(f"{name} {count}" for name, count in counts.items())

    unit = values.split_unit.value if values.split_unit else None
    total = known("n_patients" if unit == "patients" else "n_images")
    parts = known("n_train", "n_val", "n_test")
    if total and sum(parts.values()) > max(total.values()):
        yield [*parts, *total], f"{said(parts, '+')} exceed {said(total, '')}"
    sizes = known("n_images", "n_patients")
    if len(sizes) == 2 and sizes["n_patients"] > sizes["n_images"]:
        yield [*sizes], "n_patients {n_patients} exceed n_images {n_images}".format(**sizes)
    for name in ("cv_folds", "n_classes"):
        split = known(name)
        if split and sizes and split[name] > max(sizes.values()):
            yield [*split, *sizes], f"{said(split, '')} exceeds {said(sizes, 'and')}"


class StudyDataset(Record):
    """A data set as the study names it."""

    name: Text
    public: StrictBool | None = None
    url: WebAddress | None = None
    dataset: DatasetName | None = None
    basis: Basis
    source: Text | None = None


class ReportedMetric(Record):
    """An outcome as the study prints it."""

    metric: Metric
    value: Fraction
    ci_low: Fraction | None = None
    ci_high: Fraction | None = None
    sd: Deviation | None = None
    backbone: BackboneName | None = None
    tl_type: TlType | None = None
    task: Text | None = None
    split: Split | None = None
    n: Cases | None = None
    headline: StrictBool = False
    basis: Basis
    source: Text

    @model_validator(mode="after")
    def _interval_holds_the_value(self) -> ReportedMetric:
        low, high = self.ci_low, self.ci_high
        if low is None or high is None:
            if low is not high:
                raise ValueError("ci_low and ci_high go together.")
        elif low > high:
            raise ValueError(f"ci_low {low} is above ci_high {high}.")
        elif not low <= self.value <= high:
            raise ValueError(f"the interval from {low} to {high} does not hold {self.value}.")
        return self


class Notes(Record):
    """What a reader should know beside the values."""

    data: Text | None = None
    tl: Text | None = None
    general: Text | None = None


class StudyRecord(Record):
    """One reviewed study: the content of ``data/studies/<key>.yaml``."""

    key: Key
    ref: Reference | None = None
    citation: Citation
    curation: Curation = Curation()
    values: Values
    other_disagreements: Mapping[Name, tuple[Disagreement, ...]] = {}
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
        headlines = Counter(metric.metric for metric in metrics if metric.headline)
        for name, count in headlines.items():
            if count > 1:
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
    url: WebAddress | None = None
    n_images: Images | None = None
    n_cases: Images | None = None
    n_classes: Classes | None = None
    licence: Text | None = None
    access: Access | None = None
    loader: Text | None = None
    evidence: Text
    note: Text | None = None


class ClaimRecord(Record):
    """A statement of the review."""

    id: Text
    claim: Text
    refs: tuple[Reference, ...] = ()


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
    n_classes: Classes | None = None
    n_images: Images | None = None
    n_patients: Images | None = None
    n_test: Images | None = None
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
