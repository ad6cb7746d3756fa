"""A run beside its study: one value a metric, with its verdict, as objects and as flat rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from db.literature import Reported
from replicate.verdicts.verdicts import Replicated, Verdict, interval
from replicate.verdicts.words import AT

#: Columns of :meth:`Comparison.rows`.
ROW_COLUMNS = (
    "run", "kind", "study", "ref", "setup", "fidelity", "dataset", "backbone",
    "backbone_reported", "tl_type", "unfrozen", "split", "metric", "of_class", "reported",
    "reported_low", "reported_high", "reported_n", "reported_source", "replicated", "ci_low",
    "ci_high", "n", "seeds", "sd", "baseline", "verdict", "difference", "difference_low",
    "difference_high", "margin", "margin_source", "margin_sd", "margin_seeds", "margin_division",
    "margin_n", *AT, "test", "reason", "reported_settings", "assumed_settings",
)  # fmt: skip
#: What rows hold beside these, for JSON: the reason as codes with their values.
CODE_COLUMNS = ("why", "remarks")
#: What is told of a reported value.
_TOLD = (
    "metric", "value", "n", "ci_low", "ci_high", "backbone", "tl_type", "task", "split", "source",
    "impossible", "position", "of_class",
)  # fmt: skip


def _told(value: Reported) -> dict[str, Any]:
    told = {name: getattr(value, name) for name in _TOLD}
    return {**told, "position": value.position or None}


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric: what is reported (None where nothing is), what was replicated, the verdict."""

    reported: Reported | None
    replicated: Replicated
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        blind = self.replicated.unskilled
        unskilled = None if blind is None else blind.to_dict()
        return {
            "metric": self.replicated.metric,
            "reported": None if self.reported is None else _told(self.reported),
            "replicated": {**asdict(self.replicated), "unskilled": unskilled},
            **self.verdict.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run with the verdict on each of its metrics.

    Attributes
    ----------
    run
        The run in short, a row of ``metaanalysis.query.runs``, with ``ref`` of its study.
    values
        One a metric, in the vocabulary's order.
    """

    run: Mapping[str, Any]
    values: tuple[Compared, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, JSON-able."""
        return {"run": dict(self.run), "values": [value.to_dict() for value in self.values]}

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row a metric, with :data:`ROW_COLUMNS` and :data:`CODE_COLUMNS`."""
        rows = []
        for value in self.values:
            row = {
                **self.run,
                "run": self.run["id"],
                **_cells(value.reported),
                **asdict(value.replicated),
                "replicated": value.replicated.value,
                **value.verdict.to_dict(),
            }
            rows.append({name: row[name] for name in (*ROW_COLUMNS, *CODE_COLUMNS)})
        return rows


def _cells(reported: Reported | None) -> dict[str, Any]:
    low, high, _ = (reported and interval(reported)) or (None, None, None)
    return {
        "of_class": reported and reported.of_class,
        "reported": reported and reported.value,
        "reported_low": low,
        "reported_high": high,
        "reported_n": reported and reported.n,
        "reported_source": reported and reported.source,
    }
