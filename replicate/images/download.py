"""Fetch a published file: whole, with the right checksum, or not at all."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from db.errors import ImagesError

#: Bytes read at a time, and seconds without any before a server is given up.
CHUNK = 1 << 20
PATIENCE = 30.0


def fetch(
    url: str,
    target: Path,
    md5: str,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Download a file to `target` unless it is not what its publisher says it is.

    Parameters
    ----------
    url
        Where it is published (http or https).
    target
        Where it is to be; its folder is made. Nothing appears there before the checksum is right.
    md5
        The published checksum.
    progress
        Called with the bytes read so far and all of them, None where the server does not tell.

    Raises
    ------
    ImagesError
        The server cannot be reached, the disk is full, or the checksum differs; says what to
        fetch by hand and where to put it.
    """
    by_hand = f"Fetch {url} by any means and put it at {target}"
    if not url.startswith(("http://", "https://")):
        raise ImagesError(f"{url}: is no http address.", by_hand)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as stream:
            partial = Path(stream.name)
            try:
                request = Request(url, headers={"User-Agent": "medtl-meta"})
                with urlopen(request, timeout=PATIENCE) as answer:
                    total = answer.headers.get("Content-Length")
                    done = 0
                    while block := answer.read(CHUNK):
                        stream.write(block)
                        digest.update(block)
                        done += len(block)
                        if progress is not None:
                            progress(done, int(total) if total else None)
                stream.close()
                if digest.hexdigest() != md5:
                    raise ImagesError(
                        f"{url}: what came has the MD5 {digest.hexdigest()}, published is {md5}.",
                        "Try again; a proxy's error page or a cut connection is the usual cause.",
                    )
                partial.chmod(0o644)
                partial.replace(target)
            except BaseException:
                stream.close()
                partial.unlink(missing_ok=True)
                raise
    except HTTPError as error:
        raise ImagesError(
            f"{url}: the server answers {error.code} {error.reason}.", f"{by_hand}."
        ) from error
    except URLError as error:
        raise ImagesError(
            f"{url}: cannot be reached ({error.reason}).", f"{by_hand} (MD5 {md5})."
        ) from error
    except (TimeoutError, HTTPException, ConnectionError) as error:
        raise ImagesError(
            f"{url}: the connection broke off ({error}).", f"Try again. {by_hand} (MD5 {md5})."
        ) from error
    except OSError as error:
        raise ImagesError(
            f"{target}: {error.strerror or error}.", "Check the folder and the space left there."
        ) from error
    return target
