"""What all results share: plain dicts for JSON, rows for tables, a readable form.

Every result answers ``to_dict()`` (JSON-safe: NaN and infinities become None), ``to_frame()``
(a pandas DataFrame, imported on demand) and a readable ``repr``. Results can be hashed; fields that
hold a mapping take no part in the hash, only in equality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from db.wording import fixed, folded
from metaanalysis.stats.notes import Exclusion, Note
from metaanalysis.tabular import Tabular

Row = dict[str, Any]

#: Columns of the readable form.
_WIDTH = 100


def plain(value: Any) -> Any:
    """Turn a value into what ``json.dumps(..., allow_nan=False)`` accepts."""
    if isinstance(value, Record | Note | Exclusion):
        return plain(value.to_dict())
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


@dataclass(frozen=True)
class Record:
    """A part of a result: plain values that turn into a dict."""

    def to_dict(self) -> Row:
        """All fields, JSON-safe."""
        return {item.name: plain(getattr(self, item.name)) for item in fields(self)}

    def cells(self) -> Row:
        """Return the fields that fit into a table's cell."""
        values = self.to_dict()
        return {key: item for key, item in values.items() if not isinstance(item, list | dict)}


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Record, Tabular):
    """What every result carries: what was left out, and what must be said beside it."""

    excluded: tuple[Exclusion, ...] = ()
    warnings: tuple[Note, ...] = ()

    def to_dict(self) -> Row:
        """All fields, JSON-safe; what was left out and the warnings come last."""
        values = super().to_dict()
        return values | {name: values.pop(name) for name in ("excluded", "warnings")}

    def rows(self) -> list[Row]:
        """Return the result as table rows; one row unless a subclass has more."""
        return [self.cells()]

    def lines(self) -> list[str]:
        """Lines of the readable form: the cells, and the rows where there are others."""
        own, rows = self.cells(), self.rows()
        shown = folded(f"{type(self).__name__}: {_told(own)}", _WIDTH, hang=2)
        if rows != [own]:
            shown += [line for row in rows for line in folded(_told(row), _WIDTH, 2, 4)]
        return shown

    def __repr__(self) -> str:
        notes = [f"note: {note}" for note in self.warnings]
        out = [f"left out: {item}" for item in self.excluded]
        return "\n".join([*self.lines(), *out, *notes])


def _told(row: Row) -> str:
    return ", ".join(
        f"{key} {fixed(cell, 4) if isinstance(cell, float) else cell}"
        for key, cell in row.items()
        if cell is not None and not isinstance(cell, list | dict)
    )
