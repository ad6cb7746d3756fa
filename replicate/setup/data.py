"""Which images a setup runs on: those of one of its sources, or whatever the caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.errors import UsageError
from db.literature import Study
from db.vocabulary import fold
from replicate.images.image_set import COPIES, ImageSet
from replicate.setup.files import Setup, Source, datasets, known_sets
from replicate.setup.ledger import Account
from replicate.spec import Fidelity

#: Name of the data where images are still to be found.
NO_IMAGES = "to be chosen"
#: Who chooses any of these wants another split than the set's own.
_OTHER_SPLITS = frozenset({"split.kind", "split.by", "split.test", "split.folds", "split.repeats"})


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a specification, described or not.

    `source` is what they are, by their content or because the caller says so. Images that are not
    known to be any can have the classes of one, `alike`: their classes are then mapped to the task
    as its are, and all else is their own. `grouped` tells whether groups were read.
    """

    name: str
    source: Source | None
    fidelity: Fidelity
    reason: str
    classes: dict[str, str] | None
    phantom: bool = False
    missing: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    alike: Source | None = None
    grouped: bool = False

    @property
    def mapping(self) -> Source | None:
        """The source whose classes they have."""
        return self.source or self.alike

    def tested_on(self, name: str) -> Images:
        """Return what they are where another set is tested: no study's own data any more."""
        level: Fidelity = "same task" if self.fidelity == "same data" else self.fidelity
        reason = f"{self.reason} Tested on {name}: external validation."
        return replace(self, fidelity=level, reason=reason)


def images_of(setup: Setup, name: str | None, images: ImageSet | None) -> Images:
    """Say which of a setup's sources the images are: the one that is named, or by their content.

    Raises
    ------
    UsageError
        No such source, or images with other classes than it.
    """
    source = setup.source(name) if name is not None else None
    if images is None:
        source = source or (setup.sources[0] if setup.sources else None)
        if source is None:
            reason = "No public images are described for it."
            return Images(NO_IMAGES, None, "proxy", reason, None)
        missing = () if source.images else (f"images: {source.get}",)
        return _described(source, None, missing)
    if images.phantom:
        reason = "Synthetic images: they show that the machinery works and nothing on medicine."
        return Images(images.name, None, "proxy", reason, None, True, known=images.classes)
    if source is None:
        source = _recognised(setup, images)
    elif not source.knows(images.classes):
        raise UsageError(
            f"{images.name} is not {source.name} of {setup.key}: it has the classes "
            f"{', '.join(images.classes)}.",
            f"{source.name} has {', '.join((*source.classes, *source.left_out))}.",
        )
    return _own(setup, images) if source is None else _described(source, images)


def _recognised(setup: Setup, images: ImageSet) -> Source | None:
    """Find the source that the images are, by the checksum of their file or of all of them."""
    fitting = [source for source in setup.sources if source.knows(images.classes)]
    names = {known.source for known in known_sets() if known.images == len(images)}
    told: set[str] = set()
    if not names.isdisjoint(source.name for source in fitting):  # only then all are read
        told = {known.source for known in known_sets() if known.sha256 == images.pictures}
    published = images.published
    return next(
        (
            source
            for source in fitting
            if source.name in told or (published is not None and source.images == published)
        ),
        None,
    )


def _own(setup: Setup, images: ImageSet) -> Images:
    """Describe images that are the caller's own, whatever their classes are called."""
    fitting = [source for source in setup.sources if source.knows(images.classes)]
    spelt = set(images.classes)
    same = [source for source in fitting if spelt <= {*source.classes, *source.left_out}]
    alike = next(iter(same or fitting), None)
    if alike is None:
        reason = f"{setup.key} does not describe these images; their classes are taken as they are."
        return Images(images.name, None, "proxy", reason, None, known=images.classes)
    classes = _mapped(alike, images)
    reason = (
        f"Images of your own, whose classes are called as those of {alike.title} are; nothing else "
        f"is taken from there. That they are that set says --data {alike.name}."
    )
    return Images(
        images.name,
        None,
        "proxy" if alike.fidelity == "proxy" else "same task",
        reason,
        classes,
        known=tuple(dict.fromkeys(classes.values())),
        alike=alike,
    )


def _mapped(source: Source, images: ImageSet) -> dict[str, str]:
    """Return a source's classes with those of the task; the set may spell them in another case."""
    own = {fold(name): name for name in images.classes}
    return {own[fold(name)]: task for name, task in source.classes.items()}


def _described(source: Source, images: ImageSet | None, missing: tuple[str, ...] = ()) -> Images:
    classes = dict(source.classes) if images is None else _mapped(source, images)
    return Images(
        source.name,
        source,
        source.fidelity,
        source.reason,
        classes,
        missing=missing,
        known=tuple(dict.fromkeys(classes.values())),
        grouped=images is not None and bool(images.groups),
    )


