"""The registry of networks: names, computed facts, stand-ins."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchmarks.builder_facts import facts_of
from db.datafiles import read_list
from db.datafolder import folder
from db.errors import NotFoundError, UnknownTermError, UsageError
from db.records import BackboneRecord
from db.vocabulary import fold
from replicate.networks.builders import (
    Builder,
    Registry,
    Substitution,
    builder_for,
    check_size,
    find_builder,
    registry,
)
from replicate.weights.files import all_weight_files

BUILDERS = registry().builders


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.name)
def test_computed_facts_are_those_of_the_network(builder: Builder) -> None:
    facts = facts_of(builder)
    assert facts == {name: getattr(builder, name) for name in facts}


def test_a_wrong_fact_would_be_found() -> None:
    builder = find_builder("vgg16")
    wrong = builder.model_copy(update={"least_size": 40, "parameters": 1})
    assert facts_of(wrong) == facts_of(builder)


def test_every_backbone_of_the_literature_has_a_builder_or_a_reason() -> None:
    literature = read_list(BackboneRecord, folder() / "backbones.yaml")
    known = {builder.name for builder in BUILDERS}
    explained = {entry.name for entry in registry().substitutions}
    assert {backbone.name for backbone in literature} == explained | (
        known - {"SqueezeNet1.1", "DarkNet53", "ResNeXt50", "EfficientNet-Lite0"}
    )
    years = {backbone.name: backbone.year for backbone in literature}
    for builder in BUILDERS:
        assert years.get(builder.name, builder.year) == builder.year


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("mobilenet_v2", "MobileNetV2"),
        ("MobileNetV2", "MobileNetV2"),
        ("Inception v1", "GoogLeNet"),
        ("inception_v3", "InceptionV3"),
        ("densenet201", "DenseNet201"),
        ("legacy_xception", "Xception"),
        ("tf_efficientnet_lite0", "EfficientNet-Lite0"),
        ("efficientnet_b0", "EfficientNetB0"),
        ("squeezenet1_0", "SqueezeNet"),
        ("squeezenet1_1", "SqueezeNet1.1"),
        ("resnetv2_50", "ResNet50V2"),
        ("MobileNet", "MobileNetV1"),
        ("LeNet", "LeNet5"),
    ],
)
def test_names_of_literature_and_libraries(word: str, name: str) -> None:
    assert find_builder(word).name == name


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.name)
def test_a_network_goes_by_its_own_and_its_librarys_name(builder: Builder) -> None:
    assert find_builder(builder.name) == builder
    assert find_builder(builder.builder) == builder


def test_no_word_means_two_networks() -> None:
    owners: dict[str, str] = {}
    for builder in BUILDERS:
        for word in {fold(word) for word in (builder.name, builder.builder, *builder.synonyms)}:
            assert owners.setdefault(word, builder.name) == builder.name


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownTermError) as caught:
        find_builder("ResNet5")
    assert "ResNet50" in caught.value.nearest


def test_a_name_without_a_builder_is_substituted_aloud() -> None:
    choice = builder_for("CaffeNet")
    assert (choice.builder.name, choice.reported) == ("AlexNet", "CaffeNet")
    assert choice.substitution is not None
    assert "AlexNet" in choice.substitution
    with pytest.raises(NotFoundError) as caught:
        find_builder("CaffeNet")
    assert "AlexNet" in caught.value.hint


def test_a_network_that_is_built_is_no_substitution() -> None:
    choice = builder_for("resnet50")
    assert (choice.builder.name, choice.reported, choice.substitution) == (
        "ResNet50",
        "ResNet50",
        None,
    )


def test_a_studys_own_network_cannot_be_built() -> None:
    with pytest.raises(NotFoundError, match="own authors"):
        builder_for("custom CNN")


def test_a_stand_in_must_exist() -> None:
    nobody = Substitution(name="X", nearest="Nobody", reason="none")
    with pytest.raises(ValueError, match="Nobody"):
        Registry(builders=BUILDERS, substitutions=(nobody,))


def test_images_that_are_too_small_are_refused_with_the_smallest_size() -> None:
    check_size(find_builder("InceptionV3"), 75)
    with pytest.raises(UsageError) as caught:
        check_size(find_builder("InceptionV3"), 74)
    assert "75" in caught.value.hint


def test_known_weights_belong_to_known_networks() -> None:
    names = {builder.name for builder in BUILDERS}
    assert {entry.backbone for entry in all_weight_files()} <= names
    assert names - {entry.backbone for entry in all_weight_files()} == {"LeNet5", "ResNet152V2"}


def test_known_weights_are_those_that_torchvision_names() -> None:
    """The addresses, and with them the checksums, are the library's own."""
    from torchvision import models

    for entry in all_weight_files():
        if entry.url is None or "download.pytorch.org" not in entry.url:
            continue
        builder = find_builder(entry.backbone)
        known = models.get_model_weights(builder.builder)[entry.label]
        assert known.url == entry.url
        assert entry.file == entry.url.rsplit("/", 1)[1]
        assert entry.file.endswith(f"-{entry.sha256}.pth")
        transforms = known.transforms()
        # The authors of SqueezeNet 1.1 document 227 of 256 pixels, its port another size.
        if builder.name != "SqueezeNet1.1" and entry.label == "IMAGENET1K_V1":
            assert transforms.crop_size == [builder.size]
            assert transforms.resize_size == [int(builder.size / builder.crop_share + 1e-6)]
        assert transforms.interpolation.value == builder.interpolation
        assert (tuple(transforms.mean), tuple(transforms.std)) == (builder.mean, builder.deviation)


def test_timm_networks_expect_what_timm_says() -> None:
    import timm

    for builder in BUILDERS:
        if builder.library != "timm":
            continue
        said = timm.get_pretrained_cfg(builder.builder)
        assert said.input_size == (3, builder.size, builder.size)
        assert (said.mean, said.std) == (builder.mean, builder.deviation)
        assert (said.crop_pct, said.interpolation) == (builder.crop_share, builder.interpolation)
        for entry in all_weight_files():
            if entry.backbone == builder.name and entry.hub is not None:
                assert entry.hub == said.hf_hub_id
            elif entry.backbone == builder.name and entry.url is not None:
                assert entry.url == said.url


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from replicate.networks.builders import find_builder;"
        "from replicate.weights.places import at_hand, look;"
        "look(find_builder('mobilenet_v2'));"
        "print(sorted({'torch', 'timm', 'cv2', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_lenet_is_a_network_of_its_own() -> None:
    from replicate.networks.lenet import LeNet5

    network = LeNet5(classes=3)
    assert network(torch.zeros(2, 3, 28, 28)).shape == (2, 3)
    assert network(torch.zeros(2, 3, 64, 40)).shape == (2, 3)
