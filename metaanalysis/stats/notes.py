"""What must be said beside a result, as codes: notes, and rows that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from metaanalysis.stats.wording import REASONS, note_words


@dataclass(frozen=True, slots=True)
class Note:
    """What must be said beside a result; ``str`` gives its words.

    Attributes
    ----------
    code
        Out of ``metaanalysis.stats.wording.NOTES``.
    rows
        The rows that it speaks of, from 1.
    values
        What else it speaks of, by name.
    names
        What the rows are called, where somebody has said it.
    """

    code: str
    rows: tuple[int, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: str, rows: Sequence[int] = (), **values: Any) -> Note:
        """Return a note of some rows with its values."""
        return cls(code, tuple(int(row) for row in rows), values)

    def named(self, names: Sequence[str]) -> Note:
        """Return the note with the names of its rows, of which the first is row 1."""
        if self.names:
            return self
        return replace(self, names=tuple(names[row - 1] for row in self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Code, rows (by name where they have one), values and words."""
        rows = list(self.names or self.rows)
        return {"code": self.code, "rows": rows, "values": self.values, "text": str(self)}

    def __str__(self) -> str:
        return note_words(self.code, self.rows, self.values, self.names)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A row that was left out, and why: a code of ``wording.REASONS`` and the column."""

    row: int
    label: str
    code: str
    column: str

    @property
    def reason(self) -> str:
        """Why, in words: ``n: missing (NaN)``."""
        return f"{self.column}: {REASONS[self.code]}"

    def to_dict(self) -> dict[str, Any]:
        """Row, label, code, column and words."""
        place = {"row": self.row, "label": self.label}
        return {**place, "code": self.code, "column": self.column, "reason": self.reason}

    def __str__(self) -> str:
        name = f" ({self.label})" if self.label != str(self.row) else ""
        return f"row {self.row}{name}: {self.reason}"
