"""Where the packaged data are, and the hash that names them; told without parsing them."""

from __future__ import annotations

import hashlib
from pathlib import Path


def folder() -> Path:
    """Return the folder of the packaged data: inside the wheel, or beside it in a checkout."""
    inside = Path(__file__).parent / "data"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "data"


def data_hash(root: Path | None = None) -> str:
    """Return the hash of the packaged data: names and bytes of all their YAML files."""
    root = root or folder()
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.yaml")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
