"""Class folders: ``class/image`` or ``part/class/image``, with or without a metadata.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from db.errors import ImagesError
from replicate.images.decoding import is_image
from replicate.images.files import Entry, of_files
from replicate.images.image_set import ImageSet
from replicate.images.manifest import METADATA, PART_NAMES, fault, is_there, read_table
from replicate.images.reading import USUAL, Reading
from replicate.images.within import Within


def open_folder(folder: Path, *, reading: Reading = USUAL) -> ImageSet:
    """Open a folder with one subfolder a class, or one a part with one a class in each.

    Parts are ``train``, ``val`` (``valid``, ``validation``) and ``test``. Below a class, images
    may lie at any depth. Hidden files, and files that are no images, are passed over; so are
    masks: ``x_mask.png`` beside ``x.png``. A ``metadata.csv`` with columns ``file`` (relative to
    the folder) and ``split``, ``patient_id``, ``group_id`` or ``near_dup_group`` gives parts and
    groups. What was passed over stands in `source`. Links are followed; those that lead out of the
    folder only with `reading.allow_outside`.

    Raises
    ------
    ImagesError
        No class, one class, a class without images, parts beside classes, or a metadata.csv that
        contradicts the folder; a link that leads out of it.
    """
    within = Within(folder, reading.allow_outside)
    layers = _subfolders(folder)
    if not layers:
        raise ImagesError(
            f"{folder}: has no subfolders, so no classes.",
            "Put the images of each class into a folder of its own, or name them in a CSV.",
        )
    parts = [name for name in layers if name.lower() in PART_NAMES]
    if not parts:
        entries, masks = _classes(within, layers, None)
    else:
        others = [name for name in layers if name not in parts and _has_image(within, layers[name])]
        if others:
            raise ImagesError(
                f"{folder}: holds parts ({', '.join(parts)}) and other folders "
                f"({', '.join(others[:3])}).",
                "Move everything that belongs to no part away.",
            )
        entries, masks = [], 0
        for name in parts:
            below = _subfolders(layers[name])
            found, hidden = _classes(within, below, PART_NAMES[name.lower()])
            entries += found
            masks += hidden
        _whole(folder, parts, entries)
    remarks = [f"{masks} masks left out"] if masks else []
    alone = (path for path in folder.iterdir() if path.is_file() and within.holds(path))
    if loose := sum(is_image(path) for path in alone):
        remarks.append(f"{loose} images outside class folders left out")
    if (folder / METADATA).is_file():
        entries, unlisted = _described(within, entries)
        if unlisted:
            remarks.append(f"{unlisted} images not in {METADATA}")
    source = "; ".join([f"folder {folder.name}", *remarks])
    return of_files(folder.name, entries, source)


def _subfolders(folder: Path) -> dict[str, Path]:
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith((".", "__"))
    }


def _has_image(within: Within, folder: Path) -> bool:
    found = within.files(within.checked(folder))
    return any(is_image(path) for path in found if path.is_file())


def _classes(
    within: Within, folders: Mapping[str, Path], part: str | None
) -> tuple[list[Entry], int]:
    """Return the images below each class folder, and the number of masks passed over."""
    entries: list[Entry] = []
    masks = 0
    for label, folder in folders.items():
        files = [path for path in within.files(within.checked(folder)) if _wanted(path)]
        stems = {path.with_suffix("") for path in files}
        images = [path for path in files if not _is_mask(path, stems)]
        masks += len(files) - len(images)
        if not images:
            raise ImagesError(
                f"{folder}: the class {label} has no image.",
                "Fill the folder or remove it; images are PNG, JPEG, BMP, TIFF or DICOM.",
            )
        entries += [
            Entry(path.relative_to(within.folder).as_posix(), path, label, part) for path in images
        ]
    return entries, masks


def _wanted(path: Path) -> bool:
    # A link to a file that has gone is an image that cannot be read, not one less.
    there = path.is_file() or (path.is_symlink() and not path.exists())
    return there and is_image(path)


def _is_mask(path: Path, stems: set[Path]) -> bool:
    """Tell a segmentation beside its image: BUSI's ``benign (4)_mask_1.png``."""
    image, mark, number = path.stem.rpartition("_mask")
    plain = not number or (number[0] == "_" and number[1:].isdigit())
    return bool(mark) and plain and path.with_name(image) in stems


def _whole(folder: Path, parts: list[str], entries: list[Entry]) -> None:
    """Refuse parts that do not train, or that know other classes than the training part."""
    classes: dict[str, set[str]] = {}
    for entry in entries:
        classes.setdefault(entry.part or "", set()).add(entry.label)
    if "train" not in classes:
        raise ImagesError(
            f"{folder}: has {', '.join(parts)}, and no part train.",
            "Name one folder train, or put the classes directly below.",
        )
    for part, names in classes.items():
        if unknown := sorted(names - classes["train"]):
            raise ImagesError(
                f"{folder}: the class {unknown[0]} is in {part} and not in train.",
                "Spell classes alike in all parts.",
            )


def _described(within: Within, entries: list[Entry]) -> tuple[list[Entry], int]:
    """Add parts and groups from metadata.csv; return how many images it does not name too."""
    place = within.checked(within.folder / METADATA)
    rows = {row.name: row for row in read_table(place)}
    known = {entry.name: entry for entry in entries}
    for row in rows.values():
        _agrees(place, row, known)
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
            f"{place}: gives a split to some images and none to {partless[0]}.",
            "Give all images a split, or none.",
        )
    return described, len(known.keys() - rows.keys())


def _agrees(place: Path, row: Entry, known: Mapping[str, Entry]) -> None:
    entry = known.get(row.name)
    if entry is None:
        if is_there(row.path):
            return  # an image outside the class folders, or a mask: passed over, and counted
        hint = "Restore the file or take its line out."
        raise fault(place, row.line, "file", f"{row.name} does not exist", hint)
    for column, said, there in (("class", row.label, entry.label), ("split", row.part, entry.part)):
        if said and there and said != there:
            what = f"{said}, but the file lies in {there}"
            raise fault(place, row.line, column, what, "Mend the table or move the file.")
