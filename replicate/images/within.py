"""What a set may read: files below its own folder, unless its user says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from db.errors import ImagesError

ALLOW = "--allow-outside (allow_outside=True) reads it from there, if you trust the set."


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
        return self.outside or self._real(path).is_relative_to(self._real(self.folder))

    def files(self, start: Path) -> Iterator[Path]:
        """Yield all that is no folder below one, hidden things left out, links followed.

        A link back to a folder that it lies in is passed over: what is there was seen.

        Raises
        ------
        ImagesError
            A link leads out of the set.
        """
        yield from self._below(start, (self._real(start),))

    def checked(self, path: Path) -> Path:
        """Return the path.

        Raises
        ------
        ImagesError
            It leads out of the set.
        """
        if not self.holds(path):
            raise ImagesError(f"{path}: leads out of {self.folder}, to {self._real(path)}.", ALLOW)
        return path

    def _below(self, folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
        try:
            found = sorted(folder.iterdir())
        except OSError as error:
            raise ImagesError(f"{folder}: {error.strerror}.", "Check its rights.") from error
        for path in found:
            if path.name.startswith("."):
                continue
            if path.is_symlink():
                self.checked(path)
            if not path.is_dir():
                yield path
                continue
            real = self._real(path)
            if not any(one.is_relative_to(real) for one in above):
                yield from self._below(path, (*above, real))

    def _real(self, path: Path) -> Path:
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
