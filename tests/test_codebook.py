"""The codebook defines every field and every term of the data files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from db import records, vocabulary
from db.packaged import use_backbones
from db.records import StudyRecord
from replicate.images.medmnist import Published, PublishedFile
from replicate.networks.builders import Builder, Substitution
from replicate.setup.files import Setting, Setup, Source, Target
from replicate.weights.files import WeightFile

CODEBOOK = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")

FIELDS = [
    (kind.__name__, field)
    for kind in (
        records.StudyRecord,
        records.Citation,
        records.Curation,
        records.Values,
        records.Value,
        records.Disagreement,
        records.ReportedMetric,
        records.StudyDataset,
        records.Notes,
        records.BackboneRecord,
        records.NetworkRecord,
        records.DatasetRecord,
        records.ClaimRecord,
        records.SecondCoding,
        records.SecondValues,
        Setup,
        Source,
        Setting,
        Target,
        Builder,
        Substitution,
        WeightFile,
        Published,
        PublishedFile,
    )
    for field in kind.model_fields
]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_every_field_is_defined(kind: str, field: str) -> None:
    assert re.search(rf"`(\w+\.)?{field}`", CODEBOOK), f"{kind}.{field}"


@pytest.mark.parametrize(
    "terms",
    [
        vocabulary.MODALITIES,
        vocabulary.SUBJECTS,
        vocabulary.TL_TYPES,
        vocabulary.FAMILIES,
        vocabulary.METRICS,
        vocabulary.BASES,
        vocabulary.SPLITS,
        vocabulary.SPLIT_UNITS,
        vocabulary.INCLUSIONS,
        vocabulary.DEPTH_GROUPS,
        vocabulary.ACCESS,
    ],
)
def test_every_term_is_named(terms: tuple[str, ...]) -> None:
    words = " ".join(CODEBOOK.split())
    for term in terms:
        assert term in words, term


def test_the_example_is_a_valid_study() -> None:
    use_backbones()
    example = re.search(r"^```yaml\n(.*?)^```", CODEBOOK, flags=re.MULTILINE | re.DOTALL)
    assert example is not None
    record = StudyRecord.model_validate(yaml.safe_load(example[1]))
    assert record.values.backbones is not None
    assert record.values.backbones.disagreements[0].value == ["VGG16"]


def test_every_record_is_among_the_checked_ones() -> None:
    """A new kind of record must be added to the list above, or be one that has no own fields."""
    kinds = {
        kind.__name__
        for kind in vars(records).values()
        if isinstance(kind, type)
        and issubclass(kind, BaseModel)
        and kind.__module__ == "db.records"
    }
    checked = {kind for kind, _ in FIELDS}
    assert kinds - checked == {"Record", "ReviewRecord", "SecondCodingRecord"}
