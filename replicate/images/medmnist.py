"""MedMNIST's twelve 2D sets by name: found in a folder or the cache, else fetched."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO

from db.datafiles import read_list
from db.datafolder import folder as data_folder
from db.errors import ImagesError, ReplicationError, UsageError
from db.fields import Key, Positive, Text
from db.records import Record
from db.wording import whole_number
from replicate.download import DownloadError, Received, fetch
from replicate.images.image_set import ImageSet
from replicate.images.npz import open_npz
from replicate.pins import first_used
from replicate.places import cache_folder

#: Environment variable: a folder of image sets that are looked for by name.
IMAGES = "MEDTL_META_IMAGES"


class PublishedFile(Record):
    """One .npz file: its checksum as published, and its address."""

    md5: Text
    url: Text


class Published(Record):
    """One set of ``medmnist.yaml``; `files` by side in pixels, `images` by part."""

    name: Key
    title: Text
    modality: Text
    made_from: Text
    task: Text
    licence: Text
    channels: Positive
    images: dict[str, Positive]
    classes: tuple[Text, ...]
    files: dict[int, PublishedFile]

    @property
    def multi_label(self) -> bool:
        """Whether an image may be of several classes at once."""
        return self.task.startswith("multi-label")

    def file_name(self, size: int) -> str:
        """Return the official name of the file with images of a size."""
        return f"{self.name}.npz" if size == SMALLEST else f"{self.name}_{size}.npz"

    def size_for(self, size: int | None) -> int:
        """Return the smallest published size that is not below `size`; else the largest."""
        return next((s for s in sorted(self.files) if s >= (size or SMALLEST)), max(self.files))


SMALLEST = 28


@cache
def catalogue() -> dict[str, Published]:
    """Return the published sets by name."""
    return {entry.name: entry for entry in read_list(Published, data_folder() / "medmnist.yaml")}


def named(word: str) -> tuple[Published, int | None] | None:
    """Return the set, and the size if one is named, that a word or a file's stem means."""
    stem, _, size = word.strip().lower().partition("_")
    entry = catalogue().get(stem)
    if entry is None or (size and whole_number(size) not in entry.files):
        return None
    return entry, int(size) if size else None


def open_medmnist(
    word: str,
    *,
    size: int | None = None,
    progress: Received | None = None,
) -> ImageSet:
    """Open a set by its official name (``pneumoniamnist``, ``pneumoniamnist_64``).

    Looked for in the folder :data:`IMAGES` (directly, or in a folder of its name), then in the
    cache; else fetched to the cache. Where the size that fits is not at hand, it is fetched: a
    smaller one never stands in for it.

    Parameters
    ----------
    word
        The name; with ``_64``, ``_128`` or ``_224`` the file of that size.
    size
        Pixels that the images are needed at: the smallest file that is not below is taken.
    progress
        Called while fetching, with the bytes so far and in all (None if unknown).

    Raises
    ------
    ImagesError
        The set is multi-label, or neither at hand nor to be fetched; says what to put where.
    """
    found = named(word)
    if found is None:
        raise UsageError(f"{word}: is no set of MedMNIST.", f"Known: {', '.join(catalogue())}.")
    entry, stated = found
    _single_label(entry)
    wanted = stated or entry.size_for(size)
    name = entry.file_name(wanted)
    home = cache_folder() / "medmnist" / name
    given = os.environ.get(IMAGES)
    places = [Path(given) / name, Path(given) / entry.name / name] if given else []
    for place in (*places, home):
        if place.is_file():
            return open_published(place, entry, wanted)
    file = entry.files[wanted]
    try:
        fetch(file.url, home, file.md5, algorithm="md5", progress=progress)
    except DownloadError as error:
        hint = f"Fetch {file.url} by any means and put it at {home} (MD5 {file.md5})."
        raise ImagesError(error.message, hint) from error
    return open_published(home, entry, wanted)


def open_published(path: Path, entry: Published, size: int) -> ImageSet:
    """Open a local file of a published set, and say in `source` whether it is that file.

    Raises
    ------
    ImagesError
        The set is multi-label, or the file is not an .npz of its form.
    """
    _single_label(entry)
    try:
        with path.open("rb") as stream:
            md5, sha256 = _digests(stream)
    except OSError as error:
        raise ImagesError(f"{path}: {error.strerror}.", "Check the path.") from error
    published = entry.files[size].md5
    images = open_npz(path, name=entry.name, classes=entry.classes)
    counts = {part: (images.parts or ()).count(part) for part in entry.images}
    if md5 == published:
        # Two files of one MD5 can be made: the whole SHA-256 is held against that of the first use.
        try:
            use = first_used(entry.file_name(size), sha256)
        except ReplicationError as error:
            raise ImagesError(f"{path}: {error.message}", error.hint) from None
        kept = f"kept since {use.day}" if use.kept else "not kept"
        verdict = f"the published file (MD5 {md5}; SHA-256 {kept})"
    else:
        verdict = f"not the published file (MD5 {md5} instead of {published})"
        found, known = ("/".join(map(str, each.values())) for each in (counts, entry.images))
        if counts == entry.images:
            verdict += ", with as many images in each part"
        else:
            verdict += f": {found} images in {'/'.join(entry.images)} instead of {known}"
    height, width = images.read(0).shape[:2]
    return replace(
        images,
        published=entry.name if md5 == published else None,
        source=f"MedMNIST {entry.title}, {height} x {width}, from {entry.made_from}, "
        f"{entry.licence}; {verdict}; patients not known",
    )


def _digests(stream: IO[bytes]) -> tuple[str, str]:
    """Return MD5 and SHA-256 of what is read once."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    while block := stream.read(1 << 20):
        md5.update(block)
        sha256.update(block)
    return md5.hexdigest(), sha256.hexdigest()


def _single_label(entry: Published) -> None:
    if entry.multi_label:
        raise ImagesError(
            f"{entry.name}: an image may show several of {len(entry.classes)} findings at once "
            "(multi-label).",
            "A replication tells classes apart that exclude one another; take another set.",
        )
