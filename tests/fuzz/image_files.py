"""Hostile pictures, DICOM files, archives, tables and links, each opened and read to the end."""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random
from unittest import mock

from replicate.images import arrays
from replicate.images.apart import SECONDS
from replicate.images.decoding import DICOM, PICTURES
from replicate.images.opening import open_images
from replicate.images.reading import Reading
from replicate.places import CACHE
from tests.fuzz.image_sets import archive, linked, spoiled, table
from tests.fuzz.outcome import FINE, Outcome, command, judge
from tests.fuzz.picture_bombs import BOMBS_BY_NAME
from tests.fuzz.sound_images import foreign, sound

#: Most that this process may grow by, at any moment: the largest picture there is, in Pillow's
#: four bytes a pixel, and as an array.
ROOM = 700 * 2**20
#: Every so many attempts the command line is asked, too.
_COMMAND_EVERY = 10
#: Bytes beyond which arrays are unpacked to the cache in some attempts.
_LITTLE = 100

SUFFIXES = (*sorted(PICTURES | DICOM), "", ".7")


@dataclass(frozen=True, slots=True)
class _Files:
    """What attempts are made of, and where."""

    sound: list[tuple[str, bytes]]
    foreign: list[tuple[str, bytes]]
    place: Path
    mark: Path
    number: int = 0

    @property
    def secret(self) -> str:
        return hashlib.sha256(self.sound[0][1] + b"secret").hexdigest()

    def classes(self, name: str, content: bytes) -> Path:
        """Make a class folder with a sound picture in each class, and this file in one."""
        folder = self.place / "set"
        for label in "ab":
            (folder / label).mkdir(parents=True)
            (folder / label / "0.png").write_bytes(self.sound[0][1])
        (folder / "b" / name).write_bytes(content)
        return folder


Way = Callable[[Random, _Files], tuple[str, Path]]


def _mutant(draw: Random, files: _Files) -> tuple[str, Path]:
    place = draw.randrange(len(files.sound))
    suffix, content = files.sound[place]
    return f"mutant: {place}{suffix}", files.classes(f"x{suffix}", spoiled(content, draw))


def _renamed(draw: Random, files: _Files) -> tuple[str, Path]:
    (was, content), suffix = draw.choice(files.sound), draw.choice(SUFFIXES)
    if draw.random() < 0.5:
        content = spoiled(content, draw)
    return f"renamed: {was} as {suffix}", files.classes(f"x{suffix}", content)


def _foreign(draw: Random, files: _Files) -> tuple[str, Path]:
    (what, content), suffix = draw.choice(files.foreign), draw.choice((*SUFFIXES, ".csv", ".npz"))
    if suffix in (".csv", ".npz"):
        path = files.place / f"x{suffix}"
        path.write_bytes(content)
        return f"foreign: {what} as {suffix}", path
    return f"foreign: {what} as {suffix}", files.classes(f"x{suffix}", content)


def _bomb(draw: Random, files: _Files) -> tuple[str, Path]:
    # Each in turn, the dear ones too.
    name = list(BOMBS_BY_NAME)[files.number // len(WAYS) % len(BOMBS_BY_NAME)]
    return f"bomb: {name}", files.classes(name, BOMBS_BY_NAME[name]())


WAYS: tuple[Way, ...] = (
    _mutant,
    lambda draw, files: archive(draw, files.place, files.mark),
    _foreign,
    lambda draw, files: table(draw, files.place, files.sound[0][1]),
    _mutant,
    _renamed,
    lambda draw, files: linked(draw, files.place, files.sound[0][1]),
    _bomb,
)


def _resident(what: str) -> int:
    """Return bytes of this process: ``VmRSS`` now, ``VmHWM`` at most; 0 where unknown."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0)


def _before() -> int:
    """Forget the most that this process ever had, and return what it has."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return _resident("VmHWM")
    return _resident("VmRSS")


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return name, size and time of everything below a folder."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {
        str(path): (state.st_size, state.st_mtime_ns)
        for path, state in found.items()
        if not path.is_dir()
    }


def _left(cache: Path) -> list[str]:
    """Return what is in the cache and is neither a lock nor arrays that are whole."""
    files = [path.name for path in cache.rglob("*") if path.is_file()]
    whole = (".npy", ".npz")  # of images, and of their hashes; drafts of either are hidden
    return [
        name for name in files if name != ".lock" and (name[0] == "." or name[-4:] not in whole)
    ]


def _asked(tried: str, where: Path, found: Outcome, outside: bool) -> Outcome:
    """Ask the command line for the same; it must come to the same, and obey no file's escapes."""
    options = ["--allow-outside"] if outside else []
    asked, printed = command(["replicate", "leakage", str(where), *options])
    # The words of a refusal are made harmless when they are printed, which is beyond this call.
    shown = printed if asked.kind == "answered" else ""
    signs = [sign for sign in shown if unicodedata.category(sign) == "Cc" and sign not in "\n\t"]
    if asked.kind not in FINE:
        kind = asked.kind
    elif asked.kind != found.kind:
        kind = "differs"
    elif signs:
        kind = "executed"
    else:
        return found
    told = "\n".join((tried, found.seen, repr(printed), asked.seen))
    return Outcome(kind, asked.tried, told, asked.seconds)


def _attempt(tried: str, where: Path, files: _Files, cache: Path, outside: bool) -> Outcome:
    before, tree = _before(), _tree(files.place)
    seen: set[str] = set()

    def read() -> None:
        images = open_images(where, reading=Reading(allow_outside=outside))
        for index in range(len(images)):
            seen.add(images.fingerprint(index))
            images.read(index)

    outcome = judge(tried, read)
    grown = _resident("VmHWM") - before
    if outcome.kind in FINE and files.number % _COMMAND_EVERY == 0:
        outcome = _asked(tried, where, outcome, outside)
    if outcome.kind not in FINE:
        return outcome
    if files.mark.exists():
        return replace(outcome, kind="executed", seen=f"{files.mark} was made")
    if grown > ROOM:
        return replace(outcome, kind="lost", seen=f"{grown >> 20:,} MB of memory")
    if _tree(files.place) != tree or _left(cache):
        return replace(outcome, kind="half-written", seen=f"{_left(cache)} {tree}")
    if files.secret in seen and not outside:
        return replace(outcome, kind="silent", seen="read a picture outside the set")
    return outcome


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Make one hostile set after another."""
    draw = Random(seed)
    place, cache, mark = folder / "attempt", folder / "cache", folder / "ran"
    files = _Files(sound(seed, folder), foreign(mark), place, mark)
    own = {CACHE: str(cache), SECONDS: "2"}
    for number in count():
        place.mkdir()
        files = replace(files, number=number)
        with warnings.catch_warnings(), mock.patch.dict(os.environ, own):
            warnings.simplefilter("ignore")  # of what makes the files, and of decoders
            tried, where = WAYS[number % len(WAYS)](draw, files)
            room = draw.choice((_LITTLE, arrays.IN_MEMORY))
            with mock.patch.object(arrays, "IN_MEMORY", room):
                outcome = _attempt(f"{number}: {tried}", where, files, cache, draw.random() < 0.3)
        yield outcome
        shutil.rmtree(place)
        shutil.rmtree(cache, ignore_errors=True)
        mark.unlink(missing_ok=True)
