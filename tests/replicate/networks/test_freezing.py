"""Frozen means frozen: gradients, parameters and buffers, for every TL type and policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from db.errors import ReplicationError, UsageError
from replicate.networks.backbones import build
from replicate.networks.builders import find_builder
from replicate.networks.freezing import Frozen, freeze
from replicate.networks.network import Backbone, Input
from replicate.networks.proof import prove, snapshot
from replicate.spec import Training, Unfreezing
from replicate.training.optimisation import make_optimiser

NONE, ALL = Unfreezing(kind="none"), Unfreezing(kind="all")


def last(kind: str, amount: float) -> Unfreezing:
    return Unfreezing(kind=kind, amount=amount)  # type: ignore[arg-type]


def unit(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, padding=1), nn.BatchNorm2d(outward), nn.Dropout(0.5)
    )


def tiny() -> Backbone:
    """Four blocks of a convolution, a normalisation and a dropout each."""
    torch.manual_seed(0)
    blocks = nn.Sequential()
    for place, (inward, outward) in enumerate([(3, 4), (4, 5), (5, 6), (6, 7)]):
        blocks.add_module(f"block{place}", unit(inward, outward))
    return Backbone("Tiny", blocks, 7, Input(16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


def real(name: str) -> Callable[[], Backbone]:
    def make() -> Backbone:
        torch.manual_seed(0)
        return build(find_builder(name))

    return make


def optimiser_of(backbone: Backbone, head: nn.Module, **settings: float) -> torch.optim.Optimizer:
    chosen = Training.model_validate({"optimiser": "sgd", "learning_rate": 0.1, **settings})
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    return make_optimiser(chosen, list(head.parameters()), trained)


def train(backbone: Backbone, frozen: Frozen, steps: int = 3) -> nn.Linear:
    """Train as a user would: weight decay and momentum move whatever the optimiser holds."""
    torch.manual_seed(1)
    head = nn.Linear(backbone.width, 2)
    optimiser = optimiser_of(backbone, head, backbone_lr=0.05, weight_decay=0.1)
    frozen.modes(True)
    for _ in range(steps):
        images = torch.randn(4, 3, 32, 32) * 2 + 1
        loss = functional.cross_entropy(head(backbone(images)), torch.tensor([0, 1, 0, 1]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head


CASES = [
    # unfreezing, boundary of tiny, first trained block
    (NONE, 4),
    (last("blocks", 1), 3),
    (last("blocks", 3), 1),
    (last("blocks", 4), 0),
    (last("layers", 2), 2),
    (last("ratio", 0.25), 3),
    (last("ratio", 0.01), 3),
    (last("ratio", 0.625), 1),
    (ALL, 0),
]


@pytest.mark.parametrize(("unfreezing", "boundary"), CASES, ids=str)
def test_only_what_is_unfrozen_is_trained(unfreezing: Unfreezing, boundary: int) -> None:
    backbone = tiny()
    frozen = freeze(backbone, unfreezing)
    assert frozen.boundary == boundary
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    taken = snapshot(backbone)
    train(backbone, frozen)
    for name, parameter in backbone.named_parameters():
        trained = int(name.split(".")[1].removeprefix("block")) >= boundary
        assert parameter.requires_grad == trained
        assert (parameter.grad is not None) == trained
        assert torch.equal(parameter, before[name]) != trained
        assert (name in frozen.trained) == trained
    for name, buffer in backbone.named_buffers():
        trained = int(name.split(".")[1].removeprefix("block")) >= boundary
        assert torch.equal(buffer, before[name]) != trained, name
    proof = prove(taken, snapshot(backbone), frozen)
    assert proof.holds
    assert proof.moved == proof.trained == len(frozen.trained)
    assert proof.frozen_parameters == len(frozen.frozen)


@pytest.mark.parametrize("make", [real("mobilenet_v2"), real("resnet18")], ids=["mnv2", "rn18"])
@pytest.mark.parametrize("unfreezing", [NONE, last("blocks", 1), last("ratio", 0.5)], ids=str)
def test_frozen_parts_of_real_networks_do_not_move(
    make: Callable[[], Backbone], unfreezing: Unfreezing
) -> None:
    backbone = make()
    frozen = freeze(backbone, unfreezing)
    taken = snapshot(backbone)
    train(backbone, frozen)
    after = snapshot(backbone)
    proof = prove(taken, after, frozen)
    assert proof.holds
    assert proof.moved == proof.trained
    assert proof.fixed_buffers > 0
    assert proof.state == "unchanged"
    moving = {name for name, _ in backbone.named_buffers()} - set(frozen.fixed_buffers)
    assert all(after[name] != taken[name] for name in moving)
    assert (unfreezing.kind == "none") == (not moving)


@pytest.mark.parametrize("unfreezing", [NONE, last("blocks", 1)], ids=str)
def test_the_common_mistake_changes_what_is_frozen_and_is_found(unfreezing: Unfreezing) -> None:
    """`requires_grad = False` alone: the statistics of frozen BatchNorm go on moving."""
    backbone = real("resnet18")()
    frozen = freeze(backbone, unfreezing, batchnorm="none")
    taken = snapshot(backbone)
    train(backbone, frozen)
    proof = prove(taken, snapshot(backbone), frozen)
    assert not proof.holds
    assert not proof.changed_parameters
    assert set(proof.changed_buffers) == set(frozen.fixed_buffers)
    assert (proof.state, proof.to_dict()["state"]) == ("changed", "changed")
    assert not frozen.cacheable


def test_a_moved_frozen_parameter_is_found() -> None:
    backbone = tiny()
    frozen = freeze(backbone, last("blocks", 1))
    taken = snapshot(backbone)
    with torch.no_grad():
        next(backbone.parameters()).view(-1)[0] += 1e-7
    proof = prove(taken, snapshot(backbone), frozen)
    assert proof.changed_parameters == ("blocks.block0.0.weight",)
    assert not proof.holds


def test_every_batchnorm_can_be_held_while_its_weights_are_trained() -> None:
    backbone = tiny()
    frozen = freeze(backbone, ALL, batchnorm="all")
    taken = snapshot(backbone)
    train(backbone, frozen)
    proof = prove(taken, snapshot(backbone), frozen)
    assert proof.holds
    assert proof.fixed_buffers == len(list(backbone.named_buffers()))
    assert proof.moved == len(list(backbone.parameters()))


def test_modes_follow_the_boundary_and_survive_evaluation() -> None:
    backbone = tiny()
    frozen = freeze(backbone, last("blocks", 2))
    frozen.modes(False)
    assert not any(module.training for module in backbone.modules())
    frozen.modes(True)
    in_training = [
        [part.training for part in block.modules()] for block in backbone.blocks.children()
    ]
    assert in_training == [[False] * 4, [False] * 4, [True] * 4, [True] * 4]


def test_dropout_in_front_of_trained_layers_is_off() -> None:
    """Cut inside a block: what stands in front of the first trained layer is in evaluation mode."""
    backbone = Backbone(
        "Pair", nn.Sequential(nn.Sequential(unit(3, 4), unit(4, 5))), 5, tiny().expects
    )
    frozen = freeze(backbone, last("layers", 1))
    assert frozen.boundary == 0
    first, second = backbone.blocks[0]
    assert [part.training for part in first] == [False, False, False]
    assert [part.training for part in second] == [True, True, True]


def test_leading_blocks_give_the_same_twice_where_they_are_cacheable() -> None:
    images = torch.randn(4, 3, 16, 16)
    for policy, same in (("frozen", True), ("all", True), ("none", False)):
        backbone = tiny()
        frozen = freeze(backbone, last("blocks", 2), policy)
        assert frozen.cacheable == same
        front = backbone.before(frozen.boundary)
        front(images * 3)
        first = front(images)
        front(images * 3)
        frozen.modes(False)
        first_eval = front(images)
        assert torch.equal(first, first_eval) == same


def test_without_batchnorm_the_mistake_cannot_be_made() -> None:
    backbone = build(find_builder("alexnet"))
    assert freeze(backbone, NONE, batchnorm="none").cacheable


def test_layers_are_counted_as_the_literature_counts_them() -> None:
    backbone = real("mobilenet_v2")()
    frozen = freeze(backbone, last("layers", 1))
    assert frozen.trained == tuple(
        f"blocks.features_18.{part}" for part in ("0.weight", "1.weight", "1.bias")
    )
    half = freeze(backbone, last("ratio", 0.5))
    assert sum(name.endswith("weight") for name in half.trained) == 2 * 26


@pytest.mark.parametrize(
    ("unfreezing", "limit"), [(last("blocks", 5), "4 blocks"), (last("layers", 9), "4 layers")]
)
def test_more_than_there_is_cannot_be_unfrozen(unfreezing: Unfreezing, limit: str) -> None:
    with pytest.raises(UsageError, match=limit):
        freeze(tiny(), unfreezing)


def test_freezing_anew_unfreezes() -> None:
    """The recommended protocol: the head alone first, then layers from the top."""
    backbone = tiny()
    taken = snapshot(backbone)
    first = freeze(backbone, NONE)
    train(backbone, first)
    assert prove(taken, snapshot(backbone), first).holds
    second = freeze(backbone, last("blocks", 1))
    train(backbone, second)
    proof = prove(taken, snapshot(backbone), second)
    assert proof.holds
    assert proof.moved == 4


def test_head_and_unfrozen_layers_are_trained_at_their_rates() -> None:
    backbone, head = tiny(), nn.Linear(7, 2)
    freeze(backbone, last("blocks", 1))
    both = optimiser_of(backbone, head, backbone_lr=1e-5).param_groups
    assert [(group["lr"], len(group["params"])) for group in both] == [(0.1, 2), (1e-5, 4)]
    assert [group["lr"] for group in optimiser_of(backbone, head).param_groups] == [0.1, 0.1]
    freeze(backbone, NONE)
    assert len(optimiser_of(backbone, head).param_groups) == 1


def test_a_snapshot_of_another_network_is_refused() -> None:
    backbone = tiny()
    frozen = freeze(backbone, NONE)
    with pytest.raises(ReplicationError, match="another network"):
        prove(snapshot(nn.Linear(2, 2)), snapshot(backbone), frozen)


def test_a_snapshot_sees_every_type_of_number() -> None:
    module = nn.Linear(2, 2).to(torch.bfloat16)
    module.register_buffer("count", torch.tensor(3))
    taken = snapshot(module)
    assert set(taken) == {"weight", "bias", "count"}
    module.count += 1  # type: ignore[operator, assignment]
    after = snapshot(module)
    assert {name for name in taken if after[name] != taken[name]} == {"count"}
