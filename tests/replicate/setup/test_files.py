"""The packaged setups are complete and honest; a file that claims too much is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.database import Database
from db.errors import DataFileError, NotFoundError, UsageError
from db.literature import read_studies
from replicate.setup.files import (
    Setting,
    Setup,
    Source,
    backing,
    read_setup,
    setup_names,
    setups_folder,
)
from replicate.setup.specify import specify

CITED = (
    "pham2020",
    "minaee2020",
    "apostolopoulos2020",
    "rahaman2020",
    "byra2019",
    "swati2019",
    "deepak2019",
    "hegde2019",
    "karri2017",
    "treder2018",
    "kather2019",
    "gomezvalverde2019",
    "burdick2018",
    "shafique2018",
)

GOOD = """\
key: mine
study: pham2020
title: A setup of mine
settings:
  network.name: {value: DenseNet201, reported: backbones}
  training.epochs: {value: 6, reported: notes.tl, says: six epochs}
sources:
  - name: slices
    title: Slices
    get: Ask me.
    layout: Folders a and b.
    classes: {a: sick, b: healthy}
    positive: sick
    groups: Unknown.
    fidelity: proxy
    reason: Something else.
"""


def refused(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(DataFileError) as caught:
        read_setup(path)
    return str(caught.value)


def test_the_cited_studies_have_a_setup() -> None:
    assert set(CITED) <= {read_setup(name).study for name in setup_names()}
    assert len(setup_names()) >= 18


@pytest.mark.parametrize("name", setup_names())
def test_a_setup_is_named_after_its_study_and_says_where_images_come_from(name: str) -> None:
    setup = read_setup(name)
    assert setup.key == name
    assert setup.study is not None
    assert name.startswith(setup.study)
    assert setup.sources
    for source in setup.sources:
        assert source.dataset or source.url, f"{name}: {source.name} has no address"


def test_the_modalities_of_the_issue_are_covered(database: Database) -> None:
    studies = read_studies(database, {str(read_setup(name).study) for name in setup_names()})
    modalities = {study.modality for study in studies.values()}
    wanted = {"X-ray", "CT", "MRI", "sonography", "microscopy", "photography", "OCT"}
    assert wanted <= modalities


def test_a_setup_goes_by_name_key_and_reference_number() -> None:
    assert read_setup("byra2019").key == "byra2019"
    assert read_setup("[134]") is read_setup("134") is read_setup("byra2019")
    assert read_setup("karri2017-random").study == "karri2017"


def test_an_unknown_setup_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="deepak2019"):
        read_setup("deepak2018")
    with pytest.raises(NotFoundError, match="no setup '9999'"):
        read_setup("9999")


def test_a_file_of_the_user_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    assert read_setup(path).title == "A setup of mine"
    assert read_setup(str(path)).key == "mine"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("DenseNet201", "VGG16", 5, "backbones of pham2020 is DenseNet201, which is not 'VGG16'"),
        ("six epochs", "sixty epochs", 6, "does not say 'sixty epochs'"),
        (", says: six epochs", "", 6, "quote the words"),
        ("notes.tl", "notes.data", 6, "does not say 'six epochs'"),
        ("reported: backbones", "reported: cv_folds", 5, "holds no cv_folds"),
        ("training.epochs", "training.epoch", None, "Did you mean training.epochs"),
        ("reported: backbones", "assumed: why not, reported: backbones", 5, "give either"),
        ("positive: sick", "positive: ill", 8, "'ill' is none of"),
        ("b: healthy", "b: sick", 8, "at least two"),
        ("study: pham2020", "study: pham2021", 2, "no study 'pham2021'"),
        ("    get: Ask me.\n", "", 8, "is missing"),
        ("title: Slices", "title: Slices\n    dataset: Nowhere", 10, "not a name in datasets.yaml"),
        ("title: Slices", "title: Slices\n    used: Mine", 10, "names no data set 'Mine'"),
        ("sources:", "compare:\n  - metric: AUC\nsources:", 8, "finds 0 outcomes"),
        ("fidelity: proxy", "fidelity: perfect", 15, "same data"),
    ],
)
def test_a_fault_is_placed(
    tmp_path: Path, old: str, new: str, line: int | None, words: str
) -> None:
    text = refused(tmp_path, old, new)
    assert words in text
    if line is not None:
        assert f"mine.yaml:{line}: " in text


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("DenseNet201", "VGG16").replace("six epochs", "ten epochs"))
    with pytest.raises(DataFileError, match="2 problems"):
        read_setup(path)


def test_the_basis_of_a_reported_value_is_told(database: Database) -> None:
    study = read_studies(database, ["swati2019"])["swati2019"]
    setting = Setting(value="fine-tuning", reported="tl_types")
    assert backing(setting, "transfer.tl_type", study).startswith("inferred, https://")


def test_a_source_is_known_by_its_classes_in_any_spelling() -> None:
    source = read_setup("byra2019").source("busi")
    assert isinstance(source, Source)
    assert source.knows(("Benign", "MALIGNANT", "normal"))
    assert source.knows(("malignant", "benign"))
    assert not source.knows(("malignant",))
    assert not source.knows(("benign", "malignant", "unclear"))


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="brain_tumor_sartaj"):
        read_setup("deepak2019").source("brain_tumour_sartaj")
    bare = Setup(key="bare", study=None, title="Bare", settings={})
    with pytest.raises(UsageError, match="describes no images"):
        bare.source("any")


@pytest.mark.parametrize(
    ("name", "metric", "of_class"),
    [
        ("lee2020a", "AUC", "COVID-19"),
        ("apostolopoulos2020", "sensitivity", "COVID-19"),
        ("heidari2020", "specificity", "COVID-19"),
        ("rahaman2020", "sensitivity", None),
    ],
)
def test_what_a_reported_value_is_of(name: str, metric: str, of_class: str | None) -> None:
    reported = specify(read_setup(name)).reported
    assert {one.of_class for one in reported if one.metric == metric} == {of_class}


def test_a_class_that_no_source_has(tmp_path: Path) -> None:
    text = (setups_folder() / "lee2020a.yaml").read_text(encoding="utf-8")
    path = tmp_path / "lee2020a.yaml"
    path.write_text(text.replace("of_class: COVID-19", "of_class: COVID"), encoding="utf-8")
    with pytest.raises(DataFileError, match="'COVID' is no class of any source"):
        read_setup(path)
