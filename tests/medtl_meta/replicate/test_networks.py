"""The commands that list networks and weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.errors import MedtlError, UnknownTermError, UsageError, WeightsError
from medtl_meta.cli.backbones import backbones
from medtl_meta.cli.replicate.weights import weights
from replicate.networks.builders import registry


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDTL_META_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "face"))
    return tmp_path


def test_every_network_and_every_name_without_one_is_listed() -> None:
    done = CliRunner().invoke(backbones, ["--format", "json"])
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert len(rows) == len(registry().builders) + len(registry().substitutions)
    assert rows["VGG16"]["parameters"] == 138357544
    assert rows["VGG16"]["feature_parameters"] == 14714688
    assert rows["VGG16"]["weights"] is None
    assert rows["CaffeNet"]["substitute"] == "AlexNet"
    assert rows["CaffeNet"]["reason"]


def test_weights_at_hand_are_told(places: Path) -> None:
    (places / "mine").mkdir()
    (places / "mine" / "LeNet5.pth").write_bytes(b"something")
    done = CliRunner().invoke(backbones, ["--at-hand", "--format", "json"])
    rows = {row["name"]: row["weights"] for row in json.loads(done.stdout)}
    assert rows.pop("LeNet5") == "weights folder"
    assert set(rows) <= {"SqueezeNet1.1", "MobileNetV2", "EfficientNet-Lite0"}
    shown = json.loads(CliRunner().invoke(weights, ["lenet", "-f", "json"]).stdout)
    assert [row["state"] for row in shown] == ["no checksum known"]
    assert len(shown[0]["sha256"]) == 64


def test_a_network_without_weights_says_what_to_do() -> None:
    done = CliRunner().invoke(weights, ["resnet18"])
    assert done.exit_code == 0
    assert "can be fetched" in done.stdout
    assert "Fetch https://download.pytorch.org/models/resnet18-f37072fd.pth" in done.stderr


def test_a_stand_in_is_told() -> None:
    done = CliRunner().invoke(weights, ["CaffeNet"])
    assert "AlexNet stands in" in done.stderr


def test_one_line_a_network() -> None:
    done = CliRunner().invoke(weights, ["--format", "json"])
    rows = json.loads(done.stdout)
    names = [row["backbone"] for row in rows]
    assert len(names) == len(set(names)) == len(registry().builders) - 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--fetch"], UsageError),
        (["Nothing"], UnknownTermError),
        (["lenet", "--fetch"], WeightsError),
    ],
)
def test_errors_are_ours(arguments: list[str], error: type[MedtlError]) -> None:
    done = CliRunner().invoke(weights, arguments)
    assert isinstance(done.exception, error)


def test_places_are_short_enough_for_a_table() -> None:
    from medtl_meta.cli.replicate.weights import NAME_LENGTH, shortened

    assert shortened("https://download.pytorch.org/models/resnet18-f37072fd.pth") == (
        "download.pytorch.org"
    )
    assert shortened("/a/folder/resnet18-f37072fd.pth") == "resnet18-f37072fd.pth"
    long = shortened("/a/folder/" + "x" * 60 + ".pth")
    assert len(long) == NAME_LENGTH
    assert long.startswith("…")
    assert long.endswith("x.pth")
