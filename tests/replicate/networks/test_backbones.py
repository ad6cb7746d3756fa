"""A chain computes what its network computes, wherever it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from replicate.networks.backbones import build, build_network, library_names, take_apart
from replicate.networks.builders import Builder, find_builder, registry

#: Networks whose chains are made by the same function, each by its smallest member; the larger
#: ones are held to have the same structure below.
MEMBERS = (
    *("LeNet5", "AlexNet", "VGG16", "GoogLeNet", "InceptionV3", "InceptionV4"),
    *("InceptionResNetV2", "ResNet18", "ResNet50", "ResNet50V2", "DenseNet121", "SqueezeNet"),
    *("SqueezeNet1.1", "Xception", "DarkNet53", "MobileNetV1", "MobileNetV2", "EfficientNetB0"),
    "EfficientNet-Lite0",
)


def images(builder: Builder) -> Tensor:
    side = max(builder.least_size, 64)
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(3))


def stir(network: nn.Module) -> None:
    """Give normalisation statistics that are not those of an untouched network."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)


def normal_but_of_matrices(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return what draws start weights, but leaves those of connected layers as they are."""

    def drawn(tensor: Tensor, *arguments: float, **settings: Any) -> Tensor:
        return tensor if tensor.dim() == 2 else draw(tensor, *arguments, **settings)

    return drawn


def own_features(builder: Builder, network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the network's own way to its last feature map, without any of our code."""
    if builder.library == "timm":
        return network.forward_features  # type: ignore[no-any-return, operator]
    if builder.name == "LeNet5":
        return network.features  # type: ignore[no-any-return, operator]
    if builder.name.startswith("DenseNet"):
        return lambda x: functional.relu(network.features(x))  # type: ignore[operator]
    if hasattr(network, "features"):
        return network.features  # type: ignore[return-value]
    caught: list[Tensor] = []
    network.avgpool.register_forward_pre_hook(  # type: ignore[operator, union-attr]
        lambda _, arguments: caught.append(arguments[0])
    )

    def hooked(x: Tensor) -> Tensor:
        network(x)
        return caught.pop()

    return hooked


@pytest.mark.parametrize("name", MEMBERS)
def test_a_chain_is_its_networks_feature_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = find_builder(name)
    torch.manual_seed(0)
    # The classifiers, 120 million numbers of VGG16, are in no path to features: they get none.
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: None)
    monkeypatch.setattr(nn.init, "normal_", normal_but_of_matrices(nn.init.normal_))
    network = build_network(builder).eval()
    stir(network)
    backbone = take_apart(builder, network).eval()
    x = images(builder)
    with torch.inference_mode():
        expected = own_features(builder, network)(x.clone())
        assert expected.std() > 0
        # Each block in turn: a cut behind it hands on exactly this, and leaves it untouched.
        maps, handed_on = x, []
        for block in backbone.blocks:
            before = maps.clone()
            handed_on.append(maps)
            maps_after = block(maps)
            assert torch.equal(maps, before), "a block changes what a cache would hold"
            maps = maps_after
        assert torch.equal(maps, expected)
        assert maps.shape[1] == backbone.width == builder.width
        pooled = backbone(x)
        assert torch.allclose(pooled, expected.mean(dim=(2, 3)), atol=1e-6)
        for boundary in (0, 1, len(backbone.blocks) // 2, len(backbone.blocks)):
            front = backbone.before(boundary)(x) if boundary else x
            assert torch.equal(backbone.behind(boundary)(front), pooled)


@pytest.mark.parametrize("builder", registry().builders, ids=lambda builder: builder.name)
def test_a_chain_holds_all_of_the_network_but_its_classifier(builder: Builder) -> None:
    with torch.device("meta"):
        network = build_network(builder)
        backbone = take_apart(builder, network)
    names = library_names(backbone, network)
    left_out = set(network.state_dict()) - set(names.values())
    parts = {name.split(".")[0] for name in left_out}
    assert parts <= {"fc", "classifier", "classif", "last_linear", "head", "f6", "output"}
    assert len(set(names.values())) == len(names)
    # In the chain, tensors stand in the order of the library: weights can be assigned by place.
    order = list(network.state_dict())
    assert [order.index(name) for name in names.values()] == list(range(len(names)))
    # The last block can be unfrozen: none is made of a normalisation or a pooling alone.
    for block in backbone.blocks:
        assert any(isinstance(module, nn.Conv2d | nn.MaxPool2d) for module in block.modules())
    assert any(isinstance(module, nn.Conv2d) for module in backbone.blocks[-1].modules())


def test_building_is_decided_by_torchs_seed() -> None:
    builder = find_builder("mobilenet_v2")

    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(build(builder).parameters())

    assert torch.equal(weights(5), weights(5))
    assert not torch.equal(weights(5), weights(6))


def test_gradients_flow_through_a_chain_as_through_the_network() -> None:
    builder = find_builder("densenet121")
    torch.manual_seed(0)
    network = build_network(builder).train()
    x = torch.randn(2, 3, 48, 48)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    functional.relu(network.features(x)).mean().backward()  # type: ignore[operator]
    expected = [p.grad.clone() for p in network.features.parameters()]  # type: ignore[union-attr, operator]
    network.zero_grad()
    network.load_state_dict(state)
    backbone = take_apart(builder, network)
    backbone.blocks(x).mean().backward()
    for gradient, parameter in zip(expected, backbone.parameters(), strict=True):
        assert torch.allclose(gradient, parameter.grad, atol=1e-7)  # type: ignore[arg-type]
