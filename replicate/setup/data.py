"""Which images a setup runs on: those of one of its sources, or whatever the caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.errors import UsageError
from db.literature import Study
from db.vocabulary import fold
from replicate.images.image_set import COPIES, ImageSet
from replicate.setup.files import Setup, Source, datasets
from replicate.setup.ledger import Account
from replicate.spec import Fidelity

#: Name of the data where images are still to be found.
NO_IMAGES = "to be chosen"
#: Who chooses any of these wants another split than the set's own.
_OTHER_SPLITS = frozenset({"split.kind", "split.by", "split.test", "split.folds", "split.repeats"})


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a specification, described or not."""

    name: str
    source: Source | None
    fidelity: Fidelity
    reason: str
    classes: dict[str, str] | None
    phantom: bool = False
    missing: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def images_of(setup: Setup, name: str | None, images: ImageSet | None) -> Images:
    """Say which of a setup's sources the images are.

    Raises
    ------
    UsageError
        No such source, images with other classes than the source, or more than one that they can
        be.
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
    said = source is not None
    if source is None:
        source = _recognised(setup, images)
    elif not source.knows(images.classes):
        raise UsageError(
            f"{images.name} is not {source.name} of {setup.key}: it has the classes "
            f"{', '.join(images.classes)}.",
            f"{source.name} has {', '.join((*source.classes, *source.left_out))}.",
        )
    if source is None:
        reason = f"{setup.key} does not describe these images; their classes are taken as they are."
        return Images(images.name, None, "proxy", reason, None, known=images.classes)
    described = _described(source, images)
    if described.fidelity != "same data" or said or _bears(source, images):
        return described
    if len(images) == address_of(source)[2]:
        return described
    # Anybody's folders can be called so: classes alone do not make it the study's own set.
    reason = (
        f"By its classes this can be {source.title}, which the study used; that it is says "
        f"--source {source.name}."
    )
    return replace(described, fidelity="same task", reason=reason)


def _bears(source: Source, images: ImageSet) -> bool:
    """Tell whether a set is named as a source; MedMNIST's names may carry a size."""
    stem = images.name.partition("_")[0]
    return stem == source.images or fold(images.name) == fold(source.name)


def _recognised(setup: Setup, images: ImageSet) -> Source | None:
    """Find the source whose classes the images have; one known by name must also bear it."""
    fitting = [source for source in setup.sources if source.knows(images.classes)]
    # Of several, the one that the set is named after. A set that is not named as one of MedMNIST's
    # is none of them.
    named = [source for source in fitting if _bears(source, images)]
    fitting = named or [source for source in fitting if source.images is None] or fitting
    spelt = set(images.classes)
    same = [source for source in fitting if spelt <= {*source.classes, *source.left_out}]
    fitting = same or fitting
    if len(fitting) > 1:
        raise UsageError(
            f"{images.name} can be {' or '.join(source.name for source in fitting)} of "
            f"{setup.key}, by its classes.",
            "Say with --source which it is.",
        )
    return fitting[0] if fitting else None


def _described(source: Source, images: ImageSet | None, missing: tuple[str, ...] = ()) -> Images:
    classes = dict(source.classes)
    if images is not None:  # the set may spell its classes in another case
        own = {fold(name): name for name in images.classes}
        classes = {own[fold(name)]: task for name, task in classes.items()}
    known = tuple(dict.fromkeys(classes.values()))
    return Images(
        source.name, source, source.fidelity, source.reason, classes, missing=missing, known=known
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
    if source is not None:
        mapping = "our mapping of the set's classes to the study's task"
        if study is not None and "task" in study.values:
            mapping += f" ({study.value('task')})"
        account.assume("data.classes", data.classes, mapping, "setup")
    else:
        account.assume("data.classes", data.classes, "all classes as they are", "house")
    if source is not None and source.positive is not None:
        reason = "the class that the task looks for"
        account.assume("data.positive", source.positive, reason, "setup")
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
    """Fit the split to what the images have: parts of their own, and known groups."""
    if images.parts is None:
        if account.value("split.kind") == "official" and "split.kind" not in asked:
            reason = "these images have no parts of their own"
            account.assume("split.kind", "hold-out", reason, "found")
    elif free and _whole_parts(images) and not asked.keys() & _OTHER_SPLITS:
        account.assume("split.kind", "official", "the set has parts of its own", "found")
    if account.value("split.by") == "group" and "split.by" not in asked:
        if not images.groups:
            account.assume("split.by", "image", "no patients or groups are known", "found")
        elif images.unit == COPIES:
            reason = "copies must not stand on both sides; patients are not known"
            account.assume("split.by", "group", reason, "found")


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
