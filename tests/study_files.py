"""Small study files for tests: one that is right, and ways to spoil it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from db.datafolder import folder

GOOD = """\
key: mine2026
citation:
  authors: Doe J, Roe R
  title: A study of mine
  journal: J Test
  year: 2026
  doi: 10.1000/mine.2026
curation: {inclusion: added, tl_seen: true}
values:
  modality: {value: optical coherence tomography, basis: title, source: title}
  subject: {value: sense organs, basis: title, source: title}
  n_classes: {value: 2, basis: abstract, source: https://doi.org/10.1000/mine.2026}
  n_images: {value: 1234, basis: abstract, source: https://doi.org/10.1000/mine.2026}
  backbones: {value: [Inception v1, resnet-50], basis: abstract, source: https://doi.org/10.1000/mine.2026}
  tl_types: {value: [FE], basis: abstract, source: https://doi.org/10.1000/mine.2026}
metrics:
  - metric: AUROC
    value: 0.93
    headline: true
    basis: abstract
    source: https://doi.org/10.1000/mine.2026
"""


def write(path: Path, text: str = GOOD) -> Path:
    """Write a study file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def good(key: str, **values: Any) -> str:
    """Return the good file under another key and DOI, with lines replaced."""
    text = GOOD.replace("mine2026", key).replace("10.1000/mine.2026", f"10.1000/{key}")
    for old, new in values.items():
        text = text.replace(old, new)
    return text


def curated() -> list[dict[str, Any]]:
    """Return the packaged study files as plain YAML, read apart from the code under test."""
    return [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((folder() / "studies").glob("*.yaml"))
    ]


def value(study: dict[str, Any], field: str) -> Any:
    """Return a curated value of such a file; None where unknown or missing."""
    entry = study["values"].get(field)
    return entry["value"] if entry else None


def headline(study: dict[str, Any], metric: str) -> float | None:
    """Return the headline value of a metric."""
    found = [
        m["value"] for m in study.get("metrics", ()) if m["metric"] == metric and m.get("headline")
    ]
    return found[0] if found else None
