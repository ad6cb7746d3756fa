from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import runpy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from db.errors import ImagesError, UsageError
from replicate.download import DownloadError, fetch
from replicate.images import medmnist
from replicate.images.medmnist import catalogue, named, open_medmnist
from replicate.images.opening import open_images
from replicate.pins import ledger_path


def small_set(counts: tuple[int, int, int] = (6, 2, 4)) -> bytes:
    rng = np.random.default_rng(0)
    content = {}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        content[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        content[f"{part}_labels"] = (np.arange(count) % 2)[:, None]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


CONTENT = small_set()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves one file, badly where it is asked to."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        sent = CONTENT[: len(CONTENT) // 2] if self.path == "/cut" else CONTENT
        self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDTL_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDTL_META_IMAGES", raising=False)
    return tmp_path / "cache"


def publish(monkeypatch: pytest.MonkeyPatch, url: str, md5: str = MD5) -> None:
    """Let breastmnist be published at another address."""
    entry = catalogue()["breastmnist"]
    file = entry.files[28].model_copy(update={"url": url, "md5": md5})
    other = entry.model_copy(update={"files": {**entry.files, 28: file}})
    monkeypatch.setattr(medmnist, "catalogue", lambda: {"breastmnist": other})


def test_the_catalogue_is_that_of_the_package() -> None:
    package = importlib.util.find_spec("medmnist")
    if package is None or package.origin is None:
        pytest.skip("the package medmnist is not installed")
    # Only its facts: importing the package imports torch.
    info = runpy.run_path(str(Path(package.origin).with_name("info.py")))["INFO"]
    flat = {name: facts for name, facts in info.items() if not name.endswith("3d")}
    assert set(catalogue()) == set(flat)
    for name, entry in catalogue().items():
        facts = flat[name]
        assert entry.title == facts["python_class"]
        assert entry.task == facts["task"]
        assert entry.licence == facts["license"]
        assert entry.channels == facts["n_channels"]
        assert entry.images == facts["n_samples"]
        assert entry.classes == tuple(facts["label"][str(i)] for i in range(len(facts["label"])))
        for size, file in entry.files.items():
            end = "" if size == 28 else f"_{size}"
            assert (file.url, file.md5) == (facts[f"url{end}"], facts[f"MD5{end}"])


def test_twelve_sets_in_four_sizes() -> None:
    assert len(catalogue()) == 12
    assert all(set(entry.files) == {28, 64, 128, 224} for entry in catalogue().values())
    assert sum(entry.multi_label for entry in catalogue().values()) == 1


def test_names_and_sizes() -> None:
    found = named("PneumoniaMNIST")
    assert found is not None
    entry, size = found
    assert (entry.name, size) == ("pneumoniamnist", None)
    assert named("pathmnist_64") == (catalogue()["pathmnist"], 64)
    assert named("pathmnist_65") is None
    assert named("mnist") is None
    assert [entry.size_for(s) for s in (None, 28, 29, 96, 224, 500)] == [28, 28, 64, 128, 224, 224]
    with pytest.raises(UsageError, match="no set of MedMNIST"):
        open_medmnist("mnist")


def test_a_set_is_fetched_once_and_checked(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, f"{server}/breastmnist.npz")
    seen: list[tuple[int, int | None]] = []
    images = open_medmnist("breastmnist", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert (cache / "medmnist" / "breastmnist.npz").read_bytes() == CONTENT
    assert images.classes == ("malignant", "normal, benign")
    assert f"the published file (MD5 {MD5}; SHA-256 kept since " in images.source
    assert "CC BY 4.0" in images.source
    assert len(images) == 12
    open_medmnist("breastmnist")
    assert Server.asked == ["/breastmnist.npz"]


@pytest.mark.parametrize(
    ("path", "md5", "code"),
    [
        ("/breastmnist.npz", "0" * 32, "checksum"),
        ("/absent", MD5, "answer"),
        ("/cut", MD5, "connection"),
    ],
)
def test_nothing_appears_unless_it_is_right(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch, path: str, md5: str, code: str
) -> None:
    publish(monkeypatch, server + path, md5)
    with pytest.raises(ImagesError) as caught:
        open_medmnist("breastmnist")
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, DownloadError)
    assert caught.value.__cause__.code == code
    assert [found for found in cache.rglob("*") if found.is_file()] == []


def test_offline_it_says_what_to_put_where(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "http://127.0.0.1:9/breastmnist.npz")
    with pytest.raises(ImagesError, match="cannot be fetched") as caught:
        open_medmnist("breastmnist")
    for word in ("http://127.0.0.1:9/breastmnist.npz", str(cache / "medmnist"), MD5):
        assert word in caught.value.hint


def test_other_schemes_are_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    with pytest.raises(DownloadError) as caught:
        fetch(f"file://{tmp_path}/x", tmp_path / "y", MD5, algorithm="md5")
    assert caught.value.code == "address"


def test_a_full_or_closed_folder_is_told(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError) as caught:
        fetch(f"{server}/x", tmp_path / "file" / "x.npz", MD5, algorithm="md5")
    assert caught.value.code == "disk"


def test_a_local_file_is_read_and_named_for_what_it_is(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sets"
    (folder / "breastmnist").mkdir(parents=True)
    (folder / "breastmnist" / "breastmnist.npz").write_bytes(CONTENT)
    monkeypatch.setenv("MEDTL_META_IMAGES", str(folder))
    expected = "not the published file .*: 6/2/4 images in train/val/test instead of 546/78/156"
    for images in (
        open_images("breastmnist"),
        open_images(folder / "breastmnist"),
        open_images(folder / "breastmnist" / "breastmnist.npz"),
    ):
        assert images.name == "breastmnist"
        assert re.search(expected, images.source)


def test_multi_label_is_refused_with_the_reason(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ImagesError, match="several of 14 findings"):
        open_images("chestmnist")
    path = tmp_path / "chestmnist.npz"
    path.write_bytes(CONTENT)
    with pytest.raises(ImagesError, match="several of 14 findings"):
        open_images(path)


def test_the_real_pneumonia_set(real_images: Path) -> None:
    images = open_images(real_images / "pneumoniamnist")
    assert images.classes == ("normal", "pneumonia")
    assert images.parts is not None
    train = np.array([part == "train" for part in images.parts])
    assert np.bincount(images.labels[train]).tolist() == [1214, 3494]
    assert "not the published file" in images.source
    assert "as many images in each part" in images.source
    assert images.read(0).shape == (28, 28)


def test_a_set_of_the_right_md5_that_has_changed_since_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two files of one MD5 would, which can be made."""
    path = cache / "medmnist" / "breastmnist.npz"
    path.parent.mkdir(parents=True)
    for counts, good in (((6, 2, 4), True), ((6, 2, 4), True), ((6, 2, 6), False)):
        path.write_bytes(small_set(counts))
        publish(monkeypatch, "http://127.0.0.1:9/", hashlib.md5(path.read_bytes()).hexdigest())
        if good:
            assert "SHA-256 kept since" in open_medmnist("breastmnist").source
            continue
        with pytest.raises(ImagesError, match="another file") as caught:
            open_medmnist("breastmnist")
        assert str(path) in caught.value.message
        assert str(ledger_path()) in caught.value.hint