def enter(account: Account, data: Images, study: Study | None, asked: Mapping[str, Any]) -> None:
    """Enter all that a spec says of its data.

    Raises
    ------
    UsageError
        A positive class that the images do not have.
    """
    source = data.source
    used = source.used if source is not None else None
    row = next((row for row in study.datasets if row.name == used), None) if study else None
    if row is not None and data.fidelity == "same data":
        account.report("data.name", data.name, f"{row.name}: {row.source or row.basis}")
    elif source is not None:
        account.assume("data.name", data.name, f"{data.fidelity}: {data.reason}", "setup")
    elif data.name == NO_IMAGES:
        account.assume("data.name", data.name, "no images chosen", "found")
    else:
        account.choose("data.name", data.name)
    real = "synthetic images" if data.phantom else "real images"
    account.assume("data.phantom", data.phantom, real, "found")
    like = data.mapping
    if like is not None:
        of = (
            "the set's classes"
            if source is not None
            else f"classes that are called as {like.name}'s"
        )
        mapping = f"our mapping of {of} to the study's task"
        if study is not None and "task" in study.values:
            mapping += f" ({study.value('task')})"
        account.assume("data.classes", data.classes, mapping, "setup")
    else:
        account.assume("data.classes", data.classes, "all classes as they are", "house")
    if like is not None and like.positive is not None:
        reason = "the class that the task looks for"
        account.assume("data.positive", like.positive, reason, "setup")
    else:
        account.assume("data.positive", None, "no class is named as the finding", "house")
    account.assume("data.max_images", None, "all images", "house")
    account.assume("data.content", None, "known when the images have been read", "found")
    for path in ("data.positive", "data.max_images"):
        if path in asked:
            account.choose(path, asked[path])
    positive = account.value("data.positive")
    if positive is not None and data.known and positive not in data.known:
        raise UsageError(
            f"positive: {positive!r} is no class of {data.name}.",
            f"It has {', '.join(data.known)}.",
        )


def fit_split(account: Account, images: ImageSet, asked: Mapping[str, Any], *, free: bool) -> None:
    """Fit the split to what the images have: parts of their own, and known groups.

    Images are `free` where no source says how they are divided.
    """
    if images.parts is None:
        if account.value("split.kind") == "official" and "split.kind" not in asked:
            reason = "these images have no parts of their own"
            account.assume("split.kind", "hold-out", reason, "found")
    elif (
        free
        and account["split.kind"].origin == "house"
        and _whole_parts(images)
        and not asked.keys() & _OTHER_SPLITS
    ):
        account.assume("split.kind", "official", "the set has parts of its own", "found")
    if account.value("split.by") == "group" and "split.by" not in asked:
        if not images.groups:
            account.assume("split.by", "image", "no patients or groups are known", "found")
        elif images.unit == COPIES:
            reason = "copies must not stand on both sides; patients are not known"
            account.assume("split.by", "group", reason, "found")


def enter_test(account: Account, images: ImageSet | None, asked: Mapping[str, Any]) -> None:
    """Enter what is tested on, where that is another set, and the split that follows from it.

    Raises
    ------
    UsageError
        Another split is asked for.
    """
    other = images.external if images is not None else None
    if other is None:
        account.assume("data.test", None, "the test images are of the same set", "house")
        return
    if asked.keys() & _OTHER_SPLITS - {"split.by"}:
        raise UsageError(
            "--test-images: all of the other set is tested, and all of the first trains.",
            "Leave out --split, --test, --folds and --repeats.",
        )
    because = "follows from the images to test on, "
    account.choose("data.test.name", other.name)
    account.assume("data.test.content", other.content, "SHA-256 of what was found", "found")
    account.choose("data.test.classes", dict(other.classes), "by name, or as they are mapped; ")
    account.choose("split.kind", "external", because)
    account.choose("split.repeats", 1, because)


def _whole_parts(images: ImageSet) -> bool:
    """Tell whether one can train and test on a set's own parts: both hold every class."""
    every = set(images.labels.tolist())
    parts = images.parts or ()
    return all(
        {label for label, own in zip(images.labels.tolist(), parts, strict=True) if own == part}
        == every
        for part in ("train", "test")
    )


def address_of(source: Source) -> tuple[str | None, str | None, int | None]:
    """Return address, licence and number of images of a source, its own or the data set's."""
    listed = datasets().get(source.dataset) if source.dataset else None
    return (
        source.url or (listed.url if listed else None),
        source.licence or (listed.licence if listed else None),
        source.n_images or (listed.n_images if listed else None),
    )
