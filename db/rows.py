"""From a checked study file to the rows that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.datafiles import line_of
from db.records import Disagreement, StudyRecord, Value, Values
from db.vocabulary import fold_case

Row = dict[str, Any]

#: Fields of a study file's `values` that are columns of the table ``study``.
_COLUMNS = tuple(
    name for name in Values.model_fields if name not in ("backbones", "tl_types", "retracted")
)


#: Columns of ``study`` that a search for text looks into.
SEARCHED = (
    "title",
    "authors",
    "journal",
    "task",
    "anatomy",
    "classifier",
    "data_note",
    "tl_note",
    "note",
)


@dataclass(slots=True)
class StudyRows:
    """The rows of one study; children lack ``study_id`` until the study has one."""

    study: Row
    children: dict[str, list[Row]] = field(default_factory=dict)
    path: Path | None = None
    line: int | None = None

    def line_of(self, name: str) -> int | None:
        """Return the line of a field in the study's file, for a message about it."""
        if self.path is None or self.line is not None:
            return self.line
        return line_of(self.path, tuple(name.split(".")))


def _json(value: Any) -> str | None:
    """Encode as the column type JsonText does; children are written past it."""
    if value is None:
        return None
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _disagreements(name: str, found: tuple[Disagreement, ...]) -> list[Row]:
    return [
        {"field": name, "other_value": _json(d.value), "source": d.source, "note": d.note}
        for d in found
    ]


def search_text(study: Mapping[str, Any]) -> str:
    """Return what `--text` searches in a row of ``study``."""
    return fold_case("\n".join(study[name] or "" for name in SEARCHED))


def study_rows(
    record: StudyRecord, origin: str, path: Path | None = None, line: int | None = None
) -> StudyRows:
    """Return the rows of a study record.

    Parameters
    ----------
    record
        A checked study file.
    origin
        ``packaged`` or ``user``: whose the study is.
    path, line
        The file, and the line of a file of many, that it was read from.
    """
    citation, values = record.citation, record.values
    read: dict[str, Value[Any]] = {
        name: value for name in Values.model_fields if (value := getattr(values, name)) is not None
    }

    def of(name: str) -> Any:
        return read[name].value if name in read else None

    study: Row = {
        "key": record.key,
        "ref": record.ref,
        "origin": origin,
        **citation.model_dump(),
        **{name: of(name) for name in _COLUMNS},
        "inclusion": record.curation.inclusion,
        "tl_seen": record.curation.tl_seen,
        "retracted": of("retracted") is True,
        "data_note": record.notes.data,
        "tl_note": record.notes.tl,
        "note": record.notes.general,
    }
    study["search_text"] = search_text(study)
    disagreements = [
        row for name, value in read.items() for row in _disagreements(name, value.disagreements)
    ]
    for name, found in record.other_disagreements.items():
        disagreements += _disagreements(name, found)
    children: dict[str, list[Row]] = {
        "study_backbone": [
            {"backbone": name, "position": place}
            for place, name in enumerate(of("backbones") or ())
        ],
        "study_tl_type": [
            {"tl_type": name, "position": place} for place, name in enumerate(of("tl_types") or ())
        ],
        "study_dataset": [
            {"position": place, **dataset.model_dump()}
            for place, dataset in enumerate(record.datasets)
        ],
        "reported_metric": [
            {"position": place, **metric.model_dump()}
            for place, metric in enumerate(record.metrics)
        ],
        "evidence": [
            {
                "field": name,
                "value": _json(value.value),
                "basis": value.basis,
                "source": value.source,
                "note": value.note,
            }
            for name, value in read.items()
        ],
        "confirmation": [
            {"field": name, "source": source}
            for name, value in read.items()
            for source in value.confirmed_by
        ],
        "disagreement": disagreements,
    }
    return StudyRows(study, children, path, line)
