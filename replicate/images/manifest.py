"""A table that says of each image its class and, where known, its part and its patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from db.errors import ImagesError
from replicate.images.columns import Columns, columns_of
from replicate.images.decoding import is_image
from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet
from replicate.images.labels import Labels, as_written, labels_of
from replicate.images.naming import exact_parts
from replicate.images.reading import USUAL, Reading
from replicate.images.tables import Line, Table, is_missing, read_table
from replicate.images.within import ALLOW, Within
from replicate.notes import Note

#: The table that a class folder may hold.
METADATA = "metadata.csv"
#: Use of a column -> the field of an entry that it fills.
_FIELDS = {"part": "part", "patient": "patient", "group": "group", "copy": "near", "frame": "frame"}


def open_manifest(path: Path, *, reading: Reading = USUAL) -> ImageSet:
    """Open the images that a CSV names, relative to its folder and below it.

    Columns: ``file`` and ``class`` (or ``label``); optional ``split`` (train, val, test),
    ``patient_id`` or ``group_id`` (images that must not be torn apart), ``near_dup_group``
    (further images that belong together) and ``frame`` (of several in a file); others with
    `reading`. Comma, semicolon or tab; UTF-8. A file may be named without its suffix
    or sub-folder. Images without a class are left out; what else was decided stands in the notes
    of the set. What lies outside the folder, by its path or by a link, is read only with
    `reading.allow_outside`.

    Raises
    ------
    ImagesError
        With line and column: a cell is missing or unknown, a file does not exist, occurs twice or
        lies outside the folder.
    UsageError
        A column or finding was named that the table does not have.
    """
    within = Within(path.parent, reading.allow_outside)
    listing = read_listing(path, within, reading)
    table, rows, called = listing.table, listing.entries, listing.heading
    for row in rows:
        if not within.holds(row.path):
            what = f"{row.name} lies outside the folder of the table"
            raise table.fault(row.line, called("image"), what, ALLOW)
        if not is_there(row.path):
            hint = f"Looked for {row.path}."
            raise table.fault(row.line, called("image"), f"{row.name} does not exist", hint)
        if not is_image(row.path):
            what = f"{row.name} is no kind of image that can be read"
            raise table.fault(row.line, called("image"), what)
    parts = [row.part is not None for row in rows]
    if any(parts) and not all(parts):
        hint = "Give all images a split, or none."
        what = "is empty, and other rows have one"
        raise table.fault(rows[parts.index(False)].line, called("part"), what, hint)
    # Named by file and frame: others may be of the same file.
    entries = [
        row if row.frame is None else replace(row, name=f"{row.name}#{row.frame}") for row in rows
    ]
    source = f"manifest {path.name}"
    notes, positive = listing.notes, listing.positive
    return of_files(path.stem, entries, source, notes, positive=positive, window=reading.window)


@dataclass(frozen=True, slots=True)
class Listing:
    """The images that a table names, each called by its file, relative to the table's folder."""

    table: Table
    columns: Columns
    entries: list[Entry]
    notes: list[Note]
    positive: str | None

    def heading(self, use: str) -> str:
        """Return what the column of a use is called."""
        return self.table.heading[self.columns.places[use]]


def read_listing(
    path: Path, within: Within, reading: Reading = USUAL, *, labelled: bool = True
) -> Listing:
    """Read the table of a manifest, or the metadata.csv of a class folder, which need no classes.

    Raises
    ------
    ImagesError, UsageError
        As of :func:`open_manifest`, but files are not looked at.
    """
    table = read_table(path)
    columns = columns_of(table, reading, labelled=labelled)
    if not table.lines:
        raise ImagesError(f"{path}: names no image.", "Each line below the first is one image.")
    rule, labels = columns.rule, None
    if rule is not None and labelled:
        labels = labels_of(table, rule)
    elif rule is not None and len(rule.columns) == 1:
        # The folders are the classes; a table says them again, as they are called there.
        labels = Labels(as_written(table, rule.columns[0]))
    lines = _Lines(table, columns, _Files(within, path.parent))
    entries = list(lines.entries(labels, labelled=labelled))
    notes = [*columns.notes, *lines.notes(), *(labels.notes if labels else ())]
    if not entries:
        why = " ".join(map(str, notes))
        raise ImagesError(f"{path}: no image is left.", why or "Give every image a class.")
    return Listing(table, columns, entries, notes, labels.positive if labels else None)


