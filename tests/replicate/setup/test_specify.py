"""From a setup to a spec: every setting accounted for, every departure told."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.database import Database, open_database
from db.errors import NotFoundError, UnknownTermError, UsageError
from db.literature import read_studies
from replicate.images.image_set import ImageSet, of_arrays
from replicate.setup.defaults import BY_TL_TYPE, COMMON
from replicate.setup.fidelity import Departure, Reduction
from replicate.setup.files import PATHS, Setting, read_setup, setup_names
from replicate.setup.ledger import completed
from replicate.setup.of_study import from_study
from replicate.setup.specify import Specified, specify, specify_free
from replicate.spec import LedgerLine, settings_of
from replicate.terms import CONTROL, TL_TYPES


def pictures(name: str, *classes: str, phantom: bool = False) -> ImageSet:
    labels = np.arange(2 * len(classes)) % len(classes)
    pixels = np.zeros((len(labels), 8, 8), dtype=np.uint8)
    return of_arrays(name, pixels, labels, classes, phantom=phantom)


def entry(specified: Specified, path: str) -> LedgerLine:
    return next(line for line in specified.ledger.lines if line.name == path)


def line(specified: Specified, path: str) -> tuple[Any, str, str]:
    found = entry(specified, path)
    return found.value, found.mark, found.reason


def departures(specified: Specified) -> tuple[Departure, ...]:
    assert specified.fidelity is not None
    return specified.fidelity.departures


def accounted(specified: Specified) -> None:
    """Each setting has exactly one line, which holds what the spec holds."""
    names = [line.name for line in specified.ledger.lines]
    assert len(set(names)) == len(names)
    assert {line.name: line.value for line in specified.ledger.lines} == settings_of(specified.spec)
    assert all(line.reason for line in specified.ledger.lines)


@pytest.mark.parametrize("name", setup_names())
def test_each_setup_is_accounted_for(name: str) -> None:
    setup = read_setup(name)
    for source in setup.sources:
        specified = specify(setup, source=source.name)
        accounted(specified)
        spec = specified.spec
        assert (spec.study, spec.setup, spec.fidelity) == (setup.study, name, source.fidelity)
        assert specified.fidelity is not None
        assert specified.fidelity.reason == source.reason
    assert specify(setup).spec == specify(setup).spec


CHOICES: dict[str, Any] = {
    "network.weights": "some/weights.pth",
    "transfer.tl_type": "recommended protocol",
    "transfer.batchnorm": "all",
    "transfer.statistics": "running",
    "transfer.head.kind": "mlp",
    "transfer.head.hidden": 17,
    "transfer.head.dropout": 0.25,
    "transfer.head.neighbours": 7,
    "transfer.head.trees": 11,
    "transfer.head.kernel": "rbf",
    "transfer.head.penalty": 3.0,
    "preprocessing.size": 111,
    "preprocessing.resize": "pad",
    "preprocessing.crop_share": 0.7,
    "preprocessing.interpolation": "lanczos",
    "preprocessing.normalise": "half",
    "augmentation.horizontal_flip": True,
    "augmentation.vertical_flip": True,
    "augmentation.rotation": 12.0,
    "augmentation.translation": 0.2,
    "augmentation.zoom": 0.3,
    "augmentation.brightness": 0.4,
    "training.optimiser": "rmsprop",
    "training.learning_rate": 0.5,
    "training.backbone_lr": 0.25,
    "training.weight_decay": 0.125,
    "training.momentum": 0.3,
    "training.batch_size": 3,
    "training.epochs": 77,
    "training.head_epochs": 1,
    "training.schedule": "cosine",
    "training.warmup": 2,
    "training.patience": 4,
    "training.class_weights": "balanced",
    "training.precision": "amp",
    "split.kind": "official",
    "split.by": "image",
    "split.test": 0.4,
    "split.validation": 0.35,
    "split.folds": 9,
    "split.repeats": 2,
    "seeds": [4, 5],
    "data.positive": "COVID-19",
    "data.max_images": 50,
    "evaluation.threshold": "youden",
}


@pytest.mark.parametrize("path", sorted(CHOICES))
def test_any_choice_is_marked_as_assumed(path: str) -> None:
    chosen = {path: CHOICES[path]}
    specified = specify(read_setup("pham2020"), source="sars_cov_2_ct", overrides=chosen)
    accounted(specified)
    before = dict(settings_of(specify(read_setup("pham2020"), source="sars_cov_2_ct").spec))
    found = entry(specified, path)
    assert found.value == CHOICES[path]
    if before[path] != found.value:
        assert found.chosen
        assert found.mark == "assumed"


def test_every_setting_can_be_chosen() -> None:
    fixed = {"network.name", "network.reported", "network.weights_hash"}
    extent = {"transfer.unfreezing.kind", "transfer.unfreezing.amount"}
    assert set(PATHS) - fixed - extent <= CHOICES.keys()


RESIZED: dict[str, tuple[dict[str, Any], tuple[str, float, str]]] = {
    "as torchvision documents it": ({}, ("crop", 0.875, "bilinear")),
    "at another size": ({"preprocessing.size": 64}, ("crop", 0.875, "bilinear")),
    "as timm documents it": (
        {"network.name": "EfficientNet-Lite0"},
        ("crop", 0.875, "bicubic"),
    ),
    "as documented, asked for": ({"preprocessing.resize": "crop"}, ("crop", 0.875, "bilinear")),
    "squashed": ({"preprocessing.resize": "squash"}, ("squash", 1.0, "bilinear")),
    "padded, and its middle": (
        {"preprocessing.resize": "pad", "preprocessing.crop_share": 0.9},
        ("pad", 0.9, "bilinear"),
    ),
    "whole": ({"preprocessing.crop_share": 1}, ("crop", 1.0, "bilinear")),
    "of a network that documents nothing": (
        {"network.name": "LeNet5", "network.weights": "random"},
        ("squash", 1.0, "bilinear"),
    ),
}


@pytest.mark.parametrize("what", RESIZED, ids=str)
def test_images_are_prepared_as_the_network_documents_it(what: str) -> None:
    chosen, expected = RESIZED[what]
    specified = specify_free(pictures("mine", "a", "b"), overrides=chosen)
    done = specified.spec.preprocessing
    assert (done.resize, done.crop_share, done.interpolation) == expected
    for name in ("resize", "crop_share", "interpolation"):
        path = f"preprocessing.{name}"
        assert entry(specified, path).origin == ("chosen" if path in chosen else "house")


CONTROLS: dict[str, dict[str, Any]] = {
    "linear": {"transfer.tl_type": "feature extractor", "network.weights": "random"},
    "svm": {"transfer.tl_type": "feature extractor hybrid", "network.weights": "random"},
    "mlp": {"transfer.tl_type": CONTROL, "transfer.head.kind": "mlp"},
    "lda": {"transfer.tl_type": CONTROL, "transfer.head.kind": "lda", "network.weights": "random"},
}


@pytest.mark.parametrize("head", CONTROLS)
@pytest.mark.parametrize("of", ["free", "karri2017", "karri2017-random", "deepak2019"])
def test_frozen_random_weights_are_a_control_under_a_name_of_their_own(head: str, of: str) -> None:
    if of == "free":
        specified = specify_free(pictures("mine", "a", "b"), overrides=CONTROLS[head])
    else:
        specified = specify(read_setup(of), overrides=CONTROLS[head])
    accounted(specified)
    transfer = specified.spec.transfer
    assert transfer.tl_type == CONTROL
    assert (transfer.head.kind, transfer.hybrid) == (head, head in ("svm", "lda"))
    assert (specified.spec.network.weights, transfer.unfreezing.kind) == ("random", "none")
    assert entry(specified, "transfer.tl_type").mark == "assumed"


@pytest.mark.parametrize(
    "more",
    [
        {"network.weights": "pretrained"},
        {"network.weights": "mine.pth"},
        {"transfer.unfreezing.kind": "blocks", "transfer.unfreezing.amount": 1},
    ],
    ids=str,
)
def test_a_control_neither_transfers_nor_learns(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        specify_free(pictures("mine", "a", "b"), overrides={"transfer.tl_type": CONTROL, **more})


def test_what_a_setup_says_of_resizing_wins() -> None:
    setup = read_setup("pham2020")
    said = Setting.model_validate({"value": "squash", "assumed": "as in the authors' code"})
    settings = {**setup.settings, "preprocessing.resize": said}
    specified = specify(setup.model_copy(update={"settings": settings}))
    done = specified.spec.preprocessing
    assert (done.resize, done.crop_share) == ("squash", 1.0)
    assert entry(specified, "preprocessing.resize").origin == "setup"


def test_a_choice_that_replaces_a_reported_setting_is_a_departure() -> None:
    specified = specify(read_setup("pham2020"), overrides={"training.epochs": 3}, chosen="chosen")
    value, mark, reason = line(specified, "training.epochs")
    assert (value, mark) == (3, "assumed")
    assert reason.startswith("chosen; reported: 6 (curators' note")
    assert entry(specified, "training.epochs").departs
    assert departures(specified) == (Departure("training.epochs", 6, 3),)
    assert specified.fidelity is not None
    assert specified.fidelity.sentence.endswith(
        "It departs from what is reported in training.epochs: reported 6, run with 3."
    )


def test_the_reported_value_chosen_once_more_stays_reported() -> None:
    specified = specify(read_setup("pham2020"), overrides={"training.epochs": 6})
    assert line(specified, "training.epochs")[1] == "reported"
    assert specified.spec == specify(read_setup("pham2020")).spec


def test_another_network_keeps_the_study_s_in_sight() -> None:
    specified = specify(read_setup("byra2019"), overrides={"network.name": "mobilenet_v2"})
    accounted(specified)
    assert specified.spec.network.name == "MobileNetV2"
    assert specified.spec.network.reported == "VGG19"
    assert line(specified, "network.reported")[1] == "reported"
    assert line(specified, "network.name")[1] == "assumed"
    assert departures(specified) == (Departure("network.name", "VGG19", "MobileNetV2"),)
    assert "reported for VGG19" not in str(specified.reported[0].note)


def test_a_network_that_the_study_tested_too_is_reported() -> None:
    specified = specify(read_setup("minaee2020"), overrides={"network.name": "resnet50"})
    value, mark, reason = line(specified, "network.name")
    assert (value, mark) == ("ResNet50", "reported")
    assert "one of 4 in the record" in reason
    assert "chosen by the caller" in reason
    assert specified.spec.network.reported is None
    assert not departures(specified)


@pytest.mark.parametrize(
    ("asked", "built", "reported"),
    [
        ("SqueezeNet1.1", "SqueezeNet1.1", "SqueezeNet"),
        ("squeezenet1_1", "SqueezeNet1.1", "SqueezeNet"),
        ("SqueezeNet", "SqueezeNet", None),
        ("squeezenet1_0", "SqueezeNet", None),
        ("resnet50", "ResNet50", None),
    ],
)
def test_a_version_of_a_network_that_the_study_tested_is_what_is_built(
    asked: str, built: str, reported: str | None
) -> None:
    network = specify(read_setup("minaee2020"), overrides={"network.name": asked}).spec.network
    assert (network.name, network.reported) == (built, reported)


def test_a_network_that_nobody_builds_is_replaced_and_says_so() -> None:
    chosen = {"network.name": "Inception (unspecified)"}
    specified = specify(read_setup("burdick2018"), overrides=chosen)
    accounted(specified)
    assert specified.spec.network.name == "InceptionV3"
    assert specified.spec.network.reported == "Inception (unspecified)"
    assert specified.substitution is not None
    assert "version is not stated" in specified.substitution


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(UnknownTermError, match="VGG19"):
        specify(read_setup("byra2019"), overrides={"network.name": "VGG91"})


@pytest.mark.parametrize("name", ["deepak2019", "tang2020", "karri2017-random", "lee2020a"])
@pytest.mark.parametrize("tl_type", TL_TYPES)
def test_any_setup_runs_with_any_tl_type(name: str, tl_type: str) -> None:
    specified = specify(read_setup(name), overrides={"transfer.tl_type": tl_type})
    accounted(specified)
    spec = specified.spec
    assert spec.transfer.tl_type == tl_type
    assert (spec.network.weights == "random") == (tl_type == "random initialisation")
    value, mark, _ = line(specified, "transfer.tl_type")
    tested = specified.study.value("tl_types") if specified.study else ()
    assert mark == ("reported" if value in tested else "assumed")


def test_settings_of_another_tl_type_leave_with_it_and_stay_readable() -> None:
    chosen = {"transfer.tl_type": "feature extractor"}
    specified = specify(read_setup("lee2020a"), overrides=chosen)
    found = entry(specified, "transfer.unfreezing.amount")
    assert (found.value, found.origin, found.departs) == (None, "house", True)
    assert "reported: 6" in found.reason


def test_a_tl_type_that_the_record_does_not_name_is_a_departure() -> None:
    chosen = {"transfer.tl_type": "feature extractor"}
    found = departures(specify(read_setup("byra2019"), overrides=chosen))
    assert [(one.path, one.run) for one in found] == [("transfer.tl_type", "feature extractor")]
    plain = specify(read_setup("byra2019"))
    assert not departures(plain), "fine-tuned says nothing on how far"


def test_random_weights_and_classical_heads_imply_their_tl_type() -> None:
    random = specify(read_setup("byra2019"), overrides={"network.weights": "random"})
    assert random.spec.transfer.tl_type == "random initialisation"
    followed = entry(random, "transfer.tl_type")
    assert (followed.origin, followed.implied, followed.chosen) == ("chosen", True, False)
    hybrid = specify(read_setup("pham2020"), overrides={"transfer.head.kind": "k-nn"})
    assert hybrid.spec.transfer.tl_type == "feature extractor hybrid"
    trained = specify(read_setup("deepak2019"), overrides={"transfer.head.kind": "linear"})
    assert trained.spec.transfer.tl_type == "feature extractor"
    assert trained.spec.training.epochs == 20


def test_settings_that_do_not_go_together_are_refused() -> None:
    setup = read_setup("pham2020")
    with pytest.raises(UsageError, match="unfreezes nothing"):
        specify(setup, overrides={"transfer.unfreezing.kind": "all"})
    with pytest.raises(UsageError, match="head_epochs"):
        specify(setup, overrides={"training.head_epochs": 99})
    with pytest.raises(UsageError, match=r"no such setting 'training\.lr'"):
        specify(setup, overrides={"training.lr": 1.0})
    with pytest.raises(UsageError, match="no such TL type"):
        specify(setup, overrides={"transfer.tl_type": "magic"})


def test_classes_keep_the_spelling_of_the_set() -> None:
    images = pictures("found", "Covid", "NonCovid")
    classes = specify(read_setup("pham2020"), source="covid_ct", images=images).spec.data.classes
    assert classes == {"Covid": "COVID-19", "NonCovid": "non-COVID-19"}


def test_images_without_parts_have_no_official_split() -> None:
    setup = read_setup("kather2019")
    images = pictures("any", *setup.source("pathmnist").classes)
    specified = specify(setup, images=images, source="pathmnist")
    found = entry(specified, "split.kind")
    assert (found.value, found.origin, found.departs) == ("hold-out", "found", True)
    asked = specify(setup, images=images, source="pathmnist", overrides={"split.kind": "official"})
    assert asked.spec.split.kind == "official", "the split itself will say what is missing"


def test_images_of_other_classes_are_a_proxy_and_never_a_named_source() -> None:
    images = pictures("cats", "cat", "dog")
    specified = specify(read_setup("deepak2019"), images=images)
    assert specified.spec.fidelity == "proxy"
    assert specified.source is None
    assert specified.spec.data.classes is None
    with pytest.raises(UsageError, match="is not cheng of deepak2019"):
        specify(read_setup("deepak2019"), images=images, source="cheng")
    with pytest.raises(UsageError, match="'lion' is no class of cats"):
        specify(read_setup("deepak2019"), images=images, overrides={"data.positive": "lion"})


def test_phantoms_are_said_to_be_synthetic() -> None:
    images = pictures("phantom xray", "benign", "malignant", phantom=True)
    specified = specify(read_setup("byra2019"), images=images)
    assert specified.spec.data.phantom
    assert specified.spec.fidelity == "proxy"
    assert specified.fidelity is not None
    assert "Synthetic" in specified.fidelity.reason


def test_reported_outcomes_come_from_the_record() -> None:
    values = specify(read_setup("kather2019")).reported
    assert [(row.metric, row.value, row.n) for row in values] == [("accuracy", 0.94, 7180)]
    sensitivity, specificity = specify(read_setup("minaee2020")).reported
    assert (sensitivity.n, specificity.n) == (100, 3000)
    assert sensitivity.note is not None
    assert "100 COVID-19 test images" in sensitivity.note
    assert specify(read_setup("pham2020")).reported == ()


def test_same_data_is_reported_with_its_source() -> None:
    value, mark, reason = line(specify(read_setup("kather2019")), "data.name")
    assert (value, mark) == ("pathmnist", "reported")
    assert "NCT-CRC-HE-100K" in reason


def test_a_run_without_a_study_assumes_everything() -> None:
    chosen = {"network.name": "EfficientNetB0", "training.epochs": 2}
    specified = specify_free(pictures("mine", "a", "b"), overrides=chosen)
    accounted(specified)
    assert not specified.ledger.reported
    assert not specified.reported
    spec = specified.spec
    assert (spec.study, spec.setup, spec.fidelity, specified.fidelity) == (None,) * 4
    assert spec.network.name == "EfficientNetB0"
    assert entry(specified, "network.name").chosen
    assert line(specified, "network.name")[2] == "chosen by the caller"


def test_found_hashes_enter_spec_and_ledger() -> None:
    specified = specify(read_setup("byra2019"))
    spec, ledger = completed(
        specified.spec, specified.ledger, content="ab" * 32, weights_hash="cd" * 32
    )
    found = dataclasses.replace(specified, spec=spec, ledger=ledger)
    accounted(found)
    assert found.spec.data.content == "ab" * 32
    assert entry(found, "data.content").origin == "found"
    assert found.spec.id != specified.spec.id


def test_any_study_can_be_specified(database: Database) -> None:
    backed = 0
    for study in read_studies(database).values():
        setup = from_study(study)
        assert any(text.startswith("images: ") for text in setup.missing)
        specified = specify(setup, study=study)
        accounted(specified)
        assert specified.spec.setup is None or study.key in setup_names()
        backed += len(specified.ledger.reported)
        for entry in specified.ledger.reported:
            if entry.name == "network.name":
                assert entry.value in study.value("backbones")
            if entry.name == "transfer.tl_type":
                assert entry.value in study.value("tl_types")
    assert backed > 200


def test_the_study_is_that_of_the_database(tmp_path: Path, database: Database) -> None:
    """Another release may have read other values: the database says what is reported."""
    assert database.location.path is not None
    with open_database(shutil.copy(database.location.path, tmp_path / "own.sqlite")) as own:
        with own.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE reported_metric SET value = 0.5 WHERE study_id = "
                "(SELECT id FROM study WHERE key = 'kather2019')"
            )
        stored = specify(read_setup("kather2019"), database=own).reported
    assert {value.value for value in stored} == {0.5}
    assert 0.5 not in {value.value for value in specify(read_setup("kather2019")).reported}
    with pytest.raises(NotFoundError, match="no study 'nobody'"):
        specify(read_setup("kather2019").model_copy(update={"study": "nobody"}), database=database)


def test_the_defaults_give_each_setting_a_reason() -> None:
    for table in (COMMON, *BY_TL_TYPE.values()):
        assert all(reason for _, reason in table.values())
    assert set(BY_TL_TYPE) == set(TL_TYPES)


def test_a_sample_of_the_studys_data_is_a_departure() -> None:
    chosen = {"data.max_images": 300}
    found = departures(specify(read_setup("kather2019"), overrides=chosen))
    assert Departure("data.max_images", None, 300) in found


@pytest.mark.parametrize("name", ["kather2019", "byra2019", "minaee2020"])
def test_a_smaller_run_says_so_whatever_its_fidelity(name: str) -> None:
    setup = read_setup(name)
    plain = specify(setup)
    assert plain.fidelity is not None
    assert not plain.fidelity.reduced
    size, epochs = plain.spec.preprocessing.size, plain.spec.training.epochs
    chosen = {"data.max_images": 120, "preprocessing.size": 48, "training.epochs": 1}
    note = specify(setup, overrides=chosen).fidelity
    assert note is not None
    for path, run, planned in (
        ("data.max_images", 120, None),
        ("preprocessing.size", 48, size),
        ("training.epochs", 1, epochs),
    ):
        departs = Departure(path, planned, run) in note.departures
        assert departs != (Reduction(path, run, planned) in note.reduced), "said, and said once"
    same = specify(setup, overrides={"preprocessing.size": size}).fidelity
    assert same == plain.fidelity


def test_a_sample_is_one_only_where_images_are_left_out() -> None:
    images = pictures("found", "glioma", "meningioma", "pituitary")
    setup = read_setup("deepak2019")
    few, all_of_them = (
        specify(setup, images=images, overrides={"data.max_images": most}).fidelity
        for most in (4, 6)
    )
    assert few is not None
    assert few.level == "same task"
    assert few.reduced == (Reduction("data.max_images", 4, None),)
    assert all_of_them is not None
    assert not all_of_them.reduced


def test_a_free_run_takes_the_sets_own_parts() -> None:
    plain = pictures("mine", "a", "b")
    images = replace(plain, parts=("train", "train", "test", "test"))
    found = specify_free(images)
    accounted(found)
    assert line(found, "split.kind") == ("official", "assumed", "the set has parts of its own")
    for chosen in (
        {"split.kind": "k-fold", "split.folds": 2},
        {"split.kind": "hold-out", "split.test": 0.5},
        {"split.by": "group"},
        {"split.repeats": 2},
    ):
        other = specify_free(images, overrides=chosen)
        assert other.spec.split.kind == chosen.get("split.kind", "hold-out")
    assert specify_free(plain).spec.split.kind == "hold-out"
    # Parts that cannot be trained and tested on are no default.
    lame = replace(plain, parts=("train", "test", "test", "test"))
    assert specify_free(lame).spec.split.kind == "hold-out"


def test_no_groups_no_split_by_group() -> None:
    images = pictures("mine", "a", "b")
    why = ("image", "assumed", "no patients or groups are known")
    assert line(specify_free(images), "split.by") == why
    assert specify_free(images, overrides={"split.by": "group"}).spec.split.by == "group"
    grouped = replace(images, groups=("p", "q", "r", "s"))
    assert specify_free(grouped).spec.split.by == "group"
