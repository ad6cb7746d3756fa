"""Downloads that break off go on, against a server of one's own; whatever it does, never a wrong file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

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
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
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
def test_a_refused_range_begins_anew(server: Server, tmp_path: Path, status: int) -> None:
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
