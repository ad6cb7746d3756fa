"""Fetch a file of weights: whole, verified, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from db.errors import WeightsError
from replicate.weights.files import WeightFile, verify

#: Is called with the bytes fetched so far and with all there are, None if the server does not say.
Progress = Callable[[int, int | None], None]

CHUNK = 1 << 18
TIMEOUT = 30.0

#: What a network or a server can do wrong.
FAULTS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    TimeoutError,
    ConnectionError,
)


def fetch(source: WeightFile, target: Path, progress: Progress | None = None) -> str:
    """Download a file into place and return its SHA-256.

    It is written beside its target, verified, and renamed; another process that fetches the same
    file at the same time does no harm.

    Raises
    ------
    WeightsError
        The server cannot be reached, breaks off, sends something else, or the disk is full.
    """
    if source.url is None:
        raise WeightsError(f"{source.file}: cannot be downloaded.")
    expected = source.sha256 or _recorded_hash(source)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            digest = _receive(source.url, stream.write, progress)
        verify(Path(source.url.rsplit("/", 1)[-1]), digest, expected, source.url)
        temporary.chmod(0o644)
        temporary.replace(target)
    except FAULTS as error:
        raise WeightsError(f"{source.url}: cannot be fetched ({_reason(error)}).") from None
    except OSError as error:
        raise WeightsError(f"{target}: cannot be written ({error.strerror or error}).") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return digest


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
        return str(getattr(reason, "strerror", None) or reason)
    return str(error) or type(error).__name__


def _receive(url: str, write: Callable[[bytes], object], progress: Progress | None) -> str:
    digest = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        while chunk := answer.read(CHUNK):
            write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done != total:
        raise http.client.IncompleteRead(b"", total - done)
    return digest.hexdigest()


def _recorded_hash(source: WeightFile) -> str:
    """Ask the Hugging Face hub for a file's hash: its pointer file holds ``oid sha256:...``."""
    address = (source.url or "").replace("/resolve/", "/raw/")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            text = answer.read(1 << 12).decode("ascii", errors="replace")
    except FAULTS as error:
        raise WeightsError(f"{address}: cannot be fetched ({_reason(error)}).") from None
    found = re.search(r"oid sha256:([0-9a-f]{64})\b", text)
    if found is None:
        raise WeightsError(f"{address}: does not say which checksum {source.file} has.")
    return found[1]
