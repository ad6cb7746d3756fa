"""The numbers of data/networks.yaml, computed again: by arithmetic, and by torchvision itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from db.packaged import read_networks
from db.records import NetworkRecord
from tests.metaanalysis.audit.architectures import NETWORKS

STORED = read_networks()

#: Stored entry -> the architecture that the tests compute.
COMPUTED = {
    ("LeNet5", "paper"): "LeNet5, paper",
    ("LeNet5", "variant"): "LeNet5, full connections",
    ("AlexNet", "torchvision"): "AlexNet, torchvision",
    ("AlexNet", "paper"): "AlexNet, paper",
    ("AlexNet", "variant"): "AlexNet, without groups",
    ("VGG16", "torchvision"): "VGG16, torchvision",
    ("GoogLeNet", "torchvision"): "GoogLeNet, torchvision",
    ("GoogLeNet", "paper"): "GoogLeNet, paper",
    ("ResNet50", "torchvision"): "ResNet50, torchvision",
}


def test_every_network_is_computed_again() -> None:
    assert {(network.backbone, network.origin) for network in STORED} == set(COMPUTED)
    assert len(STORED) == len(COMPUTED)


@pytest.mark.parametrize("network", STORED, ids=lambda n: f"{n.backbone}-{n.origin}")
def test_against_the_architecture_layer_by_layer(network: NetworkRecord) -> None:
    computed = NETWORKS[COMPUTED[network.backbone, network.origin]]
    assert network.parameters_fe_only == computed.convolutional
    assert sum(network.connected.values()) == computed.hidden
    assert network.features == computed.features
    assert network.classes == computed.classes
    assert network.parameters == computed.parameters
    assert network.convolutional_layers == computed.layers


def test_numbers_that_are_known_from_elsewhere() -> None:
    """The counts that torchvision's documentation and the papers print."""
    printed = {
        ("AlexNet", "torchvision"): 61_100_840,
        ("VGG16", "torchvision"): 138_357_544,
        ("GoogLeNet", "torchvision"): 6_624_904,
        ("ResNet50", "torchvision"): 25_557_032,
        ("LeNet5", "paper"): 60_000,
    }
    stored = {(network.backbone, network.origin): network.parameters for network in STORED}
    assert printed.items() <= stored.items()
    vgg = next(network for network in STORED if network.backbone == "VGG16")
    assert vgg.parameters_with(2) == 134_268_738


def test_depth_is_what_gives_the_networks_their_names() -> None:
    depth = {n.backbone: n.convolutional_depth + n.connected_layers for n in STORED}
    assert depth["VGG16"] == 16
    assert depth["ResNet50"] == 50
    assert depth["GoogLeNet"] == 22


@pytest.mark.parametrize(
    "network",
    [network for network in STORED if network.origin == "torchvision"],
    ids=lambda n: n.backbone,
)
def test_against_torchvision(network: NetworkRecord) -> None:
    models: Any = pytest.importorskip(
        "torchvision.models", reason="torchvision is not installed: pip install '.[replicate]'"
    )
    import torch

    options = {"init_weights": False}
    if network.backbone == "GoogLeNet":
        options["aux_logits"] = False
    if network.backbone in ("AlexNet", "ResNet50"):
        options = {}
    with torch.device("meta"):  # shapes only: no 500 MB of random weights
        built = getattr(models, network.backbone.lower())(weights=None, **options)
    counts = {name: weights.numel() for name, weights in built.named_parameters()}
    assert sum(counts.values()) == network.parameters
    dense = sum(n for name, n in counts.items() if name.startswith(("classifier", "fc.")))
    assert sum(counts.values()) - dense == network.parameters_fe_only
    kinds = [type(module).__name__ for module in built.modules()]
    assert kinds.count("Conv2d") == network.convolutional_layers
    assert kinds.count("Linear") == network.connected_layers


def test_parts_that_do_not_add_up_are_refused() -> None:
    content = STORED[0].model_dump() | {"parameters": 60_001}
    with pytest.raises(ValidationError, match="the layers add up to 60000, not 60001"):
        NetworkRecord.model_validate(content)
