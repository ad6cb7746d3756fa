"""What a published file hashed to when it was first used, where no whole SHA-256 is published.

torchvision names its weights by eight digits of their SHA-256, MedMNIST its files by an MD5: enough
to notice an accident, not enough to notice an attacker. The whole SHA-256 is kept at first use,
which is said, and held against the file ever after.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from db.errors import ReplicationError
from db.files import replace_file
from replicate.places import weights_folder

#: The file in the folder of weights that holds what was kept.
LEDGER = "checksums.json"


class FirstUse(NamedTuple):
    """The day on which a file was first used, whether that is now, and whether it was kept."""

    day: str
    now: bool
    kept: bool = True


def ledger_path() -> Path:
    """Return the file that holds what was kept."""
    return weights_folder() / LEDGER


def kept_hash(name: str) -> str | None:
    """Return the SHA-256 that was kept of a file; None for one that was never used.

    Raises
    ------
    ReplicationError
        What was kept cannot be read.
    """
    known = _read(ledger_path()).get(name)
    return known["sha256"] if known else None


def first_used(name: str, digest: str) -> FirstUse:
    """Hold a file's SHA-256 against what was kept of it; keep it where nothing was.

    Where nothing can be kept, as in a folder that cannot be written to, each use is the first.

    Parameters
    ----------
    name
        What the file is published as.
    digest
        Its whole SHA-256.

    Raises
    ------
    ReplicationError
        It has changed since, or what was kept cannot be read.
    """
    from filelock import FileLock  # of the extra, as in replicate.download

    path, today = ledger_path(), f"{datetime.now(UTC):%Y-%m-%d}"
    kept = _read(path)
    if name not in kept:
        new = {"sha256": digest, "first_used": today}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{LEDGER}.lock"), timeout=30):
                kept = _read(path)
                if kept.setdefault(name, new) is new:
                    replace_file(path, json.dumps(kept, indent=2, sort_keys=True).encode())
        except OSError:
            return FirstUse(today, True, kept=False)
        if kept[name] is new:
            return FirstUse(today, True)
    found = kept[name]
    if found["sha256"] != digest:
        raise ReplicationError(
            f"{name}: is another file than the one first used on {found['first_used']} "
            f"(SHA-256 {digest}, and was {found['sha256']}).",
            f"If it is meant to be another, take its entry out of {path}.",
        )
    return FirstUse(found["first_used"], False)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Return what was kept; raises ReplicationError where it cannot be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        good = isinstance(kept, dict) and all(
            isinstance(one, dict)
            and all(isinstance(one.get(key), str) for key in ("sha256", "first_used"))
            for one in kept.values()
        )
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):
        good = False
    if not good:
        raise ReplicationError(
            f"{path}: cannot be read as what was kept of files.",
            "Move it away; the checksums are then kept anew at the next use of each file.",
        )
    found: dict[str, dict[str, str]] = kept
    return found
