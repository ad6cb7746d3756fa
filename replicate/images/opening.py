"""One way in: a word or a path to an image set."""

from __future__ import annotations

import os
from pathlib import Path

from db.errors import ImagesError, UsageError
from replicate.images.folders import open_folder
from replicate.images.image_set import ImageSet
from replicate.images.manifest import METADATA, open_manifest
from replicate.images.medmnist import IMAGES, catalogue, named, open_medmnist, open_published
from replicate.images.npz import open_npz
from replicate.images.reading import USUAL, Reading

#: Suffixes of tables.
TABLES = (".csv", ".tsv")


def open_images(
    where: str | Path, *, size: int | None = None, reading: Reading = USUAL
) -> ImageSet:
    """Open images of any source.

    Parameters
    ----------
    where
        ``phantom`` or ``phantom:KIND?n=400&signal=1.5`` (see
        :func:`replicate.images.phantom.open_phantom`); the path of a class folder, a .csv
        manifest or an .npz file; the name of one of these in the folder ``MEDTL_META_IMAGES``; or
        a MedMNIST name (``pneumoniamnist``, ``pneumoniamnist_64``), fetched if need be. What
        exists as a path is that path.
    size
        Pixels that the images are needed at, for sources that have several sizes (MedMNIST) or
        any (phantom); images are not resized.
    reading
        What else is said of them. Near copies are not looked for here.

    Raises
    ------
    ImagesError
        Nothing is there, or it cannot be read as images.
    UsageError
        A malformed phantom address.
    """
    word = str(where)
    if not word.strip():
        # Path("") is the current folder, which nobody has named.
        raise UsageError("--images: names nothing.", "Name a folder, a file, or phantom.")
    if word == "phantom" or word.startswith("phantom:"):
        _check(None, reading)
        # It draws with scipy, whose import takes longer than reading a set of real images.
        from replicate.images.phantom import open_phantom

        return open_phantom(word, size=size)
    path = Path(where).expanduser()
    if _exists(path):
        return _open_path(path, reading)
    given = os.environ.get(IMAGES)
    bare = given is not None and len(Path(where).parts) == 1
    if named(word) is not None:
        _check(None, reading)
        return open_medmnist(word, size=size)
    if given is not None and bare and _exists(Path(given) / word):
        return _open_path(Path(given) / word, reading)
    near = f" Looked in {given} too." if given else f" Set {IMAGES} to a folder of sets."
    raise ImagesError(
        f"{word}: no such folder, file or known set.{near}",
        f"Give a class folder, a .csv, an .npz, phantom:KIND, or one of {', '.join(catalogue())}.",
    )


def _exists(path: Path) -> bool:
    """Tell whether there is something; what no system takes as a path is nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _open_path(path: Path, reading: Reading) -> ImageSet:
    _check(path / METADATA if path.is_dir() else path, reading)
    if path.is_dir():
        files = [p for p in sorted(path.iterdir()) if not p.name.startswith(".")]
        archives = [p for p in files if p.suffix.lower() == ".npz"]
        if len(archives) == 1 and not any(p.is_dir() for p in files):
            return _open_path(archives[0], reading)
        return open_folder(path, reading=reading)
    if not path.is_file():
        raise ImagesError(f"{path}: is no file.", "Give a folder, a .csv or an .npz.")
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return open_manifest(path, reading=reading)
    if suffix == ".npz":
        found = named(path.stem)
        if found is not None:
            entry, stated = found
            return open_published(path, entry, stated or min(entry.files))
        return open_npz(path)
    raise ImagesError(
        f"{path}: is neither a folder nor a .csv or .npz file.",
        "Give the folder that holds one folder a class.",
    )


def _check(path: Path | None, reading: Reading) -> None:
    """Refuse what is said of a table where there is none, and a window where pixels are 8 bits."""
    if reading.window is not None and (path is None or path.suffix.lower() == ".npz"):
        raise UsageError(
            "--window: the images are of 8 bits.",
            "It shows DICOM and pictures of more than 8 bits.",
        )
    if reading.of_tables and (
        path is None or path.suffix.lower() not in TABLES or not path.is_file()
    ):
        raise UsageError(
            f"--{reading.of_tables[0]}: the images are not named by a table.",
            "It speaks of the columns of a .csv.",
        )
