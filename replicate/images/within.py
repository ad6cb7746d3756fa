"""What a set may read: files below its own folder, unless its user says otherwise."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from db.errors import ImagesError
from replicate.images.decoding import DICOM, PICTURES, is_image

ALLOW = "--allow-outside (allow_outside=True) reads it from there, if you trust the set."
#: Most folders below each other, and most times that one is entered by links.
DEEPEST, VISITS = 100, 16
#: What systems leave in folders, and nobody would miss.
LITTER = frozenset((".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore"))


@dataclass(slots=True)
class Tree:
    """A folder as it was found: its images, other files, links passed over, and what is below."""

    path: Path
    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    below: dict[str, Tree] = field(default_factory=dict)
    #: Whether links lead to it, or to an image in it.
    linked: bool = False

    def walk(self) -> Iterator[Tree]:
        """Yield the folder and every folder below it."""
        yield self
        for tree in self.below.values():
            yield from tree.walk()

    def every_image(self) -> list[Path]:
        """Return the images of the folder and of all folders below it."""
        return [path for tree in self.walk() for path in tree.images]


@dataclass(frozen=True, slots=True)
class Within:
    """The folder of a set, which neither ``..``, a path of its own nor a link leads out of.

    Parameters
    ----------
    folder
        The folder.
    outside
        Whether files outside it are read too.
    """

    folder: Path
    outside: bool = False
    _known: dict[Path, Path] = field(default_factory=dict, repr=False)

    def holds(self, path: Path) -> bool:
        """Tell whether a path lies below the folder once all links are followed."""
        return self.outside or self.real(path).is_relative_to(self.real(self.folder))

    def tree(self) -> Tree:
        """Return all that lies below the folder, hidden things left out, links followed.

        A link back to a folder that it lies in is passed over: what is there was seen. So is one
        to a folder that many links lead to, since links among k folders make k! paths.

        Raises
        ------
        ImagesError
            A link to a folder or an image leads out of the set; folders lie too deep.
        """
        return self._below(self.folder, (self.real(self.folder),), Counter())

    def checked(self, path: Path) -> Path:
        """Return the path.

        Raises
        ------
        ImagesError
            It leads out of the set.
        """
        if not self.holds(path):
            raise ImagesError(f"{path}: leads out of {self.folder}, to {self.real(path)}.", ALLOW)
        return path

    def _below(self, folder: Path, above: tuple[Path, ...], visits: Counter[Path]) -> Tree:
        if len(above) > DEEPEST:
            raise ImagesError(f"{folder}: lies {DEEPEST} folders deep.", "Move its images up.")
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise ImagesError(f"{folder}: {error.strerror}.", "Check its rights.") from error
        tree = Tree(folder)
        for entry in entries:
            path, link = folder / entry.name, entry.is_symlink()
            # Without a link the system has said already what it is.
            if not (_told(path.is_dir) if link else entry.is_dir()):
                self._sort(tree, path, entry)
            elif not entry.name.startswith((".", "__")):
                real = self.real(self.checked(path))
                visits[real] += 1
                if visits[real] > VISITS or any(one.is_relative_to(real) for one in above):
                    tree.links.append(path)
                else:
                    tree.below[entry.name] = self._below(path, (*above, real), visits)
                    tree.below[entry.name].linked |= link
        return tree

    def _sort(self, tree: Tree, path: Path, entry: os.DirEntry[str]) -> None:
        """Put what is no folder where it belongs; what lies outside is not opened here."""
        # A link to a file that has gone is an image that cannot be read, not one less.
        link = entry.is_symlink()
        gone = link and not _told(path.exists)
        there = _told(path.is_file) if link else entry.is_file()
        dot, suffix = entry.name.startswith("."), path.suffix.lower()
        if (suffix in PICTURES or suffix in DICOM) and not dot and (gone or there):
            tree.images.append(path)
            tree.linked |= link
        elif gone:
            tree.links.append(path)
        elif there and self.holds(path) and is_image(path):
            tree.images.append(path)
        elif entry.name.lower() not in LITTER:
            tree.others.append(path)

    def real(self, path: Path) -> Path:
        """Return a path without links; its folder is looked up once."""
        try:
            if path.is_symlink() or path.name in ("", ".."):
                return path.resolve()
            parent = path.parent
            if parent not in self._known:
                self._known[parent] = parent.resolve()
        except (OSError, RuntimeError):  # too long, or links in a circle: no file either
            return path
        return self._known[parent] / path.name


def _told(question: Callable[[], bool]) -> bool:
    """Return the answer; no where the system has none, of a link into a locked folder."""
    try:
        return question()
    except OSError:
        return False
