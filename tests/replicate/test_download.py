"""Downloads that break off go on, against a server of one's own; whatever it does, never a wrong file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from replicate import download
from replicate.download import DownloadError, fetch

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Sends `content`, cut after `cut` bytes; tells of it by `headers`, and knows ranges or not."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.cut: int | None = None
        self.headers = {"ETag": '"one"'}
        self.ranges = True
        self.status: int | None = None
        self.down = False
        self.sent_on: str | None = None
        self.pause_after: int | None = None
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/x"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        body, start = server.content, 0
        same = self.headers.get("If-Range") in server.headers.values()
        if server.down:
            self.send_error(503)
            return
        if server.sent_on is not None:
            self.send_response(302)
            self.send_header("Location", server.sent_on)
            self.end_headers()
            return
        if server.status is not None and wanted:
            self.send_error(server.status)
            return
        if wanted and server.ranges and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        for name, value in server.headers.items():
            self.send_header(name, value)
        rest = body[start:]
        if not server.headers.keys() & {"Content-Length", "Transfer-Encoding"}:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.pause_after is not None:
            self.wfile.write(rest[: server.pause_after])
            while server.pause_after is not None:
                time.sleep(0.01)
            return
        self.wfile.write(rest if server.cut is None else rest[: server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def broken_off(server: Server, target: Path, cut: int = 300_000) -> None:
    server.cut = cut
    with pytest.raises(DownloadError) as caught:
        fetch(server.url, target, DIGEST)
    assert caught.value.code == "connection"
    assert not target.exists()
    server.cut = None


@pytest.mark.parametrize(
    "mark", [{"ETag": '"one"'}, {"Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"}]
)
def test_what_came_is_gone_on_with(server: Server, tmp_path: Path, mark: dict[str, str]) -> None:
    server.headers = mark
    target, seen = tmp_path / "below" / "w.pth", []
    broken_off(server, target)
    broken_off(server, target, 200_000)
    assert fetch(server.url, target, DIGEST, progress=lambda *one: seen.append(one)) == DIGEST
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]
    assert target.read_bytes() == CONTENT
    assert [one.name for one in target.parent.iterdir()] == ["w.pth"]
    assert seen[0][0] > 500_000
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_that_knows_no_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "w.pth"
    broken_off(server, target)
    server.ranges = False
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("mark", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_mark_nothing_is_kept(
    server: Server, tmp_path: Path, mark: dict[str, str]
) -> None:
    server.headers = mark
    target = tmp_path / "w.pth"
    broken_off(server, target)
    assert list(tmp_path.iterdir()) == []
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert server.asked == [None, None]


def test_a_file_that_has_changed_begins_anew(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "w.pth"
    server.content = bytes(len(CONTENT))
    broken_off(server, target)
    server.content, server.headers = CONTENT, {"ETag": '"two"'}
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert target.read_bytes() == CONTENT


def test_a_beginning_that_was_wrong_is_fetched_again(server: Server, tmp_path: Path) -> None:
    """The server says it is the same file, and it is not: the checksum tells."""
    target = tmp_path / "w.pth"
    server.content = bytes(len(CONTENT))
    broken_off(server, target)
    server.content = CONTENT
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert server.asked == [None, "bytes=300000-", None]


@pytest.mark.parametrize("status", [416, 404, 500])
def test_what_is_refused_in_part_is_asked_for_whole(
    server: Server, tmp_path: Path, status: int
) -> None:
    target = tmp_path / "w.pth"
    broken_off(server, target)
    server.status = status
    assert fetch(server.url, target, DIGEST) == DIGEST


def test_a_wrong_file_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1]
    with pytest.raises(DownloadError) as caught:
        fetch(server.url, tmp_path / "w.pth", DIGEST)
    assert caught.value.code == "checksum"
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_do_no_harm(server: Server, tmp_path: Path) -> None:
    target, found = tmp_path / "w.pth", []
    many = [
        threading.Thread(target=lambda: found.append(fetch(server.url, target, DIGEST)))
        for _ in range(4)
    ]
    for one in many:
        one.start()
    for one in many:
        one.join()
    assert found == [DIGEST] * 4
    assert target.read_bytes() == CONTENT
    assert [one.name for one in tmp_path.iterdir()] == ["w.pth"]


def test_all_that_came_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    """The process ended after the last byte and before the rename."""
    target = tmp_path / "w.pth"
    broken_off(server, target)
    (tmp_path / ".w.pth.part").write_bytes(CONTENT)
    server.status = 416
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert server.asked == [None, f"bytes={len(CONTENT)}-"]


def test_a_server_out_of_order_takes_nothing_away(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "w.pth"
    broken_off(server, target)
    server.down = True
    with pytest.raises(DownloadError) as caught:
        fetch(server.url, target, DIGEST)
    assert caught.value.code == "answer"
    server.down = False
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert server.asked[-1] == "bytes=300000-"


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"a\r\n b"'},
        {"ETag": '"\x7f\x80"'},
        {"Content-Length": "9" * 5000},
        {"Content-Length": "-1"},
        {"Content-Length": "1_0"},
        {"Content-Length": str(10**15)},
        {"Transfer-Encoding": "chunked"},
        {"Content-Encoding": "gzip"},
        {"Location": "x", "ETag": ""},
    ],
)
def test_whatever_a_server_says_of_its_file(
    server: Server, tmp_path: Path, headers: dict[str, str]
) -> None:
    """It comes, or is refused in words; then it comes from a server that is better."""
    target = tmp_path / "w.pth"
    server.headers = headers
    for server.cut in (300_000, None):
        with suppress(DownloadError):
            assert fetch(server.url, target, DIGEST) == DIGEST
    server.headers = {}
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert [one.name for one in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize(
    "place",
    ["http://[::1", "http://127.0.0.1:99999999/", "http://127.0.0.1:x/", "file:///etc/passwd",
     "/x", "http://", "http://a b/", "//", "http://\xe9\xff.invalid/"],
)  # fmt: skip
def test_sent_on_to_anywhere(server: Server, tmp_path: Path, place: str) -> None:
    server.sent_on = place
    with pytest.raises(DownloadError) as caught:
        fetch(server.url, tmp_path / "w.pth", DIGEST)
    assert caught.value.code in ("answer", "connection")
    assert list(tmp_path.iterdir()) == []


def test_a_download_without_end(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 500_000)
    with pytest.raises(DownloadError) as caught:
        fetch(server.url, tmp_path / "w.pth", DIGEST)
    assert caught.value.code == "connection"


def test_a_killed_download_goes_on(server: Server, tmp_path: Path) -> None:
    target, draft = tmp_path / "w.pth", tmp_path / ".w.pth.part"
    server.pause_after = 600_000
    code = "import sys; from pathlib import Path; from replicate.download import fetch;"
    code += "fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    child = subprocess.Popen([sys.executable, "-c", code, server.url, str(target), DIGEST])
    patience = time.monotonic() + 30
    while not (draft.exists() and draft.stat().st_size) and time.monotonic() < patience:
        time.sleep(0.01)
    child.kill()
    child.wait()
    server.pause_after = None
    came = draft.stat().st_size
    assert came
    assert fetch(server.url, target, DIGEST) == DIGEST
    assert server.asked == [None, f"bytes={came}-"]
    assert [one.name for one in tmp_path.iterdir()] == ["w.pth"]
