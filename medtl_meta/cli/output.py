"""Writing rows: as a table for people, as CSV, JSON or Markdown for everything else."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import click

from db.csvfiles import CsvWriter, Formulas

# Also for those who take it from here, beside the tables.
from db.wording import UNKNOWN as UNKNOWN
from db.wording import visible, whole_number
from medtl_meta.cli.terminal import echo, echo_data, echo_json, markdown_text, secho

#: Where a command keeps its ``--csv-formulas``.
CSV_FORMULAS = "medtl_meta.csv_formulas"

#: Width of a table where there is no terminal to ask.
PIPE_WIDTH = 160

#: A text column is not made narrower than its longest word, unless that is longer than this.
LONGEST_WORD = 20

#: Blanks between two columns.
GAP = 2


def cell(value: Any) -> str:
    """Return a value as text: nothing for unknown, lists joined, numbers as they were given."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "; ".join(cell(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def shown(value: Any) -> str:
    """Return a cell as a table shows it."""
    return visible(cell(value))


def _is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    known = (value for row in rows if (value := row.get(name)) is not None)
    some = False
    for value in known:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        some = True
    return some


def chosen(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows with these columns alone, in this order."""
    return [{name: row.get(name) for name in columns} for row in rows]


def write_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    form: str,
    *,
    headings: Mapping[str, str] | None = None,
    spare: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> None:
    """Write rows to stdout.

    Parameters
    ----------
    rows
        One mapping a row.
    columns
        Which keys to write, in order.
    form
        ``table``, ``csv``, ``json`` or ``markdown``.
    headings
        Shorter column titles for the table.
    spare
        Columns that a table may leave out, in this order, where they do not fit; it says so.
    numbers
        Columns of numbers, which a table aligns as such even where none of them is known.
    """
    match form:
        case "json":
            echo_json(chosen(rows, columns))
        case "csv":
            echo_data(_csv(rows, columns))
        case "markdown":
            echo_data(_markdown(rows, columns))
        case _:
            _table(rows, columns, headings or {}, spare, numbers)


def csv_formulas() -> Formulas:
    """Return what the user chose for text that a spreadsheet would take for a formula."""
    context = click.get_current_context(silent=True)
    chosen: Formulas = context.meta.get(CSV_FORMULAS, "neutralise") if context else "neutralise"
    return chosen


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = CsvWriter(buffer, csv_formulas())
    writer.row(columns)
    for row in rows:
        writer.row(cell(row.get(name)) for name in columns)
    return buffer.getvalue()


def _markdown_cell(text: str) -> str:
    whole = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return markdown_text(whole)


def _markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(_markdown_cell, cells))} |\n"

    numeric = [_is_numeric(rows, name) for name in columns]
    rule = line(["---:" if number else "---" for number in numeric])
    body = "".join(line([cell(row.get(name)) for name in columns]) for row in rows)
    return line(list(columns)) + rule + body


def width() -> int:
    """Return how many columns there are to write to."""
    asked = os.environ.get("COLUMNS", "")
    if columns := whole_number(asked):
        return columns
    if sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    return PIPE_WIDTH


def _words(text: str) -> int:
    return max((len(word) for word in text.split()), default=0)


def _least_width(rows: Sequence[Mapping[str, Any]], name: str, heading: str) -> int:
    """Return the width below which a column's words or numbers would be cut."""
    texts = (shown(row.get(name)) for row in rows)
    if _is_numeric(rows, name):
        return max(len(heading), *map(len, texts))
    least = _words(heading)
    for text in texts:
        if len(text) > least:  # else none of its words is longer
            least = max(least, min(_words(text), LONGEST_WORD))
    return least


def fitting(least: Mapping[str, int], spare: Sequence[str], room: int) -> list[str]:
    """Return the columns that fit, leaving out of `spare`, in its order, what does not."""
    kept = list(least)
    for name in spare:
        if _needed({column: least[column] for column in kept}) <= room:
            break
        if name in kept:
            kept.remove(name)
    return kept


def shared(least: Mapping[str, int], most: Mapping[str, int], room: int) -> dict[str, int]:
    """Give each column its least width, then what room is left.

    Columns that need little to stand on one line get it first; the others share the rest by how
    much they would use.
    """
    widths = dict(least)
    left = room - _needed(widths)
    for name in sorted(widths, key=lambda name: most[name] - least[name]):
        if most[name] - least[name] <= left // 2:
            left -= max(most[name] - least[name], 0)
            widths[name] = max(most[name], least[name])
    for _ in range(max(left, 0)):
        wanting = [name for name in widths if widths[name] < most[name]]
        if not wanting:
            break
        widths[max(wanting, key=lambda name: most[name] / widths[name])] += 1
    return widths


def _needed(widths: Mapping[str, int]) -> int:
    """Return the width of a line with these columns and the gaps between them."""
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    headings: Mapping[str, str],
    spare: Sequence[str],
    numbers: Sequence[str],
) -> None:
    if not rows:
        return
    room = width()
    least = {name: _least_width(rows, name, headings.get(name, name)) for name in columns}
    kept = fitting(least, spare, room)
    least = {name: least[name] for name in kept}
    if _needed(least) > room:
        _records(rows, columns, room)
        return
    from medtl_meta.cli.columns import in_columns, span

    titles = {name: headings.get(name, name) for name in kept}
    most = {
        name: max(span(titles[name]), *(span(shown(row.get(name))) for row in rows))
        for name in kept
    }
    widths = shared(least, most, room)
    right = {name: name in numbers or _is_numeric(rows, name) for name in kept}
    places = [(widths[name], right[name]) for name in kept]
    gap, unknown = " " * GAP, (UNKNOWN, True)
    for line in in_columns([[(titles[name], False) for name in kept]], places, gap, "{}"):
        secho(line, bold=True)
    echo("─" * _needed(widths))
    cells = (
        [unknown if row.get(name) is None else (shown(row[name]), False) for name in kept]
        for row in rows
    )
    # Many lines at a time: a call for each takes longer than all the rest. Cells are visible
    # already; what escapes are here are the table's own.
    lines = in_columns(cells, places, gap, click.style("{}", dim=True))
    while some := list(islice(lines, 1000)):
        click.echo("\n".join(some))
    if len(kept) < len(columns):
        left_out = ", ".join(name for name in columns if name not in kept)
        secho(f"Not shown in {room} columns: {left_out}.", err=True, dim=True)


def _records(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], room: int) -> None:
    """Write each row as a block of lines: what is too wide for a table stays whole."""
    label = max(len(name) for name in columns) + 2
    for position, row in enumerate(rows):
        if position:
            echo()
        for name in columns:
            text = UNKNOWN if row.get(name) is None else shown(row[name])
            lines = textwrap.wrap(text, max(room - label, 20)) or [""]
            echo(f"{name:<{label}}{lines[0]}")
            for line in lines[1:]:
                echo(" " * label + line)
