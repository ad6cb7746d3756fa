"""Words of the command line become settings; wrong ones name the right ones."""

from __future__ import annotations

from typing import Any

import pytest

from db.errors import MedtlError
from replicate.setup.overrides import overrides, parse_seeds, parse_unfreeze
from replicate.setup.specify import OVERRIDES


@pytest.mark.parametrize(
    ("word", "term"),
    [
        ("feature-extractor", "feature extractor"),
        ("FE", "feature extractor"),
        ("hybrid", "feature extractor hybrid"),
        ("fine_tuning", "fine-tuning"),
        ("fine-tuning-from-scratch", "fine-tuning from scratch"),
        ("FS", "fine-tuning from scratch"),
        ("random", "random initialisation"),
        ("recommended", "recommended protocol"),
    ],
)
def test_tl_types_go_by_many_words(word: str, term: str) -> None:
    assert overrides({"tl": word}) == {"transfer.tl_type": term}


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, {}),
        ({"backbone": None, "epochs": 3}, {"training.epochs": 3}),
        ({"backbone": "resnet18"}, {"network.name": "resnet18"}),
        ({"weights": "ImageNet"}, {"network.weights": "pretrained"}),
        ({"weights": "w/x.safetensors"}, {"network.weights": "w/x.safetensors"}),
        ({"head": "kNN"}, {"transfer.head.kind": "k-nn"}),
        ({"split": "patient"}, {"split.by": "group"}),
        ({"split": "images"}, {"split.by": "image"}),
        ({"split": "official"}, {"split.kind": "official"}),
        (
            {"split": "patient", "folds": 4},
            {"split.by": "group", "split.kind": "k-fold", "split.folds": 4},
        ),
        ({"test": 0.3}, {"split.kind": "hold-out", "split.test": 0.3}),
        ({"seeds": "0,1, 2"}, {"seeds": [0, 1, 2]}),
        ({"amp": True}, {"training.precision": "amp"}),
        ({"amp": False}, {}),
    ],
)
def test_words_become_settings(given: dict[str, Any], settings: dict[str, Any]) -> None:
    assert overrides(given) == settings


def test_augmentation_sets_all_of_its_changes() -> None:
    none, flips = overrides({"augment": "none"}), overrides({"augment": "flips"})
    assert none.keys() == flips.keys() <= OVERRIDES
    assert not any(none.values())
    assert flips["augmentation.vertical_flip"] is True
    assert overrides({"augment": "standard"})["augmentation.rotation"] == 10.0


def test_extents() -> None:
    assert parse_unfreeze("blocks:2") == ("blocks", 2.0)
    assert parse_unfreeze("ratio:0.3") == ("ratio", 0.3)
    assert parse_unfreeze("all") == ("all", None)
    assert parse_seeds([3, 4]) == [3, 4]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tl": "featur extracter"}, "feature extractor"),
        ({"head": "svn"}, "svm"),
        ({"unfreeze": "blokcs:2"}, "blocks"),
        ({"unfreeze": "blocks"}, "needs a number"),
        ({"unfreeze": "all:3"}, "takes no number"),
        ({"weights": "pretraind"}, "pretrained"),
        ({"seeds": "a"}, "not whole numbers"),
        ({"seeds": ","}, "names no seed"),
        ({"folds": 5, "test": 0.2}, "one of the two"),
        ({"split": "official", "folds": 5}, "no folds"),
        ({"split": "pateint"}, "patient"),
        ({"schedule": "cosin"}, "cosine"),
        ({"epoch": 5}, "epochs"),
    ],
)
def test_wrong_words_name_the_right_ones(given: dict[str, Any], words: str) -> None:
    with pytest.raises(MedtlError) as caught:
        overrides(given)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2
