"""A CSV that says of each image its class and, where known, its part and its patient."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.errors import ImagesError
from replicate.images.decoding import is_image
from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet
from replicate.images.reading import USUAL, Reading
from replicate.images.within import ALLOW, Within

#: The table that a class folder may hold; most bytes of one.
METADATA = "metadata.csv"
MOST = 256 * 2**20

#: What a part is called in folders and tables -> what it is called here.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

#: Column -> the headings under which it is found; the first is what messages call it.
HEADINGS = {
    "file": ("file", "path", "filename", "image"),
    "label": ("class", "label"),
    "part": ("split", "part"),
    "patient": ("patient_id", "patient"),
    "group": ("group_id", "group"),
    "near": ("near_dup_group",),
    "frame": ("frame",),
}


def open_manifest(path: Path, *, reading: Reading = USUAL) -> ImageSet:
    """Open the images that a CSV names, relative to its folder and below it.

    Columns: ``file`` and ``class`` (or ``label``); optional ``split`` (train, val, test),
    ``patient_id`` or ``group_id`` (images that must not be torn apart), ``near_dup_group``
    (further images that belong together) and ``frame`` (of several in a file). Comma, semicolon
    or tab; UTF-8. Other columns are not read. What lies outside the folder, by its path or by a
    link, is read only with `reading.allow_outside`.

    Raises
    ------
    ImagesError
        With line and column: a cell is missing or unknown, a file does not exist, occurs twice or
        lies outside the folder.
    """
    within = Within(path.parent, reading.allow_outside)
    rows = read_table(path)
    for row in rows:
        if not row.label:
            raise fault(path, row.line, "class", "is empty", "Give every image a class.")
        if not within.holds(row.path):
            what = f"{row.name} lies outside the folder of the table"
            raise fault(path, row.line, "file", what, ALLOW)
        if not is_there(row.path):
            hint = f"Looked for {row.path}."
            raise fault(path, row.line, "file", f"{row.name} does not exist", hint)
        if not is_image(row.path):
            raise fault(path, row.line, "file", f"{row.name} is no kind of image that can be read")
    parts = [row.part is not None for row in rows]
    if any(parts) and not all(parts):
        raise fault(
            path,
            rows[parts.index(False)].line,
            "split",
            "is empty, and other rows have one",
            "Give all images a split, or none.",
        )
    # Named by file and frame: others may be of the same file.
    entries = [
        row if row.frame is None else replace(row, name=f"{row.name}#{row.frame}") for row in rows
    ]
    return of_files(path.stem, entries, f"manifest {path.name}")


def read_table(path: Path) -> list[Entry]:
    """Read the table of a manifest, or the metadata.csv of a class folder.

    Entries are named by their files as the table writes them, relative to its folder.

    Raises
    ------
    ImagesError
        With line and column.
    """
    try:
        size = path.stat().st_size
        if size > MOST:
            raise ImagesError(f"{path}: {size:,} bytes are more than {MOST:,}.", "Split the table.")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
    except UnicodeDecodeError as error:
        raise ImagesError(f"{path}: is not UTF-8 text.", "Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path and its rights.") from error
    if not text:
        raise ImagesError(f"{path}: the file is empty.", "Its first line names the columns.")
    if "\0" in text:
        raise ImagesError(f"{path}: holds NUL characters.", "Save it as CSV in UTF-8.")
    first = io.StringIO(text).readline()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        return _rows(path, reader)
    except csv.Error as error:
        raise ImagesError(f"{path}:{reader.line_num}: {error}.", "Mend the line.") from error


def _rows(path: Path, reader: Any) -> list[Entry]:
    heading = [name.strip().lower() for name in next(reader, [])]
    columns = {
        name: heading.index(found)
        for name, words in HEADINGS.items()
        if (found := next((word for word in words if word in heading), None)) is not None
    }
    if "file" not in columns:
        raise ImagesError(
            f"{path}:1: there is no column file.", f"It has {', '.join(heading) or 'none'}."
        )
    if path.name != METADATA and "label" not in columns:
        raise ImagesError(
            f"{path}:1: there is no column class (or label).", f"It has {', '.join(heading)}."
        )
    rows: list[Entry] = []
    seen: dict[tuple[str, str | None], int] = {}
    rows.extend(
        _row(path, reader.line_num, cells, columns, seen)
        for cells in reader
        if any(cell.strip() for cell in cells)
    )
    if not rows:
        raise ImagesError(f"{path}: names no image.", "Each line below the first is one image.")
    return rows


def is_there(path: Path) -> bool:
    """Tell whether a path is a file; one that no system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _row(
    path: Path,
    line: int,
    cells: list[str],
    columns: Mapping[str, int],
    seen: dict[tuple[str, str | None], int],
) -> Entry:
    values: dict[str, Any] = dict.fromkeys(HEADINGS)
    for name, place in columns.items():
        if place < len(cells):
            values[name] = cells[place].strip() or None
    file = (values.pop("file") or "").replace("\\", "/")
    if not file:
        raise fault(path, line, "file", "is empty")
    key = (file, values["frame"])
    if key in seen:
        raise fault(path, line, "file", f"{file} is already in line {seen[key]}")
    seen[key] = line
    part = values["part"]
    if part is not None:
        if part.lower() not in PART_NAMES:
            raise fault(path, line, "split", f"no such part {part!r}", "Use train, val or test.")
        part = PART_NAMES[part.lower()]
    values |= {"part": part, "label": values["label"] or ""}
    return Entry(file, path.parent / file, line=line, **values)


def fault(path: Path, line: int, column: str, what: str, hint: str = "") -> ImagesError:
    """Return the error on a cell of a table."""
    return ImagesError(f"{path}:{line}: column {column}: {what}.", hint)
