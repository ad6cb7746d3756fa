"""A real browser that opens pages and tells what they did: headless Chromium, spoken to by a pipe."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: Events that tell of scripts and requests of a page.
_TOLD = (
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Log.entryAdded",
    "Network.requestWillBeSent",
    "Page.javascriptDialogOpening",
)


@dataclass
class Opened:
    """What came of one page: its console, the addresses it asked for, and a way to ask it."""

    browser: Browser
    session: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to."""
        answer = self.browser.call(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def take(self, method: str, values: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(values["message"])
            self.browser.send("Page.handleJavaScriptDialog", self.session, accept=False)
        elif method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(a.get("value")) for a in values["args"]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(values["exceptionDetails"])[:500])
        else:
            self.console.append(values["entry"]["text"])


class Browser:
    """Chromium on a pipe of the DevTools protocol."""

    def __init__(self, profile: Path) -> None:
        binary = shutil.which("chromium")
        if binary is None:
            if os.environ.get("CI"):
                pytest.fail("CI must have chromium")
            pytest.skip("no chromium: pages cannot be opened as a reader would")
        self._read, theirs_out = os.pipe()
        theirs_in, self._write = os.pipe()

        def wire() -> None:  # the protocol's two ends are 3 and 4
            os.dup2(theirs_in, 198)
            os.dup2(theirs_out, 199)
            os.dup2(198, 3)
            os.dup2(199, 4)

        self._process = subprocess.Popen(
            [
                binary,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
            ],
            preexec_fn=wire,
            close_fds=False,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(theirs_out)
        os.close(theirs_in)
        self._number, self._buffer = 0, b""
        self._pages: dict[str, Opened] = {}

    def send(self, method: str, session: str | None = None, **values: Any) -> int:
        """Send a command and return its number."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": values}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are taken by their pages."""
        number = self.send(method, session, **values)
        while True:
            message = self._next(30)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, path: Path, seconds: float = 20) -> Opened:
        """Open a file and wait until it has loaded and its scripts have come to rest."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Opened(self, session)
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable", session)
        self.call("Page.navigate", session, url=path.absolute().as_uri())
        until = time.monotonic() + seconds
        # Timers of 0 and network answers come after the load; figures are drawn by promises.
        while time.monotonic() < until:
            if page.evaluate("document.readyState") == "complete":
                break
            self._rest(0.05)
        self._rest(0.4)
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        return page

    def close(self, page: Opened) -> None:
        """Close a page."""
        self.call("Page.close", page.session)
        del self._pages[page.session]

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self._read], [], [], left)[0]:
                self._next(1)

    def _next(self, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            left = until - time.monotonic()
            assert left > 0, "chromium does not answer"
            if select.select([self._read], [], [], left)[0]:
                block = os.read(self._read, 1 << 20)
                assert block, "chromium is gone"
                self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None and message.get("method") in _TOLD:
            page.take(message["method"], message["params"])
        return message

    def quit(self) -> None:
        """End the browser."""
        os.close(self._write)
        self._process.kill()
        self._process.wait()
        os.close(self._read)


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Lend a browser."""
    browser = Browser(profile)
    try:
        yield browser
    finally:
        browser.quit()
