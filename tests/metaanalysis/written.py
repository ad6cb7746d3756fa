"""Two sides to hold figures against: what the files of the studies say, and what a chart draws."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import yaml

_FOLDER = Path(__file__).parents[2] / "data" / "studies"


@cache
def written() -> list[dict[str, Any]]:
    """Return key, ref, plain values and headline metrics of each file in data/studies."""
    studies = []
    for path in sorted(_FOLDER.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        plain = {name: entry["value"] for name, entry in content["values"].items()}
        headline = {
            entry["metric"]: entry["value"]
            for entry in content.get("metrics") or []
            if entry.get("headline")
        }
        studies.append(
            {**plain, "key": content["key"], "ref": content["ref"], "headline": headline}
        )
    return studies


def drawn(chart: alt.VConcatChart, *fields: str) -> set[tuple[Any, ...]]:
    """Return the values of some fields in every row that a chart carries all of them in."""
    tables = chart.to_dict()["datasets"].values()
    rows = [row for table in tables for row in table if set(fields) <= set(row)]
    return {tuple(row[field] for field in fields) for row in rows}
