"""Class folders: ``class/image`` or ``part/class/image``, with or without a metadata.csv."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from db.errors import ImagesError
from replicate.images.files import Entry, of_files, one_case
from replicate.images.image_set import ImageSet
from replicate.images.manifest import METADATA, Listing, is_there, read_listing
from replicate.images.masks import class_folders, images_of_class
from replicate.images.naming import (
    exact_parts,
    is_fold,
    is_for_images,
    is_for_masks,
    parts_among,
)
from replicate.images.reading import USUAL, Reading
from replicate.images.tables import Table
from replicate.images.within import Tree, Within
from replicate.notes import Note

#: Files that come with a set and are no part of it.
_PAPERS = re.compile(r"(readme|licen[cs]e|source|citation|copying|changelog)\b.*", re.IGNORECASE)
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,8}(?=\.(gz|bz2|xz|zip)$))?\.[a-z0-9_~-]{1,12}$")
#: Most kinds of files that are named one by one.
_KINDS = 8


def open_folder(folder: Path, *, reading: Reading = USUAL) -> ImageSet:
    """Open a folder with one subfolder a class, or one a part with one a class in each.

    Parts are called ``train``, ``val``, ``test`` and what else people call them
    (``training_set``, ``Test Images``); they may also lie in the classes. A folder that holds
    only one, which holds the classes, is entered. Below a class, images may lie at any depth.
    Segmentations beside or under images are left out (see :mod:`replicate.images.masks`), as is
    what is no image; `notes` count all of it. A ``metadata.csv`` with columns ``file`` (relative
    to the folder) and ``split``, ``patient_id``, ``group_id`` or ``near_dup_group`` gives parts and
    groups. Links are followed; those that lead out of the folder only with
    `reading.allow_outside`.

    Raises
    ------
    ImagesError
        No class, one class, a class without images, parts beside classes, folds, or a metadata.csv
        that contradicts the folder; a link that leads out of it.
    """
    within = Within(folder, reading.allow_outside)
    whole = within.tree()
    found = _Reading(within)
    tree = found.entered(whole)
    if not tree.below:
        raise ImagesError(
            f"{folder}: has no subfolders, so no classes.",
            "Put the images of each class into a folder of its own, or name them in a CSV.",
        )
    found.read(tree)
    found.check(tree.path)
    # A table above the classes names files by their path from there.
    base = folder if (folder / METADATA).is_file() else tree.path
    above = len((base / "x").as_posix()) - 1
    entries = [replace(entry, name=entry.path.as_posix()[above:]) for entry in found.entries]
    notes = found.notes(whole, tree, base)
    if (base / METADATA).is_file():
        listing = read_listing(within.checked(base / METADATA), within, reading, labelled=False)
        entries, unlisted = _described(listing, entries)
        notes += listing.notes
        if unlisted:
            notes.append(Note("unlisted images", {"table": METADATA, "count": unlisted}))
    name = folder.name or folder.absolute().name
    return of_files(name, entries, f"folder {name}", notes, window=reading.window)


@dataclass
class _Reading:
    """What was found so far in a folder of classes."""

    within: Within
    entries: list[Entry] = field(default_factory=list)
    masks: int = 0
    loose: int = 0
    again: list[Path] = field(default_factory=list)

    def entered(self, tree: Tree) -> Tree:
        """Return the folder that holds the classes or parts: this one, or one in it alone."""
        below, masks = class_folders(tree)
        if len(below) != 1 or exact_parts(below):
            return tree
        (only,) = below.values()
        found = self.entered(only)
        if len(class_folders(found)[0]) < 2:
            return tree
        self.loose, self.masks = self.loose + len(tree.images), self.masks + masks
        return found

    def read(self, tree: Tree) -> None:
        """Read parts with classes, or classes."""
        below, masks = class_folders(tree)
        if sum(map(is_fold, below)) > 1:
            raise ImagesError(
                f"{tree.path}: holds folds of a cross-validation ({', '.join(list(below)[:3])}), "
                "which cannot be taken as they are.",
                "Put the images of all folds into one folder a class; --folds draws folds anew.",
            )
        parts = parts_among(below)
        if not parts:
            self._classes(tree, None)
            return
        if others := [name for name in below if name not in parts]:
            raise ImagesError(
                f"{tree.path}: holds parts ({', '.join(parts)}) and other folders "
                f"({', '.join(others[:3])}).",
                "Move everything that belongs to no part away.",
            )
        self.masks += masks
        self.loose += len(tree.images)
        # Where a part has several classes, a part with one folder has one class.
        wrapped = all(len(class_folders(below[name])[0]) < 2 for name in parts)
        for name, part in parts.items():
            self._classes(self._of_part(below[name], wrapped), part)

    def _of_part(self, tree: Tree, wrapped: bool) -> Tree:
        """Return the folder that holds a part's classes: ``train/images``, ``test/test`` too."""
        below, masks = class_folders(tree)
        if len(below) == 1:
            ((name, only),) = below.items()
            if exact_parts([name]) or is_for_images(name):
                self.loose, self.masks = self.loose + len(tree.images), self.masks + masks
                return self._of_part(only, wrapped)
        return self.entered(tree) if wrapped else tree

    def _classes(self, tree: Tree, part: str | None) -> None:
        below, masks = class_folders(tree)
        self.masks += masks
        self.loose += len(tree.images)
        for label, folder in tree.below.items():
            if label in below:
                self._class(label, folder, part)
            elif not is_for_masks(label, findings=False):
                raise ImagesError(
                    f"{folder.path}: the class {label} has no image.",
                    "Fill the folder or remove it; images are PNG, JPEG, BMP, TIFF or DICOM.",
                )

    def _class(self, label: str, tree: Tree, part: str | None) -> None:
        """Add the images of a class, each once, whatever links lead to it."""
        images, masks = images_of_class(tree)
        self.masks += masks
        parts = {} if part else exact_parts(k for k, one in tree.below.items() if one.every_image())
        if "train" not in parts.values() or len({*parts.values()}) < 2:
            parts = {}
        if any(one.linked for one in tree.walk()):
            images = self._once(images)
        for path in images:
            own = parts.get(path.relative_to(tree.path).parts[0]) if parts else part
            self.entries.append(Entry("", path, label, own))

    def _once(self, images: list[Path]) -> list[Path]:
        """Return images without those that a link leads to again."""
        root, real_root = self.within.folder, self.within.real(self.within.folder)
        reals = {path: self.within.real(self.within.checked(path)) for path in images}
        kept: dict[Path, Path] = {}
        # What lies there itself goes before links to it.
        for path in sorted(images, key=lambda p: reals[p] != real_root / p.relative_to(root)):
            if kept.setdefault(reals[path], path) is not path:
                self.again.append(path)
        return list(kept.values())

    def check(self, folder: Path) -> None:
        """Refuse parts that do not train, that know other classes, or that not all images have."""
        entries, _ = one_case(self.entries)
        classes: dict[str | None, set[str]] = {}
        for entry in entries:
            classes.setdefault(entry.part, set()).add(entry.label)
        if not classes or set(classes) == {None}:
            return
        if None in classes:
            raise ImagesError(
                f"{next(entry.path for entry in entries if entry.part is None)}: lies in no part, "
                "and other images do.",
                "Give all images a part, or none.",
            )
        if "train" not in classes:
            raise ImagesError(
                f"{folder}: has {', '.join(map(str, classes))}, and no part train.",
                "Name one folder train, or put the classes directly below.",
            )
        for part, names in classes.items():
            if unknown := sorted(names - classes["train"]):
                raise ImagesError(
                    f"{folder}: the class {unknown[0]} is in {part} and not in train.",
                    "Spell classes alike in all parts.",
                )

    def notes(self, whole: Tree, tree: Tree, base: Path) -> list[Note]:
        """Return what was left out, passed over or entered."""
        kinds: Counter[str] = Counter()
        links = [*self.again]
        for one in whole.walk():
            links += one.links
            papers = one is whole or one is tree
            for path in one.others:
                if path != base / METADATA and not (papers and _PAPERS.fullmatch(path.name)):
                    kinds[_kind(path)] += 1
        found = [
            Note(code, {"count": count})
            for code, count in (("masks left out", self.masks), ("loose images", self.loose))
            if count
        ]
        if tree is not whole:
            inside = tree.path.relative_to(whole.path).as_posix()
            found.insert(0, Note("folder entered", {"folder": inside}))
        if kinds:
            count, named = kinds.total(), dict(kinds.most_common(_KINDS))
            if rest := count - sum(named.values()):
                named["of other kinds"] = rest
            found.append(Note("files passed over", {"count": count, "kinds": named}))
        if links:
            first = links[0].relative_to(whole.path).as_posix()
            found.append(Note("links passed over", {"count": len(links), "first": first}))
        return found


