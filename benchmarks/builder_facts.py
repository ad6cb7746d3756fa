"""Print the computed fields of data/builders.yaml, and fail where the file says otherwise.

    python benchmarks/builder_facts.py

Needs the extra ``replicate``.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

from replicate.networks.backbones import build_network, take_apart
from replicate.networks.builders import Builder, registry
from replicate.networks.network import LAYERS, Backbone

#: Sides in pixels among which the smallest is sought: what a specification allows.
SMALLEST, LARGEST = 16, 512


def facts_of(builder: Builder) -> dict[str, int]:
    """Count parameters and layers, and find the smallest image that runs.

    The network is built without memory for its numbers (torch's meta device). The smallest size is
    that of the registry if it runs and one pixel less does not; it is sought otherwise.
    """
    with torch.device("meta"):
        network = build_network(builder)
        backbone = take_apart(builder, network).eval()
    least = builder.least_size
    if not _runs(backbone, least) or (least > SMALLEST and _runs(backbone, least - 1)):
        least = _least_size(backbone)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "feature_parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "layers": _layers(network),
        "feature_layers": _layers(backbone),
        "width": _maps(backbone, least)[1],
        "least_size": least,
    }


def _layers(module: nn.Module) -> int:
    return sum(isinstance(part, LAYERS) for part in module.modules())


def _least_size(backbone: Backbone) -> int:
    low, high = SMALLEST, LARGEST
    while low < high:
        middle = (low + high) // 2
        if _runs(backbone, middle):
            high = middle
        else:
            low = middle + 1
    return low


def _runs(backbone: Backbone, size: int) -> bool:
    try:
        return min(_maps(backbone, size)) > 0
    except RuntimeError:  # a window larger than the maps that are left
        return False


def _maps(backbone: Backbone, size: int) -> torch.Size:
    """Return the shape of the last feature maps of one image."""
    shape: torch.Size = backbone.blocks(torch.empty(1, 3, size, size, device="meta")).shape
    return shape


def main() -> int:
    wrong = 0
    for builder in registry().builders:
        facts = facts_of(builder)
        differing = {name for name, value in facts.items() if getattr(builder, name) != value}
        wrong += bool(differing)
        print(f"- name: {builder.name}{'  # differs' if differing else ''}")
        for name, value in facts.items():
            now = f"  # the file says {getattr(builder, name)}" if name in differing else ""
            print(f"  {name}: {value}{now}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
