"""Fetch a published file: whole, with the right checksum, or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from db.errors import MedtlError
from db.files import sync

#: Is called with the bytes fetched so far and with all there are, None if the server does not say.
Received = Callable[[int, int | None], None]

#: Bytes read at a time, and seconds without any before a server is given up.
CHUNK = 1 << 18
PATIENCE = 30.0

#: No published file is larger; and what a server says that has no such part.
MOST_BYTES, NO_SUCH_PART = 1 << 36, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

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

    It is written beside its target, verified, and renamed. What came of a download that broke off
    is kept and gone on with, where the server can tell that its file is still the same; a second
    process that wants the same file waits for it.

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
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if target.is_file() and (found := _digest(target, algorithm)).startswith(checksum):
                return found
            draft = target.with_name(f".{target.name}.part")
            found = _whole(url, draft, checksum, algorithm, progress)
            sync(draft)
            draft.replace(target)
            sync(target.parent)
    except OSError as error:
        reason = f"{target}: cannot be written ({error.strerror or error})."
        raise DownloadError("disk", reason) from error
    return found


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let one process at a time fetch a file; the others wait for it."""
    from filelock import FileLock  # of the extra: who downloads nothing does not need it

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    with lock:
        try:
            yield
        finally:
            # While it is held: who waits for it notices. Afterwards it may be another's.
            Path(lock.lock_file).unlink(missing_ok=True)


def _whole(url: str, draft: Path, checksum: str, algorithm: str, progress: Received | None) -> str:
    """Complete a draft and return its checksum; one that proves wrong is begun anew, once."""
    resumed = _received(url, draft, progress)
    found = _digest(draft, algorithm)
    if resumed and not found.startswith(checksum):
        draft.unlink()
        _received(url, draft, progress)
        found = _digest(draft, algorithm)
    _about(draft).unlink(missing_ok=True)
    if not found.startswith(checksum):
        draft.unlink()
        raise DownloadError("checksum", wrong_checksum(url, found, checksum, algorithm))
    return found


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def _about(draft: Path) -> Path:
    """Return where it is kept by what a server knows the file that a draft is the beginning of."""
    return draft.with_name(f"{draft.name}.json")


def _mark(draft: Path, url: str) -> str | None:
    """Return by what the server knows the file of a draft; None where it must be begun anew."""
    try:
        kept = json.loads(_about(draft).read_text(encoding="utf-8"))
        mark = kept["mark"] if kept["url"] == url and draft.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    usable = isinstance(mark, str) and mark.isascii() and mark.isprintable()
    return mark if usable else None


def _received(url: str, draft: Path, progress: Received | None) -> bool:
    """Fetch the rest of a draft, or all; return whether there was a beginning.

    What there is of it is let go only when the server answers with the whole.
    """
    mark = _mark(draft, url)
    if mark is None:
        _beginning(url, draft, {}, 0, progress)
        return False
    start = draft.stat().st_size
    try:
        asked = {"Range": f"bytes={start}-", "If-Range": mark}
        return _beginning(url, draft, asked, start, progress) > 0
    except DownloadError as error:
        if error.code != "answer":
            raise
        refused = error.__cause__
        if isinstance(refused, HTTPError) and refused.code == NO_SUCH_PART:
            return True  # all of it is here, or it is another: the checksum tells
        _beginning(url, draft, {}, 0, progress)
        return False


def _beginning(
    url: str, draft: Path, asked: Mapping[str, str], start: int, progress: Received | None
) -> int:
    """Write what a server answers to a draft; return from which byte on."""
    try:
        with _answer(url, asked) as answer:
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                start = 0
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise DownloadError("answer", f"{url}: the server sends another part than asked.")
            tag = answer.headers.get("ETag", "")
            mark = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
            about = {"url": url, "mark": mark}
            _about(draft).write_text(json.dumps(about), encoding="utf-8")
            with draft.open("ab" if start else "wb") as stream:
                for block in _blocks(answer, start, progress):
                    stream.write(block)
    except (DownloadError, OSError):
        if _mark(draft, url) is None:  # nothing to go on with
            draft.unlink(missing_ok=True)
            _about(draft).unlink(missing_ok=True)
        raise
    return start


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
def _answer(url: str, headers: Mapping[str, str] | None = None) -> Iterator[HTTPResponse]:
    """Open an address; what network and server do wrong becomes a :class:`DownloadError`."""
    if not url.startswith(("http://", "https://")):
        raise DownloadError("address", f"{url}: is no http address.")
    try:
        with _opened(
            Request(url, headers={"User-Agent": "medtl-meta", **(headers or {})})
        ) as found:
            yield found
    except HTTPError as error:
        reason = f"{url}: cannot be fetched (the server says {error.code} {error.reason})."
        raise DownloadError("answer", reason) from error
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        said = error.reason if isinstance(error, URLError) else error
        reason = f"{getattr(said, 'strerror', None) or said}" or type(error).__name__
        raise DownloadError("connection", f"{url}: cannot be fetched ({reason}).") from error


def _opened(request: Request) -> HTTPResponse:
    try:
        found: HTTPResponse = urlopen(request, timeout=PATIENCE)
    except (ValueError, OverflowError) as error:  # the server sends us on to what is no address
        raise URLError(f"{error}") from error
    return found


def _blocks(answer: HTTPResponse, start: int, progress: Received | None) -> Iterator[bytes]:
    said = answer.headers.get("Content-Length", "")
    # As many digits as no file has are no number.
    total = start + int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None
    done = start
    while block := _block(answer):
        done += len(block)
        if done > MOST_BYTES:
            raise URLError(f"it does not end after {done:,} bytes")
        yield block
        if progress is not None:
            progress(done, total)
    if total is not None and done != total:
        raise IncompleteRead(b"", total - done)


def _block(answer: HTTPResponse) -> bytes:
    try:
        return answer.read(CHUNK)
    except OSError as error:  # of the connection; writing raises the same kinds
        raise URLError(error) from error
