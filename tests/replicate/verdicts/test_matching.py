"""Which reported value a run is held against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from db.literature import Reported
from db.vocabulary import CONTROL
from replicate.verdicts.matching import Arm, Match, classes_of, match
from replicate.verdicts.words import Code, Reason, because

FAMILIES = {"ResNet50": "ResNet", "ResNet101": "ResNet", "VGG16": "VGG", "GoogLeNet": "Inception"}
ARM = Arm("ResNet50", "MobileNetV2", "ResNet", "fine-tuning", "test", 2)


def row(value: float, **more: Any) -> Reported:
    return Reported("accuracy", value, family=FAMILIES.get(more.get("backbone", "")), **more)


def found(*rows: Reported, arm: Arm = ARM, **options: Any) -> Match:
    return match("accuracy", rows, replace(arm, **options))


def value(one: Match) -> float:
    assert one.row is not None, one.reason
    return one.row.value


def against(one: Match) -> tuple[Reason, ...]:
    """Return why the values that there are were not taken."""
    assert one.row is None
    assert one.reason is not None
    assert one.reason.code is Code.OTHER_ARM
    refused: tuple[Reason, ...] = one.reason.values["against"]
    return refused


@pytest.mark.parametrize(
    ("task", "number"),
    [
        (None, None),
        ("glaucoma detection", None),
        ("AMD vs DME vs normal", 3),
        ("COVID-19 versus other", 2),
        ("3-class, average", 3),
        ("three tumour types (mean)", 3),
        ("nine tissue classes of colorectal histology patches", 9),
        ("binary: ill or not", 2),
        ("breast mass, two separate public sets ('around 0.890')", None),
    ],
)
def test_the_number_of_classes_in_a_tasks_words(task: str | None, number: int | None) -> None:
    assert classes_of(task) == number


def test_the_same_backbone_comes_first_then_one_unsaid_then_the_family() -> None:
    own, unsaid = row(0.9, backbone="ResNet50"), row(0.8, headline=True)
    family, other = row(0.7, backbone="ResNet101"), row(0.6, backbone="VGG16")
    assert value(found(other, family, unsaid, own)) == 0.9
    assert value(found(other, family, unsaid)) == 0.8
    near = found(other, family)
    assert value(near) == 0.7
    assert near.remarks == (because(Code.OTHER_BACKBONE, reported="ResNet101", run="ResNet50"),)
    assert against(found(other)) == (because(Code.OF_BACKBONE, reported="VGG16"),)


def test_the_network_that_was_run_counts_as_its_own() -> None:
    assert value(found(row(0.9, backbone="MobileNetV2"))) == 0.9


def test_tl_types() -> None:
    same = row(0.9, tl_type="fine-tuning")
    unsaid = row(0.7)
    extent = row(0.8, tl_type="fine-tuning (extent unreported)")
    other = row(0.6, tl_type="random initialisation", headline=True)
    assert value(found(other, unsaid, extent, same)) == 0.9
    assert value(found(other, unsaid, extent)) == 0.8
    assert value(found(other, unsaid)) == 0.7
    assert found(other).row is None
    frozen = replace(ARM, tl_type="feature extractor")
    assert found(extent, arm=frozen).row is None
    protocol = replace(ARM, tl_type="recommended protocol")
    assert found(other, arm=protocol).remarks == (
        because(Code.OTHER_TL_TYPE, reported="random initialisation", run="recommended protocol"),
    )


def test_another_number_of_classes_is_another_task() -> None:
    three, two = row(0.9, task="a vs b vs c", headline=True), row(0.8, task="a vs b")
    assert value(found(three, two)) == 0.8
    assert against(found(three)) == (because(Code.OF_CLASSES, reported=3, run=2),)
    # What the study has in all tells the task of its only value, not of one of several.
    assert found(row(0.9), study_classes=3).row is None
    assert value(found(row(0.9), row(0.8), study_classes=3)) == 0.9
    assert value(found(three, arm=replace(ARM, n_classes=None))) == 0.9


def test_split_then_headline_then_order() -> None:
    outside, unsaid, test = row(0.7, split="external"), row(0.8), row(0.9, split="test")
    assert value(found(outside, unsaid, test)) == 0.9
    assert value(found(outside, unsaid)) == 0.8
    assert found(outside).remarks == (because(Code.OTHER_SPLIT, reported="external", run="test"),)
    folds = replace(ARM, split="cross-validation")
    assert value(found(test, row(0.6, split="cross-validation"), arm=folds)) == 0.6
    assert value(found(row(0.1), row(0.2, headline=True))) == 0.2
    assert value(found(row(0.1), row(0.2))) == 0.1


def test_what_a_setup_names_is_taken_and_the_difference_is_said() -> None:
    named = found(row(0.9, backbone="VGG16", tl_type="feature extractor"), chosen=True)
    assert value(named) == 0.9
    assert len(named.remarks) == 2
    assert found(row(0.9, task="3-class"), chosen=True).row is None
    several = found(row(0.9), chosen=True, study_classes=3)
    assert several.remarks == (because(Code.OTHER_CLASSES, reported=3, run=2),)
    assert found(row(0.9), chosen=True, study_classes=2).remarks == ()


def test_no_value_of_the_metric() -> None:
    none = found(replace(row(0.9), metric="AUC"))
    assert none.reason == because(Code.NOT_REPORTED, metric="accuracy")


def test_random_weights_are_held_against_nothing_that_is_not_said_to_be_of_them() -> None:
    arm = replace(ARM, tl_type="random initialisation")
    for rows in ([row(0.9)], [row(0.9, tl_type="fine-tuning")]):
        for chosen in (False, True):
            assert against(found(*rows, arm=arm, chosen=chosen))
    assert value(found(row(0.9), row(0.7, tl_type="random initialisation"), arm=arm)) == 0.7


def test_frozen_random_weights_are_held_against_nothing() -> None:
    for stated in (None, "feature extractor", "random initialisation"):
        for chosen in (False, True):
            one = found(row(0.9, tl_type=stated), tl_type=CONTROL, chosen=chosen)
            assert because(Code.NOT_A_CONTROL) in against(one)


def test_a_value_of_one_class_needs_that_class() -> None:
    three = replace(ARM, n_classes=3, classes=("ill", "well", "other"))
    own = row(0.9, task="ill vs not", of_class="ill")
    assert value(found(own, arm=three, chosen=True)) == 0.9
    assert found(own, arm=three).remarks == (
        because(Code.ONE_CLASS, of_class="ill", others=("well", "other")),
    )
    lacking = replace(three, classes=("a", "b", "c"))
    assert against(found(own, arm=lacking)) == (because(Code.OF_ABSENT_CLASS, reported="ill"),)
    two = replace(ARM, classes=("sick", "well"), positive="sick")
    assert found(own, arm=two).remarks == (because(Code.OTHER_CLASS, reported="ill", run="sick"),)


def test_a_setup_names_first_what_it_wants_first() -> None:
    plain, headline = row(0.88), row(0.945, headline=True)
    assert value(found(plain, headline, chosen=True)) == 0.88
    assert value(found(plain, headline)) == 0.945