def _kind(path: Path) -> str:
    """Return the suffix of a file, with that of what is packed in it: ``.nii.gz``."""
    if path.name.startswith("."):
        return "hidden"
    found = _SUFFIX.search(path.name.lower())
    return found[0] if found else "without suffix"


def _described(listing: Listing, entries: list[Entry]) -> tuple[list[Entry], int]:
    """Add parts and groups from metadata.csv; return how many images it does not name too."""
    rows = {row.name: row for row in listing.entries}
    known = {entry.name: entry for entry in entries}
    for row in rows.values():
        _agrees(listing.table, row, known)
    # Class, part and place are those of the folder.
    described = [
        replace(told, path=entry.path, label=entry.label, part=told.part or entry.part)
        if (told := rows.get(entry.name))
        else entry
        for entry in entries
    ]
    partless = [entry.name for entry in described if entry.part is None]
    if partless and len(partless) < len(described):
        raise ImagesError(
            f"{listing.table.path}: gives a split to some images and none to {partless[0]}.",
            "Give all images a split, or none.",
        )
    return described, len(known.keys() - rows.keys())


def _agrees(table: Table, row: Entry, known: Mapping[str, Entry]) -> None:
    entry = known.get(row.name)
    if entry is None:
        if is_there(row.path):
            return  # an image outside the class folders, or a mask: passed over, and counted
        hint = "Restore the file or take its line out."
        raise table.fault(row.line, "file", f"{row.name} does not exist", hint)
    for column, said, there in (("class", row.label, entry.label), ("split", row.part, entry.part)):
        if said and there and said.casefold() != there.casefold():
            what = f"{said}, but the file lies in {there}"
            raise table.fault(row.line, column, what, "Mend the table or move the file.")
