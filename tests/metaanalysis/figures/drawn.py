"""What a figure draws, read back from its Vega-Lite specification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from metaanalysis.figures.kit.base import Figure

DATA = Path(__file__).parents[3] / "data"


def study_files() -> list[dict[str, Any]]:
    """Return the curated studies straight from their files, by no code of ours."""
    return [yaml.safe_load(path.read_text()) for path in sorted(DATA.glob("studies/*.yaml"))]


def review() -> dict[str, Any]:
    """Return what the review prints, straight from its file."""
    facts: dict[str, Any] = yaml.safe_load((DATA / "review.yaml").read_text())["facts"]
    return facts


def _layers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "mark" in spec:
        yield spec
    for key in ("layer", "hconcat", "vconcat", "concat"):
        for part in spec.get(key, []):
            # A layer without data of its own draws those of what holds it.
            yield from _layers({"data": spec.get("data"), **part})


def layers(figure: Figure) -> list[tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]]:
    """Return mark, rows and encoding of each layer of a figure."""
    spec = figure.chart.to_dict()
    found = []
    for layer in _layers(spec):
        data = layer["data"]
        rows = data["values"] if "values" in data else spec["datasets"][data["name"]]
        mark = layer["mark"] if isinstance(layer["mark"], dict) else {"type": layer["mark"]}
        found.append((mark, rows, layer["encoding"]))
    return found


def rows(figure: Figure, kind: str) -> list[dict[str, Any]]:
    """Return the rows of all marks of one kind, such as ``rect``."""
    return [row for mark, drawn, _ in layers(figure) if mark["type"] == kind for row in drawn]


def words(figure: Figure) -> list[str]:
    """Return every text that a figure draws."""
    found = []
    for mark, drawn, encoding in layers(figure):
        if mark["type"] == "text":
            found += [str(row[encoding["text"]["field"]]) for row in drawn]
    return found
