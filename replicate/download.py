"""Fetch a published file: whole, with the right checksum, or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from db.errors import MedtlError
from db.files import replacing

#: Is called with the bytes fetched so far and with all there are, None if the server does not say.
Received = Callable[[int, int | None], None]

#: Bytes read at a time, and seconds without any before a server is given up.
CHUNK = 1 << 18
PATIENCE = 30.0

#: Length in digits of a whole SHA-256.
WHOLE_HASH = 64


class DownloadError(MedtlError):
    """A file that could not be fetched.

    `code` says why: no http address, an answer of the server that is none, no connection, another
    file than was published, no checksum to know it by, or a place that cannot be written to.
    """

    def __init__(
        self,
        code: Literal["address", "answer", "connection", "checksum", "no checksum", "disk"],
        message: str,
    ) -> None:
        super().__init__(message)
        self.code = code


def fetch(
    url: str,
    target: Path,
    checksum: str,
    *,
    algorithm: str = "sha256",
    progress: Received | None = None,
) -> str:
    """Download a file into place and return its checksum.

    It is written beside its target, verified, and renamed; another process that fetches the same
    file at the same time does no harm.

    Parameters
    ----------
    url
        Where it is published (http or https).
    target
        Where it is to be; its folder is made. Nothing appears there before the checksum is right.
    checksum
        The published checksum, hexadecimal, or its beginning.
    algorithm
        Of the checksum, as `hashlib` calls it.

    Raises
    ------
    DownloadError
        The server cannot be reached, breaks off or sends something else, or the disk is full.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with _answer(url) as answer:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as stream:
                for block in _blocks(answer, progress):
                    stream.write(block)
                    digest.update(block)
                found = digest.hexdigest()
                if not found.startswith(checksum):
                    fault = wrong_checksum(url, found, checksum, algorithm)
                    raise DownloadError("checksum", fault)
    except OSError as error:
        reason = f"{target}: cannot be written ({error.strerror or error})."
        raise DownloadError("disk", reason) from error
    return found


def recorded_hash(url: str) -> str:
    """Ask the Hugging Face hub for a file's SHA-256: its pointer file holds ``oid sha256:...``.

    Raises
    ------
    DownloadError
        The hub cannot be reached, or does not say.
    """
    address = url.replace("/resolve/", "/raw/")
    with _answer(address) as answer:
        text = answer.read(1 << 12).decode("ascii", errors="replace")
    found = re.search(rf"oid sha256:([0-9a-f]{{{WHOLE_HASH}}})\b", text)
    if found is None:
        raise DownloadError(
            "no checksum", f"{address}: does not say which checksum the file is to have."
        )
    return found[1]


def wrong_checksum(what: str | Path, found: str, expected: str, algorithm: str = "sha256") -> str:
    """Return in words that a file is another one than its checksum says."""
    name = {"sha256": "SHA-256", "md5": "MD5"}.get(algorithm, algorithm)
    should = "should be" if len(expected) == len(found) else "should begin with"
    return f"{what}: wrong checksum: {name} {should} {expected}, and is {found}."


@contextmanager
def _answer(url: str) -> Iterator[HTTPResponse]:
    """Open an address; what network and server do wrong becomes a :class:`DownloadError`."""
    if not url.startswith(("http://", "https://")):
        raise DownloadError("address", f"{url}: is no http address.")
    try:
        with urlopen(Request(url, headers={"User-Agent": "medtl-meta"}), timeout=PATIENCE) as found:
            yield found
    except HTTPError as error:
        reason = f"{url}: cannot be fetched (the server says {error.code} {error.reason})."
        raise DownloadError("answer", reason) from error
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        said = error.reason if isinstance(error, URLError) else error
        reason = f"{getattr(said, 'strerror', None) or said}" or type(error).__name__
        raise DownloadError("connection", f"{url}: cannot be fetched ({reason}).") from error


def _blocks(answer: HTTPResponse, progress: Received | None) -> Iterator[bytes]:
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    done = 0
    while block := answer.read(CHUNK):
        yield block
        done += len(block)
        if progress is not None:
            progress(done, total)
    if total is not None and done != total:
        raise IncompleteRead(b"", total - done)
