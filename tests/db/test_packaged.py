"""The packaged data: counts pinned, every value with its evidence, every fault found."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from db.datafolder import data_hash, folder
from db.errors import DataFileError
from db.packaged import PackagedData, read
from tests.study_files import curated, value

REFERENCES = {4, 26, *range(28, 37), *range(41, 48), *range(49, 55), 60, *range(64, 154)} - {95}


def test_every_identified_study_is_there(packaged: PackagedData) -> None:
    assert {study.ref for study in packaged.studies} == REFERENCES
    assert len(packaged.studies) == 114


def test_counts_per_modality(packaged: PackagedData) -> None:
    assert Counter(study.values.modality.value for study in packaged.studies) == {
        "X-ray": 21,
        "CT": 17,
        "photography": 14,
        "mammography": 13,
        "MRI": 12,
        "microscopy": 11,
        "sonography": 10,
        "endoscopy": 7,
        "OCT": 6,
        "SPECT": 2,
        "many": 1,
    }


def test_counts_per_subject(packaged: PackagedData) -> None:
    assert Counter(study.values.subject.value for study in packaged.studies) == {
        "the integument": 24,
        "respiratory system": 21,
        "alimentary system": 18,
        "sense organs": 11,
        "nervous system": 9,
        "bones": 6,
        "genital systems": 5,
        "thoracic cavity": 4,
        "cardiovascular system": 4,
        "lymphoid system": 3,
        "many": 2,
        "urinary system": 2,
        "tissue specimen": 1,
        "else": 1,
        "abdominopelvic cavity": 1,
        "endocrine glands": 1,
        "joints": 1,
    }


def test_counts_per_year(packaged: PackagedData) -> None:
    assert Counter(study.citation.year for study in packaged.studies) == {
        2016: 3,
        2017: 10,
        2018: 27,
        2019: 40,
        2020: 33,
        2021: 1,
    }


def test_counts_per_tl_type(packaged: PackagedData) -> None:
    counts = Counter(
        tl_type
        for study in packaged.studies
        for tl_type in (study.values.tl_types.value if study.values.tl_types else None) or [None]
    )
    assert counts == {
        "fine-tuning (extent unreported)": 39,
        None: 37,
        "feature extractor hybrid": 15,
        "random initialisation": 15,
        "feature extractor": 13,
        "fine-tuning": 8,
        "fine-tuning from scratch": 7,
    }


def test_how_much_is_filled() -> None:
    studies = curated()
    filled = {
        field: sum(value(study, field) is not None for study in studies)
        for field in ("modality", "subject", "n_classes", "n_images", "n_patients", "backbones", "tl_types")
    }  # fmt: skip
    assert filled == {
        "modality": 114,
        "subject": 114,
        "n_classes": 98,
        "n_images": 60,
        "n_patients": 32,
        "backbones": 86,
        "tl_types": 77,
    }
    assert sum("doi" in study["citation"] for study in studies) == 98
    with_metrics = [study for study in studies if study.get("metrics")]
    review_metrics = {"accuracy", "AUC", "sensitivity", "specificity", "precision", "F1"}
    values = [
        m for study in with_metrics for m in study["metrics"] if m["metric"] in review_metrics
    ]
    assert len(values) == 316
    assert sum(any(m["metric"] in review_metrics for m in s["metrics"]) for s in with_metrics) == 95


def test_every_value_says_where_it_was_read() -> None:
    for study in curated():
        for field, entry in study["values"].items():
            place = (study["key"], field)
            assert entry["basis"], place
            assert entry["value"] is None or entry["source"], place
        for metric in study.get("metrics", ()):
            assert metric["basis"], study["key"]
            assert metric["source"], study["key"]


def test_the_one_retracted_study_is_marked(packaged: PackagedData) -> None:
    retracted = [s.ref for s in packaged.studies if s.values.retracted and s.values.retracted.value]
    assert retracted == [73]


def test_every_backbone_of_a_study_file_is_spelt_canonically(packaged: PackagedData) -> None:
    names = {backbone.name for backbone in packaged.backbones}
    for study in curated():
        assert set(value(study, "backbones") or ()) <= names
        assert {m["backbone"] for m in study.get("metrics", ()) if "backbone" in m} <= names


def test_the_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    copy = shutil.copytree(folder(), tmp_path / "data")
    assert data_hash(copy) == data_hash()
    target = copy / "studies" / "karri2017.yaml"
    target.write_text(target.read_text().replace("2017\n", "2018\n", 1))
    changed = data_hash(copy)
    assert changed != data_hash()
    target.rename(copy / "studies" / "karri2018.yaml")
    assert data_hash(copy) not in (changed, data_hash())


def spoil(tmp_path: Path, name: str, old: str, new: str) -> Path:
    copy = shutil.copytree(folder(), tmp_path / "data")
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    return copy


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("studies/karri2017.yaml", "ref: 49", "ref: 50", r"ref: 50 is also that of .*karri2017"),
        ("studies/karri2017.yaml", "key: karri2017", "key: karri2018", "must be named karri2018.yaml"),
        ("studies/karri2017.yaml", "value: OCT", "value: OTC", r"karri2017\.yaml:17: values\.modality\.value"),
        ("backbones.yaml", "family: LeNet", "family: LeNett", "did you mean|Did you mean"),
        ("datasets.yaml", "access: open", "access: free", "access"),
        ("second_coding.yaml", "key: rahaman2020", "key: nobody2020", "no study 'nobody2020'"),
        ("review.yaml", "doi: 10.", "doi: x10.", "not a DOI"),
        ("review.yaml", "included: 121", "included: hundred", "'hundred' is not a count"),
        ("review.yaml", "place: Figure 4b\n", "plaice: Figure 4b\n", "figure_4b: names no place"),
        ("second_coding.yaml", "n_classes: 3", "n_classes: x", r"second_coding\.yaml:\d+: codings\.0\.values\.n_classes"),
    ],
)  # fmt: skip
def test_faults_of_the_packaged_files(
    tmp_path: Path, name: str, old: str, new: str, says: str
) -> None:
    with pytest.raises(DataFileError, match=says):
        read(spoil(tmp_path, name, old, new))


def test_faults_of_several_files_are_told_together(tmp_path: Path) -> None:
    copy = spoil(tmp_path, "studies/karri2017.yaml", "value: OCT", "value: OTC")
    target = copy / "studies" / "shi2018.yaml"
    target.write_text(target.read_text().replace("year: 2018", "year: soon"))
    with pytest.raises(DataFileError) as caught:
        read(copy)
    assert {Path(str(p.path)).stem for p in caught.value.problems} == {"karri2017", "shi2018"}


def test_a_data_set_that_is_not_listed(tmp_path: Path) -> None:
    old, new = "dataset: NIH ChestX-ray14", "dataset: No such set"
    copy = spoil(tmp_path, "studies/tang2020.yaml", old, new)
    with pytest.raises(DataFileError, match=r"datasets\.0\.dataset: data set: no such term"):
        read(copy)
