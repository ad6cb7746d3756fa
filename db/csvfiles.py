"""CSV that a spreadsheet may open: a text that it would take for a formula gets an apostrophe.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break is run by spreadsheets as
a formula, which may read the rest of the file or call a program. Numbers are left alone. To undo
it, take away the first sign of a cell that matches ``^'+[=+\\-@\\t\\r\\n]``; a cell that was like
that before has got one apostrophe more, so that nothing is lost.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

#: What is done with text that a spreadsheet would take for a formula.
Formulas = Literal["neutralise", "keep"]
FORMULAS: tuple[Formulas, ...] = ("neutralise", "keep")

# Of full width too: spreadsheets of East Asian systems take these signs for the others.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Stream(Protocol):
    """What text can be written to."""

    def write(self, text: str, /) -> object:
        """Write text."""


def safe(value: Any) -> Any:
    """Return a cell that a spreadsheet does not run; what is no such text comes back as it is."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


class CsvWriter:
    """Writes rows as CSV, with lines that end alike everywhere.

    Parameters
    ----------
    stream
        To write to; a file must be opened with ``newline=""``.
    formulas
        ``neutralise`` for spreadsheets, ``keep`` for programs that read the file.
    """

    def __init__(self, stream: Stream, formulas: Formulas = "neutralise") -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._safe = formulas == "neutralise"

    def row(self, cells: Iterable[Any]) -> None:
        """Write one row."""
        self._writer.writerow([safe(cell) for cell in cells] if self._safe else cells)


def as_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]], formulas: Formulas = "neutralise"
) -> bytes:
    """Return rows as CSV; what is not known is empty."""
    stream = io.StringIO()
    writer = CsvWriter(stream, formulas)
    writer.row(columns)
    for row in rows:
        writer.row("" if row.get(name) is None else row[name] for name in columns)
    return stream.getvalue().encode()