def is_there(path: Path) -> bool:
    """Tell whether a path is a file; one that no system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; one that no system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


@dataclass
class _Files:
    """Where the files are that a table names."""

    within: Within
    folder: Path
    _index: dict[str, list[tuple[str, Path]]] | None = None

    def of(self, name: str) -> list[tuple[str, Path]]:
        """Return the files that a name can mean, each by its path from the table's folder.

        As it is written; else without its first folder, where that is not there: tables name their
        own set so. Else without suffix, and a bare name also in the folders below. A folder that
        was named is never left for another.
        """
        path = self.folder / name
        if not name or is_there(path):
            return [(name, path)]
        rest = self._inside(name)
        if rest and is_there(self.folder / rest):
            return [(rest, self.folder / rest)]
        if self._index is None:
            self._index = self._indexed()
        # What has a folder in its name is there a whole path; bare names alone are found anywhere.
        known = self._index.get(name) or (self._index.get(rest) if "/" in rest else None)
        return known or [(name, path)]

    def _inside(self, name: str) -> str:
        """Return a name without its first folder, where that can be the set's own."""
        first, _, rest = name.partition("/")
        own = first == self.folder.absolute().name or "/" in rest
        return rest if own and first.strip(".") and not is_folder(self.folder / first) else ""

    def _indexed(self) -> dict[str, list[tuple[str, Path]]]:
        """Return all images below the set's folder by the names that a table can have for them."""
        found: dict[str, list[tuple[str, Path]]] = {}
        inside, above = (f"{folder.as_posix()}/" for folder in (self.folder, self.within.folder))
        for path in self.within.tree().every_image():
            # Plain text: a set has a hundred thousand of them.
            full = path.as_posix()
            bare = full.removeprefix(above).removesuffix(path.suffix)
            for key in {path.name, path.stem, bare}:
                found.setdefault(key, []).append((full.removeprefix(inside), path))
        return found


@dataclass
class _Lines:
    """The lines of a table, read one after the other."""

    table: Table
    columns: Columns
    files: _Files
    seen: dict[tuple[str, str | None], tuple[int, str]] = field(default_factory=dict)
    missing: dict[str, Counter[str]] = field(default_factory=dict)
    repeated: int = 0
    views: Counter[str] = field(default_factory=Counter)

    def entries(self, labels: Labels | None, *, labelled: bool) -> Iterator[Entry]:
        """Yield the images that have a class, or all."""
        place = self.columns.places.get("part")
        cells = {line.cells[place] for line in self.table.lines} if place is not None else set()
        parts = exact_parts(cells)
        classes = labels.of_line if labels else [None] * len(self.table.lines)
        for line, label in zip(self.table.lines, classes, strict=True):
            if (label is not None or not labelled) and self._in_view(line):
                entry = self._entry(line, label or "", parts)
                if entry is not None:
                    yield entry

    def notes(self) -> list[Note]:
        """Return what was decided."""
        found = [
            Note("missing words", {"count": of.total(), "column": column, "words": sorted(of)})
            for column, of in self.missing.items()
        ]
        if self.repeated:
            found.append(Note("rows of one image", {"count": self.repeated}))
        if self.views:
            taken = [view.upper() for view in self.columns.form.views]
            found.append(Note("other views", {"taken": taken, "views": dict(self.views)}))
        return found

    def _in_view(self, line: Line) -> bool:
        place, wanted = self.columns.places.get("view"), self.columns.form.views
        if place is None or not wanted or line.cells[place].casefold().startswith(wanted):
            return True
        self.views[line.cells[place] or "not named"] += 1
        return False

    def _entry(self, line: Line, label: str, parts: dict[str, str]) -> Entry | None:
        cells = {use: line.cells[place] for use, place in self.columns.places.items()}
        written = cells["image"].replace("\\", "/")
        if not written:
            raise self._fault(line, "image", "is empty")
        if (folder := cells.get("folder", "")) and not is_missing(folder):
            written = f"{folder}/{written}"
        values = {name: self._known(use, cells.get(use)) for use, name in _FIELDS.items()}
        if (part := values["part"]) is not None:
            if part not in parts:
                hint = "Use train, val or test."
                raise self._fault(line, "part", f"no such part {part!r}", hint)
            values["part"] = parts[part]
        pattern = self.columns.form.patient
        if pattern is not None and (told := re.search(pattern, written)):
            values["patient"] = values["patient"] or told[0]
        found = self.files.of(written)
        if len(found) > 1:
            what = f"{written} can be {found[0][0]} and {found[1][0]}"
            raise self._fault(line, "image", what, "Write it with its folder and suffix.")
        ((name, path),) = found
        if self._again(line, (name, values["frame"]), label):
            return None
        return Entry(name, path, label, line=line.number, **values)

    def _again(self, line: Line, key: tuple[str, str | None], label: str) -> bool:
        """Tell whether a line repeats an image of a form that does."""
        if key not in self.seen:
            self.seen[key] = (line.number, label)
            return False
        number, other = self.seen[key]
        if not self.columns.form.repeated:
            raise self._fault(line, "image", f"{key[0]} is already in line {number}")
        if label != other:
            what = f"{key[0]} is {label} here and {other} in line {number}"
            raise self._fault(line, "image", what, "Give an image one class.")
        self.repeated += 1
        return True

    def _known(self, use: str, cell: str | None) -> str | None:
        """Return a cell that says something; count the words for nothing."""
        if not cell:
            return None
        if is_missing(cell):
            column = self.table.heading[self.columns.places[use]]
            self.missing.setdefault(column, Counter())[cell] += 1
            return None
        return cell

    def _fault(self, line: Line, use: str, what: str, hint: str = "") -> ImagesError:
        column = self.table.heading[self.columns.places[use]]
        return self.table.fault(line.number, column, what, hint)
