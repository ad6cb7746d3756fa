"""A network's state is found under whatever a training script put in front of it or around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from db.errors import WeightsError
from replicate.networks.backbones import build_network, library_names, take_apart
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.weights.load import load
from replicate.weights.naming import by_name
from replicate.weights.places import find_weights

State = dict[str, Tensor]


class Wrapped(nn.Module):
    """As the published example of RadImageNet takes a network apart: its children, counted."""

    def __init__(self, network: nn.Module, parts: int | None) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(network.children())[:parts])


def prefixed(prefix: str) -> Callable[[nn.Module], State]:
    return lambda network: {f"{prefix}{k}": v for k, v in network.state_dict().items()}


def momentum_contrast(network: nn.Module) -> State:
    state = prefixed("module.encoder_q.")(network)
    return {
        **state,
        **{f"module.encoder_k.{k}": v + 1 for k, v in network.state_dict().items()},
        "module.queue": torch.zeros(128, 64),
        "module.queue_ptr": torch.zeros(1, dtype=torch.long),
    }


def with_a_projection(network: nn.Module) -> State:
    state = prefixed("encoder.")(network)
    return {**state, "projector.0.weight": torch.zeros(8, 8), "projector.0.bias": torch.zeros(8)}


WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    **{
        prefix: prefixed(prefix)
        for prefix in (
            "",
            "module.",
            "model.",
            "net.",
            "network.",
            "backbone.",
            "encoder.",
            "_orig_mod.",
            "module.encoder_q.",
            "model.backbone.",
            "module.model.encoder.",
            "0.",
            "model.0.",
            "features.",
        )
    },
    "momentum contrast": momentum_contrast,
    "a projection beside it": with_a_projection,
    "counted, as RadImageNet": lambda network: Wrapped(network, -1).state_dict(),
    "counted, with the classifier": lambda network: Wrapped(network, None).state_dict(),
    "counted in a counted one": lambda network: nn.Sequential(Wrapped(network, -1)).state_dict(),
    "state_dict": lambda network: {"epoch": 1, "state_dict": prefixed("model.")(network)},
    "model_state_dict": lambda network: {"model_state_dict": network.state_dict(), "loss": 0.1},
    "net": lambda network: {"net": network.state_dict(), "acc": 91.0, "epoch": 3},
    "model, optimizer": lambda network: {
        "model": network.state_dict(),
        "optimizer": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 0.1}]},
    },
    "wrapped twice": lambda network: {"model": {"state_dict": network.state_dict(), "step": 3}},
}
#: ResNets have no part called features; the others differ in what they put their layers into.
NETWORKS = (
    "resnet18",
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "inception_v3",
    "legacy_xception",
)


def from_file(network: str, state: Any, folder: Path) -> Backbone:
    builder = find_builder(network)
    torch.save(state, folder / "mine.pth")
    return load(builder, find_weights(builder, str(folder / "mine.pth")))


def made(network: str) -> nn.Module:
    torch.manual_seed(11)
    return build_network(find_builder(network))


def test_every_wrapping_is_seen_through(tmp_path: Path) -> None:
    whole = made("squeezenet1_1")
    for what, wrapped in WRAPPERS.items():
        backbone = from_file("squeezenet1_1", wrapped(whole), tmp_path)
        own = backbone.state_dict().values()
        theirs = whole.get_submodule("features").state_dict().values()
        assert all(torch.equal(*pair) for pair in zip(own, theirs, strict=True)), what


@pytest.mark.parametrize("network", NETWORKS)
def test_every_wrapping_of_other_networks(network: str) -> None:
    builder, whole = find_builder(network), made(network)
    backbone = take_apart(builder, whole)
    names, state = library_names(backbone, whole), whole.state_dict()
    for what, wrapped in WRAPPERS.items():
        tensors: Any = wrapped(whole)
        if all(isinstance(one, Tensor) for one in tensors.values()):
            placed = by_name(tensors, backbone.state_dict(), names, whole)
            assert not placed.faults, what
            assert all(torch.equal(placed.state[ours], state[names[ours]]) for ours in names), what


def test_what_is_no_feature_is_left_out_and_said(tmp_path: Path) -> None:
    backbone = from_file("resnet18", momentum_contrast(made("resnet18")), tmp_path)
    (note,) = backbone.notes
    assert note.code == "tensors left out"
    assert note.values["first"][:2] == ["module.encoder_q.fc.weight", "module.encoder_q.fc.bias"]
    assert note.values["count"] > 100
    features = {k: v for k, v in made("resnet18").state_dict().items() if k[:2] != "fc"}
    assert from_file("resnet18", features, tmp_path).notes == ()


def test_two_networks_in_one_file_are_not_chosen_from(tmp_path: Path) -> None:
    state = made("resnet18").state_dict()
    both = {f"{who}.{k}": v for who in ("student", "teacher") for k, v in state.items()}
    with pytest.raises(WeightsError) as caught:
        from_file("resnet18", both, tmp_path)
    assert "'student.'" in caught.value.message
    assert "'teacher.'" in caught.value.message


MISSING: dict[str, Callable[[State], State]] = {
    "a layer": lambda state: {k: v for k, v in state.items() if "layer4.1" not in k},
    "almost all": lambda state: {k: v for k, v in state.items() if "layer1.0.conv1" in k},
    "one tensor": lambda state: {k: v for k, v in state.items() if not k.endswith("bn1.bias")},
}


@pytest.mark.parametrize("what", MISSING, ids=str)
@pytest.mark.parametrize("prefix", ["", "module.encoder_q."])
def test_what_is_missing_is_told_with_its_share(what: str, prefix: str, tmp_path: Path) -> None:
    state = MISSING[what](prefixed(prefix)(made("resnet18")))
    with pytest.raises(WeightsError) as caught:
        from_file("resnet18", state, tmp_path)
    assert "is missing" in caught.value.message
    assert "of 120 tensors are there" in caught.value.message


def test_another_network_under_a_prefix_is_refused(tmp_path: Path) -> None:
    for other in ("resnet34", "squeezenet1_0", "mobilenet_v2"):
        with pytest.raises(WeightsError):
            from_file("resnet18", prefixed("backbone.")(made(other)), tmp_path)


def test_names_without_end_take_no_time(tmp_path: Path) -> None:
    state = {f"{'a.' * 20_000}{i}": torch.zeros(1) for i in range(50)}
    with pytest.raises(WeightsError):
        from_file("resnet18", state, tmp_path)
