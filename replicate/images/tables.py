"""Tables that name images, as they are written: heading, lines, cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.errors import ImagesError
from db.wording import listed

#: Most columns that a message names.
SHOWN = 30
#: Most bytes of a table.
MOST = 256 * 2**20
#: What spreadsheets and programs write where nothing is known, in small letters.
MISSING = frozenset(
    (
        *("", "nan", "<na>", "na", "#n/a", "n/a", "n.a.", "nat", "none", "null", "nil"),
        *("unknown", "unk", "not available", "missing", "-", "--", "\u2013", "\u2014", "?", "."),
    )
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: its number, and a cell for each heading, without space around it."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read; the first column counts where two have one heading."""

    path: Path
    heading: tuple[str, ...]
    lines: tuple[Line, ...]

    def place(self, heading: str) -> int | None:
        """Return which column has a heading, in whatever case."""
        wanted = heading.casefold()
        return next((at for at, one in enumerate(self.heading) if one.casefold() == wanted), None)

    @property
    def has(self) -> str:
        """What columns there are, in words."""
        named = [heading for heading in self.heading if heading]
        more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
        return f"It has {listed([*named[:SHOWN], *more]) or 'none'}."

    def fault(self, line: int, column: str, what: str, hint: str = "") -> ImagesError:
        """Return the error on a cell."""
        return ImagesError(f"{self.path}:{line}: column {column}: {what}.", hint)


def is_missing(cell: str) -> bool:
    """Tell whether a cell says that nothing is known."""
    return cell.casefold() in MISSING


def read_table(path: Path) -> Table:
    """Read a table: comma, semicolon or tab; UTF-8.

    Raises
    ------
    ImagesError
        It cannot be read, or names nothing; with line.
    """
    text = _text(path)
    first = io.StringIO(text).readline()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        heading = tuple(name.strip() for name in next(reader, []))
        lines = tuple(_lines(reader, len(heading)))
    except csv.Error as error:
        raise ImagesError(f"{path}:{reader.line_num}: {error}.", "Mend the line.") from error
    return Table(path, heading, lines)


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MOST:
            raise ImagesError(f"{path}: {size:,} bytes are more than {MOST:,}.", "Split the table.")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImagesError(f"{path}: is not UTF-8 text.", "Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if not text:
        raise ImagesError(f"{path}: the file is empty.", "Its first line names the columns.")
    if "\0" in text:
        raise ImagesError(f"{path}: holds NUL characters.", "Save it as CSV in UTF-8.")
    return text


def _lines(reader: Any, width: int) -> Iterator[Line]:
    for cells in reader:
        if any(cell.strip() for cell in cells):
            padded = [cell.strip() for cell in cells[:width]] + [""] * (width - len(cells))
            yield Line(reader.line_num, tuple(padded))
