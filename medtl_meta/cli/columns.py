"""Text in columns: how wide it stands on a terminal, and folded where its column is narrower."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, chop_cells

#: A cell to write: its text, and whether it is to be faint.
Cell = tuple[str, bool]
#: Width of a column, and whether it stands to the right.
Column = tuple[int, bool]

_WORD = re.compile(r"\s*\S+\s*")


def span(text: str) -> int:
    """Return how many columns of a terminal a text takes: an ideograph takes two."""
    return len(text) if text.isascii() else cell_len(text)


def folded(text: str, width: int) -> list[str]:
    """Return lines no wider than a column, broken between words; a longer word is cut."""
    if span(text) <= width and "\n" not in text:
        return [text]
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in _WORD.findall(part):
            long = span(word.rstrip())
            if span(line) + long <= width:
                line += word
                continue
            pieces = chop_cells(word, width) if long > width else [word]
            lines += [line, *pieces[:-1]] if line else pieces[:-1]
            line = pieces[-1]
        lines.append(line)
    return [line.rstrip() for line in lines]


def in_columns(
    rows: Iterable[Sequence[Cell]], columns: Sequence[Column], gap: str, faint: str
) -> Iterator[str]:
    """Yield the lines of rows whose cells stand one below the other.

    Parameters
    ----------
    rows
        One cell a column.
    columns
        Their widths and sides.
    gap
        What stands between two columns.
    faint
        How faint text is written, with ``{}`` for it.
    """
    for row in rows:
        cells = [folded(text, width) for (text, _), (width, _) in zip(row, columns, strict=True)]
        for number in range(max(map(len, cells))):
            line = []
            for lines, (_, dim), (width, right) in zip(cells, row, columns, strict=True):
                text = lines[number] if number < len(lines) else ""
                blank = " " * (width - span(text))
                shown = faint.format(text) if dim and text else text
                line.append(blank + shown if right else shown + blank)
            yield gap.join(line).rstrip()
